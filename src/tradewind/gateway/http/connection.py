"""One client connection: bytes to exchanges, one at a time, and their answers back in order.

A connection is in one phase; every callback of the event loop acts on the phase:

    IDLE > HEAD > BODY > ANSWER > IDLE …      LINGER > CLOSED

Half-closed clients. A FIN after the request may mean "that was all" or "I have gone": TCP does
not tell. The answer is delivered; but a model must not generate for minutes for nobody. So while
nothing of the answer was sent, `100 Continue` is sent now and then, which every HTTP/1.1 client
must skip (RFC 9110, 15.2): a client that has gone answers it with a reset. Once the answer has
started, its own bytes do the same.
"""

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from typing import Final, cast

from tradewind.gateway.http.answer_head import CONTINUE, status_line
from tradewind.gateway.http.error_answers import JSON_HEADERS, RequestRefused, error_body
from tradewind.gateway.http.exchange import Exchange
from tradewind.gateway.http.request import CHUNKED, Request
from tradewind.gateway.http.request_body import ChunkedBody, LengthBody, body_too_large
from tradewind.gateway.http.request_head import head_length, parse_request_head
from tradewind.gateway.http.server_state import ServerState
from tradewind.gateway.http.sweep import NEVER

_log = logging.getLogger(__name__)

# Plain integers: they are compared several times a request, and an Enum costs an attribute each.
_IDLE: Final = 0  # no byte of the next request is here
_HEAD: Final = 1  # a part of its head is
_BODY: Final = 2  # a part of its body is missing
_ANSWER: Final = 3  # the request is complete, its answer is not
_LINGER: Final = 4  # refused; what still comes is thrown away so that the refusal can be read
_CLOSED: Final = 5  # closing, or closed


