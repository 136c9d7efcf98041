"""The routes of the request log."""

from datetime import datetime
from typing import Annotated

from fastapi import Path, Query

from tradewind.control.access import Call, Routes
from tradewind.control.request_answers import (
    ContentAnswer,
    RequestAnswer,
    RequestLine,
    RequestList,
)
from tradewind.control.span import in_utc
from tradewind.core.clock import Clock
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import is_platform_administrator
from tradewind.readmodels.request_addresses import (
    LONGEST_PLACE,
    find_request,
    read_place,
    write_place,
)
from tradewind.readmodels.request_content import show_content
from tradewind.readmodels.requests import (
    MOST_LISTED,
    MOST_SEARCH_TEXT,
    RequestQuestion,
    RequestState,
    list_requests,
)

# One more is read than is answered with, to know whether there is a next page.
MAX_REQUESTS = MOST_LISTED // 2
# PostgreSQL keeps no NUL in a text, so nothing can be equal to one that has it.
_NO_NUL = r"^[^\x00]*$"
_Limit = Annotated[int, Query(ge=1, le=MAX_REQUESTS, description="Most entries of one page.")]
_After = Annotated[
    str | None,
    Query(max_length=LONGEST_PLACE, description="The `next` of the page before this one."),
]
_Exactly = Annotated[str | None, Query(min_length=1, max_length=200, pattern=_NO_NUL)]
_Text = Annotated[
    str,
    Query(
        max_length=MOST_SEARCH_TEXT,
        pattern=_NO_NUL,
        description="A part of the requested model, the user agent, the trace or a tag's value.",
    ),
]


def add_request_routes(routes: Routes, clock: Clock) -> None:
    """Add everything below `/requests`."""
    reads = Permission.REQUESTS_READ

    @routes.get("/requests", permission=reads, summary="Calls of this project, newest first")
    def requests(
        *,
        call: Call,
        key_id: _Exactly = None,
        model: _Exactly = None,
        host: _Exactly = None,
        state: RequestState | None = None,
        status: Annotated[int | None, Query(ge=100, le=599)] = None,
        error_code: _Exactly = None,
        text: _Text = "",
        since: datetime | None = None,
        limit: _Limit = 50,
        after: _After = None,
    ) -> RequestList:
        question = RequestQuestion(
            organization_id=call.holder.organization_id,
            project_id=call.holder.project_id,
            limit=limit + 1,
            key_id=key_id,
            model=model,
            host=host,
            state=state,
            http_status=status,
            error_code=error_code,
            text=text,
            since=None if since is None else in_utc(since, "since"),
            older_than=None if after is None else read_place(after),
        )
        found = list_requests(call.tx, question)
        page = found[:limit]
        return RequestList(
            requests=[RequestLine.of(line) for line in page],
            next=write_place(page[-1].place) if len(found) > limit else None,
        )

    @routes.get("/requests/{request_id}", permission=reads, summary="A call of this project")
    def request(call: Call, request_id: Annotated[str, Path(max_length=100)]) -> RequestAnswer:
        found = find_request(
            call.tx,
            call.holder.organization_id,
            request_id,
            project_id=call.holder.project_id,
        )
        return RequestAnswer.of(
            found,
            shows_provider_cost=call.holder.may(Permission.FINANCE_READ)
            and is_platform_administrator(call.holder),
        )

    @routes.get(
        "/requests/{request_id}/content",
        permission=Permission.CONTENT_READ,
        summary="The prompt and the answer of a call of this project",
    )
    def content(call: Call, request_id: Annotated[str, Path(max_length=100)]) -> ContentAnswer:
        holder = call.holder
        found = find_request(
            call.tx, holder.organization_id, request_id, project_id=holder.project_id
        )
        content = show_content(
            call.tx, holder, holder.key_id, holder.organization_id, found, clock.now()
        )
        return ContentAnswer.of(content)
