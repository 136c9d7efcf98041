"""What becomes of the records of a journal. Pure: no clock, no file, no database."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple, assert_never
from uuid import UUID

from tradewind.core.money import rate_nanos
from tradewind.features.metering.errors import UnusableRecord
from tradewind.features.metering.safety_rows import ExaminedCall, examined_call
from tradewind.features.metering.schemas import CorrectingEvent
from tradewind.usage.event import (
    Opened,
    Outcome,
    Progressed,
    Refused,
    Trail,
    Usage,
    UsageEvent,
    UsageSource,
)
from tradewind.usage.frames import Damage, Frame, SegmentFooter, SegmentHeader

EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
MAX_TOKENS = 2**40
MAX_DURATION_US = 2**40
"""Twelve days; it and MAX_TOKENS keep an hour's 64-bit sums safe for 8 million such events."""
MAX_TEXT_BYTES = 2000
"""Of all texts of an event together: the key of `usage_hour` must fit into 2,704 bytes of index."""
PARTITION_DAYS_BACK = 400
PARTITION_DAYS_AHEAD = 2
"""Events further off lie in the default partition, so that no wrong clock can make many tables."""

MAX_LOG_TEXT = 200
"""Characters of a text in the request log."""

CORRECTED = "corrected"
"""Outcome of an event that corrects another one."""
BY_CORRECTION = "correction"
"""Source of its quantities."""

_TOKENS = frozenset({"input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens"})
_MOST_ATTEMPTS = 16
_MOST_TAGS = 16
_MOST_METERS = 32
_NO_TRAIL = Trail("", "", ())
_INT64_MAX = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST_US = (EARLIEST - _EPOCH) // timedelta(microseconds=1)
_LATEST_US = (LATEST - _EPOCH) // timedelta(microseconds=1)
_CURRENCY = re.compile(r"[A-Z]{3}")
_METER = re.compile(r"[a-z][a-z0-9_]{0,62}")
_EVENT_ID_BYTES = 16


class EventRow(NamedTuple):
    """A row of `usage_event`; the fields are its columns."""

    event_id: UUID
    at: datetime
    organization_id: str
    project_id: str
    key_id: str
    operation: str
    model: str
    deployment_id: str
    price_id: str
    currency: str
    is_stream: bool
    outcome: str
    http_status: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    cache_write_tokens: int
    meters: dict[str, int] | None
    usage_source: str
    cost_nanos: int
    first_token_us: int | None
    duration_us: int
    provider_cost_nanos: int | None = None
    """In `provider_currency`; None where no host takes anything."""
    provider_currency: str | None = None
    is_batch: bool = False
    host: str = ""
    region: str = ""
    corrects: UUID | None = None
    """The event whose sums this one changes; its quantities may be below zero."""


class LogRow(NamedTuple):
    """A row of `request_log`; the fields are its columns. Texts are cut, never refused: the log
    must not cost an event its place in the books.
    """

    event_id: UUID
    at: datetime
    organization_id: str
    project_id: str
    key_id: str
    operation: str
    surface: str
    requested_model: str
    model: str
    host: str
    http_status: int
    error_code: str
    attempts: list[dict[str, Any]]
    queued_us: int
    overhead_us: int
    trace_parent: str
    user_agent: str
    tags: dict[str, str]


class SortedItems(NamedTuple):
    """What a stretch of a segment, up to `end`, means for the tables."""

    end: int

    rows: list[EventRow]
    log: list[LogRow]
    opened: dict[bytes, Opened]
    """Calls that began here and did not end here, by event id."""
    progress: dict[bytes, int]
    """Output tokens of calls that did not end here."""
    ended: set[bytes]
    """Calls that ended here and began before."""
    quarantined: list[Damage]
    next_sequence: int
    missing_frames: int
    examined: Sequence[ExaminedCall] = ()
    """Calls that a safety policy held for."""

    @property
    def quarantined_bytes(self) -> int:
        return sum(damage.end - damage.start for damage in self.quarantined)


