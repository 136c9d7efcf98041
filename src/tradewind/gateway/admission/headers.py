"""The `x-ratelimit-*` lines, from the numbers that admit.

Names and forms are those of OpenAI (API reference, "Rate limits"), whose clients read them: the
limit, what remains of it, and when all of it is there again. Of several scopes the tightest is
told, which is the one that a client will meet first.
"""
# ruff: noqa: FURB136  a call of max() costs five times its comparison, and this is the hot path

from collections.abc import Sequence
from typing import NamedTuple

from tradewind.gateway.admission.chain import Limit, Unit
from tradewind.gateway.admission.rates import WINDOW_S, remaining, reset_ms
from tradewind.gateway.admission.store import Reading

_LINES = (
    b"x-ratelimit-limit-{0}: %d\r\nx-ratelimit-remaining-{0}: %d\r\nx-ratelimit-reset-{0}: %dms\r\n"
)
_REQUESTS = _LINES.replace(b"{0}", b"requests")
_TOKENS = _LINES.replace(b"{0}", b"tokens")
_BOTH = _REQUESTS + _TOKENS


class Standing(NamedTuple):
    """One limit at one moment."""

    limit: Limit
    remaining: int
    reset_ms: int


def rate_limit_lines(readings: Sequence[Reading], now: float) -> bytes:
    """Return the lines of what is limited; nothing is said of what is not."""
    most_requests = most_tokens = None
    requests_at = tokens_at = requests_room = tokens_room = 0.0
    end = now + WINDOW_S
    for reading in readings:
        scope = reading.scope
        per_minute = scope.requests_per_minute
        if per_minute is not None:
            arrival = reading.requests_arrival
            room = per_minute * (end - (arrival if arrival > now else now))
            if most_requests is None or room < requests_room:
                most_requests, requests_at, requests_room = per_minute, arrival, room
        per_minute = scope.tokens_per_minute
        if per_minute is not None:
            arrival = reading.tokens_arrival
            room = per_minute * (end - (arrival if arrival > now else now))
            if most_tokens is None or room < tokens_room:
                most_tokens, tokens_at, tokens_room = per_minute, arrival, room
    if most_tokens is None:
        if most_requests is None:
            return b""
        left = remaining(requests_at, most_requests, now)
        return _REQUESTS % (most_requests, left, reset_ms(requests_at, now))
    left_tokens, tokens_ms = remaining(tokens_at, most_tokens, now), reset_ms(tokens_at, now)
    if most_requests is None:
        return _TOKENS % (most_tokens, left_tokens, tokens_ms)
    left = remaining(requests_at, most_requests, now)
    return _BOTH % (
        most_requests,
        left,
        reset_ms(requests_at, now),
        most_tokens,
        left_tokens,
        tokens_ms,
    )


def standings(readings: Sequence[Reading], now: float) -> list[Standing]:
    """Return every limit with what remains of it."""
    found: list[Standing] = []
    for reading in readings:
        for limit in reading.scope.limits():
            match limit.unit:
                case Unit.REQUESTS:
                    found.append(_of_rate(limit, reading.requests_arrival, now))
                case Unit.TOKENS:
                    found.append(_of_rate(limit, reading.tokens_arrival, now))
                case Unit.CALLS:
                    found.append(Standing(limit, max(0, limit.amount - reading.calls), 0))
    return found


def _of_rate(limit: Limit, arrival: float, now: float) -> Standing:
    if not limit.amount:
        return Standing(limit, 0, int(WINDOW_S * 1000))
    return Standing(limit, remaining(arrival, limit.amount, now), reset_ms(arrival, now))
