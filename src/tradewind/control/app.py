"""Builds the application of the control plane: the API under `/api`, room for the portal beside."""

from typing import Any

from fastapi import FastAPI
from fastapi.responses import RedirectResponse

from tradewind import __version__
from tradewind.control.api import api_routes
from tradewind.control.marketplace_wire import add_shaped_answers
from tradewind.control.problems import PROBLEM_SCHEMAS, add_problem_handlers
from tradewind.control.receipt_routes import KEYS_PATH
from tradewind.control.services import ControlServices
from tradewind.control.shield import Shield

RECEIPT_KEYS = "/.well-known/tradewind-receipt-keys.pem"
"""Where auditors look for the keys that receipts are signed with."""


def create_app(services: ControlServices) -> FastAPI:
    """Return the application. Everything outside `/api` is free; mount the portal last, at "/"."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    # For paths that no mount takes, such as one with a line feed in it.
    add_problem_handlers(app)
    app.mount("/api", create_api(services))
    app.add_api_route(RECEIPT_KEYS, _receipt_keys)
    app.add_middleware(Shield)
    return app


async def _receipt_keys() -> RedirectResponse:
    return RedirectResponse(f"/api{KEYS_PATH}")


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        described = super().openapi()
        described["components"]["schemas"].update(PROBLEM_SCHEMAS)
        return described


def create_api(services: ControlServices) -> FastAPI:
    """Return the API as an application of its own, so that no page or handler of the portal ever
    answers for a path below it.
    """
    api = _Api(
        title="Tradewind control API",
        version=__version__,
        openapi_url="/openapi.json",
        # The interactive pages of FastAPI load scripts from another host.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    add_problem_handlers(api)
    add_shaped_answers(api)
    api.include_router(api_routes(services).router)
    return api
