"""Hosts that somebody typed the URL of: only the public internet, and only what was checked."""

import asyncio

import pytest
from socket_parts import Gateway, Receiver, Upstream, soon, until

from tradewind.gateway.http.limits import UpstreamTimeouts
from tradewind.gateway.http.upstream import FailureKind, UpstreamFailure
from tradewind.gateway.http.upstream_dialer import LoopResolver
from tradewind.testing.fake_network import FakeConnector, FakeResolver

HEAD = b"GET /v1 HTTP/1.1\r\nhost: u\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HOST = "models.example"
PUBLIC = "8.8.8.8"
PUBLIC_TOO = "2606:4700:4700::1111"


async def answering(upstream, connection):
    while True:
        await upstream.request(connection)
        connection.send(OK)


async def answering_once(upstream, connection):
    await upstream.request(connection)
    connection.send(OK)


async def outcome(gateway, address, timeouts=None):
    receiver = Receiver()
    gateway.upstream.send(address, HEAD, b"", receiver, timeouts or UpstreamTimeouts())
    return await soon(receiver.outcome)


def network(upstream, *answers, **trouble):
    """A world in which the host resolves to these answers and everything leads to `upstream`."""
    connector = FakeConnector(upstream.port, **trouble)
    resolver = FakeResolver({HOST: answers})
    return Gateway(None, resolver=resolver, connector=connector), resolver, connector


def is_forbidden(failure):
    return isinstance(failure, UpstreamFailure) and (failure.kind, failure.nothing_received) == (
        FailureKind.FORBIDDEN_ADDRESS,
        True,
    )


async def test_a_public_host_is_connected_to_at_the_address_that_was_checked():
    async with Upstream(answering) as upstream:
        world, resolver, connector = network(upstream, [PUBLIC])
        async with world as gateway:
            for _ in range(3):
                assert await outcome(gateway, f"http://{HOST}:8080") == "ended"
        assert resolver.questions == [(HOST, 8080)]
        assert connector.asked == [(PUBLIC, 8080, None)]
        assert upstream.connections == 1


FORBIDDEN = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:8.8.8.8",
    "::8.8.8.8",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::1",
    "100::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2002:808:808::1",
    "3fff::1",
    "5f00::1",
    "fd00::1",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "ff02::1",
    "no address",
]


@pytest.mark.parametrize("address", FORBIDDEN)
async def test_a_name_of_a_forbidden_address_is_refused(address):
    async with Upstream(answering) as upstream:
        world, _, connector = network(upstream, [address])
        async with world as gateway:
            failure = await outcome(gateway, f"http://{HOST}")
            assert is_forbidden(failure)
            assert HOST in failure.detail
            assert address not in failure.detail
            assert gateway.upstream.counters.forbidden_address == 1
        assert connector.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "[::1]", "[::ffff:8.8.8.8]"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_forbidden_address_in_the_url_itself_is_refused_unasked(scheme, host):
    async with Upstream(answering) as upstream:
        world, resolver, connector = network(upstream, [PUBLIC])
        async with world as gateway:
            assert is_forbidden(await outcome(gateway, f"{scheme}://{host}"))
        assert (resolver.questions, connector.asked) == ([], [])


async def test_a_public_address_in_the_url_itself_is_not_resolved():
    async with Upstream(answering) as upstream:
        world, resolver, connector = network(upstream, [PUBLIC])
        async with world as gateway:
            assert await outcome(gateway, f"http://[{PUBLIC_TOO}]") == "ended"
        assert (resolver.questions, connector.asked) == ([], [(PUBLIC_TOO, 80, None)])


@pytest.mark.parametrize("forbidden", ["127.0.0.1", "fd00::1", "64:ff9b::7f00:1"])
@pytest.mark.parametrize("place", [0, 1, 2])
async def test_one_forbidden_address_among_public_ones_refuses_all(forbidden, place):
    answer = [PUBLIC, PUBLIC_TOO]
    answer.insert(place, forbidden)
    async with Upstream(answering) as upstream:
        world, _, connector = network(upstream, answer)
        async with world as gateway:
            assert is_forbidden(await outcome(gateway, f"http://{HOST}"))
        assert connector.asked == []


async def test_a_forbidden_address_behind_many_public_ones_refuses_all():
    answer = [f"8.8.8.{number}" for number in range(200)] + ["127.0.0.1"]
    async with Upstream(answering) as upstream:
        world, _, connector = network(upstream, answer)
        async with world as gateway:
            assert is_forbidden(await outcome(gateway, f"http://{HOST}"))
        assert connector.asked == []


async def test_a_name_that_turns_to_loopback_is_refused_at_the_next_connection():
    async with Upstream(answering_once) as upstream:
        world, resolver, connector = network(upstream, [PUBLIC], ["127.0.0.1"])
        async with world as gateway:
            assert await outcome(gateway, f"http://{HOST}") == "ended"
            # The upstream ends each connection after one answer, so a second one is needed.
            await until(lambda: gateway.upstream.open_connections == 0)
            assert is_forbidden(await outcome(gateway, f"http://{HOST}"))
        assert len(resolver.questions) == 2
        assert connector.asked == [(PUBLIC, 80, None)]
        assert upstream.connections == 1


async def test_a_name_is_resolved_once_for_one_connection():
    async with Upstream(answering) as upstream:
        world, resolver, connector = network(upstream, [PUBLIC, PUBLIC_TOO], ["127.0.0.1"])
        connector._refusing = {PUBLIC}
        async with world as gateway:
            assert await outcome(gateway, f"http://{HOST}") == "ended"
        assert len(resolver.questions) == 1
        assert connector.asked == [(PUBLIC, 80, None), (PUBLIC_TOO, 80, None)]


