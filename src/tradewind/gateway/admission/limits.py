"""Limits of keys: requests and tokens per minute, and calls at once, kept in this process.

Rates are GCRA (generic cell rate algorithm, ITU-T I.371): one number a limit, the theoretical
arrival time, exact at any rate and without windows that let twice the limit through at their seam.
Tokens are reserved by estimate and settled with what was used.
"""

import math

from tradewind.snapshot.contents import Grant, Limits
from tradewind.wire.errors import ApiError, retry_after

_WINDOW_S = 60.0
_MOST_IDLE_KEYS = 100_000
# Sums of floats are off by less than this; without it whoever waits as told may be a nanosecond
# early.
_TOLERANCE_S = 1e-6

_LINES = (
    b"x-ratelimit-limit-{0}: %d\r\nx-ratelimit-remaining-{0}: %d\r\nx-ratelimit-reset-{0}: %dms\r\n"
)
_REQUESTS_LINES = _LINES.replace(b"{0}", b"requests")
_TOKENS_LINES = _LINES.replace(b"{0}", b"tokens")


class _Rate:
    """A limit of `per_minute` units with a burst of one minute's worth."""

    __slots__ = ("arrival", "per_minute", "seconds_per_unit")

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self.seconds_per_unit = _WINDOW_S / max(1, per_minute)
        self.arrival = 0.0

    def wait_s(self, units: float, now: float) -> float:
        """Return how long until `units` fit; 0 when they fit now."""
        start = max(now, self.arrival)
        wait_s = start - now + units * self.seconds_per_unit - _WINDOW_S
        return wait_s if wait_s > _TOLERANCE_S else 0.0

    def take(self, units: float, now: float) -> None:
        """Units may be negative: a refund."""
        start = max(now, self.arrival)
        self.arrival = start + units * self.seconds_per_unit

    def remaining_and_reset_ms(self, now: float) -> tuple[int, int]:
        """Return how many units fit now, and in how many milliseconds all are there again."""
        used_s = self.arrival - now
        if used_s <= 0:
            return self.per_minute, 0
        left = int((_WINDOW_S - used_s + _TOLERANCE_S) / self.seconds_per_unit)
        return max(0, left), math.ceil(used_s * 1000)


class KeyUse:
    """What one key has in use. Kept for as long as its limits stay the same."""

    __slots__ = ("in_flight", "limits", "requests", "tokens")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.in_flight = 0
        self.requests = _rate(limits.requests_per_minute)
        self.tokens = _rate(limits.tokens_per_minute)

    def headers(self, now: float) -> bytes:
        """Return the `x-ratelimit-*` lines, from the same numbers that admit."""
        lines = b""
        rate = self.requests
        if rate is not None:
            lines = _REQUESTS_LINES % (rate.per_minute, *rate.remaining_and_reset_ms(now))
        rate = self.tokens
        if rate is not None:
            lines += _TOKENS_LINES % (rate.per_minute, *rate.remaining_and_reset_ms(now))
        return lines


class Limiter:
    """Admits calls of all keys. Used from the event loop's thread only."""

    def __init__(self) -> None:
        self._uses: dict[str, KeyUse] = {}

    def admit(self, grant: Grant, estimated_tokens: int, now: float) -> KeyUse:
        """Take one call and its estimated tokens, or raise ApiError 429 and take nothing.

        An admitted call must be given back by `settle`, exactly once.
        """
        use = self._uses.get(grant.key_id)
        # The same object until the next snapshot; then mostly an equal one.
        if use is None or (use.limits is not grant.limits and use.limits != grant.limits):
            use = self._replace(grant, use)
        limits = grant.limits
        if limits.concurrent_requests is not None and use.in_flight >= limits.concurrent_requests:
            raise _refuse(use, "concurrent requests", limits.concurrent_requests, 0.05, now)
        wait = 0.0 if use.requests is None else use.requests.wait_s(1, now)
        if use.tokens is not None:
            if estimated_tokens > use.tokens.per_minute:
                raise ApiError(
                    400,
                    f"The request needs about {estimated_tokens} tokens, more than this key may "
                    f"use in a minute ({use.tokens.per_minute}); it can never be admitted.",
                    code="request_exceeds_limit",
                )
            tokens_wait = use.tokens.wait_s(estimated_tokens, now)
            if tokens_wait > wait:  # of two waits the longer one is told, or it would not be true
                raise _refuse(use, "tokens per minute", use.tokens.per_minute, tokens_wait, now)
        if use.requests is not None:
            if wait:
                raise _refuse(use, "requests per minute", use.requests.per_minute, wait, now)
            use.requests.take(1, now)
        if use.tokens is not None:
            use.tokens.take(estimated_tokens, now)
        use.in_flight += 1
        return use

    def settle(self, use: KeyUse, estimated_tokens: int, used_tokens: int, now: float) -> None:
        """End one admitted call: give back what was reserved but not used."""
        use.in_flight -= 1
        if use.tokens is not None and used_tokens != estimated_tokens:
            use.tokens.take(used_tokens - estimated_tokens, now)

    def _replace(self, grant: Grant, former: KeyUse | None) -> KeyUse:
        if former is None and len(self._uses) >= _MOST_IDLE_KEYS:
            self._uses = {key_id: use for key_id, use in self._uses.items() if use.in_flight}
        # Calls in flight settle on the former; they no longer count, which errs towards the caller.
        use = self._uses[grant.key_id] = KeyUse(grant.limits)
        return use


def _rate(per_minute: int | None) -> _Rate | None:
    return None if per_minute is None else _Rate(per_minute)


def _refuse(use: KeyUse, what: str, limit: int, wait_s: float, now: float) -> ApiError:
    return ApiError(
        429,
        f"Rate limit reached for this key: {limit} {what}. Try again in {wait_s:.3f} s.",
        type="requests" if what != "tokens per minute" else "tokens",
        code="rate_limit_exceeded",
        headers=retry_after(wait_s) + use.headers(now),
    )
