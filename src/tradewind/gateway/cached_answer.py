"""Whether a call is answered by what the same request got before, or its answer is to be kept."""

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
) -> CachedAnswer | Collecting | None:
    """Return the answer to give again, or what its own is to be collected in; None for neither.

    `terms` are of an organization that wants it.
    """
    if inbound.dialect is Dialect.RESPONSES:
        return None
    wish = request.headers.get(b"cache-control", b"")
    if b"no-store" in wish:
        return None
    key = key_of(terms.id, request.path, request.query, endpoint, request.body)
    cached = None if b"no-cache" in wish else state.response_cache.get(key, now)
    # One made at a host that this caller's conditions leave out, or that is gone, is none.
    if cached is not None and state.router.allows(endpoint, route, cached.target):
        return cached
    return Collecting(key, terms.cache_ttl_s)
