"""Calls that go well, over real sockets: answers, headers, prices, usage events."""

import asyncio
import json

import pytest
from gateway_parts import (
    EVENT_STREAM,
    MODEL,
    ORGANIZATION,
    PRICE,
    PROJECT,
    World,
    cost_of,
    now_us,
    text_event,
    usage_event,
    whole_answer,
)

from tradewind.core.ids import event_id_of_request
from tradewind.snapshot.contents import Operation
from tradewind.usage.event import Opened, Outcome, Progressed, Usage, UsageSource
from tradewind.wire.sse import DONE

EMBEDDER = "tw/embedder"
EMBEDDINGS = {
    "object": "list",
    "model": "upstream-model",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -0.25]}],
    "usage": {"prompt_tokens": 8, "total_tokens": 8},
}


def answering(*events):
    async def script(call):
        await call.stream(*events)

    return script


async def answer_whole(call):
    await call.answer(whole_answer())


async def test_a_whole_answer_reaches_the_client_under_the_clients_name(world, upstream):
    upstream.script = answer_whole
    answer = await world.chat(top_k=40)
    assert answer.status == 200
    assert answer.json == json.loads(whole_answer(model=MODEL))
    [call] = upstream.calls
    assert call.json["model"] == "upstream-model"
    assert call.json["top_k"] == 40
    assert b"authorization: Bearer key-of-target\r\n" in call.head
    assert world.key.text.encode() not in call.head + call.body


async def test_a_whole_answer_says_what_it_was_and_what_it_cost(world, upstream):
    upstream.script = answer_whole
    answer = await world.chat()
    assert answer.header("content-type") == "application/json"
    assert answer.header("x-tradewind-model") == MODEL
    assert answer.header("x-tradewind-deployment") == "dep_of_rep_1"
    assert answer.header("x-tradewind-currency") == "USD"
    assert answer.cost_nanos == cost_of(10, 4, 3)
    assert 0 <= answer.number("x-tradewind-overhead-ms") < 60_000
    event = await world.event()
    assert event_id_of_request(answer.header("x-request-id")).bytes == event.event_id


async def test_the_usage_event_is_complete_in_itself(world, upstream):
    before = now_us()
    upstream.script = answer_whole
    await world.chat()
    event = await world.event()
    assert (event.organization_id, event.project_id, event.key_id) == (
        ORGANIZATION,
        PROJECT,
        world.key.key_id,
    )
    assert (event.operation, event.model, event.deployment_id) == ("chat", MODEL, "dep_of_rep_1")
    assert (event.price_id, event.currency, event.is_stream) == (PRICE.id, "USD", False)
    assert (event.outcome, event.http_status) == (Outcome.COMPLETED, 200)
    assert event.usage == Usage(10, 4, 3, UsageSource.UPSTREAM)
    assert event.cost_nanos == cost_of(10, 4, 3)
    assert before <= event.at_us <= now_us()
    assert event.first_token_us is not None
    assert 0 <= event.first_token_us <= event.duration_us
    [opened] = [record for record in world.records() if isinstance(record, Opened)]
    assert (opened.event_id, opened.at_us) == (event.event_id, event.at_us)
    assert (opened.input_nanos, opened.output_nanos, opened.cached_input_nanos) == (
        PRICE.input_nanos,
        PRICE.output_nanos,
        PRICE.cached_input_nanos,
    )


async def test_an_alias_is_billed_under_the_models_name(world, upstream):
    upstream.script = answer_whole
    answer = await world.chat(model="small")
    assert answer.json["model"] == MODEL
    assert (await world.event()).model == MODEL


