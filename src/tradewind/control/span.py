"""The span of time a report covers: pure."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tradewind.core.errors import InvalidInput

DEFAULT_SPAN = timedelta(days=30)
LONGEST_SPAN = timedelta(days=366)
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


class Span(NamedTuple):
    """`since` inclusive, `until` exclusive; both whole hours of UTC, as usage is rolled up."""

    since: datetime
    until: datetime


def span_of(since: datetime | None, until: datetime | None, now: datetime) -> Span:
    """Return the span, widened to whole hours. Missing ends give the last 30 days.

    Raises InvalidInput for a time without zone, an empty span, or one of more than 366 days.
    """
    end = _up(in_utc(until, "until") if until is not None else now)
    start = _down(in_utc(since, "since") if since is not None else end - DEFAULT_SPAN)
    if start >= end:
        raise InvalidInput("`since` is not before `until`")
    if end - start > LONGEST_SPAN:
        raise InvalidInput(
            f"the time from `since` to `until` is longer than {LONGEST_SPAN.days} days",
            hint="ask for a shorter time",
        )
    return Span(start, end)


def in_utc(moment: datetime, name: str) -> datetime:
    """Raises InvalidInput for a time without zone, and for one that no record can have."""
    if moment.tzinfo is None:
        raise InvalidInput(f"`{name}` has no time zone", hint="write it like 2030-01-31T00:00:00Z")
    # Compared before it is converted: near the ends of the calendar the conversion overflows.
    if not _EARLIEST <= moment <= _LATEST:
        raise InvalidInput(f"`{name}` is not between the years 2000 and 2200")
    return moment.astimezone(UTC)


def _down(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _up(moment: datetime) -> datetime:
    floor = _down(moment)
    return floor if floor == moment else floor + timedelta(hours=1)
