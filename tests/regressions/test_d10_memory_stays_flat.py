"""D10: leaks and out of memory: 23 to 40 GiB over days, 61 GB while a store was down, whole
streamed outputs kept for counting, restarts recommended (litellm#12685, #15128, #27954, #6404,
#13805, #38193; new-api#5480, #6159, #6732, #7361).

Thousands of streams, clients that leave, hosts that fail and hostile bodies pass through a gateway
whose store, control plane and limits server are all away. Afterwards no call is left in memory, and
the process takes what it took before.
"""

import asyncio
import contextlib
import gc
import json
import socket
import tracemalloc

import pytest
from gateway_parts import Client, World, ask_for, text_event, until, usage_event, whole_answer
from gateway_processes import gateways

from tradewind.gateway.call import Call
from tradewind.gateway.http.exchange import Exchange
from tradewind.wire.sse import DONE

STREAMS, ROUNDS = 500, 6
WORDS = 20
MOST_GROWTH_BYTES = 6 * 1024 * 1024
MOST_BYTES_A_CALL = 100
HOSTILE = [
    b"",
    b"[" * 100_000,
    b'{"model": "tw/small", "messages": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    json.dumps({"model": "m" * 100_000, "messages": [{}]}).encode(),
    ask_for(messages=[{"role": "user", "content": "x"}] * 5_000),
    ask_for(metadata={str(number): "x" * 100 for number in range(1_000)}),
    ask_for(user="u" * 100_000),
]


@pytest.fixture
def nobody():
    """An address where nothing listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{sock.getsockname()[1]}"


async def talk(call):
    """Answer by what the question says."""
    told = call.json.get("messages", [{}])[0].get("content")
    if told == "hang":
        await call.gone()
    elif told == "fail":
        await call.answer(b"{}", status=500)
    elif told == "cut":
        await call.begin()
        await call.send(text_event("one"))
        call.cut()
    elif call.json.get("stream"):
        await call.stream(*([text_event("word ")] * WORDS), usage_event(10, 0, WORDS), DONE)
    else:
        await call.answer(whole_answer())


def saying(text, **members):
    return ask_for(messages=[{"role": "user", "content": text}], **members)


async def one_of_each_kind(connect, number):
    """One call on a connection of its own, of a kind by its number."""
    client = await connect()
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        match number % 6:
            case 0 | 1:
                answer = await client.stream()
                assert answer.status == 200
                assert b"".join([piece async for piece in client.pieces()]).endswith(DONE)
            case 2:
                await client.stream()
                await anext(client.pieces())
                client.reset()
            case 3:
                await client.call("POST", "/v1/chat/completions", saying("cut", stream=True))
            case 4:
                await client.call("POST", "/v1/chat/completions", saying("fail"))
            case 5:
                body = HOSTILE[number // 6 % len(HOSTILE)]
                await client.call("POST", "/v1/chat/completions", body)
    client.close()


def alive(kind):
    gc.collect()
    return sum(type(each) is kind for each in gc.get_objects())


async def test_no_call_is_left_in_memory_when_all_have_ended(tmp_path, upstream, nobody):
    upstream.script = talk
    world = World(tmp_path, backstage=nobody, valkey_url=f"redis://{nobody}")
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.start()
    try:
        for _ in range(3):
            await asyncio.gather(*(one_of_each_kind(world.client, number) for number in range(120)))
        held = await world.client()
        asked = asyncio.create_task(
            held.call("POST", "/v1/chat/completions", saying("hang", stream=True))
        )
        await until(lambda: alive(Call) == 1)
        held.reset()
        await until(lambda: not alive(Call))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asked
        assert alive(Exchange) <= len(world._clients)
        assert await world.metric("tradewind_calls_in_flight") == 0
        assert await world.metric("tradewind_calls_waiting") == 0
    finally:
        await world.stop()


@pytest.mark.timeout(600)
async def test_a_gateway_takes_after_thousands_of_streams_what_it_took_before(
    tmp_path, upstream, nobody
):
    upstream.script = talk
    world = World(tmp_path)
    world.publish(
        world.endpoint(world.target(upstream.address)),
        world.endpoint(world.target(nobody, "rep_away"), name="tw/away", aliases=()),
    )
    away = {"backstage": nobody, "valkey_url": f"redis://{nobody}"}
    async with gateways(world, 1, **away) as [gateway]:

        async def connect():
            return await gateway.client(world.key.text)

        taken = []
        for _ in range(ROUNDS):
            await asyncio.gather(*(one_of_each_kind(connect, number) for number in range(STREAMS)))
            client = await connect()
            for _ in range(50):  # of a model whose host is away, while all else is too
                await client.chat(model="tw/away")
            client.close()

            async def is_idle():
                return await gateway.metric("tradewind_calls_in_flight") == 0

            while not await is_idle():
                await asyncio.sleep(0.01)
            taken.append(gateway.memory_bytes())
        # The first half fills pools and caches that are kept and bounded.
        assert taken[-1] - taken[ROUNDS // 2 - 1] < MOST_GROWTH_BYTES, taken
        assert taken[-1] < 150 * 1024 * 1024, taken


async def test_nothing_of_ours_is_allocated_by_a_call_and_kept(tmp_path, upstream, nobody):
    upstream.script = talk
    world = World(tmp_path, backstage=nobody, valkey_url=f"redis://{nobody}")
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.start()
    calls, rounds = 240, 4

    async def connect():
        return await Client.connect(world.port, world.key.text)

    async def one_round():
        await asyncio.gather(*(one_of_each_kind(connect, number) for number in range(calls)))
        await until(lambda: not alive(Call))

    def ours():
        """Return the bytes that lines of the platform have allocated, by file."""
        gc.collect()
        found = tracemalloc.take_snapshot().filter_traces(
            [tracemalloc.Filter(True, "*/tradewind/*")]
        )
        return sum(each.size for each in found.statistics("filename"))

    for _ in range(3):  # connections to hosts are kept, up to a bound
        await one_round()
    tracemalloc.start()
    try:
        await one_round()
        before = ours()
        for _ in range(rounds):
            await one_round()
        grown = ours() - before
    finally:
        tracemalloc.stop()
        await world.stop()
    assert grown < MOST_BYTES_A_CALL * calls * rounds


async def test_a_long_answer_is_not_kept_for_counting(tmp_path, upstream):
    """30 MB of one stream pass through; what is held of it is what one read brings."""
    piece = text_event("x" * 60_000)
    pieces = 500

    async def script(call):
        await call.begin()
        for _ in range(pieces):
            await call.send(piece)
        await call.send(usage_event(10, 0, pieces))
        await call.send(DONE)
        await call.end()

    upstream.script = script
    world = World(tmp_path)
    world.publish(world.endpoint(world.target(upstream.address)))
    async with gateways(world, 1) as [gateway]:
        client = await gateway.client(world.key.text)
        await client.stream()
        before, most, length = gateway.memory_bytes(), 0, 0
        async for got in client.pieces():
            length += len(got)
            client.received.clear()
            if length // 3_000_000 != (length - len(got)) // 3_000_000:
                most = max(most, gateway.memory_bytes())
        client.close()
        assert length > 30_000_000
        assert most - before < 15_000_000, (before, most)