async def test_a_stream_is_passed_on_event_by_event(world, upstream):
    upstream.script = answering(text_event("He"), text_event("llo"), usage_event(10, 4, 2), DONE)
    client = await world.client()
    head = await client.stream()
    assert head.status == 200
    assert head.header("content-type") == EVENT_STREAM
    assert head.header("cache-control") == "no-cache"
    assert head.header("x-request-id").startswith("req_")
    assert head.header("x-tradewind-model") == MODEL
    assert head.header("x-tradewind-deployment") == "dep_of_rep_1"
    raw = b"".join([piece async for piece in client.pieces()])
    renamed = (text_event("He") + text_event("llo")).replace(b"upstream-model", MODEL.encode())
    assert raw == renamed + DONE
    event = await world.event()
    assert event.is_stream
    assert (event.outcome, event.http_status) == (Outcome.COMPLETED, 200)
    assert event.usage == Usage(10, 4, 2, UsageSource.UPSTREAM)
    assert event.cost_nanos == cost_of(10, 4, 2)


async def test_a_stream_that_may_be_held_has_the_same_events(tmp_path, upstream):
    events = [text_event(word) for word in ("He", "l", "lo")]
    upstream.script = answering(*events, usage_event(10, 4, 3), DONE)
    world = World(tmp_path, stream_coalesce_ms=40)
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.start()
    try:
        client = await world.client()
        await client.stream()
        raw = b"".join([piece async for piece in client.pieces()])
    finally:
        await world.stop()
    assert raw == b"".join(events).replace(b"upstream-model", MODEL.encode()) + DONE


async def test_a_stream_shows_its_usage_to_who_asked(world, upstream):
    upstream.script = answering(text_event("Hi"), usage_event(10, 4, 1), DONE)
    client = await world.client()
    await client.stream(stream_options={"include_usage": True})
    raw = b"".join([piece async for piece in client.pieces()])
    assert raw.count(b'"usage"') == 1
    assert (await world.event()).usage == Usage(10, 4, 1, UsageSource.UPSTREAM)


async def test_late_usage_still_counts(world, upstream):
    upstream.script = answering(text_event("Hi"), DONE, usage_event(10, 4, 1))
    client = await world.client()
    await client.stream()
    raw = b"".join([piece async for piece in client.pieces()])
    assert raw.endswith(DONE)
    assert raw.count(b"data:") == 2
    assert (await world.event()).usage == Usage(10, 4, 1, UsageSource.UPSTREAM)


async def test_a_stream_without_usage_is_counted_and_marked_as_estimated(world, upstream):
    upstream.script = answering(text_event("a"), text_event("b"), text_event("c"), DONE)
    client = await world.client()
    await client.stream()
    assert b"".join([piece async for piece in client.pieces()]).endswith(DONE)
    event = await world.event()
    assert event.usage.output_tokens == 3
    assert event.usage.source is UsageSource.ESTIMATED
    assert event.usage.input_tokens > 0
    assert event.cost_nanos > 0


async def test_a_whole_answer_without_usage_is_estimated_by_its_input(world, upstream):
    async def script(call):
        await call.answer(whole_answer(usage=None))

    upstream.script = script
    answer = await world.chat()
    event = await world.event()
    assert event.usage.source is UsageSource.ESTIMATED
    assert answer.cost_nanos == event.cost_nanos


async def test_an_answer_in_many_pieces_is_the_same_answer(world, upstream):
    async def script(call):
        await call.answer(whole_answer(), pieces=50)

    upstream.script = script
    assert (await world.chat()).json == json.loads(whole_answer(model=MODEL))


async def test_an_upstream_that_closes_after_each_answer_is_connected_anew(world, upstream):
    async def script(call):
        await call.raw(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + whole_answer())
        call.cut()

    upstream.script = script
    client = await world.client()
    for _ in range(3):
        assert (await client.chat()).status in (200, 502)
    assert len(upstream.calls) >= 3


async def test_many_calls_share_one_connection_of_the_client(world, upstream):
    upstream.script = answer_whole
    client = await world.client()
    ids = {(await client.chat()).header("x-request-id") for _ in range(20)}
    assert len(ids) == 20
    assert len(world.events()) == 20
    assert {event_id_of_request(each).bytes for each in ids} == {
        event.event_id for event in world.events()
    }


