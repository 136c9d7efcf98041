"""The `x-ratelimit-*` lines, from the numbers that admit.

Names and forms are those of OpenAI (API reference, "Rate limits"), whose clients read them: the
limit, what remains of it, and when all of it is there again. Of several scopes the tightest is
told, which is the one that a client will meet first.
"""

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
    requests = tokens = None
    requests_room = tokens_room = 0.0
    for reading in readings:
        scope = reading.scope
        per_minute = scope.requests_per_minute
        if per_minute is not None:
            ahead_s = reading.requests_arrival - now
            room = per_minute * (WINDOW_S - ahead_s if ahead_s > 0.0 else WINDOW_S)
            if requests is None or room < requests_room:
                requests, requests_room = reading, room
        per_minute = scope.tokens_per_minute
        if per_minute is not None:
            ahead_s = reading.tokens_arrival - now
            room = per_minute * (WINDOW_S - ahead_s if ahead_s > 0.0 else WINDOW_S)
            if tokens is None or room < tokens_room:
                tokens, tokens_room = reading, room
    if tokens is None:
        return b"" if requests is None else _REQUESTS % _of_requests(requests, now)
    if requests is None:
        return _TOKENS % _of_tokens(tokens, now)
    return _BOTH % (_of_requests(requests, now) + _of_tokens(tokens, now))


def _of_requests(reading: Reading, now: float) -> tuple[int, int, int]:
    per_minute, arrival = reading.scope.requests_per_minute, reading.requests_arrival
    assert per_minute is not None
    return per_minute, remaining(arrival, per_minute, now), reset_ms(arrival, now)


def _of_tokens(reading: Reading, now: float) -> tuple[int, int, int]:
    per_minute, arrival = reading.scope.tokens_per_minute, reading.tokens_arrival
    assert per_minute is not None
    return per_minute, remaining(arrival, per_minute, now), reset_ms(arrival, now)


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
