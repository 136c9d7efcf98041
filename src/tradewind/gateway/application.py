"""The route table of the public port: `/v1` is answered here, every other path is relayed."""

import dataclasses
import time
from collections.abc import Callable

from tradewind.gateway.admit import authenticate
from tradewind.gateway.handle import handle
from tradewind.gateway.http.server import Exchange
from tradewind.gateway.models import list_models, show_model
from tradewind.gateway.relay import relay
from tradewind.gateway.state import GatewayState
from tradewind.snapshot.contents import Grant, Operation
from tradewind.wire.errors import ApiError

Route = Callable[[GatewayState, Exchange, Grant], None]

_JSON = b"content-type: application/json\r\n"
_MODEL_PREFIX = b"/v1/models/"
_LOOPBACK = ("::1", "unix")


def _chat(state: GatewayState, exchange: Exchange, grant: Grant) -> None:
    handle(state, exchange, grant, Operation.CHAT)


def _embeddings(state: GatewayState, exchange: Exchange, grant: Grant) -> None:
    handle(state, exchange, grant, Operation.EMBEDDINGS)


ROUTES: dict[bytes, tuple[bytes, Route]] = {
    b"/v1/chat/completions": (b"POST", _chat),
    b"/v1/embeddings": (b"POST", _embeddings),
    b"/v1/models": (b"GET", list_models),
}
"""Path to method and handler. Every one of them needs a key; a test walks this table."""


class GatewayApplication:
    """What the HTTP server calls for each request."""

    def __init__(
        self,
        state: GatewayState,
        open_connections: Callable[[], int],
        server_counters: Callable[[], dict[str, int]],
    ) -> None:
        self._state = state
        self._open_connections = open_connections
        self._server_counters = server_counters

    def begin(self, exchange: Exchange) -> int | None:
        """Check the key before the body is read, so that a stranger cannot make us hold
        megabytes.
        """
        if exchange.request.path.startswith(b"/v1/"):
            try:
                exchange.context = self._authenticate(exchange)
            except ApiError as error:
                self._refuse(exchange, error)
                return None
        return self._state.config.max_body_bytes

    def handle(self, exchange: Exchange) -> None:
        path = exchange.request.path
        if path.startswith(b"/v1/"):
            try:
                self._answer(exchange, path)
            except ApiError as error:
                self._refuse(exchange, error)
        elif path == b"/healthz":
            self._health(exchange)
        elif path == b"/metrics":
            self._metrics(exchange)
        else:
            relay(self._state, exchange)

    def _answer(self, exchange: Exchange, path: bytes) -> None:
        grant = exchange.context
        assert isinstance(grant, Grant)
        if self._state.view.grant(grant.key_id) is not grant:
            # Another snapshot came while the body did, which may take minutes: the key may have
            # been revoked by it.
            grant = self._authenticate(exchange)
        method = exchange.request.method
        found = ROUTES.get(path)
        if found is not None:
            allowed, route = found
            if method != allowed:
                raise _wrong_method(allowed)
            route(self._state, exchange, grant)
        elif path.startswith(_MODEL_PREFIX):
            if method != b"GET":
                raise _wrong_method(b"GET")
            show_model(self._state, exchange, grant, path[len(_MODEL_PREFIX) :])
        else:
            raise ApiError(
                404,
                f"There is no {method.decode('latin-1')} {path[:200].decode('latin-1')}.",
                code="unknown_url",
            )

    def _authenticate(self, exchange: Exchange) -> Grant:
        state = self._state
        now_ms = time.time_ns() // 1_000_000
        return authenticate(exchange.request.headers, state.view, state.pepper, now_ms)

    def _refuse(self, exchange: Exchange, error: ApiError) -> None:
        self._state.metrics.add_refusal(error.status)
        exchange.respond(error.status, _JSON + error.headers, error.body())

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

    def _metrics(self, exchange: Exchange) -> None:
        """Counts name models and amounts, so they are for scrapers on this machine only."""
        peer = exchange.request.peer
        if not (peer.startswith("127.") or peer in _LOOPBACK):
            exchange.respond(403, _JSON, b'{"error":"scrape /metrics from this machine"}')
            return
        state = self._state
        text = state.metrics.exposition(
            [
                ("tradewind_calls_in_flight", "Calls at an upstream.", state.targets.in_flight),
                ("tradewind_open_connections", "Client connections.", self._open_connections()),
                ("tradewind_snapshot_version", "Snapshot in force.", state.view.version),
                ("tradewind_journal_healthy", "1 while usage is kept.", state.recorder.is_healthy),
            ],
            [
                ("tradewind_http", "Of the public port, by kind.", self._server_counters()),
                (
                    "tradewind_upstream",
                    "Calls to upstreams and how they failed, by kind.",
                    dataclasses.asdict(state.upstream.counters),
                ),
            ],
        )
        exchange.respond(200, b"content-type: text/plain; version=0.0.4; charset=utf-8\r\n", text)


def _wrong_method(allowed: bytes) -> ApiError:
    return ApiError(
        405,
        f"This path takes {allowed.decode()} only.",
        code="method_not_allowed",
        headers=b"allow: %b\r\n" % allowed,
    )
