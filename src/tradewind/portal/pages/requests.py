"""Requests: the log of calls as a list that is searched, paged and followed live."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import MalformedId
from tradewind.core.ids import event_id_of_request, request_id
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.portal.live_tail import Follower, TailResponse
from tradewind.portal.parts import Portal
from tradewind.portal.request_filters import (
    LIST_PATH,
    LIVE_PATH,
    SINCE_LABELS,
    STATE_LABELS,
    Chip,
    RequestFilters,
    Since,
    read_filters,
)
from tradewind.readmodels.request_addresses import LONGEST_PLACE, read_place, write_place
from tradewind.readmodels.requests import (
    MOST_LISTED,
    LoggedRequest,
    RequestQuestion,
    RequestState,
    list_requests,
)

PAGE_LENGTH = 50
# A call that ends later than this after it began is in the list and does not appear in it live: a
# look each second must not search more than it can find.
_LIVE_SPAN = timedelta(minutes=15)
_MOST_KEYS_OFFERED = 200


@dataclass(frozen=True, slots=True)
class RequestsPage:
    filters: RequestFilters
    lines: Sequence[LoggedRequest]
    chips: list[Chip]
    states: dict[RequestState, str]
    spans: dict[Since, str]
    keys: dict[str, str]
    """Names of the keys the form offers, by their ids."""
    older_href: str | None
    """The next page, when there is one."""
    top_href: str | None
    """The first page, on any other."""
    live_href: str
    clear_href: str
    has_any: bool
    """This organization has made a call that is in the log, whatever the conditions."""
    log_days: int


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    gate = access.allowed(Permission.REQUESTS_READ)

    @router.get(LIST_PATH)
    def requests(
        request: Request,
        viewer: Annotated[Viewer, Depends(gate)],
        filters: Annotated[RequestFilters, Depends(read_filters)],
        before: Annotated[str, Query(max_length=LONGEST_PLACE)] = "",
    ) -> Response:
        if _is_request_id(filters.q):
            return _go(request, f"{LIST_PATH}/{filters.q}")
        address = filters.href(**({"before": before} if before else {}))
        is_fragment = request.headers.get("hx-request") == "true"
        if not is_fragment and "" in request.query_params.values():
            # A form sends its empty fields too. What is shared should say what is asked for.
            return RedirectResponse(address, HTTPStatus.SEE_OTHER)
        place = read_place(before) if before else None
        question = filters.question(
            viewer.organization_id,
            services.clock.now(),
            limit=PAGE_LENGTH + 1,
            older_than=place,
        )
        with services.database.transaction() as tx:
            found = list_requests(tx, question)
            has_any = bool(found) or _has_any(tx, viewer)
            keys = _key_names(portal, tx, viewer, filters)
        lines = found[:PAGE_LENGTH]
        page = RequestsPage(
            filters=filters,
            lines=lines,
            chips=list(filters.chips(keys)),
            states=STATE_LABELS,
            spans=SINCE_LABELS,
            keys=keys,
            older_href=(
                filters.href(before=write_place(lines[-1].place))
                if len(found) > PAGE_LENGTH
                else None
            ),
            top_href=filters.href() if before else None,
            live_href=filters.href(LIVE_PATH),
            clear_href=RequestFilters(since=filters.since).href(),
            has_any=has_any,
            log_days=services.log_days,
        )
        return portal.shell.page(
            request,
            "requests.html",
            page,
            viewer=viewer,
            headers={"hx-replace-url": address} if is_fragment else None,
        )

    @router.get(LIVE_PATH)
    async def live(
        request: Request,
        viewer: Annotated[Viewer, Depends(gate)],
        filters: Annotated[RequestFilters, Depends(read_filters)],
    ) -> Response:
        token = access.session_token(request)
        assert token is not None

        def look() -> Sequence[LoggedRequest]:
            now = services.clock.now()
            with services.database.transaction() as tx:
                access.check_still(tx, token, viewer, Permission.REQUESTS_READ)
                return list_requests(
                    tx,
                    filters.question(
                        viewer.organization_id, now, limit=MOST_LISTED, longest=_LIVE_SPAN
                    ),
                )

        def show(line: LoggedRequest) -> dict[str, Any]:
            return {
                "id": request_id(line.event_id.bytes),
                "html": portal.shell.part("_request_row.html", line=line),
            }

        follower = Follower(look, show, most_shown=PAGE_LENGTH)
        return TailResponse(services.live_tails, follower, services.clock)

    return router


def _has_any(tx: Connection, viewer: Viewer) -> bool:
    return bool(list_requests(tx, RequestQuestion(viewer.organization_id, limit=1)))


def _key_names(
    portal: Portal, tx: Connection, viewer: Viewer, filters: RequestFilters
) -> dict[str, str]:
    """Return what the form offers; the key that is asked for is always among it."""
    names: dict[str, str] = {}
    if viewer.may(Permission.KEYS_READ):
        rows = portal.services.accounts.list_keys(tx, viewer)
        names = {row.key_id: row.name for row in rows[:_MOST_KEYS_OFFERED]}
        names |= {row.key_id: row.name for row in rows if row.key_id == filters.key}
    if filters.key:
        names.setdefault(filters.key, filters.key)
    return names


def _is_request_id(text: str) -> bool:
    try:
        event_id_of_request(text)
    except MalformedId:
        return False
    return True


def _go(request: Request, url: str) -> Response:
    # htmx would follow a redirect inside the fragment; it takes this header for the whole page.
    if request.headers.get("hx-request") == "true":
        return Response(headers={"hx-redirect": url})
    return RedirectResponse(url, HTTPStatus.SEE_OTHER)
