"""D5: a price map that was read anew became malformed, so that calls were priced by a stale one or
at zero, and new models were refused (LiteLLM's model-cost-map and wildcard incidents).

A price is pinned when a call is admitted; a snapshot that is damaged, older or from another release
changes nothing; one that is whole takes effect at once, for new calls alone.
"""

import asyncio

import pytest
from gateway_parts import cost_of, soon, text_event, usage_event, whole_answer

from tradewind.snapshot.contents import Price
from tradewind.wire.sse import DONE

DEARER = Price("price_2", "EUR", 9_000_000_000, 9_000_000_000, 9_000_000_000)


async def answer_whole(call):
    await call.answer(whole_answer())


async def test_a_price_that_changes_during_a_stream_does_not_change_the_stream(world, upstream):
    go_on = asyncio.Event()

    async def script(call):
        await call.begin()
        await call.send(text_event("one"))
        await go_on.wait()
        await call.send(text_event(" two"))
        await call.send(usage_event(10, 4, 2))
        await call.send(DONE)
        await call.end()

    upstream.script = script
    client = await world.client()
    await client.stream()
    pieces = client.pieces()
    await soon(anext(pieces))
    world.publish(world.endpoint(world.target(upstream.address), price=DEARER))
    await world.in_force()
    go_on.set()
    assert b"".join([piece async for piece in pieces]).endswith(DONE)
    event = await world.event()
    assert (event.price_id, event.currency) == ("price_1", "USD")
    assert event.cost_nanos == cost_of(10, 4, 2)

    upstream.script = answer_whole
    answer = await world.chat()
    assert answer.cost_nanos == 10 * 9_000 + 3 * 9_000
    assert [event.price_id for event in world.events()] == ["price_1", "price_2"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: b"",
        lambda raw: raw[:-1],
        lambda raw: raw[: len(raw) // 2],
        lambda raw: b"{}",
        lambda raw: raw[:6] + b"\xff\xff" + raw[8:],
        lambda raw: raw[:200] + bytes([raw[200] ^ 1]) + raw[201:],
        lambda raw: raw.replace(b"USD", b"EUR"),
    ],
    ids=["empty", "a byte short", "half", "JSON", "another format", "a bit", "a currency"],
)
async def test_a_damaged_snapshot_changes_nothing(world, upstream, damage):
    upstream.script = answer_whole
    before = (await world.chat()).cost_nanos
    whole = world.snapshot_path.read_bytes()
    # Replaced as a writer does, by rename: a file in place is never changed.
    beside = world.snapshot_path.with_name("beside")
    beside.write_bytes(damage(whole))
    beside.replace(world.snapshot_path)
    # Long enough for many looks at the file, each of which is 10 ms apart here.
    for _ in range(20):
        answer = await world.chat()
        assert (answer.status, answer.cost_nanos) == (200, before)
        await asyncio.sleep(0.005)
    # The next whole one is taken, as if nothing had been.
    world.publish(
        world.endpoint(world.target(upstream.address), price=DEARER, aliases=()),
        world.endpoint(world.target(upstream.address), name="tw/new"),
    )
    await world.in_force()
    assert (await world.chat()).cost_nanos == 13 * 9_000
    assert (await world.chat(model="tw/new")).status == 200


async def test_a_damaged_snapshot_at_the_start_is_answered_with_no_made_up_price(
    tmp_path, world, upstream
):
    await world.drain()
    world.snapshot_path.write_bytes(b"not a snapshot")
    await world.start()
    answer = await world.chat()
    assert answer.status in (401, 503), "no key is known, and none is let in"
    assert not upstream.calls
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.in_force()
    upstream.script = answer_whole
    assert (await world.chat()).status == 200
