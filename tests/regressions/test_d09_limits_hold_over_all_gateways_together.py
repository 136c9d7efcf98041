"""D9: limits that multiplied with the number of replicas, and headers that never fell (litellm
#27736, #40291, #10555, #6288; envoy ai-gateway#1754; gpustack#2867).

Three gateway processes on one machine are asked at once; together they let in what the limit says.
"""

import asyncio
import time

import pytest
from gateway_parts import World, ask_for, soon, until, usage, whole_answer
from gateway_processes import gateways

GATEWAYS = 3


async def answer_whole(call):
    await call.answer(whole_answer())


@pytest.fixture
async def shared(tmp_path, upstream):
    """A world without a gateway of its own, whose limits are counted in one file."""
    world = World(tmp_path)

    async def run(count, **limits):
        world.limit(**limits)
        world.publish(world.endpoint(world.target(upstream.address), context_tokens=100_000))
        return gateways(world, count, limits_file=str(tmp_path / "limits"))

    return world, run


async def one(gateway, key):
    client = await gateway.client(key)
    try:
        return await client.chat(max_tokens=50)
    finally:
        client.close()


async def test_requests_a_minute_are_counted_by_all_of_them(shared, upstream):
    world, run = shared
    upstream.script = answer_whole
    limit, asked = 40, 150
    async with await run(GATEWAYS, requests_per_minute=limit) as running:
        begun = time.monotonic()
        answers = await asyncio.gather(
            *(one(running[number % GATEWAYS], world.key.text) for number in range(asked))
        )
        seconds = time.monotonic() - begun
    admitted = [answer for answer in answers if answer.status == 200]
    assert {answer.status for answer in answers} == {200, 429}
    assert limit <= len(admitted) <= limit + seconds * limit / 60 + 1
    assert len(upstream.calls) == len(admitted)


async def test_tokens_a_minute_are_counted_by_all_of_them(shared, upstream):
    world, run = shared

    async def script(call):
        await call.answer(whole_answer(usage=usage(950, 0, 50)))

    upstream.script = script
    limit, tokens, asked = 30_000, 1_000, 120
    async with await run(GATEWAYS, tokens_per_minute=limit) as running:
        begun = time.monotonic()
        admitted = 0
        # One after another: what a call really took is known before the next one asks.
        for number in range(asked):
            admitted += (await one(running[number % GATEWAYS], world.key.text)).status == 200
        seconds = time.monotonic() - begun
    assert limit // tokens - 1 <= admitted <= (limit + seconds * limit / 60) // tokens + 2


async def test_calls_at_once_are_counted_by_all_of_them(shared, upstream):
    world, run = shared
    release = asyncio.Event()

    async def script(call):
        await release.wait()
        await call.answer(whole_answer())

    upstream.script = script
    async with await run(GATEWAYS, concurrent_requests=7) as running:
        tasks = [
            asyncio.create_task(one(running[number % GATEWAYS], world.key.text))
            for number in range(30)
        ]
        await until(lambda: sum(task.done() for task in tasks) == 30 - 7)
        assert len(upstream.calls) == 7
        release.set()
        statuses = [answer.status for answer in await asyncio.gather(*tasks)]
        assert (statuses.count(200), statuses.count(429)) == (7, 23)
        # And their places are free again, for any of them.
        assert (await one(running[0], world.key.text)).status == 200


async def test_what_remains_falls_with_every_call_whichever_gateway_takes_it(shared, upstream):
    world, run = shared
    upstream.script = answer_whole
    async with await run(2, requests_per_minute=5) as running:
        remaining = []
        for number in range(5):
            answer = await one(running[number % 2], world.key.text)
            assert answer.status == 200
            assert answer.number("x-ratelimit-limit-requests") == 5
            remaining.append(answer.number("x-ratelimit-remaining-requests"))
        refused = await one(running[0], world.key.text)
    assert remaining == sorted(remaining, reverse=True)
    assert remaining[0] >= 4 - 1
    assert remaining[-1] <= 1
    assert refused.status == 429
    assert 0 < refused.number("retry-after-ms") <= 60_000


async def test_a_key_that_is_revoked_is_refused_by_all_of_them(shared, upstream):
    world, run = shared
    upstream.script = answer_whole
    async with await run(GATEWAYS) as running:
        clients = [await gateway.client(world.key.text) for gateway in running]
        for client in clients:
            assert (await client.call("POST", "/v1/chat/completions", ask_for())).status == 200
        world.publish(world.endpoint(world.target(upstream.address)), grants=())
        for gateway in running:

            async def is_in_force(gateway=gateway):
                while await gateway.metric("tradewind_snapshot_version") != world.version:
                    await asyncio.sleep(0.01)

            await soon(is_in_force())
        for client in clients:
            assert (await client.chat()).status == 401
            client.close()
