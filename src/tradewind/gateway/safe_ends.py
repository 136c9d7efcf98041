"""Ends of answers, which go out once the FINAL frame of their call is safe."""

import functools
from collections.abc import Callable

from tradewind.gateway.http.server import Exchange
from tradewind.gateway.record import Recorder

BeforeEnd = Callable[[bytes, Callable[[bytes], None]], None]
"""Gets the last bytes of an answer that went well, and what sends them: it calls that exactly once,
now or later, with the bytes that are to go out."""


def deliver(  # noqa: PLR0917  called at the end of each call, and keywords cost
    recorder: Recorder,
    exchange: Exchange,
    rest: bytes,
    headers: bytes | None = None,
    before_end: BeforeEnd | None = None,
    status: int = 200,
) -> None:
    """Send a whole answer with these headers, or, without any, what tells the client of a stream
    that this was all. `before_end` comes before that.
    """

    def send(last: bytes) -> None:
        if headers is None:
            recorder.when_safe(lambda _: _end(exchange, last))
        elif recorder.is_safe_at_once:
            exchange.respond(status, headers, last)
        else:
            recorder.when_safe(functools.partial(_respond, exchange, status, headers, last))

    if before_end is None:
        send(rest)
    else:
        before_end(rest, send)


def _respond(
    exchange: Exchange, status: int, headers: bytes, body: bytes, _is_durable: bool
) -> None:
    exchange.respond(status, headers, body)


def _end(exchange: Exchange, last: bytes) -> None:
    exchange.send(last)
    exchange.end()
