"""A loop turned by hand, a socket in memory, and an application and a receiver that note what they
are told: with them a byte sequence can be fed in every possible way in microseconds."""

import asyncio
from collections import deque

from tradewind.gateway.http.batch import WriteBatch
from tradewind.gateway.http.limits import ServerLimits, UpstreamLimits, UpstreamTimeouts
from tradewind.gateway.http.server import HttpServer
from tradewind.gateway.http.sweep import Sweep
from tradewind.gateway.http.upstream import UpstreamCall, UpstreamFailure
from tradewind.gateway.http.upstream_connection import UpstreamConnection

AT = 784111777.0  # Sun, 06 Nov 1994 08:49:37 GMT
DATE = b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"


class HandLoop(asyncio.AbstractEventLoop):
    """As much of an event loop as the HTTP layer uses. Turns until nothing is ready."""

    def __init__(self):
        self.now = 1000.0
        self._ready = deque()
        self._timers = []

    def time(self):
        return self.now

    def call_soon(self, callback, *args, context=None):
        self._ready.append((callback, args))
        return asyncio.Handle(callback, args, self)

    def call_later(self, delay, callback, *args, context=None):
        timer = _Timer(self._timers, self.now + delay, callback, args, self)
        self._timers.append(timer)
        return timer

    def get_debug(self):
        return False

    @property
    def has_timers(self):
        return bool(self._timers)

    def turn(self):
        while self._ready:
            callback, args = self._ready.popleft()
            callback(*args)

    def advance(self, seconds):
        """Let time pass, timer by timer."""
        end = self.now + seconds
        while due := [timer for timer in self._timers if timer.when() <= end]:
            timer = min(due, key=lambda timer: timer.when())
            timer.cancel()
            self.now = max(self.now, timer.when())
            timer.callback(*timer.args)
            self.turn()
        self.now = end


class _Timer(asyncio.TimerHandle):
    """Raises what its callback raises, where a loop would log it."""

    def __init__(self, timers, when, callback, args, loop):
        super().__init__(when, callback, args, loop)
        self._timers = timers
        self.callback = callback
        self.args = args

    def cancel(self):
        self._timers.remove(self)


class MemoryTransport(asyncio.Transport):
    """One end of a connection whose other end is the test."""

    def __init__(self, loop, protocol, *, high_water=1 << 40):
        super().__init__({"peername": ("192.0.2.7", 40000)})
        self._loop = loop
        self._protocol = protocol
        self._high_water = high_water
        self.written = bytearray()
        self.unread_by_peer = 0
        self.is_reading_paused = False
        self.has_eof_written = False
        self.is_aborted = False
        self._is_closing = False
        self._is_write_paused = False
        self._waiting = deque()
        protocol.connection_made(self)

    # The peer's side.

    def feed(self, data):
        self._waiting.append(data)
        self._deliver()

    def feed_eof(self):
        self._waiting.append(None)
        self._deliver()

    def lose(self, error=None):
        self._lose(error)

    def peer_reads(self, size):
        self.unread_by_peer = max(0, self.unread_by_peer - size)
        if self._is_write_paused and self.unread_by_peer <= self._high_water // 4:
            self._is_write_paused = False
            self._protocol.resume_writing()

    @property
    def is_ended(self):
        """The peer sees, or is about to see, the end of what is sent."""
        return self.has_eof_written or self._is_closing

    # The protocol's side.

    def write(self, data):
        assert not self.has_eof_written
        self.written += data
        self.unread_by_peer += len(data)
        if self.unread_by_peer > self._high_water and not self._is_write_paused:
            self._is_write_paused = True
            self._protocol.pause_writing()

    def writelines(self, list_of_data):
        self.write(b"".join(list_of_data))

    def get_write_buffer_size(self):
        return self.unread_by_peer if self._is_write_paused else 0

    def can_write_eof(self):
        return True

    def write_eof(self):
        self.has_eof_written = True

    def pause_reading(self):
        self.is_reading_paused = True

    def resume_reading(self):
        self.is_reading_paused = False
        self._loop.call_soon(self._deliver)

    def is_closing(self):
        return self._is_closing

    def close(self):
        if not (self._is_closing or self._is_write_paused):
            self._lose(None)
        self._is_closing = True

    def abort(self):
        self.is_aborted = True
        if not self._is_closing or self._is_write_paused:
            self._lose(None)

    def _lose(self, error):
        self._is_closing = True
        self._is_write_paused = False
        self._loop.call_soon(self._protocol.connection_lost, error)

    def _deliver(self):
        while self._waiting and not self.is_reading_paused and not self._is_closing:
            data = self._waiting.popleft()
            if data is not None:
                self._protocol.data_received(data)
            elif not self._protocol.eof_received():
                self.close()


