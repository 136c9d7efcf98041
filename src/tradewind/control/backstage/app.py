"""The application on the gateways' socket."""

from dataclasses import dataclass

from fastapi import FastAPI

from tradewind.core.clock import Clock
from tradewind.db.database import Database


@dataclass(frozen=True, slots=True)
class BackstageServices:
    """What the routes stand on."""

    database: Database
    clock: Clock


def create_backstage(services: BackstageServices) -> FastAPI:
    """Return the application; routes run in threads, as their database driver is synchronous."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.services = services
    return app
