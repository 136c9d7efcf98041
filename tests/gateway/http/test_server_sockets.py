"""The server on real sockets, on both event loops."""

import asyncio
import os
import socket

import pytest
from corpus import request
from socket_parts import Client, Gateway, Upstream, relay, soon, until

from tradewind.gateway.http.connection import ServerConnection
from tradewind.gateway.http.limits import ServerLimits

GET = request(b"GET /x HTTP/1.1")


def echo(exchange):
    asked = exchange.request
    exchange.respond(200, b"content-type: text/plain\r\n", asked.target + b" " + asked.body)


async def test_answers_over_tcp_and_keeps_the_connection():
    async with Gateway(echo) as gateway:
        client = await gateway.client()
        for _ in range(3):
            client.send(request(b"POST /a HTTP/1.1", b"Content-Length: 4", body=b"body"))
            head, body = await client.answer()
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert body == b"/a body"
        assert gateway.server.open_connections == 1
        assert gateway.server.counters.requests == 3


async def test_answers_over_a_unix_socket(tmp_path):
    async with Gateway(echo) as gateway:
        path = str(tmp_path / "s")
        assert str(await gateway.server.listen(path=path)) == path
        client = Client(*await asyncio.open_unix_connection(path))
        client.send(GET)
        assert (await client.answer())[1] == b"/x "
        await client.close()


async def test_listens_on_a_socket_handed_down():
    async with Gateway(echo) as gateway:
        bound = socket.create_server(("127.0.0.1", 0))
        bound.setblocking(False)
        address = await gateway.server.listen(sock=bound)
        assert (address.host, address.port) == bound.getsockname()
        client = Client(*await asyncio.open_connection(*address))
        client.send(GET)
        assert (await client.answer())[1] == b"/x "
        await client.close()


async def test_two_servers_share_a_port_and_a_taken_port_is_an_error():
    async with Gateway(echo) as first, Gateway(echo) as second:
        host, port = await first.server.listen(host="127.0.0.1", port=0, reuse_port=True)
        assert await second.server.listen(host=host, port=port, reuse_port=True) == (host, port)
        with pytest.raises(OSError):
            await second.server.listen(host=first.address.host, port=first.address.port)


async def test_pipelined_requests_are_answered_in_order():
    waiting = []
    async with Gateway(waiting.append) as gateway:
        client = await gateway.client()
        client.send(b"".join(request(b"GET /%d HTTP/1.1" % n) for n in range(40)))
        for n in range(40):
            await until(lambda: waiting)
            (exchange,) = waiting
            waiting.clear()
            exchange.respond(200, b"", exchange.request.target)
            assert (await client.answer())[1] == b"/%d" % n


async def test_a_refusal_can_be_read_although_the_client_was_still_sending():
    def begin(exchange):
        exchange.respond(401, b"", b"no key")

    async with Gateway(echo, begin=begin) as gateway:
        client = await gateway.client()
        size = 20 << 20
        client.send(request(b"POST /x HTTP/1.1", b"Content-Length: %d" % size))
        client.send(b"x" * size)
        await soon(client.writer.drain())
        head, body = await client.answer()
        assert head.startswith(b"HTTP/1.1 401 ")
        assert body == b"no key"
        assert await client.rest() == b""


