"""One model: how to call it, what it costs, what it is, whether it runs, what was used of it."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from tradewind.core.errors import NotFound
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.portal.code_samples import Sample, samples
from tradewind.portal.parts import Portal
from tradewind.readmodels.models import ServedModel
from tradewind.readmodels.usage import Period, Scope, Totals, read_totals, window_of

_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class ModelPage:
    model: ServedModel
    samples: list[Sample]
    month: list[Totals]
    """The last 30 days, one entry for each currency; empty when nobody called it."""
    can_see_usage: bool
    can_chat: bool


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services = portal.services
    gate = portal.access.allowed(Permission.MODELS_READ)

    @router.get("/models/{publisher}/{slug}")
    def model(
        request: Request,
        publisher: str,
        slug: str,
        viewer: Annotated[Viewer, Depends(gate)],
    ) -> Response:
        name = f"{publisher}/{slug}"
        can_see_usage = viewer.may(Permission.USAGE_READ)
        month: list[Totals] = []
        missing = NotFound(
            f"no model {name[:_LONGEST_NAME]!r} is served here",
            hint="look for it in the list of models",
        )
        # PostgreSQL has no text with a NUL; no name has any other control character either.
        if len(name) > _LONGEST_NAME or not name.isprintable():
            raise missing
        with services.database.transaction() as tx:
            served = services.get_model(tx, name)
            if served is None:
                raise missing
            if can_see_usage:
                window = window_of(Period.MONTH, services.clock.now())
                month = read_totals(tx, Scope(viewer.organization_id, served.name), window)
        page = ModelPage(
            model=served,
            samples=samples(
                served.operation, model=served.name, base_url=f"{services.public_url()}/v1"
            ),
            month=month,
            can_see_usage=can_see_usage,
            can_chat=viewer.may(Permission.KEYS_WRITE),
        )
        return portal.shell.page(request, "model.html", page, viewer=viewer)

    return router
