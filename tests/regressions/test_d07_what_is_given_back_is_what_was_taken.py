"""D7: a refund that was larger than the charge, so that an account grew by failing (new-api PR
6795, #6994).

Whatever becomes of calls, what was reserved for them comes back once: afterwards exactly as much
fits into the limit and the budget as before, not less and not more.
"""

import asyncio
import contextlib
import time

import pytest
from gateway_parts import soon, text_event, until, usage, whole_answer

CALLS = 30


async def refuse(call):
    await call.answer(b'{"error": {"message": "no"}}', status=400)


async def fail(call):
    await call.answer(b"{}", status=500)


async def cut(call):
    await call.begin()
    call.cut()


async def garbage(call):
    await call.answer(b"not JSON")


async def hang(call):
    await call.begin()
    await call.send(text_event("one"))
    await call.gone()


FAILURES = {"refuse": refuse, "fail": fail, "cut": cut, "garbage": garbage}


def one_that_uses(tokens):
    async def script(call):
        await call.answer(whole_answer(usage=usage(tokens - 1, 0, 1)))

    return script


async def limited(world, upstream, **limits):
    world.limit(**limits)
    world.publish(world.endpoint(world.target(upstream.address), context_tokens=100_000))
    await world.in_force()


async def calls_let_in(world, upstream, tokens, most):
    """Return how many calls of so many tokens are let in, one after another, and in what time."""
    upstream.script = one_that_uses(tokens)
    begun = time.monotonic()
    for number in range(most):
        if (await world.chat(max_tokens=tokens - 50)).status == 429:
            return number, time.monotonic() - begun
    return most, time.monotonic() - begun


@pytest.mark.parametrize("failure", FAILURES)
async def test_tokens_of_failed_calls_come_back_once(world, upstream, failure):
    limit, tokens = 6_000, 1_000
    await limited(world, upstream, tokens_per_minute=limit)
    upstream.script = FAILURES[failure]
    for _ in range(CALLS):
        answer = await world.chat(max_tokens=500)
        assert answer.status in (400, 502, 503), answer.body
        assert answer.number("x-ratelimit-remaining-tokens") <= limit
    await until(lambda: len(world.events()) == CALLS)
    # A target that failed rests for a while; a new one is as good.
    world.publish(world.endpoint(world.target(upstream.address, "rep_new"), context_tokens=100_000))
    await world.in_force()
    number, seconds = await calls_let_in(world, upstream, tokens, 50)
    assert number >= limit // tokens, "nothing stayed taken"
    assert (number - 1) * tokens <= limit + seconds * limit / 60, "and nothing was made up"


async def test_tokens_and_places_of_calls_that_were_left_come_back_once(world, upstream):
    limit, tokens = 6_000, 1_000
    await limited(world, upstream, tokens_per_minute=limit, concurrent_requests=3)
    upstream.script = hang
    for _ in range(10):
        clients = [await world.client() for _ in range(3)]
        for client in clients:
            await client.stream(max_tokens=100)
            await soon(anext(client.pieces()))
        assert (await world.chat(max_tokens=1)).status == 429
        done = len(world.events())
        for client in clients:
            client.reset()
        await until(lambda done=done: len(world.events()) == done + 3)
    number, seconds = await calls_let_in(world, upstream, tokens, 50)
    # What was sent to those that left is used: 30 times the estimated question and a token.
    used = sum(
        event.usage.input_tokens + event.usage.output_tokens for event in world.events()[:30]
    )
    assert number >= (limit - used) // tokens
    assert (number - 1) * tokens <= limit + seconds * limit / 60


async def test_places_come_back_whatever_way_a_call_ends(world, upstream):
    await limited(world, upstream, concurrent_requests=2)
    for script in (*FAILURES.values(), one_that_uses(10)):
        upstream.script = script
        for _ in range(4):
            await world.chat()
    taken = asyncio.Event()

    async def hold(call):
        if len(held) == 2:
            taken.set()
        await release.wait()
        await call.answer(whole_answer())

    held, release = [], asyncio.Event()

    async def counted(call):
        held.append(call)
        await hold(call)

    upstream.script = counted
    world.publish(world.endpoint(world.target(upstream.address, "rep_new")))
    await world.in_force()
    asked = [asyncio.create_task(world.chat()) for _ in range(2)]
    await soon(taken.wait())
    third = await world.chat()
    assert third.status == 429, "two places, not one and not three"
    release.set()
    assert [answer.status for answer in await asyncio.gather(*asked)] == [200, 200]
    with contextlib.suppress(asyncio.CancelledError):
        assert await world.metric("tradewind_calls_in_flight") == 0
