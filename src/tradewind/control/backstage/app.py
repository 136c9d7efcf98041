"""The application on the gateways' socket. One line for each family of questions."""

import logging

import msgspec
from fastapi import FastAPI, Request, Response

from tradewind.control.backstage import files, leases, responses, safety
from tradewind.control.backstage.services import BackstageServices
from tradewind.core.errors import Unavailable

__all__ = ["BackstageServices", "create_backstage"]

_log = logging.getLogger(__name__)


def create_backstage(services: BackstageServices) -> FastAPI:
    """Return the application; routes run in threads, as their database driver is synchronous."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.services = services
    app.add_exception_handler(Unavailable, _unavailable)
    app.add_exception_handler(msgspec.MsgspecError, _unreadable)
    app.include_router(responses.router)
    app.include_router(files.router)
    app.include_router(leases.router)
    app.include_router(safety.router)
    return app


def _unavailable(_request: Request, error: Exception) -> Response:
    _log.warning("a gateway's question was not answered: %s", error)
    return Response(status_code=503)


def _unreadable(request: Request, _error: Exception) -> Response:
    """A gateway of another release, say. What it sent may hold prompts, so it is not shown."""
    _log.error("the body of %s %s cannot be read", request.method, request.url.path)
    return Response(status_code=400)
