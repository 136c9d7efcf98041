"""Connections of one address are bounded, and calls beyond wait in the order they came."""

import asyncio
import socket

import pytest
from socket_parts import Gateway, Receiver, Upstream, address_of, soon, until

from tradewind.gateway.http.limits import UpstreamLimits, UpstreamTimeouts
from tradewind.gateway.http.upstream import FailureKind, UpstreamFailure

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CLOSING = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
TIMEOUTS = UpstreamTimeouts()
NARROW = UpstreamLimits(max_connections_per_address=2)
ONE = UpstreamLimits(max_connections_per_address=1)


class HeldBack(Upstream):
    """Answers when it may."""

    def __init__(self, *scripts):
        super().__init__(*(scripts or (answering(),)))
        self.may_answer = asyncio.Semaphore(0)

    def release(self, times):
        for _ in range(times):
            self.may_answer.release()


def answering(answer=OK):
    async def script(upstream, connection):
        while True:
            await upstream.request(connection)
            await upstream.may_answer.acquire()
            connection.send(answer)
            if answer is CLOSING:
                await connection.reader.read()

    return script


def send(gateway, address, number=0, timeouts=TIMEOUTS):
    receiver = Receiver()
    head = b"GET /%d HTTP/1.1\r\nhost: u\r\n\r\n" % number
    receiver.call = gateway.upstream.send(address, head, b"", receiver, timeouts)
    return receiver


def numbers(upstream):
    return [int(head.split()[1][1:]) for head, _ in upstream.requests]


async def _failed(receiver):
    failure = await soon(receiver.outcome)
    assert isinstance(failure, UpstreamFailure)
    return failure.kind, failure.nothing_received


@pytest.mark.parametrize("answer", [OK, CLOSING], ids=["kept", "closed"])
async def test_calls_beyond_the_bound_are_served_in_the_order_they_came(answer):
    async with (
        HeldBack(answering(answer)) as upstream,
        Gateway(None, upstream_limits=ONE) as gateway,
    ):
        receivers = [send(gateway, upstream.address, number) for number in range(8)]
        await until(lambda: upstream.requests)
        assert gateway.upstream.waiting_calls == 7
        assert gateway.upstream.open_connections == 1
        upstream.release(8)
        for receiver in receivers:
            assert await soon(receiver.outcome) == "ended"
        assert numbers(upstream) == list(range(8))
        assert gateway.upstream.waiting_calls == 0
        assert upstream.connections == (1 if answer is OK else 8)
        assert gateway.upstream.counters.waited == 7


async def test_never_more_connections_than_allowed_are_open():
    most = running = 0

    async def counting(upstream, connection):
        nonlocal most, running
        while True:
            await upstream.request(connection)
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1
            connection.send(OK)

    async with (
        Upstream(counting) as upstream,
        Gateway(None, upstream_limits=NARROW) as gateway,
    ):
        receivers = [send(gateway, upstream.address) for _ in range(40)]
        for receiver in receivers:
            assert await soon(receiver.outcome) == "ended"
        assert (most, upstream.connections) == (2, 2)
        assert gateway.upstream._used == {upstream.address: 2}


async def test_a_call_that_comes_later_does_not_overtake_one_that_waits():
    async with HeldBack() as upstream, Gateway(None, upstream_limits=ONE) as gateway:
        order = []

        class Sending(Receiver):
            """Sends the next call the moment its own has ended."""

            def response_ended(self):
                super().response_ended()
                order.append(send(gateway, upstream.address, 9))

        first = Sending()
        head = b"GET /0 HTTP/1.1\r\nhost: u\r\n\r\n"
        first.call = gateway.upstream.send(upstream.address, head, b"", first, TIMEOUTS)
        second = send(gateway, upstream.address, 1)
        upstream.release(3)
        assert await soon(second.outcome) == "ended"
        assert await soon(order[0].outcome) == "ended"
        assert numbers(upstream) == [0, 1, 9]


async def test_addresses_do_not_wait_for_each_other():
    async with (
        HeldBack() as busy,
        HeldBack() as free,
        Gateway(None, upstream_limits=ONE) as gateway,
    ):
        receivers = [send(gateway, busy.address) for _ in range(3)]
        free.release(1)
        assert await soon(send(gateway, free.address).outcome) == "ended"
        assert not any(receiver.outcome.done() for receiver in receivers)
        # An idle connection to another address is of no use to those that wait.
        assert gateway.upstream.idle_connections == 1
        assert gateway.upstream.waiting_calls == 2


async def test_a_queue_that_is_full_tells_overloaded_and_never_inside_send():
    limits = UpstreamLimits(max_connections_per_address=1, max_waiting_per_address=2)
    async with HeldBack() as upstream, Gateway(None, upstream_limits=limits) as gateway:
        receivers = [send(gateway, upstream.address, number) for number in range(4)]
        assert not receivers[3].outcome.done()
        assert await _failed(receivers[3]) == (FailureKind.OVERLOADED, True)
        assert gateway.upstream.counters.overloaded == 1
        upstream.release(3)
        for receiver in receivers[:3]:
            assert await soon(receiver.outcome) == "ended"
        assert numbers(upstream) == [0, 1, 2]


async def test_a_call_cancelled_before_it_hears_of_the_full_queue_hears_nothing():
    limits = UpstreamLimits(max_connections_per_address=1, max_waiting_per_address=0)
    async with HeldBack() as upstream, Gateway(None, upstream_limits=limits) as gateway:
        send(gateway, upstream.address)
        beyond = send(gateway, upstream.address)
        beyond.call.cancel()
        for _ in range(3):
            await asyncio.sleep(0)
        assert not beyond.outcome.done()
        assert gateway.upstream.counters.overloaded == 0


