"""The upstream client on real sockets, on both event loops."""

import asyncio
import socket

import pytest
from socket_parts import Gateway, Receiver, Upstream, address_of, soon, until

from tradewind.gateway.http.limits import UpstreamLimits, UpstreamTimeouts
from tradewind.gateway.http.upstream import FailureKind, UpstreamFailure

HEAD = b"POST /v1 HTTP/1.1\r\nhost: u\r\ncontent-length: 4\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TIMEOUTS = UpstreamTimeouts()


async def answering(upstream, connection):
    while True:
        await upstream.request(connection)
        connection.send(OK)


async def answering_once(upstream, connection):
    await upstream.request(connection)
    connection.send(OK)


async def closing_unanswered(upstream, connection):
    await upstream.request(connection)


async def answering_then_closing(upstream, connection):
    await answering_once(upstream, connection)
    await closing_unanswered(upstream, connection)


def send(gateway, address, *, head=HEAD, body=b"body", timeouts=TIMEOUTS):
    receiver = Receiver()
    receiver.call = gateway.upstream.send(address, head, body, receiver, timeouts)
    return receiver


async def _ended(receiver):
    assert await soon(receiver.outcome) == "ended"
    return receiver.status, receiver.body


async def _failed(receiver):
    failure = await soon(receiver.outcome)
    assert isinstance(failure, UpstreamFailure)
    return failure


async def test_calls_one_after_another_share_a_connection():
    async with Upstream(answering) as upstream, Gateway(None) as gateway:
        for _ in range(3):
            assert await _ended(send(gateway, upstream.address)) == (200, b"ok")
        assert upstream.connections == 1
        assert upstream.requests == [(HEAD, b"body")] * 3
        assert (gateway.upstream.open_connections, gateway.upstream.idle_connections) == (1, 1)


async def test_calls_at_once_have_a_connection_each_and_the_last_used_is_taken_first():
    async with Upstream(answering) as upstream, Gateway(None) as gateway:
        receivers = [send(gateway, upstream.address) for _ in range(3)]
        for receiver in receivers:
            await _ended(receiver)
        assert upstream.connections == 3
        last = gateway.upstream._idle[upstream.address][-1]
        await _ended(send(gateway, upstream.address))
        assert gateway.upstream._idle[upstream.address][-1] is last


async def test_idle_connections_are_bounded_and_age():
    limits = UpstreamLimits(max_idle_connections=2, idle_keepalive_s=0.1)
    async with (
        Upstream(answering) as upstream,
        Gateway(None, upstream_limits=limits) as gateway,
    ):
        receivers = [send(gateway, upstream.address) for _ in range(4)]
        for receiver in receivers:
            await _ended(receiver)
        assert gateway.upstream.idle_connections <= 2
        await until(lambda: gateway.upstream.open_connections == 0)
        assert gateway.upstream.idle_connections == 0


async def test_a_call_over_a_unix_socket(tmp_path):
    path = str(tmp_path / "engine")
    async with Upstream(answering, path=path) as upstream, Gateway(None) as gateway:
        assert await _ended(send(gateway, path)) == (200, b"ok")
        assert await _ended(send(gateway, path)) == (200, b"ok")
        assert upstream.connections == 1


async def test_a_connection_the_upstream_closed_while_idle_is_not_used_again():
    async with Upstream(answering_once, answering) as upstream, Gateway(None) as gateway:
        assert await _ended(send(gateway, upstream.address)) == (200, b"ok")
        await until(lambda: gateway.upstream.open_connections == 0)
        assert gateway.upstream.idle_connections == 0
        assert await _ended(send(gateway, upstream.address)) == (200, b"ok")
        assert upstream.connections == 2
        assert gateway.upstream.counters.stale_retries == 0


async def test_an_idle_connection_that_is_closing_is_passed_over():
    async with Upstream(answering) as upstream, Gateway(None) as gateway:
        await _ended(send(gateway, upstream.address))
        gateway.upstream._idle[upstream.address][0]._transport.abort()
        assert await _ended(send(gateway, upstream.address)) == (200, b"ok")
        assert upstream.connections == 2
        assert gateway.upstream.counters.stale_retries == 0