def sort_out(items: Sequence[Frame | Damage], *, next_sequence: int) -> SortedItems:
    """Sort a stretch of a segment. What is unusable is quarantined and stops nothing.

    `next_sequence` is that of the frame expected first; every one passed over is missing.
    """
    rows: list[EventRow] = []
    log: list[LogRow] = []
    opened: dict[bytes, Opened] = {}
    progress: dict[bytes, int] = {}
    ended: set[bytes] = set()
    examined: list[ExaminedCall] = []
    quarantined: list[Damage] = []
    missing = 0
    for item in items:
        if isinstance(item, Damage):
            quarantined.append(item)
            continue
        missing += max(0, item.sequence - next_sequence)
        next_sequence = item.sequence + 1
        record = item.content
        try:
            match record:
                case UsageEvent():
                    row = event_row(record)
                    rows.append(row)
                    log.append(_log_row(record, row.event_id, row.at))
                    call = examined_call(record, row.event_id, row.at)
                    if call is not None:
                        examined.append(call)
                    if opened.pop(record.event_id, None) is None:
                        ended.add(record.event_id)
                    progress.pop(record.event_id, None)
                case Refused():
                    log.append(log_row_of_refusal(record))
                case Opened():
                    check_opened(record)
                    opened[record.event_id] = record
                case Progressed():
                    check_progressed(record)
                    tokens = max(record.output_tokens, progress.get(record.event_id, 0))
                    progress[record.event_id] = tokens
                case SegmentHeader() | SegmentFooter():
                    pass
                case _:
                    assert_never(record)
        except UnusableRecord as error:
            quarantined.append(Damage(item.start, item.end, error.message))
    return SortedItems(
        items[-1].end,
        rows,
        log,
        opened,
        progress,
        ended,
        quarantined,
        next_sequence,
        missing,
        examined,
    )


def event_row(event: UsageEvent) -> EventRow:
    """Return an event as a row. Raises UnusableRecord when it is not one that can be stored."""
    usage = event.usage
    _check_identity(event)
    _check_range("http_status", event.http_status, 999)
    _check_range("input_tokens", usage.input_tokens, MAX_TOKENS)
    _check_range("cached_input_tokens", usage.cached_input_tokens, MAX_TOKENS)
    _check_range("output_tokens", usage.output_tokens, MAX_TOKENS)
    _check_range("cache_write_tokens", usage.cache_write_tokens, MAX_TOKENS)
    _check_range("cost_nanos", event.cost_nanos, _INT64_MAX)
    _check_range("duration_us", event.duration_us, MAX_DURATION_US)
    _check_both_sides(event)
    if event.first_token_us is not None:
        _check_range("first_token_us", event.first_token_us, MAX_DURATION_US)
    return EventRow(
        UUID(bytes=event.event_id),
        _EPOCH + timedelta(microseconds=event.at_us),
        event.organization_id,
        event.project_id,
        event.key_id,
        event.operation,
        event.model,
        event.deployment_id,
        event.price_id,
        event.currency,
        event.is_stream,
        event.outcome.value,
        event.http_status,
        usage.input_tokens,
        usage.cached_input_tokens,
        usage.output_tokens,
        usage.cache_write_tokens,
        _meters(usage),
        usage.source.value,
        event.cost_nanos,
        event.first_token_us,
        event.duration_us,
        event.provider_cost_nanos,
        event.provider_currency or None,
        event.is_batch,
        event.host or _host_of(event.trail),
        event.region,
    )


def correcting_row(event: CorrectingEvent) -> EventRow:
    """Return an event that corrects another one as a row. What a host took stays with that one."""
    quantities = event.quantities
    meters = {name: count for name, count in quantities.items() if name not in _TOKENS}
    return EventRow(
        event.event_id,
        event.at,
        event.organization_id,
        event.project_id,
        event.key_id,
        event.operation,
        event.model,
        event.deployment_id,
        event.price_id,
        event.currency,
        is_stream=False,
        outcome=CORRECTED,
        http_status=0,
        input_tokens=quantities.get("input_tokens", 0),
        cached_input_tokens=quantities.get("cached_input_tokens", 0),
        output_tokens=quantities.get("output_tokens", 0),
        cache_write_tokens=quantities.get("cache_write_tokens", 0),
        meters=meters or None,
        usage_source=BY_CORRECTION,
        cost_nanos=event.cost_nanos,
        first_token_us=None,
        duration_us=0,
        is_batch=event.is_batch,
        host=event.host,
        region=event.region,
        corrects=event.corrects,
    )


def _host_of(trail: Trail | None) -> str:
    """Of an event that an older release wrote."""
    return _cut(trail.attempts[-1].host) if trail is not None and trail.attempts else ""


