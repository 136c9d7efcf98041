"""Unix sockets that only this user can connect to."""

import os
import socket
from pathlib import Path

_BACKLOG = 512


def private_socket(path: Path) -> socket.socket:
    """Return a listening unix socket at `path`, in place of one that a killed process left there.

    Whoever can connect is believed: who the client is, for which organization is asked. uvicorn's
    own sockets would let all users of the machine in.
    """
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    former = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(former)
    listener.listen(_BACKLOG)
    return listener
