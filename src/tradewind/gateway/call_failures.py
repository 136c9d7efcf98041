"""What a failure at an upstream means: for the target's health, for the caller, and for whether the
call may go elsewhere. Pure.
"""

from tradewind.gateway.http.upstream import FailureKind, UpstreamFailure
from tradewind.gateway.routing.router import AttemptResult
from tradewind.snapshot.contents import Routing
from tradewind.wire.errors import ApiError

_RESULTS = {
    429: AttemptResult.BUSY,
    503: AttemptResult.BUSY,
    529: AttemptResult.BUSY,
    401: AttemptResult.MISCONFIGURED,
    402: AttemptResult.MISCONFIGURED,
    403: AttemptResult.MISCONFIGURED,
    404: AttemptResult.MISCONFIGURED,
    408: AttemptResult.FAILED,
}
_RESULTS_OF_FAILURES = {
    FailureKind.REFUSED: AttemptResult.UNREACHABLE,
    FailureKind.CONNECT_TIMEOUT: AttemptResult.UNREACHABLE,
    FailureKind.FORBIDDEN_ADDRESS: AttemptResult.MISCONFIGURED,
    FailureKind.TLS: AttemptResult.MISCONFIGURED,
    FailureKind.OVERLOADED: AttemptResult.BUSY,
}
# What sends a call to its spillover deployment, as Azure has it. We tell an upstream's own failures
# apart where Azure answers 500.
_SPILLS = frozenset({429, 500, 502, 503, 504})
_TIMEOUTS = frozenset(
    {FailureKind.FIRST_BYTE_TIMEOUT, FailureKind.IDLE_TIMEOUT, FailureKind.TOTAL_TIMEOUT}
)


def result_of_status(status: int) -> AttemptResult:
    """Return what an answer other than 200 tells of the target."""
    result = _RESULTS.get(status)
    if result is not None:
        return result
    # 3xx too: redirects are not followed, so such a host is not set up right.
    return AttemptResult.CALLER if 400 <= status < 500 else AttemptResult.FAILED


def result_of_failure(failure: UpstreamFailure) -> AttemptResult:
    """Return what it tells of the target that no whole answer came."""
    return _RESULTS_OF_FAILURES.get(failure.kind, AttemptResult.FAILED)


def may_repeat(failure: UpstreamFailure, routing: Routing) -> bool:
    """Say whether another target may be asked after a failure that told the client nothing.

    A host that took too long has the call, and may charge for it: its operator says.
    """
    if failure.kind is FailureKind.FIRST_BYTE_TIMEOUT:
        return routing.retry_timeouts
    return failure.kind not in _TIMEOUTS


def may_spill(error: ApiError) -> bool:
    """Say whether an error sends a call to its spillover deployment."""
    return error.status in _SPILLS or error.code == "context_length_exceeded"


def error_of_failure(failure: UpstreamFailure) -> ApiError:
    """Return what the caller is told when no whole answer came."""
    if failure.kind in _TIMEOUTS:
        return ApiError(
            504,
            "The model did not answer in time.",
            type="server_error",
            code="upstream_timeout",
        )
    return ApiError(
        502,
        "The connection to the model's server failed.",
        type="server_error",
        code="upstream_unreachable",
    )


def budget_spent() -> ApiError:
    """Return what ends a stream whose tokens the budget no longer pays for."""
    return ApiError(
        402,
        "The budget of this key is spent; the answer ends here.",
        type="insufficient_quota",
        code="budget_exceeded",
    )


def model_stopped(name: str) -> ApiError:
    """Return what calls of a model get for which the kill switch was thrown."""
    return ApiError(
        503,
        f"The model '{name}' was stopped by an operator.",
        type="server_error",
        code="model_stopped",
    )