class NotingApplication:
    """Answers by path, and notes every call it gets.

    /now answers in handle(); /later a turn later; /stream in pieces over several turns; /slowly
    never by itself; /denied in begin(), /denied-stream and /denied-slowly start there; /small takes
    10 bytes of body; /broken raises in handle(), /broken-early in begin(), /broken-late after
    start().
    """

    def __init__(self, loop):
        self._loop = loop
        self.notes = []
        self.exchanges = []

    def begin(self, exchange):
        request = exchange.request
        self.notes.append(("begin", request.method, request.target, request.content_length))
        self.exchanges.append(exchange)
        exchange.on_client_gone = lambda: self.notes.append(("gone", request.target))
        exchange.on_pause = lambda: self.notes.append(("pause", request.target))
        exchange.on_resume = lambda: self.notes.append(("resume", request.target))
        if request.path == b"/denied":
            exchange.respond(401, b"x-a: b\r\n", b"no key")
            return None
        if request.path == b"/denied-stream":
            exchange.start(403, b"")
            self._loop.call_soon(self._go_on, exchange, 1)
            return None
        if request.path == b"/denied-slowly":
            exchange.start(403, b"")
            return None
        if request.path == b"/broken-early":
            raise ValueError("broken in begin")
        return 10 if request.path == b"/small" else 1 << 20

    def handle(self, exchange):
        request = exchange.request
        self.notes.append(("handle", request.target, tuple(request.raw_headers), request.body))
        match request.path:
            case b"/later":
                self._loop.call_soon(self._answer, exchange)
            case b"/stream":
                exchange.start(200, b"content-type: text/event-stream\r\n")
                exchange.send(b"first ")
                self._loop.call_soon(self._go_on, exchange, 3)
            case b"/slowly":
                pass
            case b"/empty":
                exchange.respond(204, b"", b"")
            case b"/broken":
                raise ValueError("broken in handle")
            case b"/broken-late":
                exchange.start(200, b"")
                exchange.send(b"half")
                raise ValueError("broken after start")
            case _:
                self._answer(exchange)

    def _answer(self, exchange):
        request = exchange.request
        body = b"%b %b %b" % (request.method, request.target, request.body)
        exchange.respond(200, b"content-type: text/plain\r\n", body)

    def _go_on(self, exchange, pieces):
        if pieces:
            exchange.send(b"piece %d " % pieces)
            self._loop.call_soon(self._go_on, exchange, pieces - 1)
        else:
            exchange.end()


class ServerInMemory:
    """A server with one client connection, on a hand-turned loop."""

    def __init__(self, limits=None, *, application=NotingApplication, high_water=1 << 40):
        self.loop = HandLoop()
        self.application = application(self.loop)
        self.limits = limits or ServerLimits()
        self.server = HttpServer(
            self.application,
            WriteBatch(self.loop),
            self.limits,
            self.loop,
            sweep_period_s=0.5,
            unix_time=lambda: AT,
        )
        self.high_water = high_water
        self.client = self.connect()

    def connect(self):
        return MemoryTransport(self.loop, self.server.protocol(), high_water=self.high_water)

    def feed(self, *pieces):
        for piece in pieces:
            self.client.feed(piece)
            self.loop.turn()
        return bytes(self.client.written)


class NotingReceiver:
    """Notes what it is told of a response; data is joined, since reads may cut it anywhere."""

    def __init__(self):
        self.notes = []
        self.body = b""
        self.reads = 0

    def response_started(self, status, headers):
        self.notes.append(("started", status, dict(headers)))

    def response_data(self, data):
        self.body += data
        self.reads += 1

    def response_ended(self):
        self.notes.append(("ended", self.body))

    def response_failed(self, failure: UpstreamFailure):
        self.notes.append(("failed", failure.kind.value, failure.nothing_received, self.body))


class NotingPool:
    """What a connection needs of the client, noting what becomes of the connection."""

    def __init__(self, loop, limits=None):
        self.batch = WriteBatch(loop)
        self.limits = limits or UpstreamLimits()
        self.sweep = Sweep(loop, 0.5)
        self.notes = []

    def take_back(self, connection):
        self.notes.append("kept")
        connection.idle_until(self.sweep.deadline_after(30.0))

    def forget(self, connection):
        if "gone" not in self.notes:
            self.notes.append("gone")

    def send_again(self, call):
        self.notes.append("sent again")

    def failed(self, call, failure):
        call.is_over = True
        call.receiver.response_failed(failure)


class UpstreamInMemory:
    """One upstream connection with one call under way."""

    def __init__(
        self, head=b"GET / HTTP/1.1\r\nhost: u\r\n\r\n", limits=None, *, high_water=1 << 40
    ):
        self.loop = HandLoop()
        self.pool = NotingPool(self.loop, limits)
        self.connection = UpstreamConnection(self.pool, "u:1")
        self.upstream = MemoryTransport(self.loop, self.connection, high_water=high_water)
        self.pool.sweep.add(self.connection)
        self.receiver = NotingReceiver()
        self.call = self.send(head, self.receiver)

    def send(self, head, receiver, timeouts=None):
        call = UpstreamCall("u:1", head, b"", receiver, timeouts or UpstreamTimeouts())
        call.total_deadline = self.pool.sweep.deadline_after(call.timeouts.total_s)
        self.connection.send(call)
        self.loop.turn()
        return call

    def feed(self, *pieces):
        for piece in pieces:
            self.upstream.feed(piece)
            self.loop.turn()

    def end(self, error=None):
        if error is None:
            self.upstream.feed_eof()
        else:
            self.upstream.lose(error)
        self.loop.turn()
