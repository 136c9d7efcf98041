"""One connection to an upstream: calls one after another, bytes to the receiver's callbacks.

Heads are parsed only when complete, for exact limits, and interim (1xx) responses are dropped here.
A body of a length is counted; llhttp reads the chunked ones, of which it is told nothing else, so
trailers are dropped. A piece is parsed first and told afterwards, so that a receiver that cancels
inside a callback never meets a half-changed connection.
"""

import asyncio
import logging
import ssl
from typing import Protocol, cast

from httptools import HttpParserError, HttpResponseParser

from tradewind.gateway.http.batch import WriteBatch
from tradewind.gateway.http.header_lines import MalformedLine, is_kept_alive
from tradewind.gateway.http.limits import UpstreamLimits
from tradewind.gateway.http.response_head import (
    CHUNKED,
    NO_LENGTH,
    body_length,
    parse_fields,
    parse_status_line,
)
from tradewind.gateway.http.sweep import NEVER, Sweep
from tradewind.gateway.http.upstream_call import FailureKind, UpstreamCall, UpstreamFailure
from tradewind.gateway.http.upstream_tls import (
    TLS_WRITE_BYTES,
    has_ended_properly,
    hold_back,
    let_go,
    reason_of,
    report_unsent,
)

_log = logging.getLogger(__name__)

_JOINED_WRITE_BYTES = 64 * 1024
"""Above this, head and body are written apart: copying costs more than the second write."""
_H = ord("H")
_VERSIONS = (b"HTTP/1.1 ", b"HTTP/1.0 ")
_CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class Pool(Protocol):
    """The client, as a connection needs it."""

    batch: WriteBatch
    limits: UpstreamLimits
    sweep: Sweep

    def take_back(self, connection: "UpstreamConnection") -> None:
        """Keep a connection whose call ended cleanly for the next."""
        ...

    def forget(self, connection: "UpstreamConnection") -> None:
        """The connection is gone or of no more use."""
        ...

    def send_again(self, call: UpstreamCall) -> None:
        """A reused connection was stale: send once more on a fresh one."""
        ...

    def failed(self, call: UpstreamCall, failure: UpstreamFailure) -> None: ...


