"""The request log of an organization: single calls, newest first, with what became of them.

A call that ran is in the log and in the books; a refused one is in the log alone. The log is kept
for some days, the books for good.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    and_,
    or_,
    select,
    tuple_,
)

from tradewind.core.money import rate_nanos
from tradewind.features.accounts.tables import api_key
from tradewind.features.market.tables import price
from tradewind.features.metering.tables import request_log, usage_event
from tradewind.readmodels.safety_calls import CallSafety, find_call_safety

MOST_LISTED = 200
MOST_SEARCH_TEXT = 100
# An id holds the millisecond of its event, which names the one partition to look in.
_ROUNDING = timedelta(milliseconds=2)


class RequestState(StrEnum):
    """What became of a call, as a person looks for it."""

    ANSWERED = "answered"
    FAILED = "failed"
    """Admitted, and not answered as it should have been."""
    CANCELLED = "cancelled"
    REFUSED = "refused"
    """Not admitted: a limit, a budget, a name that is not there."""


@dataclass(frozen=True, slots=True)
class RequestPlace:
    """Where a page of the list ends."""

    at: datetime
    event_id: UUID


@dataclass(frozen=True, slots=True)
class RequestQuestion:
    """Which calls. All conditions must hold; None asks for nothing."""

    organization_id: str
    limit: int
    project_id: str | None = None
    key_id: str | None = None
    model: str | None = None
    host: str | None = None
    state: RequestState | None = None
    http_status: int | None = None
    error_code: str | None = None
    text: str = ""
    """A part of the requested model, of the user agent, of a tag's value or of the trace."""
    since: datetime | None = None
    """Inclusive."""
    older_than: RequestPlace | None = None
    newer_than: RequestPlace | None = None
    """For a live tail: what has come since; the newest `limit` of it."""


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One line of the list."""

    event_id: UUID
    at: datetime
    key_id: str
    key_name: str
    surface: str
    requested_model: str
    model: str
    host: str
    http_status: int
    error_code: str
    state: RequestState
    attempts: int
    input_tokens: int | None
    """None of a refused call, as all that follows: it is not in the books."""
    output_tokens: int | None
    cost_nanos: int | None
    currency: str | None
    first_token_us: int | None
    duration_us: int | None

    @property
    def place(self) -> RequestPlace:
        return RequestPlace(self.at, self.event_id)


@dataclass(frozen=True, slots=True)
class LoggedAttempt:
    deployment_id: str
    host: str
    why: str
    status: int
    failure: str
    duration_us: int


@dataclass(frozen=True, slots=True)
class PriceLine:
    """One line of what a call cost: quantity times price, before the sum is rounded."""

    meter: str
    quantity: int
    price_nanos: int
    """Of 1,000,000 units."""
    cost_nanos: int


@dataclass(frozen=True, slots=True)
class RequestDetail:
    """All that is known of one call."""

    line: LoggedRequest
    project_id: str
    operation: str
    is_stream: bool | None
    deployment_id: str | None
    usage_source: str | None
    cached_input_tokens: int | None
    cache_write_tokens: int | None
    meters: dict[str, int]
    price_id: str | None
    price_lines: tuple[PriceLine, ...]
    attempts: tuple[LoggedAttempt, ...]
    queued_us: int
    overhead_us: int
    trace_parent: str
    user_agent: str
    tags: dict[str, str]
    is_batch: bool = False
    region: str = ""
    """Where it was answered; empty is not told."""
    provider_cost_nanos: int | None = None
    """What the host took, in `provider_currency`; for whoever runs the platform."""
    provider_currency: str | None = None
    corrects: UUID | None = None
    safety: CallSafety | None = None
    """None where checks had nothing to say."""


def list_requests(tx: Connection, question: RequestQuestion) -> list[LoggedRequest]:
    """Return at most `limit` (itself at most MOST_LISTED) calls, newest first."""
    rows = tx.execute(
        _joined()
        .where(*_conditions(question))
        .order_by(request_log.c.at.desc(), request_log.c.event_id.desc())
        .limit(min(question.limit, MOST_LISTED))
    )
    return [_line(row) for row in rows]


def show_request(tx: Connection, organization_id: str, event_id: UUID) -> RequestDetail | None:
    """Return all that is known of a call of this organization, or None."""
    at = datetime.fromtimestamp((event_id.int >> 80) / 1000, UTC)
    row = tx.execute(
        _joined()
        .add_columns(
            request_log.c.project_id,
            request_log.c.operation,
            request_log.c.queued_us,
            request_log.c.overhead_us,
            request_log.c.trace_parent,
            request_log.c.user_agent,
            request_log.c.tags,
            usage_event.c.is_stream,
            usage_event.c.deployment_id,
            usage_event.c.usage_source,
            usage_event.c.cached_input_tokens,
            usage_event.c.cache_write_tokens,
            usage_event.c.meters,
            usage_event.c.price_id,
            usage_event.c.is_batch,
            usage_event.c.region,
            usage_event.c.provider_cost_nanos,
            usage_event.c.provider_currency,
            usage_event.c.corrects,
        )
        .where(
            request_log.c.organization_id == organization_id,
            request_log.c.event_id == event_id,
            request_log.c.at.between(at - _ROUNDING, at + _ROUNDING),
        )
    ).first()
    if row is None:
        return None
    return RequestDetail(
        line=_line(row),
        project_id=row.project_id,
        operation=row.operation,
        is_stream=row.is_stream,
        deployment_id=row.deployment_id,
        usage_source=row.usage_source,
        cached_input_tokens=row.cached_input_tokens,
        cache_write_tokens=row.cache_write_tokens,
        meters=row.meters or {},
        price_id=row.price_id,
        price_lines=_price_lines(tx, row),
        attempts=tuple(LoggedAttempt(**attempt) for attempt in row.attempts),
        queued_us=row.queued_us,
        overhead_us=row.overhead_us,
        trace_parent=row.trace_parent,
        user_agent=row.user_agent,
        tags=row.tags,
        is_batch=bool(row.is_batch),
        region=row.region or "",
        provider_cost_nanos=row.provider_cost_nanos,
        provider_currency=row.provider_currency,
        corrects=row.corrects,
        safety=find_call_safety(tx, organization_id, row.at, event_id),
    )


def _joined() -> Select[*tuple[Any, ...]]:
    return (
        select(
            request_log.c.event_id,
            request_log.c.at,
            request_log.c.key_id,
            request_log.c.surface,
            request_log.c.requested_model,
            request_log.c.model,
            request_log.c.host,
            request_log.c.http_status,
            request_log.c.error_code,
            request_log.c.attempts,
            usage_event.c.outcome,
            usage_event.c.input_tokens,
            usage_event.c.output_tokens,
            usage_event.c.cost_nanos,
            usage_event.c.currency,
            usage_event.c.first_token_us,
            usage_event.c.duration_us,
            api_key.c.name.label("key_name"),
        )
        .select_from(request_log)
        .outerjoin(
            usage_event,
            and_(
                usage_event.c.at == request_log.c.at,
                usage_event.c.event_id == request_log.c.event_id,
            ),
        )
        .outerjoin(api_key, api_key.c.id == request_log.c.key_id)
    )


def _conditions(question: RequestQuestion) -> list[ColumnElement[bool]]:
    log = request_log.c
    found: list[ColumnElement[bool]] = [
        log.organization_id == question.organization_id,
        # The platform's own first call asks until the model is ready, thirty times a second.
        or_(usage_event.c.outcome.is_not(None), api_key.c.purpose.is_distinct_from("start_up")),
    ]
    for column, wanted in (
        (log.project_id, question.project_id),
        (log.key_id, question.key_id),
        (log.model, question.model),
        (log.host, question.host),
        (log.http_status, question.http_status),
        (log.error_code, question.error_code),
    ):
        if wanted is not None:
            found.append(column == wanted)
    if question.since is not None:
        found.append(log.at >= question.since)
    place = tuple_(log.at, log.event_id)
    if question.older_than is not None:
        found.append(place < tuple_(question.older_than.at, question.older_than.event_id))
    if question.newer_than is not None:
        found.append(place > tuple_(question.newer_than.at, question.newer_than.event_id))
    if question.state is not None:
        found.append(_in_state(question.state))
    if question.text:
        found.append(_holds(question.text[:MOST_SEARCH_TEXT]))
    return found


def _in_state(state: RequestState) -> ColumnElement[bool]:
    outcome = usage_event.c.outcome
    match state:
        case RequestState.ANSWERED:
            return outcome == "completed"
        case RequestState.CANCELLED:
            return outcome == "cancelled"
        case RequestState.FAILED:
            return outcome.in_(("failed", "orphaned"))
        case RequestState.REFUSED:
            return outcome.is_(None)


def _holds(text: str) -> ColumnElement[bool]:
    # `autoescape`: a percent sign of the searcher's must not become a pattern.
    columns = (request_log.c.requested_model, request_log.c.user_agent, request_log.c.trace_parent)
    parts = [column.icontains(text, autoescape=True) for column in columns]
    return or_(*parts, request_log.c.tags.cast(Text).icontains(text, autoescape=True))


def _line(row: Row[Any]) -> LoggedRequest:
    return LoggedRequest(
        event_id=row.event_id,
        at=row.at,
        key_id=row.key_id,
        key_name=row.key_name or "",
        surface=row.surface,
        requested_model=row.requested_model,
        model=row.model,
        host=row.host,
        http_status=row.http_status,
        error_code=row.error_code,
        state=_STATES[row.outcome],
        attempts=len(row.attempts),
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        cost_nanos=row.cost_nanos,
        currency=row.currency,
        first_token_us=row.first_token_us,
        duration_us=row.duration_us,
    )


_STATES = {
    None: RequestState.REFUSED,
    "completed": RequestState.ANSWERED,
    "cancelled": RequestState.CANCELLED,
    "failed": RequestState.FAILED,
    "orphaned": RequestState.FAILED,
}


def _price_lines(tx: Connection, row: Row[Any]) -> tuple[PriceLine, ...]:
    """Return how the cost of a call comes about, from the price it was rated with."""
    found = tx.execute(select(price).where(price.c.id == row.price_id)).first()
    if found is None:
        return ()
    cached, written = row.cached_input_tokens, row.cache_write_tokens
    quantities = [
        ("input_tokens", row.input_tokens - cached - written, found.input_nanos),
        ("cached_input_tokens", cached, found.cached_input_nanos),
        (
            "cache_write_tokens",
            written,
            found.input_nanos if found.cache_write_nanos is None else found.cache_write_nanos,
        ),
        ("output_tokens", row.output_tokens, found.output_nanos),
        *((meter, quantity, found.meters.get(meter, 0)) for meter, quantity in _meters(row)),
    ]
    return tuple(
        PriceLine(meter, quantity, nanos, rate_nanos((quantity, nanos)))
        for meter, quantity, nanos in quantities
        if quantity
    )


def _meters(row: Row[Any]) -> list[tuple[str, int]]:
    """Return the meters that have a price of their own: tokens are counted by class above."""
    meters: dict[str, int] = row.meters or {}
    return [entry for entry in meters.items() if not entry[0].endswith("_tokens")]