def _check_both_sides(event: UsageEvent) -> None:
    if (event.provider_cost_nanos is None) != (not event.provider_currency):
        raise UnusableRecord("a provider's cost and its currency come together")
    if event.provider_cost_nanos is not None:
        _check_range("provider_cost_nanos", event.provider_cost_nanos, _INT64_MAX)
        if not _CURRENCY.fullmatch(event.provider_currency):
            raise UnusableRecord("the provider's currency is not three capital letters")


def _meters(usage: Usage) -> dict[str, int] | None:
    """Return what only some calls have, or None: most rows then cost nothing for it."""
    if not (
        usage.reasoning_tokens
        or usage.audio_input_tokens
        or usage.audio_output_tokens
        or usage.meters
    ):
        return None
    meters = {
        "reasoning_tokens": usage.reasoning_tokens,
        "audio_input_tokens": usage.audio_input_tokens,
        "audio_output_tokens": usage.audio_output_tokens,
        **usage.meters,
    }
    meters = {name: quantity for name, quantity in meters.items() if quantity}
    for name, quantity in meters.items():
        if not _METER.fullmatch(name):
            raise UnusableRecord(f"{name[:64]!r} is not the name of a meter")
        _check_range(name, quantity, MAX_TOKENS)
    if len(meters) > _MOST_METERS:
        raise UnusableRecord(f"a call has {len(meters)} meters")
    return meters or None


def log_row(event: UsageEvent) -> LogRow:
    """Return what the request log shows of an event that `event_row` took."""
    at = _EPOCH + timedelta(microseconds=event.at_us)
    return _log_row(event, UUID(bytes=event.event_id), at)


def _log_row(event: UsageEvent, event_id: UUID, at: datetime) -> LogRow:
    trail = event.trail or _NO_TRAIL
    attempts = trail.attempts[:_MOST_ATTEMPTS]
    return LogRow(
        event_id,
        at,
        event.organization_id,
        event.project_id,
        event.key_id,
        event.operation,
        _cut(trail.dialect),
        _cut(trail.requested_model or event.model),
        event.model,
        _cut(attempts[-1].host) if attempts else "",
        event.http_status,
        _cut(trail.error_code),
        [
            {
                "deployment_id": _cut(attempt.deployment_id),
                "host": _cut(attempt.host),
                "why": _cut(attempt.why),
                "status": attempt.status,
                "failure": _cut(attempt.failure),
                "duration_us": attempt.duration_us,
            }
            for attempt in attempts
        ],
        min(max(0, trail.queued_us), MAX_DURATION_US),
        min(max(0, trail.overhead_us), MAX_DURATION_US),
        _cut(trail.trace_parent),
        _cut(trail.user_agent),
        {_cut(name): _cut(value) for name, value in [*trail.tags.items()][:_MOST_TAGS]}
        if trail.tags
        else {},
    )


def log_row_of_refusal(refused: Refused) -> LogRow:
    """Raises UnusableRecord."""
    if len(refused.event_id) != _EVENT_ID_BYTES:
        raise UnusableRecord("the event id is not 16 bytes long")
    if not _EARLIEST_US <= refused.at_us < _LATEST_US:
        raise UnusableRecord(f"at_us {refused.at_us} is not a time between 2020 and 2200")
    _check_range("http_status", refused.http_status, 999)
    return LogRow(
        UUID(bytes=refused.event_id),
        _EPOCH + timedelta(microseconds=refused.at_us),
        _cut(refused.organization_id),
        _cut(refused.project_id),
        _cut(refused.key_id),
        _cut(refused.operation),
        _cut(refused.surface),
        _cut(refused.requested_model),
        "",
        "",
        refused.http_status,
        _cut(refused.error_code),
        [],
        0,
        0,
        "",
        _cut(refused.user_agent),
        {},
    )


def _cut(text: str) -> str:
    return text[:MAX_LOG_TEXT].replace("\0", "\N{REPLACEMENT CHARACTER}")


