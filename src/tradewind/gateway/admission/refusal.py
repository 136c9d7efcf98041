"""What a call is told that is not admitted: which limit, how much, when to come back."""

from collections.abc import Sequence

from tradewind.gateway.admission.chain import Limit, ScopeKind, Unit
from tradewind.gateway.admission.headers import rate_limit_lines
from tradewind.gateway.admission.store import Reading, Refusal
from tradewind.wire.errors import ApiError, retry_after

# Of a limit of zero: nothing changes by itself, but somebody may raise it.
_CLOSED_WAIT_S = 60.0


def rate_limited(refusal: Refusal, readings: Sequence[Reading], now: float) -> ApiError:
    """Return the 429 that names the limit that binds and a wait that is sure to suffice."""
    limit, wait_s = refusal.limit, refusal.wait_s
    return ApiError(
        429,
        f"Rate limit reached for {place_of(limit)}: {limit.amount} {limit.unit}. "
        f"Try again in {wait_s:.3f} s.",
        type="tokens" if limit.unit is Unit.TOKENS else "requests",
        code="rate_limit_exceeded",
        headers=retry_after(wait_s) + rate_limit_lines(readings, now),
    )


def closed(limit: Limit, readings: Sequence[Reading], now: float) -> ApiError:
    """Return the 429 of a limit that admits nothing."""
    return ApiError(
        429,
        f"No call is admitted for {place_of(limit)}: the limit is 0 {limit.unit}.",
        type="tokens" if limit.unit is Unit.TOKENS else "requests",
        code="rate_limit_exceeded",
        headers=retry_after(_CLOSED_WAIT_S) + rate_limit_lines(readings, now),
    )


def never_fits(limit: Limit, tokens: int) -> ApiError:
    """Return the 400 of a call that no wait makes fit."""
    return ApiError(
        400,
        f"The request needs about {tokens} tokens, more than {place_of(limit)} may use in a minute "
        f"({limit.amount}); it can never be admitted.",
        code="request_exceeds_limit",
    )


def place_of(limit: Limit) -> str:
    """Return whose limit it is, in words."""
    match limit.kind:
        case ScopeKind.KEY:
            return "this key"
        case ScopeKind.PROJECT:
            return f"project '{limit.id}'"
        case ScopeKind.ORGANIZATION:
            return f"organization '{limit.id}'"
        case ScopeKind.PROJECT_MODEL:
            return f"model '{limit.model}' in project '{limit.id}'"
        case ScopeKind.ORGANIZATION_MODEL:
            return f"model '{limit.model}' in organization '{limit.id}'"
        case ScopeKind.MODEL:
            return f"model '{limit.id}', all callers together"
