"""The control plane's process: API and portal on a unix socket, behind the gateway.

`python -m tradewind.serve.control --socket PATH --public-url URL`
"""

import argparse
import os
import socket
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from tradewind.control.app import create_app
from tradewind.control.services import ControlServices
from tradewind.core.data_folder import DataFolder
from tradewind.core.parent_death import end_with_parent
from tradewind.core.settings import Settings
from tradewind.db.database import Database, Timeouts
from tradewind.portal.app import create_portal
from tradewind.portal.services import PortalServices
from tradewind.readmodels.models import list_models
from tradewind.readmodels.project_usage import read_project_usage
from tradewind.serve.secret_files import load_or_create_pepper
from tradewind.serve.services import build_services
from tradewind.telemetry.logs import log_to_stderr

_GRACE_S = 10
_BACKLOG = 512


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="tradewind-control")
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--public-url", required=True)
    parser.add_argument("--parent", type=int, help="end with the process of this id")
    arguments = parser.parse_args()
    log_to_stderr()
    if arguments.parent is not None:
        end_with_parent(arguments.parent)
    config = uvicorn.Config(
        build_app(Settings(), public_url=arguments.public_url),
        # Only the gateway can reach the socket, and it says who the client is.
        forwarded_allow_ips="*",
        proxy_headers=True,
        access_log=False,
        server_header=False,
        log_config=None,
        timeout_graceful_shutdown=_GRACE_S,
        # Answers go through the gateway, whose idle connections end after 30 s.
        timeout_keep_alive=60,
        ws="none",
    )
    uvicorn.Server(config).run(sockets=[_private_socket(arguments.socket)])


def _private_socket(path: Path) -> socket.socket:
    """Return a listening unix socket that only this user can connect to.

    Whoever can connect says who the client is (`x-forwarded-for`); uvicorn's own would let all in.
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


def build_app(settings: Settings, *, public_url: str) -> FastAPI:
    """Return the whole control plane as one application."""
    assert settings.database_url is not None, (
        "whoever starts the control plane hands it the database"
    )
    folder = DataFolder(settings.data.resolve())
    database = Database(
        settings.database_url,
        application_name="tradewind-control",
        pool_size=10,
        timeouts=Timeouts(statement_s=10),
    )
    services = build_services(load_or_create_pepper(folder.secrets))
    app = create_app(
        ControlServices(
            database=database,
            accounts=services.accounts,
            clock=services.clock,
            list_models=list_models,
            read_usage=read_project_usage,
        )
    )
    portal = create_portal(
        PortalServices(
            database=database,
            accounts=services.accounts,
            clock=services.clock,
            public_url=lambda: public_url,
        )
    )
    app.mount("/", portal)
    return app


if __name__ == "__main__":
    main()
