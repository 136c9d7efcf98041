"""What a host takes for a call is recorded beside what the caller pays."""

import pytest
from gateway_parts import World, text_event, usage_event, whole_answer

from tradewind.gateway.record import provider_cost_nanos
from tradewind.snapshot.contents import Cost
from tradewind.usage.event import Opened, Usage, UsageSource
from tradewind.wire.sse import DONE

COST = Cost("EUR", 2_000_000, 6_000_000, 1_000_000)


async def answer_whole(call):
    await call.answer(whole_answer())


async def answer_streaming(call):
    await call.stream(text_event("Hi"), usage_event(10, 4, 2), DONE)


@pytest.fixture
async def calling(tmp_path, upstream):
    """Make a world whose one target has these properties."""
    worlds = []

    async def make(**changes):
        world = World(tmp_path)
        world.publish(world.endpoint(world.target(upstream.address, **changes)))
        await world.start()
        worlds.append(world)
        return world

    yield make
    for world in worlds:
        await world.stop()


async def test_a_call_has_both_sides(calling, upstream):
    world = await calling(cost=COST, host="mistral", region="eu")
    upstream.script = answer_whole
    await world.chat()
    event = await world.event()
    assert (event.provider_cost_nanos, event.provider_currency) == (6 * 2 + 4 * 1 + 3 * 6, "EUR")
    assert (event.host, event.region, event.is_batch) == ("mistral", "eu", False)
    [opened] = [record for record in world.records() if isinstance(record, Opened)]
    assert (opened.provider_currency, opened.provider_input_nanos) == ("EUR", 2_000_000)
    assert (opened.provider_output_nanos, opened.host, opened.region) == (
        6_000_000,
        "mistral",
        "eu",
    )


async def test_a_stream_has_both_sides(calling, upstream):
    world = await calling(cost=COST)
    upstream.script = answer_streaming
    client = await world.client()
    await client.stream()
    async for _ in client.pieces():
        pass
    assert (await world.event()).provider_cost_nanos == 6 * 2 + 4 * 1 + 2 * 6


async def test_an_own_engine_takes_nothing(calling, upstream):
    world = await calling(host="own")
    upstream.script = answer_whole
    await world.chat()
    event = await world.event()
    assert (event.provider_cost_nanos, event.provider_currency) == (None, "")
    [opened] = [record for record in world.records() if isinstance(record, Opened)]
    assert opened.provider_currency == ""


def test_what_is_not_told_of_a_host_costs_as_any_input():
    usage = Usage(10, 4, 1, UsageSource.UPSTREAM, cache_write_tokens=2)
    assert provider_cost_nanos(usage, Cost("USD", 1_000_000, 0)) == 10
    assert provider_cost_nanos(usage, Cost("USD", 1_000_000, 0, 0, 3_000_000)) == 4 + 2 * 3


def test_other_meters_of_a_host_count():
    usage = Usage(0, 0, 0, UsageSource.UPSTREAM, meters={"images": 3})
    assert provider_cost_nanos(usage, Cost("USD", 0, 0, meters={"images": 5_000_000})) == 15