class UpstreamConnection(asyncio.Protocol):
    __slots__ = (
        "_call",
        "_has_bytes",
        "_has_end_of_stream",
        "_has_ended",
        "_has_excess",
        "_has_head",
        "_interim",
        "_is_full",
        "_is_head_flushed",
        "_is_head_request",
        "_is_keep_alive",
        "_is_reused",
        "_left",
        "_own_parts",
        "_parser",
        "_parts",
        "_pool",
        "_rest_of_body",
        "_tls",
        "_transport",
        "_unread",
        "address",
        "deadline",
        "on_body",
    )

    def __init__(self, pool: Pool, address: str) -> None:
        self.address = address
        self.deadline = NEVER
        self._pool = pool
        self._call: UpstreamCall | None = None
        self._parts: list[bytes] = []
        # llhttp calls this for every chunk of a stream, so it is the list's own method.
        self.on_body = self._parts.append
        self._parser: HttpResponseParser | None = None
        """Made with the first chunked body, and used for all."""
        self._unread = b""
        self._left = 0
        """Bytes of the body that are still to come, or NO_LENGTH or CHUNKED."""
        self._own_parts = 0
        self._tls: ssl.SSLObject | None = None
        self._rest_of_body: memoryview | None = None
        self._has_end_of_stream = False
        self._has_excess = False
        self._is_full = False
        self._is_head_flushed = True
        self._is_head_request = False
        self._is_keep_alive = False
        self._is_reused = False
        self._interim = 0
        self._has_bytes = False
        self._has_head = False
        self._has_ended = False

    # What the pool tells.

    def send(self, call: UpstreamCall) -> None:
        """Send a call on this idle connection."""
        self._call = call
        call.carrier = self
        # What is not set here is always as at first on a connection that is used again.
        self._interim = 0
        self._has_bytes = self._has_head = self._has_ended = False
        head, body = call.head, call.body
        self._is_head_request = head[0] == _H and head.startswith(b"HEAD ")
        self._await_more(call)
        pool = self._pool
        if len(body) <= _JOINED_WRITE_BYTES:
            pool.batch.write(self._transport, head + body)
        elif self._tls is not None:
            pool.batch.write(self._transport, head + body[:TLS_WRITE_BYTES])
            self._rest_of_body = memoryview(body)[TLS_WRITE_BYTES:]
            self._is_head_flushed = False
            pool.batch.after_flush(self._head_was_flushed)
        else:
            pool.batch.write(self._transport, head)
            pool.batch.write(self._transport, body)
        if call.is_paused:
            self.pause()

    def is_usable(self) -> bool:
        return not self._transport.is_closing()

    def idle_until(self, deadline: float) -> None:
        self.deadline = deadline
        self._is_reused = True

    def close(self) -> None:
        """Close without telling anybody."""
        self.deadline = NEVER
        self._rest_of_body = None
        self._pool.forget(self)
        self._transport.abort()

    def abandon(self) -> None:
        """Close a connection that never came to the pool, wherever its opening stopped."""
        transport: asyncio.Transport | None = getattr(self, "_transport", None)
        if transport is not None:
            transport.abort()

    def fail(self, kind: FailureKind, detail: str) -> None:
        """End the call under way and close."""
        call = self._call
        self._call = None
        self.close()
        if call is not None:
            text = f"{self.address}: {detail}"
            self._pool.failed(call, UpstreamFailure(kind, text, not self._has_bytes))

    # What the call tells.

    def cancel(self) -> None:
        self._call = None
        self.close()

    def pause(self) -> None:
        call = self._call
        if call is not None and not self._transport.is_closing():
            self._transport.pause_reading()
            if self._tls is not None:
                hold_back(self._transport)
            self.deadline = call.total_deadline

    def resume(self) -> None:
        if self._call is not None and not self._transport.is_closing():
            self._resume_reading()
            self._await_more(self._call)

    # What the event loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._tls = transport.get_extra_info("ssl_object")
        if self._tls is not None:
            report_unsent(self._transport)

    def data_received(self, data: bytes) -> None:
        call = self._call
        if call is None:  # an idle upstream has nothing to say
            self.close()
            return
        if not self._has_head:
            self._has_bytes = True
            data = self._read_head(call, data)
            if not self._has_head or self._call is not call:  # or its receiver has had enough
                return
        left = self._left
        is_broken = False
        if left >= 0:
            if len(data) > left:
                data = data[:left]
                self._has_excess = True
            left -= len(data)
            self._left = left
            self._has_ended = not left
        elif left == CHUNKED and data:
            data, is_broken = self._unchunked(data)
        if data:
            try:
                call.receiver.response_data(data)
            except Exception:  # noqa: BLE001 - as in _start
                self._receiver_failed(call)
            if self._call is not call:
                return
        if is_broken:
            self.fail(FailureKind.MALFORMED, "the response body is malformed")
        elif self._has_ended:
            self._finish(call)
        elif not call.is_paused:
            self._await_more(call)

    def eof_received(self) -> bool:
        self._has_end_of_stream = self._tls is None or has_ended_properly(self._tls)
        # At once: the transport would first wait for a request body that nobody reads any more.
        self._transport.abort()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        call = self._call
        self._call = None
        self._rest_of_body = None
        if call is not None and self._is_reused and not self._has_bytes:
            # Once: a fresh connection is not a reused one. And before this one's place is given
            # away, so that those who wait for it come after.
            self._pool.send_again(call)
            call = None
        self._pool.forget(self)
        if call is None:
            return
        if self._has_head and self._left == NO_LENGTH and exc is None and self._has_end_of_stream:
            self._end(call)
        else:
            kind, detail = FailureKind.CUT, "the connection ended before the response did"
            if isinstance(exc, ssl.SSLError):  # TLS 1.3 refuses a client after its handshake
                kind, detail = FailureKind.TLS, reason_of(exc)
            failure = UpstreamFailure(kind, f"{self.address}: {detail}", not self._has_bytes)
            self._pool.failed(call, failure)

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        if self._rest_of_body is not None:
            self._write_rest_of_body()

    def expired(self) -> None:
        call = self._call
        if call is None:
            self.close()
        elif call.total_deadline <= self._pool.sweep.now:
            self.fail(FailureKind.TOTAL_TIMEOUT, "the response took too long")
        elif self._has_head:
            self.fail(FailureKind.IDLE_TIMEOUT, "the response stopped coming")
        else:
            self.fail(FailureKind.FIRST_BYTE_TIMEOUT, "no response came")

    # What llhttp tells of a chunked body, beside `on_body`.

    def on_message_begin(self) -> None:
        if self._has_ended:
            self._has_excess = True

    def on_message_complete(self) -> None:
        if not self._has_ended:
            self._has_ended = True
            self._own_parts = len(self._parts)

    # Parts of a response.

    def _read_head(self, call: UpstreamCall, data: bytes) -> bytes:
        """Skip interim responses, take the head and tell of it. Return the bytes after it; none
        while it is not complete, and none when the call ended on it.
        """
        limits = self._pool.limits
        if self._unread:
            data = self._unread + data
            self._unread = b""
        while data:
            length = data.find(b"\r\n\r\n", 0, limits.max_response_head_bytes) + 4
            if length < 4:
                self._keep_unfinished_head(data)
                return b""
            head = data[:length]
            data = data[length:]
            lines = head.split(b"\r\n")
            is_too_many = len(lines) - 3 > limits.max_response_headers
            headers = None
            try:
                status, is_http10 = parse_status_line(lines[0])
                if status >= 200 and not is_too_many:
                    headers = parse_fields(lines[1:-2])
                    self._left = body_length(headers)
                    self._is_keep_alive = is_kept_alive(headers, is_http10)
            except MalformedLine:
                self.fail(FailureKind.MALFORMED, "the response head is malformed")
                return b""
            if headers is not None:
                self._start(call, status, headers, head)
                return data
            if is_too_many:
                self.fail(FailureKind.TOO_LARGE, "the response has too many headers")
                return b""
            # Its lines are not parsed, but what is skipped must be a head to everybody.
            if head.count(b"\n") != len(lines) - 1:
                self.fail(FailureKind.MALFORMED, "the response head is malformed")
                return b""
            self._interim += 1
            if status == 101 or self._interim > limits.max_interim_responses:
                self.fail(FailureKind.MALFORMED, "an interim response nobody asked for")
                return b""
        return b""

    def _keep_unfinished_head(self, data: bytes) -> None:
        if not (data.startswith(_VERSIONS) or _may_become_version(data)):
            self.fail(FailureKind.MALFORMED, "the response is not HTTP/1.1")
        elif len(data) >= self._pool.limits.max_response_head_bytes:
            self.fail(FailureKind.TOO_LARGE, "the response head is too large")
        elif data.count(b"\n") != data.count(b"\r\n"):
            self.fail(FailureKind.MALFORMED, "the response head is malformed")
        else:
            self._unread = data

    def _start(
        self, call: UpstreamCall, status: int, headers: dict[bytes, bytes], head: bytes
    ) -> None:
        self._has_head = True
        if self._is_head_request or status in (204, 304):
            self._left = 0
        elif self._left == CHUNKED:
            parser = self._parser
            if parser is None:
                parser = self._parser = HttpResponseParser(self)
            parser.feed_data(_CHUNKED_HEAD)
        call.response_head = head
        call.body = b""  # it will not be sent again, so it need not be held
        try:
            call.receiver.response_started(status, headers)
        except Exception:  # noqa: BLE001 - the edge of the process: a bug costs one call only
            self._receiver_failed(call)

    def _unchunked(self, data: bytes) -> tuple[bytes, bool]:
        """Return what of the body is in one read of it, and whether it is broken after that."""
        parser = self._parser
        assert parser is not None, "made with the head of a chunked body"
        is_broken = False
        try:
            parser.feed_data(data)
        except HttpParserError:
            # After the end of the response it is only excess, which costs the connection.
            is_broken = not self._has_ended
            self._has_excess = True
        parts = self._parts
        if self._has_excess and self._has_ended:
            del parts[self._own_parts :]  # parts of another message must not be told as of this
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        return data, is_broken

    def _finish(self, call: UpstreamCall) -> None:
        """The response is complete. The connection is free before its receiver hears of it, so that
        the next call it sends finds one.
        """
        self._call = None
        transport = self._transport
        # An upstream that answered before it had all of the request is not read in step any more.
        if (
            self._is_keep_alive
            and not self._has_excess
            and not transport.is_closing()
            and not transport.get_write_buffer_size()
            and self._rest_of_body is None
        ):
            if call.is_paused:
                self._resume_reading()
            self._pool.take_back(self)
        else:
            self.close()
        self._end(call)

    def _head_was_flushed(self) -> None:
        self._is_head_flushed = True
        self._write_rest_of_body()

    def _write_rest_of_body(self) -> None:
        """Over TLS only, see TLS_WRITE_BYTES. Goes on from `resume_writing`."""
        if not self._is_head_flushed:  # uvloop resumes also when a handshake has been sent
            return
        rest = self._rest_of_body
        while rest is not None and not self._is_full and not self._transport.is_closing():
            piece, rest = rest[:TLS_WRITE_BYTES], rest[TLS_WRITE_BYTES:] or None
            self._rest_of_body = rest  # before writing, which may call back
            self._transport.write(piece)
            rest = self._rest_of_body

    def _resume_reading(self) -> None:
        self._transport.resume_reading()
        if self._tls is not None:
            # What the layer holds is told in the next turn; reading on before could bring the end
            # of the socket, with which uvloop throws it away.
            asyncio.get_running_loop().call_soon(self._let_go)

    def _let_go(self) -> None:
        call = self._call
        if not self._transport.is_closing() and (call is None or not call.is_paused):
            let_go(self._transport)

    def _end(self, call: UpstreamCall) -> None:
        call.is_over = True
        call.carrier = None
        try:
            call.receiver.response_ended()
        except Exception:  # noqa: BLE001 - as in _start, but there is nothing left to end
            _log.exception("the receiver failed on the end of a response")

    def _await_more(self, call: UpstreamCall) -> None:
        timeouts = call.timeouts
        seconds = timeouts.idle_s if self._has_head else timeouts.first_byte_s
        deadline = self._pool.sweep.base + seconds
        total = call.total_deadline
        # Calling min() takes 60 ns more, twice a call.
        self.deadline = deadline if deadline < total else total  # noqa: FURB136

    def _receiver_failed(self, call: UpstreamCall) -> None:
        """Called inside an except block: the log gets the traceback, never the response."""
        _log.exception("the receiver failed on a response")
        if self._call is call:
            self.fail(FailureKind.CUT, "the receiver of the response failed")


def _may_become_version(data: bytes) -> bool:
    return any(version.startswith(data) for version in _VERSIONS)
