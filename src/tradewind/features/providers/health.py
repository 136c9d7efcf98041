"""Whether a provider's account works, from what became of calls there. Pure.

Looked at by the minute: one that brought calls and answered (nearly) none of them is bad, one that
answered most of them is good, and anything between says nothing. An account fails after bad minutes
alone over some time, and is well again after good minutes alone; so one that now works and now does
not changes its state rarely, and never twice within the same minutes.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

WINDOW = timedelta(minutes=30)
"""Older minutes do not count: with little traffic, a few calls must be enough."""
FAILS_AFTER = timedelta(minutes=3)
LEAST_FAILED_CALLS = 3
LEAST_GOOD_MINUTES = 2
_BAD_PERCENT = 90
_GOOD_PERCENT = 50
_MINUTE = timedelta(minutes=1)
# The request itself was refused, its client went away, or the model is none of the host's: that
# says nothing of the account.
_NOT_OF_THE_ACCOUNT = frozenset({"caller", "cancelled"})
_BUSY = "busy"
_TOO_MANY_REQUESTS = 429
_NO_SUCH_MODEL = 404


class Minute(NamedTuple):
    """What became of calls at an account within a minute."""

    begins_at: datetime
    calls: int
    failed: int
    reason: str = ""
    """Of the last that failed."""

    @property
    def is_bad(self) -> bool:
        return self.failed * 100 >= self.calls * _BAD_PERCENT

    @property
    def is_good(self) -> bool:
        return self.failed * 100 <= self.calls * _GOOD_PERCENT


class Verdict(NamedTuple):
    """A change of state."""

    is_failing: bool
    since: datetime
    """When the first of the minutes began that tell it."""
    reason: str
    calls: int
    """In those minutes."""


def judge(minutes: Sequence[Minute], *, is_failing: bool, now: datetime) -> Verdict | None:
    """Return the change of state that the minutes tell, in their order; None when there is none."""
    recent = [each for each in minutes if each.calls and each.begins_at > now - WINDOW]
    if is_failing:
        good = _last_alone(recent, is_good=True)
        if len(good) < LEAST_GOOD_MINUTES:
            return None
        return Verdict(False, good[0].begins_at, "", sum(each.calls for each in good))
    bad = _last_alone(recent, is_good=False)
    calls = sum(each.calls for each in bad)
    if calls < LEAST_FAILED_CALLS or bad[-1].begins_at + _MINUTE - bad[0].begins_at < FAILS_AFTER:
        return None
    reason = next((each.reason for each in reversed(bad) if each.reason), "")
    return Verdict(True, bad[0].begins_at, reason, calls)


def failure_of(failure: str, status: int) -> str | None:
    """Return why an attempt failed for its account's part, empty when it did not; None says nothing
    of the account.
    """
    if failure in _NOT_OF_THE_ACCOUNT or status == _NO_SUCH_MODEL:
        return None
    if failure == _BUSY and status == _TOO_MANY_REQUESTS:
        # It is there, and it knows us.
        return ""
    if not failure:
        return ""
    return f"status {status}" if status else failure


def _last_alone(minutes: Sequence[Minute], *, is_good: bool) -> list[Minute]:
    """Return the last minutes that are all good, or all bad."""
    found: list[Minute] = []
    for each in reversed(minutes):
        if not (each.is_good if is_good else each.is_bad):
            break
        found.append(each)
    return found[::-1]
