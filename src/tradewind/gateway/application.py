"""What the HTTP server calls: our own routes are answered here, every other path is relayed."""

import time
from collections.abc import Callable

import msgspec

from tradewind.gateway.authenticate import authenticate
from tradewind.gateway.content_safety_blocklists import PREFIX as BLOCKLISTS
from tradewind.gateway.content_safety_blocklists import relay_blocklists
from tradewind.gateway.dialects import surfaces
from tradewind.gateway.dialects.surfaces import Surface
from tradewind.gateway.http.server import Exchange
from tradewind.gateway.metrics_sampler import Sampler
from tradewind.gateway.metrics_scrape import answer_scrape
from tradewind.gateway.refusals import refuse
from tradewind.gateway.relay import relay
from tradewind.gateway.routes import Route, find
from tradewind.gateway.state import GatewayState
from tradewind.snapshot.contents import Grant
from tradewind.snapshot.view import SnapshotView
from tradewind.wire.errors import ApiError

_JSON = b"content-type: application/json\r\n"


class _Routed(msgspec.Struct, frozen=True):
    """What was found out before the body was read."""

    grant: Grant
    route: Route
    name: str
    view: SnapshotView
    """The snapshot the key was found in."""


class GatewayApplication:
    """What the HTTP server calls for each request."""

    def __init__(
        self,
        state: GatewayState,
        open_connections: Callable[[], int],
        server_counters: Callable[[], dict[str, int]],
    ) -> None:
        self._state = state
        self.sampler = Sampler(state, open_connections, server_counters)

    def begin(self, exchange: Exchange) -> int | None:
        """Find the route and check the key before the body is read, so that a stranger cannot make
        us hold megabytes.
        """
        request = exchange.request
        surface = surfaces.OPENAI
        try:
            found = find(request.path, is_google=b"x-goog-api-key" in request.headers)
            if found is not None:
                surface = found if isinstance(found, Surface) else found.surface
                grant = self._authenticate(exchange, surface)
                if isinstance(found, Surface):
                    raise _nothing_there(request.method, request.path)
                exchange.context = _Routed(
                    grant, found.by_method(request.method), found.name, self._state.view
                )
        except ApiError as error:
            refuse(self._state, exchange, surface, error)
            return None
        return self._state.config.max_body_bytes

    def handle(self, exchange: Exchange) -> None:
        routed = exchange.context
        if isinstance(routed, _Routed):
            try:
                grant = routed.grant
                if self._state.view is not routed.view:
                    # Another snapshot came while the body did, which may take minutes: the key may
                    # have been revoked by it.
                    grant = self._authenticate(exchange, routed.route.surface)
                routed.route.answer(self._state, exchange, grant, routed.name)
            except ApiError as error:
                refuse(self._state, exchange, routed.route.surface, error, routed.grant)
            return
        path = exchange.request.path
        if path == b"/healthz":
            self._health(exchange)
        elif path == b"/metrics":
            answer_scrape(self._state, self.sampler, exchange)
        elif path.startswith(BLOCKLISTS):
            relay_blocklists(self._state, exchange)
        else:
            relay(self._state, exchange)

    def _authenticate(self, exchange: Exchange, surface: Surface) -> Grant:
        state, request = self._state, exchange.request
        now_ms = time.time_ns() // 1_000_000
        query = request.query if surface.takes_key_in_query else b""
        return authenticate(request.headers, state.view, state.pepper, now_ms, query)

    def _health(self, exchange: Exchange) -> None:
        """Say whether this gateway serves. Never asks the database or another process."""
        state = self._state
        if state.is_draining or not state.recorder.is_healthy or state.view.version == 0:
            reason = (
                b"draining"
                if state.is_draining
                else b"waiting for a snapshot"
                if state.view.version == 0
                else b"journal cannot be written"
            )
            exchange.respond(503, _JSON, b'{"status":"unavailable","reason":"%b"}' % reason)
        else:
            exchange.respond(200, _JSON, b'{"status":"ok"}')


def _nothing_there(method: bytes, path: bytes) -> ApiError:
    return ApiError(
        404,
        f"There is no {method.decode('latin-1')} {path[:200].decode('latin-1')}.",
        code="unknown_url",
    )
