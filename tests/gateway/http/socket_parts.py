"""Servers, clients and upstreams on real loopback sockets."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

from tradewind.gateway.http.batch import WriteBatch
from tradewind.gateway.http.limits import ServerLimits, UpstreamLimits, UpstreamTimeouts
from tradewind.gateway.http.server import Exchange, HttpServer
from tradewind.gateway.http.upstream import UpstreamCall, UpstreamClient

PATIENCE_S = 30.0
"""How long a test waits for what must happen; never how long something takes."""
SWEEP_S = 0.02


def address_of(sock):
    host, port = sock.getsockname()
    return f"{host}:{port}"


async def soon(awaitable):
    return await asyncio.wait_for(awaitable, PATIENCE_S)


async def until(condition):
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.002)


class Client:
    """A raw client."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer

    def send(self, data):
        self.writer.write(data)

    def send_eof(self):
        self.writer.write_eof()

    async def head(self):
        return await soon(self.reader.readuntil(b"\r\n\r\n"))

    async def exactly(self, size):
        return await soon(self.reader.readexactly(size))

    async def until(self, mark):
        return await soon(self.reader.readuntil(mark))

    async def rest(self):
        return await soon(self.reader.read())

    async def answer(self):
        """One answer with a content-length: (status line and headers, body)."""
        head = await self.head()
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return head, await self.exactly(length)

    def reset(self):
        """Disappear as a killed process does."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self):
        self.writer.close()
        with contextlib.suppress(OSError):
            await soon(self.writer.wait_closed())


class _Application:
    """Looks up the function for each request, so that a test may set it late."""

    def __init__(self, gateway):
        self._gateway = gateway

    def begin(self, exchange):
        return self._gateway.begin(exchange)

    def handle(self, exchange):
        self._gateway.handle(exchange)


class Gateway:
    """A server, its upstream client and their batch, with an application made of one function."""

    def __init__(self, handle, *, limits=None, upstream_limits=None, begin=None, **client):
        loop = asyncio.get_running_loop()
        self.batch = WriteBatch(loop)
        self.handle: Callable[[Exchange], object] = handle or (lambda _: None)
        self._begin = begin or (lambda _: 1 << 26)
        self.upstream = UpstreamClient(
            loop,
            self.batch,
            upstream_limits or UpstreamLimits(),
            sweep_period_s=SWEEP_S,
            **client,
        )
        self.server = HttpServer(
            _Application(self), self.batch, limits or ServerLimits(), loop, sweep_period_s=SWEEP_S
        )
        self._clients = []

    def begin(self, exchange):
        return self._begin(exchange)

    async def __aenter__(self):
        self.address = await self.server.listen(host="127.0.0.1", port=0)
        return self

    async def __aexit__(self, *_):
        for client in self._clients:
            client.writer.transport.abort()
        await soon(self.server.drain(0.0))
        await soon(self.upstream.close())

    async def client(self, **options):
        sock = socket.socket()
        if "receive_buffer" in options:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options["receive_buffer"])
        sock.setblocking(False)
        try:
            await soon(asyncio.get_running_loop().sock_connect(sock, tuple(self.address)))
        except OSError:
            sock.close()
            raise
        reader, writer = await asyncio.open_connection(sock=sock, limit=1 << 16)
        client = Client(reader, writer)
        self._clients.append(client)
        return client


class Upstream:
    """An upstream that runs a script for each connection: `async def script(connection)`, where
    the connection is a `Client` seen from the other side."""

    def __init__(self, *scripts, path=None, tls=None):
        self._scripts = list(scripts)
        self._path = path
        self._tls = tls
        self.connections = 0
        self.requests = []
        self.may_talk = asyncio.Event()
        self._tasks = set()

    async def __aenter__(self):
        if self._path:
            self._server = await asyncio.start_unix_server(self._run, self._path)
            self.address = self._path
        else:
            self._server = await asyncio.start_server(self._run, "127.0.0.1", 0, ssl=self._tls)
            self.address = address_of(self._server.sockets[0])
        return self

    @property
    def port(self):
        return int(self.address.rpartition(":")[2])

    async def __aexit__(self, *_):
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        script = self._scripts[min(self.connections, len(self._scripts) - 1)]
        self.connections += 1
        connection = Client(reader, writer)
        try:
            await script(self, connection)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the test has seen what it wanted
        finally:
            writer.transport.abort()

    async def request(self, connection):
        """Read one request with its body and note it."""
        head = await connection.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        body = await connection.reader.readexactly(length)
        self.requests.append((head, body))
        return head, body


class Wire:
    """A stretch of network in front of an upstream: hands on its bytes in pieces, can be cut."""

    def __init__(self, port, *, piece_bytes=1 << 16):
        self._port = port
        self._piece_bytes = piece_bytes
        self._tasks = set()
        self._writers = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._run, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()

    def cut(self):
        """End every connection towards the client as the network does: a FIN and no goodbye."""
        for client in self._writers[::2]:
            client.write_eof()

    async def _run(self, reader, writer):
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, far_writer]
        forth = asyncio.create_task(self._pass_on(reader, far_writer, 1 << 16))
        back = asyncio.create_task(self._pass_on(far_reader, writer, self._piece_bytes))
        self._tasks |= {forth, back}

    async def _pass_on(self, reader, writer, piece_bytes):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(piece_bytes):
                writer.write(data)
                await writer.drain()
                if piece_bytes < 100:
                    await asyncio.sleep(0)  # so that the peer sees the piece for itself
            if not writer.transport.is_closing():
                writer.write_eof()


class Receiver:
    """Notes a response; `outcome` is done when it has ended or failed."""

    call: UpstreamCall

    def __init__(self):
        self.outcome = asyncio.get_running_loop().create_future()
        self.status = 0
        self.headers = {}
        self.pieces = []
        self.started = asyncio.Event()
        self.got_data = asyncio.Event()

    def response_started(self, status, headers):
        self.status, self.headers = status, headers
        self.started.set()

    def response_data(self, data):
        self.pieces.append(data)
        self.got_data.set()

    def response_ended(self):
        self.outcome.set_result("ended")

    def response_failed(self, failure):
        self.outcome.set_result(failure)

    @property
    def body(self):
        return b"".join(self.pieces)


class Relay:
    """Passes a response on to an exchange as it comes."""

    def __init__(self, exchange):
        self._exchange = exchange
        self.bytes = 0

    def response_started(self, status, headers):
        self._exchange.start(status, b"")

    def response_data(self, data):
        self.bytes += len(data)
        self._exchange.send(data)

    def response_ended(self):
        self._exchange.end()

    def response_failed(self, failure):
        if self._exchange.started:
            self._exchange.abort()
        else:
            self._exchange.respond(502, b"", failure.kind.value.encode())


def relay(gateway, exchange, address, timeouts=None):
    """Send the exchange's request upstream and its response back."""
    request = exchange.request
    head = b"%b %b HTTP/1.1\r\nhost: u\r\ncontent-length: %d\r\n\r\n" % (
        request.method,
        request.target,
        len(request.body),
    )
    receiver = Relay(exchange)
    call = gateway.upstream.send(
        address, head, request.body, receiver, timeouts or UpstreamTimeouts()
    )
    exchange.on_client_gone = call.cancel
    exchange.on_pause = call.pause
    exchange.on_resume = call.resume
    return receiver
