"""Months, and when one may be closed."""

from datetime import UTC, datetime, timedelta

from tradewind.features.billing.errors import PeriodOpen

GRACE = timedelta(hours=48)
"""What comes late within this time is still on the invoice of its own month."""
SETTLED_AFTER = timedelta(minutes=5)
"""An hour is settled so long after its end: journals are shipped within seconds, and settling an
hour that still grows would post it again and again."""


def month_start(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def hour_start(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def newest_closable(now: datetime) -> datetime:
    """Return the end of the newest month that may be closed."""
    return month_start(now - GRACE)


def check_closable(period_end: datetime, now: datetime) -> None:
    """Raise PeriodOpen unless a month ended at `period_end` and its time of grace is over."""
    if period_end != month_start(period_end):
        raise PeriodOpen(
            f"no month ends at {period_end.isoformat()}", hint="name the first moment of a month"
        )
    if now < period_end + GRACE:
        raise PeriodOpen(
            f"this month can be closed from {(period_end + GRACE).isoformat()} on",
            hint="usage that comes late still belongs to it until then",
        )


def before(end: datetime) -> datetime:
    """Return when the month began that ends at, or is cut off by, `end`."""
    return month_start(end - timedelta.resolution)