class ServerConnection(asyncio.Protocol):
    __slots__ = (
        "_body",
        "_closes_after_answer",
        "_discarded",
        "_exchange",
        "_has_eof",
        "_is_advancing",
        "_is_read_paused",
        "_peer",
        "_phase",
        "_probe_wait_s",
        "_state",
        "_total_deadline",
        "_transport",
        "_unread",
        "_unwritten",
        "date",
        "deadline",
        "is_write_paused",
    )

    def __init__(self, state: ServerState) -> None:
        self._state = state
        self.date = state.date
        self.deadline = NEVER
        self._phase = _IDLE
        self._unread = b""
        self._exchange: Exchange | None = None
        self._body: LengthBody | ChunkedBody | None = None
        self._closes_after_answer = False
        self._has_eof = False
        self._is_advancing = False
        self._is_read_paused = False
        self.is_write_paused = False
        self._total_deadline = NEVER
        self._discarded = 0
        self._unwritten = 0
        self._probe_wait_s = 0.0

    # What the event loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._peer: str = peer[0] if isinstance(peer, tuple) else "unix"
        state = self._state
        is_full = len(state.connections) >= state.limits.max_connections
        state.connections.add(self)
        state.sweep.add(self)
        if is_full or state.is_draining:
            state.counters.connections_refused += 1
            body = error_body(503, "overloaded", "The server takes no more connections.")
            self._write_error(503, body)
            self._close()
            return
        state.counters.connections += 1
        self._set_deadline(state.limits.head_timeout_s)

    def data_received(self, data: bytes) -> None:
        phase = self._phase
        if phase == _IDLE:
            # Not empty only when more was pipelined than one turn begins.
            self._unread = self._unread + data if self._unread else data
            self._advance()
        elif phase == _BODY:
            self._read_body(data)
            self._advance()
        elif phase == _HEAD:
            self._unread += data
            self._advance()
        elif phase == _ANSWER:
            self._unread += data
            if len(self._unread) >= self._state.limits.max_head_bytes:
                self._regulate_reading()
        elif phase == _LINGER:
            self._discarded += len(data)
            if self._discarded > self._state.limits.max_lingering_bytes:
                self._close()

    def eof_received(self) -> bool:
        self._has_eof = True
        phase = self._phase
        if phase == _ANSWER:
            self._watch_half_closed()
        elif phase > _HEAD or not self._has_waiting():
            self._close()
        # TLS has no half-closed connections: the transport closes whatever is returned, and asks
        # not to be told otherwise.
        return self._transport.get_extra_info("sslcontext") is None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._phase = _CLOSED
        self._unread = b""
        self._body = None
        state = self._state
        state.connections.discard(self)
        state.sweep.remove(self)
        self._abandon_exchange()
        waiter = state.on_last_closed
        if waiter is not None and not state.connections and not waiter.done():
            waiter.set_result(None)

    def pause_writing(self) -> None:
        self.is_write_paused = True
        if self._phase in (_ANSWER, _IDLE, _BODY):
            self._unwritten = self._transport.get_write_buffer_size()
            self._set_deadline(self._state.limits.write_timeout_s)
        exchange = self._exchange
        if exchange is not None and exchange.on_pause is not None:
            self._run(exchange.on_pause)

    def resume_writing(self) -> None:
        self.is_write_paused = False
        if self._phase in (_BODY, _ANSWER):
            self.deadline = NEVER if self._body is None else self._body_deadline()
            exchange = self._exchange
            if exchange is not None and exchange.on_resume is not None:
                self._run(exchange.on_resume)
        elif self._phase <= _HEAD:
            if self._phase == _IDLE:
                self._set_deadline(self._state.limits.idle_timeout_s)
            self._advance()

    def expired(self) -> None:
        limits, counters = self._state.limits, self._state.counters
        phase = self._phase
        if self.is_write_paused and phase in (_IDLE, _BODY, _ANSWER):
            left = self._transport.get_write_buffer_size()
            if self._unwritten - left >= limits.min_read_bytes:
                self._unwritten = left
                self._set_deadline(limits.write_timeout_s)
                return
            counters.write_timeouts += 1
            self._reset()
        elif phase == _IDLE:
            counters.idle_timeouts += 1
            self._close()
        elif phase == _HEAD:
            counters.head_timeouts += 1
            self._refuse(RequestRefused(408, "head_timeout", "The request head came too slowly."))
        elif phase == _BODY:
            counters.body_timeouts += 1
            self._refuse(RequestRefused(408, "body_timeout", "The request body came too slowly."))
        elif phase == _ANSWER:
            exchange = self._exchange
            if self._has_eof and exchange is not None and not exchange.started:
                self.write(CONTINUE)
                self._set_deadline(self._probe_wait_s)
                self._probe_wait_s *= 2
        elif phase == _LINGER:
            self._close()
        else:
            self._transport.abort()

    # What the server tells.

    def drain(self) -> None:
        """Close now when nothing is under way; answers under way say `connection: close`."""
        if self._phase == _IDLE and not self._unread:
            self._close()

    def kill(self) -> None:
        """Cut whatever is under way."""
        self._reset()

    # What the exchange tells.

    def write(self, data: bytes) -> None:
        self._state.batch.write(self._transport, data)

    def decide_reuse(self, *, may_reuse: bool) -> bytes:
        exchange = self._exchange
        assert exchange is not None
        request = exchange.request
        if not (may_reuse and request.keep_alive) or self._state.is_draining:
            is_reused = False
        else:
            # Answered before its body came: keep the connection only for a short body that is
            # surely under way.
            is_reused = self._phase != _BODY or (
                request.content_length != CHUNKED
                and request.content_length <= self._state.limits.max_drained_body_bytes
                and not request.expects_continue
            )
        self._closes_after_answer = not is_reused
        if not is_reused:
            return b"connection: close\r\n"
        return b"connection: keep-alive\r\n" if request.is_http10 else b""

    def answer_ended(self) -> None:
        self._forget_exchange()
        phase = self._phase
        if self._closes_after_answer or self._state.is_draining:
            if phase == _BODY or self._unread:
                self._linger()
            else:
                self._close()
        elif phase == _ANSWER:
            self._await_next()

    def cut(self, *, is_reset: bool) -> None:
        self._forget_exchange()
        if is_reset:
            self._reset_after_flush()
        else:
            self._close()

    # Requests.

    def _advance(self) -> None:
        """Begin requests from what was read until one needs more bytes or time."""
        if self._is_advancing:  # an answer given at once ends in here again
            return
        self._is_advancing = True
        left = self._state.limits.max_pipelined
        while self._unread and self._phase <= _HEAD and not self.is_write_paused:
            if not left:
                self._state.loop.call_soon(self._advance_later)
                break
            left -= 1
            if not self._begin_next():
                break
        self._is_advancing = False
        if self._has_eof:
            if self._phase == _ANSWER:
                self._watch_half_closed()
            elif self._phase <= _HEAD and left and not self.is_write_paused:
                self._close()  # what is unread can never become a request
        elif self._is_read_paused or len(self._unread) >= self._state.limits.max_head_bytes:
            self._regulate_reading()

    def _has_waiting(self) -> bool:
        """Tell whether complete requests of this client may still wait for their turn."""
        return self.is_write_paused or (self._phase == _IDLE and bool(self._unread))

    def _advance_later(self) -> None:
        if self._phase <= _HEAD:
            self._advance()

    def _begin_next(self) -> bool:
        """Take one request off the unread bytes; False when its head is not complete."""
        limits = self._state.limits
        unread = self._unread
        try:
            length = head_length(unread, limits)
            if not length:
                if self._phase == _IDLE:
                    self._phase = _HEAD
                    self._set_deadline(limits.head_timeout_s)
                return False
            is_all = length == len(unread)
            head = unread if is_all else unread[:length]
            self._unread = b"" if is_all else unread[length:]
            request = parse_request_head(head, limits, self._peer)
        except RequestRefused as refused:
            self._refuse(refused)
            return False
        self._state.counters.requests += 1
        self.deadline = NEVER
        self._begin(request)
        return True

    def _begin(self, request: Request) -> None:
        exchange = self._exchange = Exchange(request, self)
        length = request.content_length
        self._phase = _BODY if length else _ANSWER
        taken = None
        try:
            taken = self._state.application.begin(exchange)
            is_answered = exchange.started or exchange.ended
            assert taken is not None or is_answered, "begin() refused without an answer"
        except Exception:  # noqa: BLE001 - the edge of the process: a bug costs one request only
            self._application_failed(exchange)
        if exchange.started or exchange.ended:
            if self._phase == _BODY:
                self._drain_body(length)
            return
        if not length:
            self._handle(exchange)
            return
        limits = self._state.limits
        assert taken is not None
        limit = min(taken, limits.max_body_bytes)
        if length > limit:
            self._refuse(body_too_large())
            return
        if request.expects_continue:
            self.write(CONTINUE)
        unread = self._unread
        if 0 < length <= len(unread):  # the usual case: head and body in one read
            request.body = unread[:length]
            self._unread = unread[length:]
            self._phase = _ANSWER
            self._handle(exchange)
            return
        self._body = ChunkedBody(limit) if length == CHUNKED else LengthBody(length)
        self._await_body(unread)

    def _await_body(self, unread: bytes) -> None:
        limits = self._state.limits
        self._total_deadline = self._state.sweep.base + limits.body_total_timeout_s
        self.deadline = self._body_deadline()
        self._unread = b""
        if unread:
            self._read_body(unread)
        self._regulate_reading()

    def _read_body(self, data: bytes) -> None:
        body = self._body
        if body is None:  # answered early and closing: what comes is of no use
            return
        exchange = self._exchange
        try:
            rest = body.feed(data)
        except RequestRefused as refused:
            self._refuse(refused)
            return
        if rest is None:
            if not self.is_write_paused:
                self.deadline = self._body_deadline()
            return
        self._unread = rest
        self._body = None
        self.deadline = NEVER
        self._phase = _ANSWER
        if exchange is None:
            self._await_next()
        elif not exchange.started:
            exchange.request.body = body.content()
            self._handle(exchange)

    def _body_deadline(self) -> float:
        state = self._state
        return min(state.sweep.base + state.limits.body_timeout_s, self._total_deadline)

    def _drain_body(self, length: int) -> None:
        """The answer came first. Skip the body, or stop reading when the connection will close."""
        if self._closes_after_answer:
            self._body = None
            self._pause_reading()
        else:
            self._body = LengthBody(length, is_kept=False)
            self._await_body(self._unread)

    def _handle(self, exchange: Exchange) -> None:
        try:
            self._state.application.handle(exchange)
        except Exception:  # noqa: BLE001 - the edge of the process, as in _begin
            self._application_failed(exchange)

    def _await_next(self) -> None:
        self._phase = _IDLE
        if not self.is_write_paused:
            self._set_deadline(self._state.limits.idle_timeout_s)
        if self._unread or self._is_read_paused or self._has_eof:
            self._advance()

    # Ends.

    def _application_failed(self, exchange: Exchange) -> None:
        """Called inside an except block: the log gets the traceback, never the request."""
        self._state.counters.application_errors += 1
        _log.exception("the application failed on a request")
        if exchange.client_gone or exchange.ended:
            return
        if exchange.started:
            exchange.abort()
        else:
            body = error_body(500, "internal_error", "The server failed on this request.")
            exchange.respond(500, JSON_HEADERS, body)

    def _refuse(self, refused: RequestRefused) -> None:
        """Answer from the transport and close; the application hears that the client is gone."""
        self._state.counters.requests_refused += 1
        exchange = self._exchange
        self._abandon_exchange()
        if exchange is not None and exchange.started:
            self._reset()
            return
        if exchange is None and self._phase == _BODY:  # it was answered already
            self._close()
            return
        body = error_body(refused.status, refused.code, refused.message)
        is_head = exchange is not None and exchange.request.method == b"HEAD"
        self._write_error(refused.status, body, is_head=is_head)
        self._linger()

    def _write_error(self, status: int, body: bytes, *, is_head: bool = False) -> None:
        head = b"%b%bcontent-length: %d\r\nconnection: close\r\n%b\r\n" % (
            status_line(status), JSON_HEADERS, len(body), self.date.line(),
        )  # fmt: skip
        self.write(head if is_head else head + body)

    def _abandon_exchange(self) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        on_client_gone = exchange.on_client_gone
        self._forget_exchange()
        exchange.client_gone = True
        self._state.counters.clients_gone += 1
        if on_client_gone is not None:
            self._run(on_client_gone)

    def _forget_exchange(self) -> None:
        """Nothing more is told to it; without its callbacks it is no longer part of a cycle."""
        exchange = self._exchange
        if exchange is not None:
            self._exchange = None
            exchange.on_client_gone = exchange.on_pause = exchange.on_resume = None

    def _linger(self) -> None:
        self._unread = b""
        self._body = None
        if self._has_eof:
            self._close()
            return
        self._phase = _LINGER
        self._set_deadline(self._state.limits.lingering_timeout_s)
        self._state.batch.after_flush(self._shut_write_side)
        self._resume_reading()

    def _shut_write_side(self) -> None:
        if not self._transport.is_closing() and self._transport.can_write_eof():
            self._transport.write_eof()

    def _close(self) -> None:
        """Close once everything written has left, or cut after the write timeout."""
        self._abandon_exchange()
        self._phase = _CLOSED
        self._unread = b""
        self._body = None
        self._set_deadline(self._state.limits.write_timeout_s)
        self._state.batch.after_flush(self._transport.close)

    def _set_deadline(self, seconds: float) -> None:
        self.deadline = self._state.sweep.base + seconds

    def _watch_half_closed(self) -> None:
        exchange = self._exchange
        if exchange is not None and not (exchange.started or exchange.request.is_http10):
            wait_s = self._state.limits.half_closed_probe_s
            self._set_deadline(wait_s)
            self._probe_wait_s = 2 * wait_s

    def _regulate_reading(self) -> None:
        """Read while bytes are needed, and a little ahead to see the client go."""
        phase = self._phase
        if phase == _BODY:
            is_wanted = self._body is not None
        else:
            is_wanted = phase == _LINGER or (len(self._unread) < self._state.limits.max_head_bytes)
        if is_wanted:
            self._resume_reading()
        else:
            self._pause_reading()

    def _pause_reading(self) -> None:
        if not self._is_read_paused and not self._has_eof:
            self._is_read_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._is_read_paused:
            self._is_read_paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()

    def _reset_after_flush(self) -> None:
        """Cut behind what was written in this turn: it may hold whole answers to the requests
        before, which would otherwise be lost or not by how the client's bytes came.
        """
        self._phase = _CLOSED
        self._unread = b""
        self._body = None
        self._state.batch.after_flush(self._reset_unless_closing)

    def _reset_unless_closing(self) -> None:
        if not self._transport.is_closing():
            self._reset()

    def _reset(self) -> None:
        """Cut with a reset: a plain close would look like the end of an answer ended by closing."""
        sock = self._transport.get_extra_info("socket")
        if sock is not None and sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def _run(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception:  # noqa: BLE001 - the edge of the process; no answer is left to save
            self._state.counters.application_errors += 1
            _log.exception("the application failed in a connection callback")
            self._transport.abort()
