"""One request: who called what, how it went, what it cost, and why this target."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from sqlalchemy import Connection
from starlette.responses import Response

from tradewind.core.ids import request_id as make_request_id
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer, is_platform_administrator
from tradewind.features.receipts.errors import NoReceipt
from tradewind.features.receipts.schemas import ReceiptView
from tradewind.features.receipts.verifying import Verified, verify
from tradewind.portal.parts import Portal
from tradewind.portal.request_filters import LIST_PATH, RequestFilters, Since
from tradewind.readmodels.request_addresses import find_request
from tradewind.readmodels.request_content import RequestContent, show_content
from tradewind.readmodels.requests import LoggedAttempt, RequestDetail
from tradewind.readmodels.safety_counts import CallSafety, safety_of_call

DRAWING_WIDTH = 1000
# Narrower than this a step could not be seen beside a long one.
_THINNEST = 8
_SURFACES = {
    "openai": "OpenAI",
    "azure_openai": "Azure OpenAI",
    "azure_inference": "Azure AI Model Inference",
    "messages": "Anthropic Messages",
    "gemini": "Gemini",
    "content_safety": "Azure AI Content Safety",
}


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of the call and where it lies in the drawing, which is DRAWING_WIDTH wide."""

    name: str
    duration_us: int
    x: int
    width: int
    attempt: LoggedAttempt | None = None


@dataclass(frozen=True, slots=True)
class ShownReceipt:
    view: ReceiptView
    verified: Verified
    """Checked anew for this page, as anybody could."""
    path: str
    """Of the proof, as a file."""


@dataclass(frozen=True, slots=True)
class RequestPage:
    request: RequestDetail
    steps: list[Step]
    first_token_x: int | None
    """Where the first token came, in the drawing."""
    links: dict[str, str]
    """Lists of the calls that are like this one in one thing."""
    content: RequestContent | None
    """Prompt and answer; None for who may not see such."""
    surface: str
    """The API the client spoke, as people call it."""
    receipt: ShownReceipt | None
    """None until it is made, and of what has none."""
    safety: CallSafety | None
    """None where checks had nothing to say, and for who may not see it."""
    shows_provider_cost: bool
    """Whether the viewer runs the platform."""
    drawing_width: int = DRAWING_WIDTH


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services = portal.services
    gate = portal.access.allowed(Permission.REQUESTS_READ)

    @router.get(f"{LIST_PATH}/{{request_id}}")
    def show(
        request: Request, request_id: str, viewer: Annotated[Viewer, Depends(gate)]
    ) -> Response:
        with services.database.transaction() as tx:
            organization_id = viewer.organization_id
            found = find_request(tx, organization_id, request_id)
            content = None
            if viewer.may(Permission.CONTENT_READ):
                content = show_content(
                    tx, viewer, viewer.user_id, organization_id, found, services.clock.now()
                )
            receipt = _receipt(tx, organization_id, found)
            safety = None
            if viewer.may(Permission.SAFETY_READ):
                line = found.line
                safety = safety_of_call(tx, organization_id, line.event_id, line.at)
        page = RequestPage(
            request=found,
            steps=list(steps_of(found)),
            first_token_x=_first_token_x(found),
            links=_links(found),
            content=content,
            surface=_SURFACES.get(found.line.surface, found.line.surface or "unknown"),
            receipt=receipt,
            safety=safety,
            shows_provider_cost=viewer.may(Permission.FINANCE_READ)
            and is_platform_administrator(viewer),
        )
        return portal.shell.page(request, "request.html", page, viewer=viewer)

    @router.get(f"{LIST_PATH}/{{request_id}}/receipt.jsonl")
    def proof(request_id: str, viewer: Annotated[Viewer, Depends(gate)]) -> Response:
        receipts = services.receipts
        with services.database.transaction() as tx:
            found = find_request(tx, viewer.organization_id, request_id)
            view = receipts.show(tx, viewer.organization_id, found.line.event_id)
            lines = b"".join(receipts.lines_of(view))
        name = f"{make_request_id(found.line.event_id.bytes)}.receipt.jsonl"
        return Response(
            lines,
            media_type="application/jsonl",
            headers={"content-disposition": f'attachment; filename="{name}"'},
        )

    def _receipt(tx: Connection, organization_id: str, found: RequestDetail) -> ShownReceipt | None:
        receipts, event_id = services.receipts, found.line.event_id
        try:
            view = receipts.show(tx, organization_id, event_id)
        except NoReceipt:
            return None
        keys = {key.id: key.public_key for key in receipts.public_keys(tx)}
        verified = verify(receipts.lines_of(view), keys)
        path = f"{LIST_PATH}/{make_request_id(event_id.bytes)}/receipt.jsonl"
        return ShownReceipt(view, verified, path)

    return router


def steps_of(request: RequestDetail) -> Iterator[Step]:
    """Yield the steps of a call one after another.

    The gateway's own time is known as one sum; it is drawn before the first attempt, where most of
    it was spent.
    """
    whole = _whole_us(request)
    begin = 0
    stretches: list[tuple[str, int, LoggedAttempt | None]] = [
        ("Waited for admission", request.queued_us, None),
        ("Gateway", request.overhead_us, None),
        *(
            (f"Attempt {number}", attempt.duration_us, attempt)
            for number, attempt in enumerate(request.attempts, 1)
        ),
    ]
    for name, duration_us, attempt in stretches:
        if not duration_us and attempt is None:
            continue
        width = max(_THINNEST, duration_us * DRAWING_WIDTH // whole)
        x = min(begin * DRAWING_WIDTH // whole, DRAWING_WIDTH - width)
        yield Step(name, duration_us, x, width, attempt)
        begin += duration_us


def _whole_us(request: RequestDetail) -> int:
    stretches = (
        request.queued_us
        + request.overhead_us
        + sum(attempt.duration_us for attempt in request.attempts)
    )
    return max(1, stretches, request.line.duration_us or 0)


def _first_token_x(request: RequestDetail) -> int | None:
    first_us = request.line.first_token_us
    if first_us is None:
        return None
    return min(DRAWING_WIDTH, first_us * DRAWING_WIDTH // _whole_us(request))


def _links(request: RequestDetail) -> dict[str, str]:
    line = request.line
    wanted = {
        "key": RequestFilters(since=Since.MONTH, key=line.key_id),
        "model": RequestFilters(since=Since.MONTH, model=line.model),
        "host": RequestFilters(since=Since.MONTH, host=line.host),
        "error": RequestFilters(since=Since.MONTH, error=line.error_code),
    }
    return {name: filters.href() for name, filters in wanted.items()}
