"""Whether a call is answered by what the same request got before, or its answer is to be kept."""

from collections.abc import Sequence

from tradewind.gateway.attempts import Attempts
from tradewind.gateway.dialects.base import Inbound
from tradewind.gateway.http.request import Request
from tradewind.gateway.response_cache import CachedAnswer, Collecting, key_of
from tradewind.gateway.routing.router import RouteAsk
from tradewind.gateway.state import GatewayState
from tradewind.plugins.providers.base import Dialect
from tradewind.snapshot.contents import Endpoint, Terms


def find_answer(  # noqa: PLR0917  what a call knows when it is admitted
    state: GatewayState,
    terms: Terms,
    request: Request,
    inbound: Inbound,
    endpoint: Endpoint,
    route: RouteAsk,
    now: float,
    policies: Sequence[tuple[str, int]],
) -> CachedAnswer | Collecting | None:
    """Return the answer to give again, or what its own is to be collected in; None for neither.

    `terms` are of an organization that wants it. `policies` are those that hold, with their
    versions: what others let pass is no answer.
    """
    if inbound.dialect is Dialect.RESPONSES:
        return None
    wish = request.headers.get(b"cache-control", b"")
    if b"no-store" in wish:
        return None
    key = key_of(terms.id, request.path, request.query, endpoint, request.body, policies)
    cached = None if b"no-cache" in wish else state.response_cache.get(key, now)
    # One made at a host that this caller's conditions leave out, or that is gone, is none.
    if cached is not None and state.router.allows(endpoint, route, cached.target):
        return cached
    return Collecting(key, terms.cache_ttl_s)


def keep_answer(
    state: GatewayState,
    collecting: Collecting,
    rest: bytes,
    attempts: Attempts,
    now: float,
) -> None:
    """Keep what was collected and these last bytes, if it is not too much."""
    collecting.add(rest)
    answer = collecting.answer(attempts.answer_type, attempts.target, now)
    if answer is not None:
        state.response_cache.put(collecting.key, answer)
