"""D1: streamed calls recorded at zero, so that EUR 830 of invoices stood against 1.47 recorded and
no budget ever tripped (litellm#37923, #10155, #38458).

A host that says nothing of usage, or zero, or that the answer cost nothing, is not believed where
text was passed on: what was counted is billed, and marked as an estimate.
"""

import json

import pytest
from dialect_clients import DIALECTS, MESSAGES
from gateway_parts import cost_of, event_of, text_event

from tradewind.usage.event import Outcome, UsageSource
from tradewind.wire.sse import DONE

TEXTS = ["One", " two", " three", " four"]
STOP = event_of(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
every_dialect = pytest.mark.parametrize("dialect", DIALECTS)


def streams(*endings):
    async def script(call):
        if not call.json.get("stream"):
            await call.answer(b"{}", status=500)
            return
        await call.stream(*map(text_event, TEXTS), STOP, *endings, DONE)

    return script


def usage_said(**usage):
    return event_of(choices=[], usage=usage)


UNHELPFUL = {
    "none at all": [],
    "null": [event_of(choices=[], usage=None)],
    "an empty object": [usage_said()],
    "nulls": [usage_said(prompt_tokens=None, completion_tokens=None, total_tokens=None)],
    "zero": [usage_said(prompt_tokens=0, completion_tokens=0, total_tokens=0)],
    "zero, and that it was free": [
        usage_said(prompt_tokens=0, completion_tokens=0, total_tokens=0, cost=0)
    ],
    "negative": [usage_said(prompt_tokens=-5, completion_tokens=-1)],
    "texts": [usage_said(prompt_tokens="many", completion_tokens="few")],
    "more than any model reads": [usage_said(prompt_tokens=10**12, completion_tokens=10**12)],
}


@every_dialect
@pytest.mark.parametrize("said", UNHELPFUL)
async def test_a_streamed_answer_without_usage_is_billed_by_what_was_passed_on(
    world, upstream, dialect, said
):
    upstream.script = streams(*UNHELPFUL[said])
    told = await DIALECTS[dialect].ask(await world.client(), stream=True)
    assert (told.text, told.has_ended_well, told.error) == ("".join(TEXTS), True, None)
    event = await world.event()
    assert event.outcome is Outcome.COMPLETED
    assert event.usage.source is UsageSource.ESTIMATED
    assert event.usage.output_tokens >= len(TEXTS)
    assert event.usage.input_tokens > 0
    assert event.cost_nanos >= cost_of(0, 0, len(TEXTS))


@every_dialect
@pytest.mark.parametrize("cost", [0, 0.0, "0", -1, 1e9])
async def test_what_a_host_says_that_it_cost_is_never_the_price(world, upstream, dialect, cost):
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "cost": cost}
    upstream.script = streams(event_of(choices=[], usage=usage))
    await DIALECTS[dialect].ask(await world.client(), stream=True)
    event = await world.event()
    assert event.usage.source is UsageSource.UPSTREAM
    assert event.cost_nanos == cost_of(10, 0, 5)


async def test_usage_that_grows_from_zero_along_the_stream_counts_with_its_last_word(
    world, upstream
):
    """Some hosts say usage with each event, beginning with nothing written."""

    async def script(call):
        pieces = []
        for number, text in enumerate(TEXTS):
            event = json.loads(text_event(text)[6:])
            event["usage"] = {"prompt_tokens": 10, "completion_tokens": number, "cost": 0}
            pieces.append(b"data: " + json.dumps(event).encode() + b"\n\n")
        await call.stream(*pieces, STOP, usage_said(prompt_tokens=10, completion_tokens=9), DONE)

    upstream.script = script
    await DIALECTS["chat"].ask(await world.client(), stream=True)
    event = await world.event()
    assert (event.usage.input_tokens, event.usage.output_tokens) == (10, 9)
    assert event.cost_nanos == cost_of(10, 0, 9)


@pytest.mark.parametrize(
    "usage",
    [
        {"input_tokens": 0, "output_tokens": 0},
        {"output_tokens": 0},
        {},
        None,
    ],
)
async def test_a_host_of_the_messages_dialect_that_says_zero_is_not_believed_either(
    world, upstream, usage
):
    def event(kind, **members):
        data = json.dumps({"type": kind} | members)
        return f"event: {kind}\ndata: {data}\n\n".encode()

    start = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "upstream-model",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }

    async def script(call):
        await call.stream(
            event("message_start", message=start),
            event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
            *(
                event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})
                for text in TEXTS
            ),
            event("content_block_stop", index=0),
            event("message_delta", delta={"stop_reason": "end_turn"}, usage=usage),
            event("message_stop"),
        )

    upstream.script = script
    target = world.target(upstream.address, provider="anthropic")
    world.publish(world.endpoint(target))
    await world.in_force()
    told = await MESSAGES._replace(read_stream=text_alone).ask(await world.client(), stream=True)
    assert told == "".join(TEXTS)
    found = await world.event()
    assert found.usage.source is UsageSource.ESTIMATED
    assert found.usage.output_tokens >= len(TEXTS)
    assert found.cost_nanos >= cost_of(0, 0, len(TEXTS))


def text_alone(raw):
    return "".join(
        json.loads(line[6:])["delta"]["text"]
        for line in raw.decode().split("\n")
        if line.startswith("data: ") and '"text_delta"' in line
    )
