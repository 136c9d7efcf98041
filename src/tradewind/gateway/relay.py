"""Passes every path that is not the gateway's on to the control plane: portal, `/api`, docs.

A reverse proxy for one upstream: hop-by-hop header fields are dropped (RFC 9110, section 7.6.1),
the client's address is added, bodies are passed on as they come.
"""

from collections.abc import Sequence

from tradewind.gateway.http.server import Exchange
from tradewind.gateway.http.upstream import UpstreamCall, UpstreamFailure
from tradewind.gateway.state import GatewayState
from tradewind.wire.errors import retry_after

_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"expect",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# Ours to say, so a client's own are dropped.
_FORWARDED = frozenset(
    {
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-real-ip",
    }
)
_DROPPED_FROM_REQUEST = _HOP_BY_HOP | _FORWARDED | {b"content-length"}
_DROPPED_FROM_ANSWER = _HOP_BY_HOP | {b"content-length", b"date", b"server"}
_TEXT = b"content-type: text/plain; charset=utf-8\r\n"
_STARTING = (
    b"<!doctype html><html lang=en><meta charset=utf-8><title>Starting</title>"
    b"<h1>The portal is starting</h1>"
    b"<p>Reload this page in a moment. The API under /v1 already answers."
)


def relay(state: GatewayState, exchange: Exchange) -> None:
    """Send the request to the control plane and its answer back."""
    socket = state.config.control_socket
    if socket is None:
        exchange.respond(404, _TEXT, _nothing_here(state.config.portal_url))
        return
    answer = _RelayedAnswer(exchange)
    call = answer.call = state.upstream.send(
        str(socket),
        head_of(exchange, exchange.request.target),
        exchange.request.body,
        answer,
        state.timeouts,
    )
    exchange.on_client_gone = answer.client_gone
    exchange.on_pause = call.pause
    exchange.on_resume = call.resume


def _nothing_here(portal_url: str | None) -> bytes:
    # Not a redirect: where a load balancer spreads that very address over all hosts, it would lead
    # back here.
    if portal_url is None:
        return b"There is nothing at this path.\n"
    return b"There is nothing at this path. The portal is at %b\n" % portal_url.encode()


def head_of(exchange: Exchange, target: bytes, more: Sequence[bytes] = ()) -> bytes:
    """Return the head that the control plane gets, for a path there and with more header lines."""
    request = exchange.request
    dropped = _DROPPED_FROM_REQUEST | _named_by_connection(request.headers)
    lines = [b"%b %b HTTP/1.1" % (request.method, target)]
    lines += [
        b"%b: %b" % (name, value)
        for name, value in request.raw_headers
        if name.lower() not in dropped
    ]
    lines += more
    lines.append(b"x-forwarded-for: " + request.peer.encode("latin-1", "replace"))
    if request.body or request.method in (b"POST", b"PUT", b"PATCH"):
        lines.append(b"content-length: %d" % len(request.body))
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _named_by_connection(headers: dict[bytes, bytes]) -> set[bytes]:
    """Return the fields that concern this connection only, as its `connection` field says."""
    named = headers.get(b"connection", b"").lower().split(b",")
    return {name.strip() for name in named}


class _RelayedAnswer:
    __slots__ = ("_exchange", "call")

    call: UpstreamCall

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def response_started(self, status: int, headers: dict[bytes, bytes]) -> None:
        dropped = _DROPPED_FROM_ANSWER | _named_by_connection(headers)
        lines = b"".join(
            b"%b: %b\r\n" % (name, value)
            for name, value in self.call.raw_headers
            if name.lower() not in dropped
        )
        length = headers.get(b"content-length")
        self._exchange.start(
            status, lines, content_length=int(length) if length is not None else None
        )

    def response_data(self, data: bytes) -> None:
        self._exchange.send(data)

    def response_ended(self) -> None:
        self._let_go()
        self._exchange.end()

    def client_gone(self) -> None:
        call = self.call
        self._let_go()
        call.cancel()

    def _let_go(self) -> None:
        """Break the ring of exchange, call and answer, so that the request's body goes at once.

        Rings are looked for rarely here: of an upload in parts of 16 MiB, hundreds were held.
        """
        exchange = self._exchange
        exchange.on_client_gone = exchange.on_pause = exchange.on_resume = None
        del self.call

    def response_failed(self, failure: UpstreamFailure) -> None:  # noqa: ARG002
        self._let_go()
        if self._exchange.started:
            self._exchange.abort()
            return
        self._exchange.respond(503, b"content-type: text/html\r\n" + retry_after(1.0), _STARTING)
