"""D3: a client that disconnects was never billed, while the host went on and billed us (litellm
#14457, #13245, #35958; new-api PR 4062).

Clients leave at every moment there is; each call is in the books exactly once, with at least what
its client had, the host is told to stop, and nothing stays taken.
"""

import asyncio
import contextlib
import random

import pytest
from dialect_clients import DIALECTS
from gateway_parts import ask_for, cost_of, soon, text_event, until, usage_event

from tradewind.usage.event import Opened, Outcome
from tradewind.wire.sse import DONE

WORDS = 40
LEAVERS = 60
SEED = 20_261_122


async def talk(call):
    """Write one word after another for as long as somebody listens."""
    await call.begin()
    for number in range(WORDS):
        await call.send(text_event(f" w{number}"))
        await asyncio.sleep(0)
    await call.send(usage_event(7, 0, WORDS))
    await call.send(DONE)
    await call.end()


async def leave_after(world, words):
    """Read so many words and disappear; return how many came."""
    client = await world.client()
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        await client.stream()
        async for _ in client.pieces():
            if client.received.count(b'"content":" w') >= words:
                break
    client.reset()
    return client.received.count(b'"content":" w')


async def test_whenever_clients_leave_each_call_is_billed_once_for_what_it_sent(world, upstream):
    upstream.script = talk
    world.limit(concurrent_requests=LEAVERS)
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.in_force()
    chance = random.Random(SEED)
    moments = [chance.randrange(WORDS + 2) for _ in range(LEAVERS)]
    had = await asyncio.gather(*(leave_after(world, words) for words in moments))
    await until(lambda: len(world.events()) == LEAVERS)
    events = world.events()
    opened = [record for record in world.records() if isinstance(record, Opened)]
    assert len({event.event_id for event in events}) == LEAVERS == len(opened)
    # Whose call was whose is not known here, but sorted alike each bill covers what a client had.
    billed = sorted(event.usage.output_tokens for event in events)
    assert all(bill >= words for bill, words in zip(billed, sorted(had), strict=True))
    for event in events:
        assert event.outcome in (Outcome.CANCELLED, Outcome.COMPLETED)
        assert event.cost_nanos >= cost_of(0, 0, event.usage.output_tokens)
    # Every place is free again: as many calls as the limit allows are taken at once.
    assert await world.metric("tradewind_calls_in_flight") == 0
    again = await asyncio.gather(*(leave_after(world, 1) for _ in range(LEAVERS)))
    assert all(words >= 1 for words in again)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_who_leaves_before_the_usage_came_is_billed_in_every_dialect(
    world, upstream, dialect
):
    gone = asyncio.Event()

    async def script(call):
        await call.begin()
        for text in ("one", "two", "three"):
            await call.send(text_event(text))
        await call.gone()
        gone.set()

    upstream.script = script
    spoken = DIALECTS[dialect]
    client = await world.client()
    asked = asyncio.create_task(spoken.ask(client, stream=True))
    await until(lambda: b"three" in client.received)
    client.reset()
    await soon(gone.wait())
    event = await world.event()
    assert event.outcome is Outcome.CANCELLED
    assert event.usage.output_tokens >= 3
    assert event.usage.input_tokens > 0
    assert event.cost_nanos > 0
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asked


async def test_who_leaves_before_a_whole_answer_came_stops_the_host(world, upstream):
    """Nothing was passed on, but the host had begun: what it read is billed, as it bills us."""
    gone = asyncio.Event()

    async def script(call):
        await call.gone()
        gone.set()

    upstream.script = script
    client = await world.client()
    asked = asyncio.create_task(client.chat())
    await soon(upstream.came.wait())
    client.reset()
    await soon(gone.wait())
    event = await world.event()
    assert event.outcome is Outcome.CANCELLED
    assert event.usage.input_tokens == len(ask_for()) // 4
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asked