async def test_a_private_host_is_connected_to_when_an_operator_said_so():
    async with Upstream(answering) as upstream:
        world, _, connector = network(upstream, ["10.0.0.1"])
        async with world as gateway:
            assert await outcome(gateway, f"http+private://{HOST}") == "ended"
            assert await outcome(gateway, "http+private://[::1]") == "ended"
        assert connector.asked == [("10.0.0.1", 80, None), ("::1", 80, None)]


async def test_a_private_host_on_real_sockets():
    async with Upstream(answering) as upstream, Gateway(None) as gateway:
        assert await outcome(gateway, f"http+private://localhost:{upstream.port}") == "ended"
        assert await outcome(gateway, f"http+private://127.0.0.1:{upstream.port}") == "ended"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_loopback_is_refused_on_real_sockets(host):
    async with Upstream(answering) as upstream, Gateway(None) as gateway:
        assert is_forbidden(await outcome(gateway, f"http://{host}:{upstream.port}"))
        assert upstream.connections == 0


async def test_an_address_that_stays_silent_leaves_time_for_the_next():
    async with Upstream(answering) as upstream:
        world, _, connector = network(upstream, [PUBLIC, PUBLIC_TOO], silent={PUBLIC})
        async with world as gateway:
            timeouts = UpstreamTimeouts(connect_s=0.2)
            # Half of the time is the second one's; on a busy machine even that may not suffice.
            result = await outcome(gateway, f"http://{HOST}", timeouts)
            assert result == "ended" or result.kind == FailureKind.CONNECT_TIMEOUT
        assert connector.asked == [(PUBLIC, 80, None), (PUBLIC_TOO, 80, None)]


async def test_all_addresses_silent_is_a_timeout_and_all_refusing_is_a_refusal():
    async with Upstream(answering) as upstream:
        both = [PUBLIC, PUBLIC_TOO]
        world, _, connector = network(upstream, both, silent=both)
        async with world as gateway:
            failure = await outcome(gateway, f"http://{HOST}", UpstreamTimeouts(connect_s=0.05))
            assert (failure.kind, failure.nothing_received) == (FailureKind.CONNECT_TIMEOUT, True)
        assert len(connector.asked) == 2
        world, _, connector = network(upstream, both, refusing=both)
        async with world as gateway:
            failure = await outcome(gateway, f"http://{HOST}")
            assert (failure.kind, failure.nothing_received) == (FailureKind.REFUSED, True)
        assert len(connector.asked) == 2


async def test_a_name_of_many_addresses_is_tried_at_a_few():
    answer = [f"8.8.8.{number}" for number in range(100)]
    async with Upstream(answering) as upstream:
        world, _, connector = network(upstream, answer, refusing=answer)
        async with world as gateway:
            assert (await outcome(gateway, f"http://{HOST}")).kind == FailureKind.REFUSED
        assert [ip for ip, *_ in connector.asked] == answer[:8]


async def test_a_name_without_address_is_refused():
    async with Upstream(answering) as upstream:
        world, _, _ = network(upstream, [])
        async with world as gateway:
            for host in (HOST, "unknown.example"):
                failure = await outcome(gateway, f"https://{host}")
                assert (failure.kind, failure.nothing_received) == (FailureKind.REFUSED, True)
                assert host in failure.detail


async def test_a_resolver_that_breaks_is_a_failure_of_its_call(caplog):
    class Broken:
        async def resolve(self, host, port):
            raise ValueError("broken resolver")

    async with Gateway(None, resolver=Broken()) as gateway:
        failure = await outcome(gateway, f"http://{HOST}")
        assert (failure.kind, failure.nothing_received) == (FailureKind.REFUSED, True)
        assert gateway.upstream._used == {}
        assert "broken resolver" in caplog.text


async def test_a_redirect_is_an_answer_and_not_followed():
    async def redirecting(upstream, connection):
        await upstream.request(connection)
        connection.send(
            b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\n"
            b"Content-Length: 0\r\n\r\n"
        )
        await upstream.request(connection)

    async with Upstream(redirecting) as upstream:
        world, resolver, connector = network(upstream, [PUBLIC])
        async with world as gateway:
            receiver = Receiver()
            gateway.upstream.send(f"http://{HOST}", HEAD, b"", receiver, UpstreamTimeouts())
            assert await soon(receiver.outcome) == "ended"
            assert receiver.status == 307
            assert receiver.headers[b"location"] == b"http://127.0.0.1:1/"
        assert len(upstream.requests) == len(resolver.questions) == len(connector.asked) == 1


async def test_cancelling_while_a_name_is_resolved_connects_to_nobody():
    asked = asyncio.Event()

    class Slow:
        async def resolve(self, host, port):
            asked.set()
            return await asyncio.get_running_loop().create_future()

    async with Gateway(None, resolver=Slow()) as gateway:
        receiver = Receiver()
        call = gateway.upstream.send(f"http://{HOST}", HEAD, b"", receiver, UpstreamTimeouts())
        await soon(asked.wait())
        call.cancel()
        await until(lambda: not gateway.upstream._used)
        assert not receiver.outcome.done()


async def test_a_name_server_that_stays_silent_is_a_timeout():
    class Silent:
        async def resolve(self, host, port):
            return await asyncio.get_running_loop().create_future()

    async with Gateway(None, resolver=Silent()) as gateway:
        failure = await outcome(gateway, f"http://{HOST}", UpstreamTimeouts(connect_s=0.02))
        assert (failure.kind, failure.nothing_received) == (FailureKind.CONNECT_TIMEOUT, True)


async def test_the_loops_resolver_gives_addresses_as_text():
    resolver = LoopResolver(asyncio.get_running_loop())
    found = await soon(resolver.resolve("localhost", 80))
    assert set(found) <= {"127.0.0.1", "::1"}
    assert found
