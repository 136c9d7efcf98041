"""D2: cached tokens mispriced, four times too dear or 20 to 60 % too cheap, and lost where one
dialect was translated to another (litellm#36168, #36083, #42663, #11789, #16341; new-api#6883).

The same usage, told in the words of three kinds of hosts, costs the same to a nano, and every
client is told numbers that add up to it.
"""

import json

import pytest
from dialect_clients import DIALECTS
from gateway_parts import PRICE, event_of, text_event

from tradewind.snapshot.contents import Price
from tradewind.usage.event import UsageSource
from tradewind.wire.sse import DONE

FRESH, CACHED, KEPT, WRITTEN = 11, 400, 70, 13
"""Input read anew, from the host's cache, and into it; output."""
READ = FRESH + CACHED + KEPT
WITH_WRITES = Price("price_w", "USD", 1_000_000, 5_000_000, 100_000, cache_write_nanos=1_250_000)
EXACT = FRESH * 1 + CACHED * 0.1 + KEPT * 1.25 + WRITTEN * 5
"""In nanos, at WITH_WRITES."""


def stop(reason):
    return event_of(choices=[{"index": 0, "delta": {}, "finish_reason": reason}])


async def openai_host(call):
    usage = {
        "prompt_tokens": READ,
        "completion_tokens": WRITTEN,
        "total_tokens": READ + WRITTEN,
        "prompt_tokens_details": {"cached_tokens": CACHED, "cache_write_tokens": KEPT},
    }
    if call.json.get("stream"):
        await call.stream(text_event("Hi"), stop("stop"), event_of(choices=[], usage=usage), DONE)
        return
    message = {"role": "assistant", "content": "Hi"}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    whole = {"id": "c", "object": "chat.completion", "model": "m", "choices": [choice]}
    await call.answer(json.dumps(whole | {"usage": usage}).encode())


async def messages_host(call):
    usage = {
        "input_tokens": FRESH,
        "cache_read_input_tokens": CACHED,
        "cache_creation_input_tokens": KEPT,
    }
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage | {"output_tokens": 1},
    }
    if not call.json.get("stream"):
        whole = message | {
            "content": [{"type": "text", "text": "Hi"}],
            "stop_reason": "end_turn",
            "usage": usage | {"output_tokens": WRITTEN},
        }
        await call.answer(json.dumps(whole).encode())
        return

    def event(kind, **members):
        data = json.dumps({"type": kind} | members)
        return f"event: {kind}\ndata: {data}\n\n".encode()

    await call.stream(
        event("message_start", message=message),
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hi"}),
        event("content_block_stop", index=0),
        event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": WRITTEN}),
        event("message_stop"),
    )


HOSTS = {"openai_compatible": openai_host, "anthropic": messages_host}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("provider", HOSTS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_the_same_usage_costs_the_same_whoever_tells_it_to_whom(
    world, upstream, provider, dialect, stream
):
    upstream.script = HOSTS[provider]
    target = world.target(upstream.address, provider=provider)
    world.publish(world.endpoint(target, price=WITH_WRITES, context_tokens=100_000))
    await world.in_force()
    told = await DIALECTS[dialect].ask(await world.client(), stream=stream)
    assert (told.text, told.error) == ("Hi", None)
    event = await world.event()
    usage = event.usage
    assert usage.source is UsageSource.UPSTREAM
    assert usage.input_tokens == READ
    assert usage.cached_input_tokens == CACHED
    assert usage.cache_write_tokens == KEPT
    assert usage.output_tokens == WRITTEN
    assert event.cost_nanos == round(EXACT)
    assert told.usage == (READ, CACHED, WRITTEN), "what the client is told adds up to the bill"


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 500, "completion_tokens": 5, "prompt_cache_hit_tokens": 400},
        {"prompt_tokens": 500, "completion_tokens": 5, "cached_tokens": 400},
        {
            "prompt_tokens": 500,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 400, "audio_tokens": None},
        },
    ],
    ids=["DeepSeek", "Moonshot", "OpenAI"],
)
async def test_cached_tokens_are_known_by_every_name_that_hosts_have_for_them(
    world, upstream, usage
):
    async def script(call):
        await call.stream(text_event("Hi"), stop("stop"), event_of(choices=[], usage=usage), DONE)

    upstream.script = script
    await DIALECTS["chat"].ask(await world.client(), stream=True)
    event = await world.event()
    assert (event.usage.input_tokens, event.usage.cached_input_tokens) == (500, 400)
    exact = 100 * PRICE.input_nanos + 400 * PRICE.cached_input_nanos + 5 * PRICE.output_nanos
    assert event.cost_nanos * 1_000_000 == exact


async def test_more_cached_than_read_never_makes_a_negative_line(world, upstream):
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 10_000, "cache_write_tokens": 10_000},
    }

    async def script(call):
        await call.stream(text_event("Hi"), stop("stop"), event_of(choices=[], usage=usage), DONE)

    upstream.script = script
    await DIALECTS["chat"].ask(await world.client(), stream=True)
    usage = (await world.event()).usage
    assert usage.input_tokens == 10
    assert usage.cached_input_tokens + usage.cache_write_tokens <= usage.input_tokens
    assert (await world.event()).cost_nanos > 0
