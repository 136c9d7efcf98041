"""Serves the gateways' own questions beside the portal and the API: on a socket and in a thread of
its own, so that no page that is slow keeps an answer of a model waiting.
"""

import contextlib
import threading
from collections.abc import Generator
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from tradewind.serve.private_socket import private_socket

# Gateways wait 10 s at most for an answer.
_GRACE_S = 10
_JOIN_S = 15.0


@contextlib.contextmanager
def backstage_served(app: FastAPI, path: Path) -> Generator[None]:
    """Serve `app` on a unix socket at `path` for the time of the block.

    Who connects before the thread has come up waits; questions under way at the end are answered.
    """
    listener = private_socket(path)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            access_log=False,
            server_header=False,
            log_config=None,
            timeout_graceful_shutdown=_GRACE_S,
            # A gateway's idle connections end after 30 s, so it is never us who end them.
            timeout_keep_alive=60,
            ws="none",
            lifespan="off",
        )
    )
    # A daemon: a thread that hangs must not keep a process that was told to stop.
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, name="backstage", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(_JOIN_S)
        path.unlink(missing_ok=True)