async def test_a_call_lost_on_a_reused_connection_is_sent_once_more_and_no_more():
    async with (
        Upstream(answering_then_closing, closing_unanswered) as upstream,
        Gateway(None) as gateway,
    ):
        assert await _ended(send(gateway, upstream.address)) == (200, b"ok")
        failure = await _failed(send(gateway, upstream.address))
        assert (failure.kind, failure.nothing_received) == (FailureKind.CUT, True)
        assert len(upstream.requests) == 3
        assert upstream.connections == 2
        assert gateway.upstream.counters.stale_retries == 1


async def test_a_call_lost_on_a_stale_connection_is_answered_on_a_fresh_one():
    scripts = (answering_then_closing, answering_then_closing, answering)
    async with Upstream(*scripts) as upstream, Gateway(None) as gateway:
        for receiver in [send(gateway, upstream.address) for _ in range(2)]:
            await _ended(receiver)
        # Both idle connections are stale: a retry on the other one would be lost too.
        assert await _ended(send(gateway, upstream.address)) == (200, b"ok")
        assert upstream.connections == 3
        assert upstream.requests == [(HEAD, b"body")] * 4


async def test_a_call_lost_on_a_fresh_connection_is_not_sent_again():
    async with Upstream(closing_unanswered) as upstream, Gateway(None) as gateway:
        failure = await _failed(send(gateway, upstream.address))
        assert (failure.kind, failure.nothing_received) == (FailureKind.CUT, True)
        assert len(upstream.requests) == 1


async def test_a_call_cut_after_the_first_byte_is_not_sent_again():
    async def answering_then_cutting(upstream, connection):
        await answering_once(upstream, connection)
        await upstream.request(connection)
        connection.send(b"H")
        await connection.writer.drain()

    async with Upstream(answering_then_cutting) as upstream, Gateway(None) as gateway:
        await _ended(send(gateway, upstream.address))
        failure = await _failed(send(gateway, upstream.address))
        assert (failure.kind, failure.nothing_received) == (FailureKind.CUT, False)
        assert len(upstream.requests) == 2


async def test_nobody_listening_is_refused(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = address_of(taken)
    async with Gateway(None) as gateway:
        for address in (free, str(tmp_path / "none")):
            failure = await _failed(send(gateway, address))
            assert (failure.kind, failure.nothing_received) == (FailureKind.REFUSED, True)
            assert address in failure.detail
        assert gateway.upstream.counters.refused == 2


@pytest.mark.parametrize("address", ["", "host", "host:", ":80", "host:x", "host:0", "host:99999"])
async def test_a_malformed_address_is_told_to_the_caller(address):
    async with Gateway(None) as gateway:
        with pytest.raises(ValueError, match="is not host:port"):
            send(gateway, address)


async def test_an_upstream_that_does_not_accept_times_out():
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        fillers = []
        try:
            for _ in range(4):  # the queue of connections to accept holds one or two
                filler = socket.socket()
                filler.setblocking(False)
                fillers.append((filler, loop.create_task(_connect(loop, filler, full))))
            await asyncio.wait([fillers[0][1]], timeout=30)
            async with Gateway(None) as gateway:
                address = address_of(full)
                timeouts = UpstreamTimeouts(connect_s=0.1)
                receivers = [send(gateway, address, timeouts=timeouts) for _ in range(3)]
                failures = [await _failed(receiver) for receiver in receivers[2:]]
                assert failures[0].kind == FailureKind.CONNECT_TIMEOUT
        finally:
            for filler, task in fillers:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                filler.close()


async def _connect(loop, sock, listening):
    await loop.sock_connect(sock, listening.getsockname())


async def test_one_read_is_told_as_one_piece():
    async def chunks(upstream, connection):
        await upstream.request(connection)
        connection.send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 500
        )
        await upstream.request(connection)

    async with Upstream(chunks) as upstream, Gateway(None) as gateway:
        receiver = send(gateway, upstream.address)
        await until(lambda: len(receiver.body) == 500)
        assert len(receiver.pieces) == 1


