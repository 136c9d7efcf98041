"""The `x-ratelimit-*` lines, from the numbers that admit.

Names and forms are those of OpenAI (API reference, "Rate limits"), whose clients read them: the
limit, what remains of it, and when all of it is there again. Of several scopes the tightest is
told, which is the one that a client will meet first.
"""

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


def rate_limit_lines(readings: list[Reading], now: float) -> bytes:
    """Return the lines of what is limited; nothing is said of what is not."""
    requests = tokens = None
    requests_left = tokens_left = 0
    for reading in readings:
        scope, requests_arrival, tokens_arrival, _ = reading
        per_minute = scope.requests_per_minute
        if per_minute is not None:
            left = remaining(requests_arrival, per_minute, now)
            if requests is None or left < requests_left:
                requests, requests_left = reading, left
        per_minute = scope.tokens_per_minute
        if per_minute is not None:
            left = remaining(tokens_arrival, per_minute, now)
            if tokens is None or left < tokens_left:
                tokens, tokens_left = reading, left
    if requests is None and tokens is None:
        return b""
    if tokens is None:
        assert requests is not None
        return _REQUESTS % (
            requests.scope.requests_per_minute,
            requests_left,
            reset_ms(requests.requests_arrival, now),
        )
    if requests is None:
        return _TOKENS % (
            tokens.scope.tokens_per_minute,
            tokens_left,
            reset_ms(tokens.tokens_arrival, now),
        )
    return _BOTH % (
        requests.scope.requests_per_minute,
        requests_left,
        reset_ms(requests.requests_arrival, now),
        tokens.scope.tokens_per_minute,
        tokens_left,
        reset_ms(tokens.tokens_arrival, now),
    )


def standings(readings: list[Reading], now: float) -> list[Standing]:
    """Return every limit with what remains of it."""
    found: list[Standing] = []
    for scope, requests_arrival, tokens_arrival, calls in readings:
        for limit in scope.limits():
            match limit.unit:
                case Unit.REQUESTS:
                    found.append(_of_rate(limit, requests_arrival, now))
                case Unit.TOKENS:
                    found.append(_of_rate(limit, tokens_arrival, now))
                case Unit.CALLS:
                    found.append(Standing(limit, max(0, limit.amount - calls), 0))
    return found


def _of_rate(limit: Limit, arrival: float, now: float) -> Standing:
    if not limit.amount:
        return Standing(limit, 0, int(WINDOW_S * 1000))
    return Standing(limit, remaining(arrival, limit.amount, now), reset_ms(arrival, now))
