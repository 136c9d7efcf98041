"""D4: an explicit zero taken for missing, so that free calls were charged, and a custom price
ignored (litellm#37992, #28336).

Where nothing was passed on, a host that says zero is believed; a price of zero is a price; and what
is missing is reckoned, never zero.
"""

import json

import pytest
from gateway_parts import MODEL, cost_of, whole_answer

from tradewind.snapshot.contents import Operation, Price
from tradewind.usage.event import UsageSource

FREE = Price("price_free", "USD", 0, 0, 0)


def empty_answer(**usage):
    message = {"role": "assistant", "content": ""}
    choices = [{"index": 0, "finish_reason": "stop", "message": message}]
    return whole_answer(choices=choices, usage=usage or None)


async def billed(world, upstream, body):
    async def script(call):
        await call.answer(body)

    upstream.script = script
    answer = await world.chat()
    assert answer.status == 200
    event = await world.event()
    assert answer.cost_nanos == event.cost_nanos
    return event


async def test_an_explicit_zero_for_an_empty_answer_is_zero(world, upstream):
    event = await billed(world, upstream, empty_answer(prompt_tokens=0, completion_tokens=0))
    assert event.usage.source is UsageSource.UPSTREAM
    assert (event.usage.input_tokens, event.usage.output_tokens) == (0, 0)
    assert event.cost_nanos == 0


async def test_nothing_written_is_billed_for_what_was_read_alone(world, upstream):
    event = await billed(world, upstream, empty_answer(prompt_tokens=50, completion_tokens=0))
    assert event.usage.source is UsageSource.UPSTREAM
    assert event.cost_nanos == cost_of(50, 0, 0)


async def test_no_cached_tokens_and_none_told_are_the_same_bill(world, upstream):
    usage = {"prompt_tokens": 50, "completion_tokens": 3}
    for details in ({"cached_tokens": 0}, {"cached_tokens": None}, {}, None):
        body = whole_answer(usage=usage | {"prompt_tokens_details": details})

        async def script(call, body=body):
            await call.answer(body)

        upstream.script = script
        assert (await world.chat()).cost_nanos == cost_of(50, 0, 3)


async def test_missing_usage_is_reckoned_and_said_to_be(world, upstream):
    event = await billed(world, upstream, whole_answer("Hello there", usage=None))
    assert event.usage.source is UsageSource.ESTIMATED
    assert event.usage.input_tokens > 0
    assert event.usage.output_tokens > 0
    assert event.cost_nanos > 0


async def test_a_price_of_zero_is_a_price(world, upstream):
    world.publish(world.endpoint(world.target(upstream.address), price=FREE))
    await world.in_force()
    event = await billed(world, upstream, whole_answer())
    assert (event.price_id, event.cost_nanos) == ("price_free", 0)
    assert event.usage.input_tokens == 10, "free is not unmetered"


async def test_an_output_price_of_zero_leaves_the_input_price(world, upstream):
    price = Price("price_in", "USD", 2_000_000_000, 0, 0)
    world.publish(world.endpoint(world.target(upstream.address), price=price))
    await world.in_force()
    event = await billed(world, upstream, whole_answer())
    assert event.cost_nanos == (10 - 4) * 2_000


@pytest.mark.parametrize("price", [0, None])
async def test_a_cache_write_price_of_zero_is_not_the_input_price(world, upstream, price):
    """None is: as any input."""
    own = Price("price_w", "USD", 1_000_000_000, 0, 0, cache_write_nanos=price)
    world.publish(world.endpoint(world.target(upstream.address), price=own))
    await world.in_force()
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 1,
        "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 60},
    }
    event = await billed(world, upstream, whole_answer(usage=usage))
    assert event.cost_nanos == (40 if price == 0 else 100) * 1_000


async def test_embeddings_write_nothing_and_that_is_known(world, upstream):
    world.publish(
        world.endpoint(
            world.target(upstream.address), operation=Operation.EMBEDDINGS, max_output_tokens=0
        )
    )
    await world.in_force()
    answer = {
        "object": "list",
        "model": "m",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }

    async def script(call):
        await call.answer(json.dumps(answer).encode())

    upstream.script = script
    client = await world.client()
    body = json.dumps({"model": MODEL, "input": "Hi"}).encode()
    assert (await client.call("POST", "/v1/embeddings", body)).status == 200
    event = await world.event()
    assert (event.usage.source, event.usage.output_tokens) == (UsageSource.UPSTREAM, 0)
    assert event.cost_nanos == cost_of(3, 0, 0)
