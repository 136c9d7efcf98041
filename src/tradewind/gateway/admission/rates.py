"""GCRA, the generic cell rate algorithm (ITU-T I.371), as pure arithmetic on one number.

The number is the *arrival*: the moment at which all that was taken has flowed off again. What is
taken moves it on, time catches up with it, and it may lie at most one window ahead: that is the
burst, one minute's worth. No window of time ever lets twice the limit through at its seam. Moments
are seconds of a monotonic clock, amounts are *seconds' worth* of the limit: units times 60 / limit.
"""

# ruff: noqa: FURB136  a call of max() costs five times its comparison, and this is the hot path

import math

WINDOW_S = 60.0
_ceil = math.ceil
# Sums of floats are off by less than this; without it whoever waits as told may be a nanosecond
# early. It does not add up: the next one finds the arrival where it really is.
TOLERANCE_S = 1e-6


def seconds_per_unit(per_minute: int) -> float:
    """Return what one unit is worth; `per_minute` is at least 1."""
    return WINDOW_S / per_minute


def wait_s(arrival: float, worth_s: float, now: float) -> float:
    """Return how long until `worth_s` fits; 0 when it fits now.

    Exact: who waits so long is admitted, if nobody else comes meanwhile, and who waits less is not.
    """
    wait = max(arrival - now, 0.0) + worth_s - WINDOW_S
    return wait if wait > TOLERANCE_S else 0.0


def moved(arrival: float, worth_s: float, now: float) -> float:
    """Return the arrival after taking `worth_s`; a negative one is given back.

    What is given back late is worth nothing: its time has passed, and the burst stays what it is.
    """
    return max(arrival, now) + worth_s


def remaining(arrival: float, per_minute: int, now: float) -> int:
    """Return how many units would be admitted now."""
    used_s = arrival - now
    if used_s <= 0:
        return per_minute
    # Half of what `wait_s` forgives, so that all that is told to remain is admitted.
    left = int((WINDOW_S - used_s + TOLERANCE_S / 2) * per_minute / WINDOW_S)
    if left < 0:
        return 0
    return left if left < per_minute else per_minute


def reset_ms(arrival: float, now: float) -> int:
    """Return in how many milliseconds all units are there again."""
    ahead_s = arrival - now
    return _ceil(ahead_s * 1000) if ahead_s > 0 else 0