async def test_cancelling_closes_the_upstream_connection_and_nothing_is_told():
    ended = asyncio.Event()

    async def waiting(upstream, connection):
        await upstream.request(connection)
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        await connection.reader.read()
        ended.set()

    async with Upstream(waiting) as upstream, Gateway(None) as gateway:
        receiver = send(gateway, upstream.address)
        await soon(receiver.got_data.wait())
        receiver.call.cancel()
        await soon(ended.wait())
        assert not receiver.outcome.done()
        assert gateway.upstream.open_connections == 0


async def test_cancelling_while_connecting_leaves_nothing_behind():
    async with Upstream(answering) as upstream, Gateway(None) as gateway:
        receiver = send(gateway, upstream.address)
        receiver.call.cancel()
        await _ended(send(gateway, upstream.address))
        await until(lambda: not gateway.upstream._connecting)
        assert not receiver.outcome.done()
        assert len(upstream.requests) == 1


async def test_a_receiver_may_cancel_inside_any_callback():
    async def streaming(upstream, connection):
        await upstream.request(connection)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nxy")
        await upstream.request(connection)

    class Cancelling(Receiver):
        def __init__(self, at):
            super().__init__()
            self.at = at
            self.told = []

        def response_started(self, status, headers):
            self.told.append("started")
            self._cancel()

        def response_data(self, data):
            self.told.append("data")
            self._cancel()

        def response_ended(self):
            self.told.append("ended")

        def _cancel(self):
            if self.told[-1] == self.at:
                self.call.cancel()

    async with Upstream(streaming) as upstream, Gateway(None) as gateway:
        for at, told in (("started", ["started"]), ("data", ["started", "data"])):
            receiver = Cancelling(at)
            receiver.call = gateway.upstream.send(
                upstream.address, HEAD, b"body", receiver, TIMEOUTS
            )
            await until(lambda told=told, receiver=receiver: receiver.told == told)
            await until(lambda: gateway.upstream.open_connections == 0)
            assert receiver.told == told


async def test_a_bug_in_a_receiver_fails_its_call_and_no_other(caplog):
    class Broken(Receiver):
        def response_started(self, status, headers):
            raise ValueError("broken receiver")

    async with Upstream(answering) as upstream, Gateway(None) as gateway:
        broken = Broken()
        gateway.upstream.send(upstream.address, HEAD, b"body", broken, TIMEOUTS)
        assert (await _failed(broken)).kind == FailureKind.CUT
        assert await _ended(send(gateway, upstream.address)) == (200, b"ok")
        assert "broken receiver" in caplog.text


