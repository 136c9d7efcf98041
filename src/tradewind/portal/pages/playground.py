"""The playground: an island that talks to the gateway like any client, with a key of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.portal.parts import Portal
from tradewind.readmodels.models import ServedModel
from tradewind.snapshot.contents import Operation


@dataclass(frozen=True, slots=True)
class PlaygroundPage:
    models: Sequence[ServedModel]
    """Chat models; those that are not ready are shown and cannot be chosen."""
    chosen: str | None
    """The model to start with, or None when none is ready."""
    waiting_for: ServedModel | None
    """A model that is on its way, when none is ready."""
    base_url: str


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    gate = access.allowed(Permission.KEYS_WRITE)

    @router.get("/playground")
    def playground(
        request: Request, viewer: Annotated[Viewer, Depends(gate)], model: str = ""
    ) -> Response:
        with services.database.transaction() as tx:
            served = services.list_models(tx, viewer.organization_id)
        models = [entry for entry in served if entry.operation == Operation.CHAT]
        ready = [entry.name for entry in models if entry.state == "ready"]
        page = PlaygroundPage(
            models=models,
            chosen=model if model in ready else next(iter(ready), None),
            waiting_for=next((entry for entry in models if entry.state == "starting"), None),
            base_url=f"{services.public_url()}/v1",
        )
        return portal.shell.page(request, "playground.html", page, viewer=viewer)

    @router.post("/playground/key", dependencies=[Depends(access.own_form)])
    def key(viewer: Annotated[Viewer, Depends(gate)]) -> Response:
        """Mint a key that lives about an hour. The page keeps it in memory and nowhere else."""
        with services.database.transaction() as tx:
            created = services.accounts.mint_playground_key(tx, viewer)
        expires_at = created.row.expires_at
        assert expires_at is not None, "a playground key never lives for ever"
        return JSONResponse({"key": created.text, "expires_at": expires_at.isoformat()})

    return router