async def test_embeddings_are_priced_by_their_input(world, upstream):
    async def script(call):
        await call.answer(json.dumps(EMBEDDINGS).encode())

    upstream.script = script
    world.publish(
        world.endpoint(
            world.target(upstream.address),
            name=EMBEDDER,
            operation=Operation.EMBEDDINGS,
            dimensions=2,
        )
    )
    await world.in_force()
    client = await world.client()
    body = json.dumps({"model": EMBEDDER, "input": ["Hello"], "user": "u"}).encode()
    answer = await client.call("POST", "/v1/embeddings", body)
    assert answer.status == 200
    assert answer.json == EMBEDDINGS | {"model": EMBEDDER}
    assert answer.cost_nanos == cost_of(8, 0, 0)
    assert upstream.calls[0].head.startswith(b"POST /v1/embeddings ")
    event = await world.event()
    assert (event.operation, event.model) == ("embeddings", EMBEDDER)
    assert event.usage == Usage(8, 0, 0, UsageSource.UPSTREAM)


async def test_an_engine_is_spoken_to_in_its_own_way(world, upstream):
    """A whole answer of the engine comes as a stream, and is one stream's usage to the client."""
    tail = b'"id":"c","created":1,"model":"tw/small","object":"chat.completion.chunk"'

    def piece(choices, rest=b""):
        return b'data: {"choices":%b,%b%b}\n\n' % (choices, tail, rest)

    upstream.script = answering(
        piece(b'[{"index":0,"delta":{}}]', b',"prompt_progress":{"total":32,"cache":31}'),
        b":\n\n",
        piece(b'[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]'),
        piece(b"[]", b',"usage":{"completion_tokens":1,"prompt_tokens":32,'
              b'"prompt_tokens_details":{"cached_tokens":31}},"timings":{}'),
        DONE,
    )  # fmt: skip
    world.publish(world.endpoint(world.target(upstream.address, provider="llama_server")))
    await world.in_force()
    answer = await world.chat(lora=[{"id": 0, "scale": 1}])
    assert answer.json["choices"][0]["message"]["content"] == "Hi"
    assert answer.json["usage"]["total_tokens"] == 33
    assert "lora" not in upstream.calls[0].json
    assert (await world.event()).usage == Usage(32, 31, 1, UsageSource.UPSTREAM)


async def test_a_long_stream_leaves_marks_of_how_far_it_is(world, upstream):
    async def script(call):
        await call.begin()
        for _ in range(12):
            await call.send(text_event("x") * 100)
        await until_marked(call)

    async def until_marked(call):
        await upstream_may_end.wait()
        await call.send(DONE)
        await call.end()

    upstream_may_end = asyncio.Event()
    upstream.script = script
    client = await world.client()
    await client.stream()
    got = b""
    pieces = client.pieces()
    while got.count(b"data:") < 1200:
        got += await anext(pieces)
    marks = [record for record in world.records() if isinstance(record, Progressed)]
    assert marks
    assert all(512 <= mark.output_tokens <= 1200 for mark in marks)
    upstream_may_end.set()
    assert b"".join([piece async for piece in pieces]) == DONE
    assert (await world.event()).usage.output_tokens == 1200


@pytest.mark.parametrize("size", [1, 1000])
async def test_limits_are_told_with_every_answer(world, upstream, size):
    upstream.script = answer_whole
    world.limit(requests_per_minute=size, tokens_per_minute=6000)
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.in_force()
    answer = await world.chat(max_tokens=100)
    assert answer.header("x-ratelimit-limit-requests") == str(size)
    assert answer.header("x-ratelimit-remaining-requests") == str(size - 1)
    # 13 of 6000 were used; a token comes back every 10 ms.
    assert 5987 <= answer.number("x-ratelimit-remaining-tokens") <= 6000
    if size == 1:
        refused = await world.chat()
        assert refused.status == 429
        assert refused.error["code"] == "rate_limit_exceeded"
        assert 0 < refused.number("retry-after-ms") <= 60_000
        assert len(upstream.calls) == len(world.events()) == 1
