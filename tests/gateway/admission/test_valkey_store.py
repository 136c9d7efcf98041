"""Limits that gateways of several hosts count in one server."""

import asyncio
import math
import time

import pytest
from valkey_parts import FakeServer, Server, find_server, until

from tradewind.core.errors import StartupError
from tradewind.gateway.admission.chain import Scope, ScopeKind, Unit
from tradewind.gateway.admission.resp import command
from tradewind.gateway.admission.store import Refusal
from tradewind.gateway.admission.valkey_client import parse_address
from tradewind.gateway.admission.valkey_store import ValkeyStore

needs_server = pytest.mark.skipif(
    find_server() is None, reason="there is no valkey-server and no redis-server on this machine"
)
# A machine full of other work answers late, and lateness is not what most of these tests are about.
PATIENT_S = 10.0
BRIEF_S = 0.05


def scope_of(requests=None, tokens=None, calls=None, name="k"):
    return Scope(ScopeKind.KEY, name, "", "org", requests, tokens, calls)


@pytest.fixture
def server(tmp_path):
    server = Server(find_server(), tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def connect(request):
    """Return a function that opens a store on a server, as one gateway."""
    stores = []

    async def open_store(url, name="g", patience_s=PATIENT_S, *, waits=True):
        store = ValkeyStore(
            parse_address(url), asyncio.get_running_loop(), gateway=name, patience_s=patience_s
        )
        store.start()
        stores.append(store)
        if waits:
            await until(lambda: store.client.is_up)
        return store

    yield open_store
    for store in stores:
        store.close()
    await until(lambda: not any(store.client.is_connected for store in stores))


async def take(chain, tokens=0, most_wait_s=0.0):
    """Return what `take` answers, and whose chain it was taken from."""
    done = asyncio.get_running_loop().create_future()
    chain.take_later(tokens, most_wait_s, lambda *answer: done.set_result(answer))
    counted, verdict = await asyncio.wait_for(done, 30)
    return verdict, counted


async def enter(chain, counted):
    done = asyncio.get_running_loop().create_future()
    chain.enter_later(counted, done.set_result)
    return await asyncio.wait_for(done, 30)


async def tell(store, *parts):
    done = asyncio.get_running_loop().create_future()
    assert store.client.ask(command(parts), done.set_result)
    return await asyncio.wait_for(done, 30)


@needs_server
async def test_gateways_together_take_never_more_than_the_limit(server, connect):
    stores = [await connect(server.url, f"g{number}") for number in range(3)]
    chains = [store.bind((scope_of(requests=300, tokens=3000),)) for store in stores]
    began = time.monotonic()
    verdicts = await asyncio.gather(*(take(chain, 10) for chain in chains for _ in range(250)))
    passed_s = time.monotonic() - began
    taken = sum(not isinstance(verdict, Refusal) for verdict, _ in verdicts)
    assert 300 <= taken <= 300 + 300 * passed_s / 60 + 1


@needs_server
async def test_the_wait_that_is_told_is_the_arithmetics_own(server, connect):
    store = await connect(server.url)
    chain = store.bind((scope_of(requests=60, tokens=600),))
    assert (await take(chain, 600))[0] == 0.0
    refused, _ = await take(chain, 30)
    assert refused.limit.unit is Unit.TOKENS
    assert math.isclose(refused.wait_s, 3.0, abs_tol=0.5)
    assert refused.wait_s <= 3.0
    verdict, counted = await take(chain, 30, most_wait_s=4.0)
    assert math.isclose(verdict, 3.0, abs_tol=0.5)
    counted.give_back(30, 0.0, has_entered=False)
    again, _ = await take(chain, 30, most_wait_s=4.0)
    assert again <= verdict


@needs_server
async def test_a_refusal_takes_nothing_from_any_limit(server, connect):
    store = await connect(server.url)
    wide, narrow = scope_of(requests=100, name="wide"), scope_of(requests=1, name="narrow")
    both = store.bind((wide, narrow))
    assert (await take(both))[0] == 0.0
    for _ in range(5):
        assert isinstance((await take(both))[0], Refusal)
    alone = store.bind((wide,))
    taken = 0
    while not isinstance((await take(alone))[0], Refusal):
        taken += 1
        assert taken < 200
    assert 99 <= taken <= 120


@needs_server
async def test_calls_at_once_are_counted_over_gateways_until_they_are_settled(server, connect):
    one, other = await connect(server.url, "one"), await connect(server.url, "other")
    mine, theirs = one.bind((scope_of(calls=2),)), other.bind((scope_of(calls=2),))
    _, first = await take(mine)
    await take(theirs)
    refused, _ = await take(mine)
    assert refused.full == refused.limit
    first.settle(0, 0.0, 0.1)
    assert (await take(theirs))[0] == 0.0 or await _soon_free(theirs)
    assert theirs.readings()[0].calls == 2


async def _soon_free(chain):
    """What one gateway gives back goes another way than what another one asks."""
    async with asyncio.timeout(10):
        while isinstance((await take(chain))[0], Refusal):
            pass
    return True


@needs_server
async def test_a_place_in_the_future_is_entered_when_it_has_come(server, connect):
    store = await connect(server.url)
    chain = store.bind((scope_of(requests=600, calls=1),))
    for _ in range(600):
        _, counted = await take(chain)
        counted.settle(0, 0.0, 0.0)
    verdict, counted = await take(chain, most_wait_s=5.0)
    if verdict:
        assert chain.readings()[0].calls == 0
        assert await enter(chain, counted) is None
    assert chain.readings()[0].calls in {0, 1}
    assert await enter(chain, counted) == scope_of(requests=600, calls=1).limit(Unit.CALLS)


@needs_server
async def test_what_was_reserved_and_not_used_is_given_back(server, connect):
    store = await connect(server.url)
    chain = store.bind((scope_of(tokens=1000),))
    _, counted = await take(chain, 1000)
    assert isinstance((await take(chain, 500))[0], Refusal)
    counted.settle(-990, 0.0, 0.0)
    assert (await take(chain, 900))[0] == 0.0
    assert isinstance((await take(chain, 500))[0], Refusal)


@needs_server
async def test_the_calls_of_a_dead_gateway_are_freed(server, connect):
    one, other = await connect(server.url, "one"), await connect(server.url, "other")
    await take(one.bind((scope_of(calls=1),)))
    chain = other.bind((scope_of(calls=1),))
    assert isinstance((await take(chain))[0], Refusal)
    # As when its sign of life runs out.
    assert await tell(other, b"DEL", b"tradewind:alive:" + one.name) == 1
    assert (await take(chain))[0] == 0.0


@needs_server
async def test_gateways_know_how_many_they_are(server, connect):
    stores = [await connect(server.url, f"g{number}") for number in range(3)]
    await until(lambda: stores[2].gateways == 3)


@needs_server
async def test_while_the_server_is_away_each_admits_its_share_and_then_they_count_together(
    server, connect, tmp_path
):
    one, other = await connect(server.url, "one"), await connect(server.url, "other")
    await until(lambda: other.gateways == 2)
    chain = other.bind((scope_of(requests=40),))
    server.kill()
    await until(lambda: not other.client.is_up)
    taken = 0
    while not isinstance((await take(chain))[0], Refusal):
        taken += 1
    assert taken == 20
    assert other.counters["decided_alone"] == 21
    server.start()
    await until(lambda: other.client.is_up and one.client.is_up)
    assert (await take(chain))[0] == 0.0
    assert other.counters["decided_alone"] == 21
    assert other.counters["valkey_connections"] == 2


@needs_server
async def test_calls_that_run_over_a_broken_connection_are_still_counted(server, connect):
    store = await connect(server.url)
    chain = store.bind((scope_of(calls=2),))
    _, first = await take(chain)
    assert await tell(store, b"CLIENT", b"ID")
    await tell(store, b"CLIENT", b"KILL", b"TYPE", b"normal", b"SKIPME", b"no")
    await until(lambda: store.counters["valkey_connections"] == 2 and store.client.is_up)
    assert (await take(chain))[0] == 0.0
    assert isinstance((await take(chain))[0], Refusal)
    first.settle(0, 0.0, 0.0)
    assert (await take(chain))[0] == 0.0


@needs_server
async def test_a_server_that_forgot_the_scripts_is_taught_them_again(server, connect):
    store = await connect(server.url)
    chain = store.bind((scope_of(requests=5),))
    assert await tell(store, b"SCRIPT", b"FLUSH") == b"OK"
    assert (await take(chain))[0] == 0.0, "decided here"
    assert store.counters["decided_alone"] == 1
    await take(chain)
    assert store.counters["decided_alone"] == 1


@needs_server
async def test_a_slow_server_is_not_waited_for_and_what_it_took_late_is_given_back(server, connect):
    store = await connect(server.url, patience_s=BRIEF_S)
    chain = store.bind((scope_of(requests=2, tokens=1000, calls=5),))
    await tell(store, b"CLIENT", b"PAUSE", b"400")
    verdict, counted = await take(chain, 1000)
    assert verdict == 0.0
    assert counted is chain.alone()
    assert store.counters["valkey_late"] >= 1
    patient = await connect(server.url, "patient")
    fresh = patient.bind((scope_of(requests=2, tokens=1000, calls=5),))
    async with asyncio.timeout(30):
        while isinstance((await take(fresh, 900))[0], Refusal):
            await asyncio.sleep(0.01)
    assert fresh.readings()[0].calls == 1


@needs_server
async def test_whoever_asks_no_more_leaves_nothing_taken(server, connect):
    store = await connect(server.url)
    chain = store.bind((scope_of(calls=1),))
    stop = chain.take_later(0, 0.0, lambda *_: pytest.fail("nobody wants it"))
    stop()
    assert await _soon_free(chain)


@needs_server
async def test_a_password_is_given_and_a_wrong_one_is_no_reason_to_stop(tmp_path, connect):
    server = Server(find_server(), tmp_path, "--requirepass", "se/cret")
    server.start()
    try:
        url = f"unix://default:se%2Fcret@localhost{server.path}"
        store = await connect(url)
        assert (await take(store.bind((scope_of(requests=1),))))[0] == 0.0
        locked_out = await connect(server.url, "other", waits=False)
        chain = locked_out.bind((scope_of(requests=1),))
        assert (await take(chain))[0] == 0.0
        assert locked_out.counters["decided_alone"] == 1
    finally:
        server.kill()


# --- a server that misbehaves ------------------------------------------------------------------


def greeting_then(reply):
    """Answer the greeting as a server does, and everything else with `reply`."""

    def answer(parts):
        if parts[:2] == [b"SCRIPT", b"LOAD"]:
            return b"+OK\r\n"
        return reply(parts) if callable(reply) else reply

    return answer


@pytest.mark.parametrize(
    "reply",
    [
        b"+OK\r\n",
        b":1\r\n",
        b"$-1\r\n",
        b"*0\r\n",
        b"*5\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n",
        b"*5\r\n:1\r\n$3\r\nabc\r\n:0\r\n:0\r\n$1\r\n1\r\n",
        b"-ERR no\r\n",
        b"-LOADING the dataset\r\n",
    ],
)
async def test_an_answer_that_means_nothing_is_none(tmp_path, connect, reply):
    async with FakeServer(tmp_path / "fake", greeting_then(reply)) as server:
        store = await connect(server.url)
        verdict, counted = await take(store.bind((scope_of(requests=5),)))
        assert verdict == 0.0
        assert counted.readings()[0].requests_arrival > 0
        assert store.counters["decided_alone"] == 1


@pytest.mark.parametrize("reply", [b"HTTP/1.1 200 OK\r\n\r\n", b"$9\r\nabc", b"+OK\r\n" * 50])
async def test_a_server_that_speaks_something_else_is_left(tmp_path, connect, reply):
    async with FakeServer(tmp_path / "fake", greeting_then(reply)) as server:
        store = await connect(server.url, patience_s=BRIEF_S, waits=False)
        await until(lambda: store.counters["valkey_connections"])
        assert (await take(store.bind((scope_of(requests=5),))))[0] == 0.0
        assert store.counters["decided_alone"] == 1


async def test_silence_is_given_up_and_then_rested_from(tmp_path, connect):
    async with FakeServer(tmp_path / "fake", greeting_then(None)) as server:
        store = await connect(server.url, patience_s=BRIEF_S)
        chain = store.bind((scope_of(requests=500),))
        for _ in range(10):
            assert (await take(chain))[0] == 0.0
        assert store.counters["decided_alone"] == 10
        # Three late answers are enough: then nobody waits for more of them.
        assert store.counters["valkey_late"] < 8


async def test_a_server_that_refuses_is_tried_again_with_patience(tmp_path, connect):
    async with FakeServer(tmp_path / "fake", lambda _: b"-NOAUTH nobody knows you\r\n") as server:
        store = await connect(server.url, waits=False)
        await until(lambda: server.connections >= 2)
        assert not store.client.is_up
        assert (await take(store.bind((scope_of(requests=5),))))[0] == 0.0


async def test_without_a_server_nobody_waits(tmp_path, connect):
    store = await connect(f"unix://{tmp_path}/nobody", waits=False)
    chain = store.bind((scope_of(requests=5),))
    for _ in range(5):
        assert (await take(chain))[0] == 0.0
    assert isinstance((await take(chain))[0], Refusal)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h", ("h", 6379, None, False, ())),
        ("valkey://h:7/3", ("h", 7, None, False, ((b"SELECT", b"3"),))),
        ("rediss://u:p%40@h", ("h", 6379, None, True, ((b"AUTH", b"u", b"p@"),))),
        ("valkeys://:p@h", ("h", 6379, None, True, ((b"AUTH", b"", b"p"),))),
        ("unix:///run/v.sock", ("", 0, "/run/v.sock", False, ())),
    ],
)
def test_an_address_is_what_its_url_says(url, expected):
    found = parse_address(url)
    assert found[:4] == expected[:4]
    if "AUTH" not in str(expected) or expected[4][0][1]:
        assert found.greeting == expected[4]
    else:
        assert found.greeting == ((b"AUTH", b"default", b"p"),)


@pytest.mark.parametrize(
    "url", ["http://h", "valkey:///1", "valkey://h:port", "valkey://h/zero", "secret"]
)
def test_what_is_no_address_is_refused_without_being_repeated(url):
    with pytest.raises(StartupError) as caught:
        parse_address(url)
    assert url not in str(caught.value)
