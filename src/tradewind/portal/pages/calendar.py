"""Links to the calendar of models that end: one's own, and as an administrator everybody's."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, InvalidInput, NotFound, TradewindError
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.catalog.calendars import MOST_LINKS, NAME_MAX, sees_all_links
from tradewind.portal.form_fields import Fields
from tradewind.portal.parts import Portal
from tradewind.readmodels.calendar_links import CalendarLink, list_calendar_links

_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class CalendarPage:
    links: Sequence[CalendarLink]
    sees_all: bool
    own: int
    """How many of them are the viewer's."""
    name: str = ""
    """What was typed."""
    refusal: TradewindError | None = None
    most: int = MOST_LINKS
    longest: int = NAME_MAX


@dataclass(frozen=True, slots=True)
class NewLinkPage:
    name: str
    url: str


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, links = services.database, services.calendar_links
    may_follow = access.allowed(Permission.KEYS_WRITE)
    own_form = [Depends(access.own_form)]

    @router.get("/calendar")
    def calendar(request: Request, viewer: Annotated[Viewer, Depends(may_follow)]) -> Response:
        return _page(request, viewer)

    @router.post("/calendar", dependencies=own_form)
    def create(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_follow)]
    ) -> Response:
        name = fields.text("name")[:_LONGEST_NAME]
        try:
            with database.transaction() as tx:
                made = links.create(tx, viewer, viewer.user_id, name)
        except (Conflict, InvalidInput) as error:
            return _page(request, viewer, name=name, refusal=error)
        # Answered in place: a redirect would have to carry the secret in its address.
        page = NewLinkPage(name.strip(), f"{services.public_url()}{made.path}")
        return portal.shell.page(request, "calendar_link.html", page, viewer=viewer)

    @router.post("/calendar/{link_id}/revoke", dependencies=own_form)
    def revoke(
        request: Request, link_id: str, viewer: Annotated[Viewer, Depends(may_follow)]
    ) -> Response:
        try:
            with database.transaction() as tx:
                links.revoke(tx, viewer, viewer.user_id, link_id)
        except NotFound as error:
            return _page(request, viewer, refusal=error)
        return RedirectResponse("/calendar", HTTPStatus.SEE_OTHER)

    def _page(
        request: Request,
        viewer: Viewer,
        *,
        name: str = "",
        refusal: TradewindError | None = None,
    ) -> Response:
        sees_all = sees_all_links(viewer)
        whose = None if sees_all else viewer.user_id
        with database.transaction() as tx:
            found = list_calendar_links(tx, viewer.organization_id, whose)
        own = sum(link.user_id == viewer.user_id for link in found)
        page = CalendarPage(found, sees_all, own, name, refusal)
        status = HTTPStatus.OK if refusal is None else HTTPStatus(refusal.status)
        return portal.shell.page(request, "calendar.html", page, viewer=viewer, status=status)

    return router
