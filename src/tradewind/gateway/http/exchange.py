"""One request and its answer, as the application sees it."""

from collections.abc import Callable
from typing import Protocol

from tradewind.gateway.http.answer_head import DateLine, has_no_body, status_line
from tradewind.gateway.http.request import Request


class Application(Protocol):
    """What the server serves. Both calls happen on the event loop and must not block."""

    def begin(self, exchange: "Exchange") -> int | None:
        """The head is complete, the body not yet read. Return the largest body to take, or None
        after having answered: authenticate here, before a body costs memory.
        """
        ...

    def handle(self, exchange: "Exchange") -> None:
        """The body is complete. Answer now or later."""
        ...


class Carrier(Protocol):
    """The connection, as an exchange needs it."""

    date: DateLine
    is_write_paused: bool

    def write(self, data: bytes) -> None: ...

    def decide_reuse(self, *, may_reuse: bool) -> bytes:
        """Settle whether the connection outlives the answer; return its `connection` line."""
        ...

    def answer_ended(self) -> None: ...

    def cut(self, *, is_reset: bool) -> None: ...


# How the end of a streamed answer is told.
_NO_BODY, _CHUNKS, _LENGTH, _CLOSE = range(4)


class Exchange:
    """Answer with `respond`, or with `start`, any number of `send`, and `end` or `abort`.

    After the client has gone every one of these does nothing, so that callbacks under way need
    not ask. Answering twice is a bug and asserts.
    """

    __slots__ = (
        "_carrier",
        "_framing",
        "_left",
        "client_gone",
        "context",
        "ended",
        "on_client_gone",
        "on_pause",
        "on_resume",
        "request",
        "started",
    )

    def __init__(self, request: Request, carrier: Carrier) -> None:
        self.request = request
        self.on_client_gone: Callable[[], None] | None = None
        """Called once if the answer can no longer be delivered: the client disconnected, or its
        body was broken off, refused or late. Set by the application."""
        self.on_pause: Callable[[], None] | None = None
        """The client reads slower than is sent: stop the source. Not stopping costs memory."""
        self.on_resume: Callable[[], None] | None = None
        self.context: object = None
        """The application's own: what `begin` found out and `handle` needs."""
        self.started = False
        self.ended = False
        self.client_gone = False
        self._carrier = carrier

    @property
    def is_full(self) -> bool:
        """Tell whether the client has yet to read what was sent: `on_resume` comes when it has."""
        return self._carrier.is_write_paused

    def respond(self, status: int, headers: bytes, body: bytes) -> None:
        """Send a whole answer. `headers` are ready lines, each with its CRLF, without
        content-length, connection and date, which are added here.
        """
        if self.client_gone:
            return
        assert not self.started, "an exchange is answered once"
        self.started = self.ended = True
        carrier = self._carrier
        line = carrier.decide_reuse(may_reuse=True)
        is_bodiless = status in (204, 304)
        length = b"" if is_bodiless else b"content-length: %d\r\n" % len(body)
        if is_bodiless or self.request.method == b"HEAD":
            body = b""
        carrier.write(
            b"".join(
                (status_line(status), headers, length, line, carrier.date.line(), b"\r\n", body)
            )
        )
        carrier.answer_ended()

    def start(self, status: int, headers: bytes, *, content_length: int | None = None) -> None:
        """Begin a streamed answer. Without a length it is chunked (HTTP/1.0: ended by closing)."""
        if self.client_gone:
            return
        assert not self.started, "an exchange is answered once"
        self.started = True
        may_reuse = True
        framing_line = b""
        if content_length is not None and status not in (204, 304):
            framing_line = b"content-length: %d\r\n" % content_length
        # These two are there once the answer was started, and nobody asks before.
        self._left = content_length or 0
        if has_no_body(self.request.method, status):
            self._framing = _NO_BODY
        elif content_length is not None:
            self._framing = _LENGTH
        elif self.request.is_http10:
            self._framing = _CLOSE
            may_reuse = False
        else:
            self._framing = _CHUNKS
            framing_line = b"transfer-encoding: chunked\r\n"
        carrier = self._carrier
        line = carrier.decide_reuse(may_reuse=may_reuse)
        carrier.write(
            b"%b%b%b%b%b\r\n"
            % (status_line(status), headers, framing_line, line, carrier.date.line())
        )
        if carrier.is_write_paused and self.on_pause is not None:
            self.on_pause()  # the client was slow before this answer: nothing else would tell

    def send(self, data: bytes) -> None:
        """Send a piece of a started answer; it leaves with the flush of this loop turn."""
        if self.client_gone or not data:  # an empty chunk would end the answer
            return
        assert self.started, "start comes before send"
        assert not self.ended, "nothing is sent after the end"
        framing = self._framing
        if framing == _CHUNKS:
            self._carrier.write(b"%x\r\n%b\r\n" % (len(data), data))
        elif framing == _CLOSE:
            self._carrier.write(data)
        elif framing == _LENGTH:
            self._left -= len(data)
            assert self._left >= 0, "more was sent than the content-length announced"
            self._carrier.write(data)

    def end(self) -> None:
        """End a started answer. One that fell short of its announced length is aborted."""
        if self.client_gone:
            return
        assert self.started, "start comes before end"
        assert not self.ended, "an answer ends once"
        if self._framing == _LENGTH and self._left:
            self.abort()
            return
        self.ended = True
        if self._framing == _CHUNKS:
            self._carrier.write(b"0\r\n\r\n")
        self._carrier.answer_ended()

    def abort(self) -> None:
        """Cut the connection so that the client sees the answer is incomplete: no last chunk, and
        a reset where closing would mean the end. on_client_gone is not called.
        """
        if self.client_gone or self.ended:
            return
        self.ended = True
        self._carrier.cut(is_reset=self.started and self._framing == _CLOSE)