async def test_a_large_body_arrives_whole():
    async with Gateway(
        lambda exchange: exchange.respond(200, b"", exchange.request.body)
    ) as gateway:
        body = os.urandom(8 << 20)
        client = await gateway.client()
        client.send(request(b"POST / HTTP/1.1", b"Content-Length: %d" % len(body), body=body))
        assert (await client.answer())[1] == body
        chunked = b"".join(
            b"%x\r\n%b\r\n" % (len(piece), piece)
            for piece in (body[at : at + 70_001] for at in range(0, len(body), 70_001))
        )
        client.send(request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked", body=chunked))
        client.send(b"0\r\n\r\n")
        assert (await client.answer())[1] == body


async def test_a_half_closed_client_gets_its_answer():
    waiting = []
    async with Gateway(waiting.append) as gateway:
        client = await gateway.client()
        client.send(GET)
        client.send_eof()
        await until(lambda: waiting)
        # Long enough for the FIN to arrive: a later connection was served in the meantime.
        other = await gateway.client()
        other.send(b"BAD\n")
        await other.rest()
        waiting[0].start(200, b"")
        waiting[0].send(b"all")
        waiting[0].end()
        assert (await client.rest()).endswith(b"3\r\nall\r\n0\r\n\r\n")


async def test_a_client_that_closed_while_waiting_is_noticed():
    waiting = []
    gone = asyncio.Event()
    async with Gateway(waiting.append, limits=ServerLimits(half_closed_probe_s=0.02)) as gateway:
        client = await gateway.client()
        client.send(GET)
        await until(lambda: waiting)
        waiting[0].on_client_gone = gone.set
        await client.close()
        await soon(gone.wait())
        await until(lambda: gateway.server.open_connections == 0)


async def test_a_client_that_closed_during_a_stream_is_noticed():
    waiting = []
    gone = asyncio.Event()
    async with Gateway(waiting.append) as gateway:
        client = await gateway.client()
        client.send(GET)
        await until(lambda: waiting)
        waiting[0].on_client_gone = gone.set
        waiting[0].start(200, b"")
        await client.head()
        await client.close()

        async def stream():
            while not gone.is_set():
                waiting[0].send(b"data: x\n\n")
                await asyncio.sleep(0.001)

        await soon(stream())
        assert waiting[0].client_gone


async def test_a_client_that_vanishes_stops_the_upstream():
    stopped = asyncio.Event()

    async def endless(upstream, connection):
        await upstream.request(connection)
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.send(b"1\r\nx\r\n")
        await connection.reader.read()
        stopped.set()

    async with Upstream(endless) as upstream, Gateway(None) as gateway:
        gateway.handle = lambda exchange: relay(gateway, exchange, upstream.address)
        client = await gateway.client()
        client.send(GET)
        await client.until(b"1\r\nx\r\n")
        client.reset()
        await soon(stopped.wait())
        await until(lambda: gateway.upstream.open_connections == 0)


async def test_a_slow_reader_pauses_the_upstream_and_memory_stays_bounded():
    total = 64 << 20
    sent = 0
    size = 1 << 16

    async def flood(upstream, connection):
        nonlocal sent
        await upstream.request(connection)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        piece = bytes(size)
        while sent < total:
            connection.send(piece)
            sent += size
            await connection.writer.drain()
        await connection.reader.read()

    relays = []
    async with Upstream(flood) as upstream, Gateway(None) as gateway:
        gateway.handle = lambda exchange: relays.append(relay(gateway, exchange, upstream.address))
        client = await gateway.client(receive_buffer=1 << 16)
        client.send(GET)
        # Nothing is read: the flood has to come to rest far below its total.
        async with asyncio.timeout(30):
            before, still = -1, 0
            while still < 20:
                await asyncio.sleep(0.02)
                still = still + 1 if relays and relays[0].bytes == before else 0
                before = relays[0].bytes if relays else -1
        assert relays[0].bytes < 16 << 20
        (connection,) = gateway.server._state.connections
        assert isinstance(connection, ServerConnection)
        assert connection._transport.get_write_buffer_size() < 2 << 20
        received = 0
        while not (piece := await soon(client.reader.read(1 << 20))).endswith(b"0\r\n\r\n"):
            received += len(piece)
        assert relays[0].bytes == total
        assert received > total - (1 << 21)


async def test_a_client_that_never_reads_is_cut():
    gone = asyncio.Event()
    limits = ServerLimits(write_timeout_s=0.1)

    def handle(exchange):
        exchange.on_client_gone = gone.set
        exchange.start(200, b"")
        exchange.send(bytes(32 << 20))

    async with Gateway(handle, limits=limits) as gateway:
        client = await gateway.client(receive_buffer=1 << 16)
        client.send(GET)
        await soon(gone.wait())
        assert gateway.server.counters.write_timeouts == 1


async def test_slow_senders_are_told_408():
    limits = ServerLimits(head_timeout_s=0.05, body_timeout_s=0.05, idle_timeout_s=30)
    async with Gateway(echo, limits=limits) as gateway:
        head, body, silent = [await gateway.client() for _ in range(3)]
        head.send(b"GET / HTTP/1.1\r\n")
        body.send(request(b"POST / HTTP/1.1", b"Content-Length: 2", body=b"x"))
        assert (await head.rest()).startswith(b"HTTP/1.1 408 ")
        assert (await body.rest()).startswith(b"HTTP/1.1 408 ")
        assert await silent.rest() == b""
        counters = gateway.server.counters
        assert (counters.head_timeouts, counters.body_timeouts, counters.idle_timeouts) == (1, 1, 1)


async def test_an_idle_connection_is_closed():
    async with Gateway(echo, limits=ServerLimits(idle_timeout_s=0.05)) as gateway:
        client = await gateway.client()
        client.send(GET)
        await client.answer()
        assert await client.rest() == b""


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
async def test_an_aborted_stream_is_seen_as_incomplete(version):
    waiting = []
    async with Gateway(waiting.append) as gateway:
        client = await gateway.client()
        client.send(request(b"GET / HTTP/%b" % version))
        await until(lambda: waiting)
        waiting[0].start(200, b"")
        waiting[0].send(b"part")
        await client.until(b"part")
        waiting[0].abort()
        if version == b"1.0":  # a plain close would be the regular end
            with pytest.raises(ConnectionResetError):
                await client.rest()
        else:
            assert await client.rest() == b"\r\n"


async def test_draining_ends_what_runs_and_closes_what_is_idle():
    waiting = []
    limits = ServerLimits(head_timeout_s=1000, idle_timeout_s=1000)
    async with Gateway(waiting.append, limits=limits) as gateway:
        idle, running, streaming = [await gateway.client() for _ in range(3)]
        running.send(GET)
        streaming.send(GET)
        await until(lambda: len(waiting) == 2)
        waiting[1].start(200, b"")
        await streaming.head()
        draining = asyncio.ensure_future(gateway.server.drain(60))
        assert await idle.rest() == b""
        with pytest.raises(OSError):
            await gateway.client()
        assert not draining.done()
        waiting[0].respond(200, b"", b"done")
        head, body = await running.answer()
        assert b"connection: close\r\n" in head
        assert body == b"done"
        assert await running.rest() == b""
        waiting[1].send(b"x")
        waiting[1].end()
        assert (await streaming.rest()).endswith(b"0\r\n\r\n")
        await soon(draining)
        assert gateway.server.open_connections == 0


async def test_draining_cuts_what_does_not_end_in_time():
    waiting, gone = [], asyncio.Event()
    async with Gateway(waiting.append) as gateway:
        client = await gateway.client()
        client.send(GET)
        await until(lambda: waiting)
        waiting[0].on_client_gone = gone.set
        await soon(gateway.server.drain(0.01))
        assert gone.is_set()
        assert gateway.server.open_connections == 0


async def test_the_journal_is_written_before_the_bytes_it_stands_for():
    order = []
    async with Gateway(echo) as gateway:
        gateway.batch._before_flush = lambda: order.append("journal")

        def handle(exchange):
            order.append("handled")
            exchange.respond(200, b"", b"x")

        gateway.handle = handle
        client = await gateway.client()
        client.send(GET)
        await client.answer()
        assert order[:2] == ["handled", "journal"]