async def test_an_answer_before_the_request_was_read_is_told_and_the_connection_dropped():
    async def impatient(upstream, connection):
        await connection.reader.readuntil(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        await connection.writer.drain()
        await asyncio.get_running_loop().create_future()

    body = bytes(16 << 20)
    head = b"POST / HTTP/1.1\r\nhost: u\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with Upstream(impatient) as upstream, Gateway(None) as gateway:
        receiver = send(gateway, upstream.address, head=head, body=body)
        assert await _ended(receiver) == (413, b"big")
        assert gateway.upstream.idle_connections == 0
        await until(lambda: gateway.upstream.open_connections == 0)


async def test_a_response_ended_by_closing_is_whole_and_a_reset_one_is_not():
    reading = asyncio.Event()

    def until_close(*, resets):
        async def script(upstream, connection):
            await upstream.request(connection)
            connection.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")
            await connection.writer.drain()
            if resets:
                await reading.wait()
                connection.reset()

        return script

    async with (
        Upstream(until_close(resets=False)) as closing,
        Upstream(until_close(resets=True)) as resetting,
        Gateway(None) as gateway,
    ):
        assert await _ended(send(gateway, closing.address)) == (200, b"all of it")
        receiver = send(gateway, resetting.address)
        await soon(receiver.got_data.wait())
        reading.set()
        assert (await _failed(receiver)).kind == FailureKind.CUT


async def test_a_paused_call_is_read_no_further_until_resumed():
    async def flood(upstream, connection):
        await upstream.request(connection)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (32 << 20))
        connection.send(bytes(32 << 20))
        await upstream.request(connection)

    async with Upstream(flood) as upstream, Gateway(None) as gateway:
        receiver = send(gateway, upstream.address)
        receiver.call.pause()  # before it is even connected
        await until(lambda: upstream.requests)
        assert receiver.pieces == []
        receiver.call.resume()
        await soon(receiver.started.wait())
        receiver.call.pause()
        held = len(receiver.body)
        other = send(gateway, upstream.address)  # the loop goes round while the first one waits
        await soon(other.outcome)
        assert len(receiver.body) == held
        receiver.call.resume()
        assert await soon(receiver.outcome) == "ended"
        assert len(receiver.body) == 32 << 20


async def test_a_call_paused_at_its_end_leaves_a_connection_that_is_read_again():
    class Pausing(Receiver):
        def response_data(self, data):
            super().response_data(data)
            self.call.pause()

    async with Upstream(answering) as upstream, Gateway(None) as gateway:
        receiver = Pausing()
        receiver.call = gateway.upstream.send(upstream.address, HEAD, b"body", receiver, TIMEOUTS)
        assert await soon(receiver.outcome) == "ended"
        assert await _ended(send(gateway, upstream.address)) == (200, b"ok")
        assert upstream.connections == 1


async def test_an_idle_upstream_that_speaks_is_dropped():
    async def talkative(upstream, connection):
        await answering_once(upstream, connection)
        await upstream.may_talk.wait()
        connection.send(OK)
        await connection.reader.read()

    async with Upstream(talkative) as upstream, Gateway(None) as gateway:
        await _ended(send(gateway, upstream.address))
        upstream.may_talk.set()
        await until(lambda: gateway.upstream.open_connections == 0)


async def test_closing_the_client_tells_every_receiver():
    async def silent(upstream, connection):
        await upstream.request(connection)
        await connection.reader.read()

    async with Upstream(silent) as upstream, Gateway(None) as gateway:
        running = send(gateway, upstream.address)
        await until(lambda: upstream.requests)
        connecting = send(gateway, upstream.address)
        await soon(gateway.upstream.close())
        assert (await _failed(running)).kind == FailureKind.CUT
        assert (await _failed(connecting)).kind == FailureKind.CUT
        assert gateway.upstream.open_connections == 0


async def test_timeouts_on_real_sockets():
    async def silent(upstream, connection):
        await upstream.request(connection)
        await connection.reader.read()

    async def stalling(upstream, connection):
        await upstream.request(connection)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx")
        await connection.reader.read()

    async def trickling(upstream, connection):
        await upstream.request(connection)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n")
        while not connection.writer.is_closing():
            connection.send(b"x")
            await asyncio.sleep(0.005)

    async with (
        Upstream(silent) as first,
        Upstream(stalling) as second,
        Upstream(trickling) as third,
        Gateway(None) as gateway,
    ):
        early = UpstreamTimeouts(first_byte_s=0.05)
        idle = UpstreamTimeouts(idle_s=0.05)
        total = UpstreamTimeouts(total_s=0.2)
        assert (await _failed(send(gateway, first.address, timeouts=early))).kind == (
            FailureKind.FIRST_BYTE_TIMEOUT
        )
        assert (await _failed(send(gateway, second.address, timeouts=idle))).kind == (
            FailureKind.IDLE_TIMEOUT
        )
        assert (await _failed(send(gateway, third.address, timeouts=total))).kind == (
            FailureKind.TOTAL_TIMEOUT
        )