async def test_a_call_cancelled_while_it_waits_is_never_sent():
    async with HeldBack() as upstream, Gateway(None, upstream_limits=ONE) as gateway:
        receivers = [send(gateway, upstream.address, number) for number in range(4)]
        for number in (1, 3):
            receivers[number].call.cancel()
            receivers[number].call.cancel()
        assert gateway.upstream.waiting_calls == 1
        upstream.release(4)
        assert await soon(receivers[2].outcome) == "ended"
        assert numbers(upstream) == [0, 2]
        assert not receivers[1].outcome.done()
        assert not receivers[3].outcome.done()


async def test_a_cancelled_call_gives_its_connection_to_the_next_that_waits():
    async with HeldBack() as upstream, Gateway(None, upstream_limits=ONE) as gateway:
        running = send(gateway, upstream.address, 0)
        waiting = send(gateway, upstream.address, 1)
        await until(lambda: upstream.requests)
        running.call.cancel()
        await until(lambda: numbers(upstream) == [0, 1])
        upstream.release(2)
        assert await soon(waiting.outcome) == "ended"


async def test_a_call_cancelled_while_it_connects_gives_its_place_away():
    async with HeldBack() as upstream, Gateway(None, upstream_limits=ONE) as gateway:
        connecting = send(gateway, upstream.address, 0)
        waiting = send(gateway, upstream.address, 1)
        connecting.call.cancel()  # its task has not even begun
        upstream.release(1)
        assert await soon(waiting.outcome) == "ended"
        assert numbers(upstream) == [1]
        assert not connecting.outcome.done()


async def test_those_that_wait_for_a_host_that_is_down_are_all_told():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = address_of(taken)
    async with Gateway(None, upstream_limits=ONE) as gateway:
        receivers = [send(gateway, address) for _ in range(5)]
        for receiver in receivers:
            assert await _failed(receiver) == (FailureKind.REFUSED, True)
        await until(lambda: not gateway.upstream._used)


async def test_time_in_the_queue_counts_for_the_whole_and_not_for_the_first_byte():
    async with HeldBack() as upstream, Gateway(None, upstream_limits=ONE) as gateway:
        send(gateway, upstream.address, 0)
        hasty = send(gateway, upstream.address, 1, UpstreamTimeouts(total_s=0.05))
        patient = send(gateway, upstream.address, 2, UpstreamTimeouts(first_byte_s=5.0))
        assert await _failed(hasty) == (FailureKind.TOTAL_TIMEOUT, True)
        # By the client's clock the patient one has waited longer than its first byte may take.
        gateway.upstream.sweep.base += 6.0
        gateway.upstream.sweep._look()
        assert not patient.outcome.done()
        assert gateway.upstream.waiting_calls == 1
        upstream.release(2)
        assert await soon(patient.outcome) == "ended"
        assert numbers(upstream) == [0, 2]


async def test_a_call_paused_in_the_queue_is_not_read_before_it_is_resumed():
    async with HeldBack() as upstream, Gateway(None, upstream_limits=ONE) as gateway:
        first = send(gateway, upstream.address, 0)
        second = send(gateway, upstream.address, 1)
        second.call.pause()
        upstream.release(2)
        assert await soon(first.outcome) == "ended"
        await until(lambda: numbers(upstream) == [0, 1])
        for _ in range(20):
            await asyncio.sleep(0)
        assert not second.started.is_set()
        second.call.resume()
        assert await soon(second.outcome) == "ended"


async def test_a_call_lost_on_a_stale_connection_goes_before_those_that_wait():
    async def once(upstream, connection):
        await upstream.request(connection)
        connection.send(OK)
        await upstream.request(connection)  # and hangs up on it

    async with (
        HeldBack(once, answering()) as upstream,
        Gateway(None, upstream_limits=ONE) as gateway,
    ):
        assert await soon(send(gateway, upstream.address, 0).outcome) == "ended"
        receivers = [send(gateway, upstream.address, number) for number in (1, 2, 3)]
        upstream.release(3)
        for receiver in receivers:
            assert await soon(receiver.outcome) == "ended"
        assert gateway.upstream.counters.stale_retries == 1
        assert numbers(upstream) == [0, 1, 1, 2, 3]
        assert gateway.upstream._used == {upstream.address: 1}


async def test_closing_the_client_tells_those_that_wait():
    async with HeldBack() as upstream, Gateway(None, upstream_limits=ONE) as gateway:
        receivers = [send(gateway, upstream.address, number) for number in range(3)]
        await until(lambda: upstream.requests)
        await soon(gateway.upstream.close())
        for receiver in receivers:
            assert await _failed(receiver) == (FailureKind.CUT, True)
        assert gateway.upstream.waiting_calls == 0


async def test_closing_the_client_before_a_task_began_tells_its_receiver():
    async with HeldBack() as upstream, Gateway(None) as gateway:
        connecting = send(gateway, upstream.address)
        await gateway.upstream.close()  # not in a task of its own: the other has had no turn
        assert await _failed(connecting) == (FailureKind.CUT, True)


async def test_addresses_that_are_used_no_more_leave_nothing_behind():
    async with HeldBack(answering(CLOSING)) as upstream, Gateway(None) as gateway:
        upstream.release(3)
        for _ in range(3):
            assert await soon(send(gateway, upstream.address).outcome) == "ended"
        await until(lambda: not gateway.upstream._used)
        assert gateway.upstream._idle == {}
        assert gateway.upstream._queue._lines == {}