def orphan_event(opened: Opened, output_tokens: int | None) -> UsageEvent:
    """Return the event of a call whose gateway died before it could write the end of it.

    With PROGRESS the client has had that much of the answer: it pays for it and for the estimated
    input. Without PROGRESS nobody knows that it had anything, so it pays nothing. What the client
    was told is not known either: 200 once the answer flowed, else as for a client that was told
    nothing.
    """
    provider_cost = 0 if opened.provider_currency else None
    if output_tokens is None:
        usage, cost = Usage(0, 0, 0, UsageSource.NONE), 0
    else:
        usage = Usage(opened.input_tokens_estimate, 0, output_tokens, UsageSource.ESTIMATED)
        try:
            cost = rate_nanos(
                (usage.input_tokens, opened.input_nanos), (output_tokens, opened.output_nanos)
            )
            if provider_cost is not None:
                provider_cost = rate_nanos(
                    (usage.input_tokens, opened.provider_input_nanos),
                    (output_tokens, opened.provider_output_nanos),
                )
        except OverflowError as error:
            raise UnusableRecord(f"an open call cannot be rated: {error}") from error
    return UsageEvent(
        event_id=opened.event_id,
        at_us=opened.at_us,
        organization_id=opened.organization_id,
        project_id=opened.project_id,
        key_id=opened.key_id,
        operation=opened.operation,
        model=opened.model,
        deployment_id=opened.deployment_id,
        price_id=opened.price_id,
        currency=opened.currency,
        is_stream=opened.is_stream,
        outcome=Outcome.ORPHANED,
        http_status=499 if output_tokens is None else 200,
        usage=usage,
        cost_nanos=cost,
        first_token_us=None,
        duration_us=0,
        provider_cost_nanos=provider_cost,
        provider_currency=opened.provider_currency,
        host=opened.host,
        region=opened.region,
    )


def check_opened(opened: Opened) -> None:
    """Raises UnusableRecord when no orphan could be made of this call."""
    _check_identity(opened)
    _check_range("input_tokens_estimate", opened.input_tokens_estimate, MAX_TOKENS)
    _check_range("input_nanos", opened.input_nanos, _INT64_MAX)
    _check_range("output_nanos", opened.output_nanos, _INT64_MAX)
    _check_range("cached_input_nanos", opened.cached_input_nanos, _INT64_MAX)
    _check_range("provider_input_nanos", opened.provider_input_nanos, _INT64_MAX)
    _check_range("provider_output_nanos", opened.provider_output_nanos, _INT64_MAX)
    if opened.provider_currency and not _CURRENCY.fullmatch(opened.provider_currency):
        raise UnusableRecord("the provider's currency is not three capital letters")


def check_progressed(progressed: Progressed) -> None:
    """Raises UnusableRecord."""
    if len(progressed.event_id) != _EVENT_ID_BYTES:
        raise UnusableRecord("the event id is not 16 bytes long")
    _check_range("output_tokens", progressed.output_tokens, MAX_TOKENS)


def partition_days(rows: Iterable[EventRow | LogRow], today: date) -> set[date]:
    """Return the days that must have a partition: those of the rows and those just ahead."""
    first = today - timedelta(days=PARTITION_DAYS_BACK)
    last = today + timedelta(days=PARTITION_DAYS_AHEAD)
    ahead = {today + timedelta(days=days) for days in range(PARTITION_DAYS_AHEAD + 1)}
    return ahead | {day for day in {row.at.date() for row in rows} if first <= day <= last}


def _check_identity(record: UsageEvent | Opened) -> None:
    if len(record.event_id) != _EVENT_ID_BYTES:
        raise UnusableRecord("the event id is not 16 bytes long")
    if not _EARLIEST_US <= record.at_us < _LATEST_US:
        raise UnusableRecord(f"at_us {record.at_us} is not a time between 2020 and 2200")
    if not _CURRENCY.fullmatch(record.currency):
        raise UnusableRecord("the currency is not three capital letters")
    texts = (
        record.organization_id
        + record.project_id
        + record.key_id
        + record.operation
        + record.model
        + record.deployment_id
        + record.price_id
        + record.host
        + record.region
    )
    if "\0" in texts:
        raise UnusableRecord("a text contains NUL, which PostgreSQL cannot store")
    if len(texts.encode()) > MAX_TEXT_BYTES:
        raise UnusableRecord(f"the texts are longer than {MAX_TEXT_BYTES} bytes")


def _check_range(field: str, value: int, highest: int) -> None:
    if not 0 <= value <= highest:
        raise UnusableRecord(f"{field} {value} is not between 0 and {highest}")
