"""What is paid ahead, and how much of it is earned when. Pure.

A fee for longer than a month is owed back until its time has passed: it is earned at the end of
each calendar month, in proportion to the seconds, and the last part takes what is left. Nothing is
lost, whatever is taken back in between.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from tradewind.features.billing.rules.periods import month_start

_LONGEST_AT_ONCE = timedelta(days=31)


def is_paid_ahead(since: datetime, until: datetime, at: datetime) -> bool:
    """Say whether what is charged at a time for a span is earned month by month."""
    return until - since > _LONGEST_AT_ONCE and until > at


def month_ends(since: datetime, until: datetime, now: datetime) -> Iterator[datetime]:
    """Yield when parts of a span are earned, up to now: ends of months, and the span's own end."""
    end = since
    while end < until:
        end = min(until, _next_month(end))
        if end > now:
            return
        yield end


def part(left: int, since: datetime, until: datetime, to: datetime) -> int:
    """Return how much of `left`, which is owed from `since` to `until`, is earned at `to`."""
    if to >= until:
        return left
    whole, passed = _seconds(until - since), _seconds(to - since)
    earned = abs(left) * passed // whole
    return earned if left > 0 else -earned


def taken_back(left: int, left_fee: int, nanos: int) -> tuple[int, int]:
    """Return how much of a credit of `nanos` is not earned yet, and the fee within it."""
    if left == 0 or (nanos > 0) != (left > 0):
        return 0, 0
    unearned = min(abs(nanos), abs(left))
    fee = abs(left_fee) * unearned // abs(left)
    sign = 1 if left > 0 else -1
    return sign * unearned, sign * fee


def _next_month(at: datetime) -> datetime:
    return month_start(month_start(at) + _LONGEST_AT_ONCE)


def _seconds(span: timedelta) -> int:
    return span.days * 86_400 + span.seconds
