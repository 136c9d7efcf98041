"""Endpoints: the names that clients call, each with its price and the state of its targets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.portal.parts import Portal
from tradewind.readmodels.endpoints import (
    EndpointQuestion,
    EndpointView,
    hosts_in_use,
    list_endpoints,
)

ON_A_PAGE = 100
_LONGEST_SEARCH = 100
_MOST_PAGES = 1_000


@dataclass(frozen=True, slots=True)
class EndpointsPage:
    endpoints: Sequence[EndpointView]
    found: int
    total: int
    query: str
    provider: str
    """What the list is narrowed to: `own`, the id of a connection, or nothing."""
    providers: Sequence[tuple[str, str]]
    first: int
    """Number of the first endpoint shown, from 1."""
    former: str | None
    """Address of the page before this one."""
    next: str | None
    can_add: bool


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services = portal.services
    gate = portal.access.allowed(Permission.MODELS_READ)

    @router.get("/endpoints")
    def endpoints(
        request: Request,
        viewer: Annotated[Viewer, Depends(gate)],
        q: Annotated[str, Query(max_length=_LONGEST_SEARCH)] = "",
        provider: Annotated[str, Query(max_length=_LONGEST_SEARCH)] = "",
        page: Annotated[int, Query(ge=1, le=_MOST_PAGES)] = 1,
    ) -> Response:
        offset = (page - 1) * ON_A_PAGE
        question = EndpointQuestion(viewer.organization_id, q, provider, offset, ON_A_PAGE)
        with services.database.transaction() as tx:
            answer = list_endpoints(tx, question)
            providers = hosts_in_use(tx, viewer.organization_id)

        def address(number: int) -> str:
            wanted = {"q": q, "provider": provider, "page": number if number > 1 else ""}
            query = urlencode({name: value for name, value in wanted.items() if value})
            return f"/endpoints?{query}" if query else "/endpoints"

        shown = EndpointsPage(
            endpoints=answer.endpoints,
            found=answer.found,
            total=answer.total,
            query=q,
            provider=provider,
            providers=providers,
            first=offset + 1,
            former=address(page - 1) if page > 1 else None,
            next=address(page + 1) if offset + ON_A_PAGE < answer.found else None,
            can_add=viewer.may(Permission.PROVIDERS_WRITE),
        )
        return portal.shell.page(request, "endpoints.html", shown, viewer=viewer)

    return router
