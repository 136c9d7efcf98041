"""Calls that go wrong: upstreams that fail in every way, and clients that leave."""

import asyncio
import json
import socket

import pytest
from gateway_parts import (
    QUESTION,
    World,
    ask_for,
    assembled,
    cost_of,
    oversized_journal,
    soon,
    text_event,
    until,
    usage_event,
    whole_answer,
)
from scripted_upstream import ScriptedUpstream

from tradewind.gateway.http.limits import UpstreamTimeouts
from tradewind.snapshot.contents import Routing
from tradewind.usage.event import Opened, Outcome, Usage, UsageSource
from tradewind.usage.journal import Journal
from tradewind.wire.sse import DONE

NOTHING = Usage(0, 0, 0, UsageSource.NONE)


@pytest.fixture
def refused():
    """An address where nothing listens, and nothing will: the port is bound, not listening."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{sock.getsockname()[1]}"


@pytest.fixture
async def second():
    async with ScriptedUpstream() as running:
        yield running


async def answer_whole(call):
    await call.answer(whole_answer())


async def rest_of(pieces):
    return b"".join([piece async for piece in pieces])


# Clients that leave.


async def test_a_client_that_leaves_stops_the_upstream_and_pays_for_what_was_sent(world, upstream):
    gone = asyncio.Event()

    async def script(call):
        await call.begin()
        for text in ("one", "two", "three"):
            await call.send(text_event(text))
        await call.gone()
        gone.set()

    upstream.script = script
    client = await world.client()
    await client.stream()
    got, pieces = b"", client.pieces()
    while b"three" not in got:
        got += await anext(pieces)
    assert world.events() == []
    client.reset()
    await soon(gone.wait())
    event = await world.event()
    assert (event.outcome, event.http_status) == (Outcome.CANCELLED, 200)
    assert event.usage == Usage(len(ask_for(stream=True)) // 4, 0, 3, UsageSource.ESTIMATED)
    assert event.cost_nanos > 0
    assert await world.metric("tradewind_calls_in_flight") == 0


async def test_a_client_that_leaves_before_the_first_token_stops_the_upstream(world, upstream):
    gone = asyncio.Event()

    async def script(call):
        await call.gone()
        gone.set()

    upstream.script = script
    for members in ({}, {"stream": True}):
        gone.clear()
        upstream.came.clear()
        client = await world.client()
        asked = asyncio.create_task(client.chat(**members))
        await soon(upstream.came.wait())
        client.reset()
        await soon(gone.wait())
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asked
    await until(lambda: len(world.events()) == 2)
    for event in world.events():
        assert (event.outcome, event.http_status) == (Outcome.CANCELLED, 499)
        assert event.usage.output_tokens == 0
        assert event.first_token_us is None


async def test_the_engine_tells_the_exact_input_of_a_client_that_leaves(world, upstream):
    async def script(call):
        await call.begin()
        await call.send(
            b'data: {"choices":[{"index":0,"delta":{}}],'
            b'"prompt_progress":{"total":32,"cache":30}}\n\n'
        )
        await call.send(text_event("one") + text_event("two"))
        await call.gone()

    upstream.script = script
    world.publish(world.endpoint(world.target(upstream.address, provider="llama_server")))
    await world.in_force()
    client = await world.client()
    await client.stream()
    got, pieces = b"", client.pieces()
    while b"two" not in got:
        got += await anext(pieces)
    client.reset()
    event = await world.event()
    assert event.outcome is Outcome.CANCELLED
    assert event.usage == Usage(32, 30, 2, UsageSource.ESTIMATED)
    assert event.cost_nanos == cost_of(32, 30, 2)


async def test_a_client_that_leaves_frees_its_place_among_calls_at_once(world, upstream):
    async def script(call):
        if len(upstream.calls) == 1:
            await call.gone()
        else:
            await call.answer(whole_answer())

    upstream.script = script
    world.limit(concurrent_requests=1)
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.in_force()
    client = await world.client()
    asked = asyncio.create_task(client.chat())
    await soon(upstream.came.wait())
    assert (await world.chat()).status == 429
    client.reset()
    await world.event()
    assert (await world.chat()).status == 200
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asked


# Upstreams that fail.


async def test_an_upstream_cut_in_mid_stream_is_told_to_the_client_as_an_error(world, upstream):
    async def script(call):
        await call.begin()
        await call.send(text_event("one"))
        await call.send(text_event("two"))
        await may_cut.wait()
        call.cut()

    may_cut = asyncio.Event()
    upstream.script = script
    client = await world.client()
    assert (await client.stream()).status == 200
    got, pieces = b"", client.pieces()
    while b"two" not in got:
        got += await anext(pieces)
    may_cut.set()
    rest = await rest_of(pieces)
    error = json.loads(rest.removesuffix(b"\n\n" + DONE).removeprefix(b"data: "))["error"]
    assert (error["type"], error["code"]) == ("server_error", "upstream_unreachable")
    event = await world.event()
    assert (event.outcome, event.http_status) == (Outcome.FAILED, 200)
    assert (event.usage.output_tokens, event.usage.source) == (2, UsageSource.ESTIMATED)
    assert (await client.call("GET", "/healthz")).status == 200, "the connection lives on"


async def test_a_stream_that_ends_inside_an_event_failed(world, upstream):
    async def script(call):
        await call.stream(text_event("one"), b'data: {"cho')

    upstream.script = script
    client = await world.client()
    await client.stream()
    raw = await rest_of(client.pieces())
    assert raw.count(DONE) == 1
    assert b'"upstream_error"' in raw
    assert (await world.event()).outcome is Outcome.FAILED


@pytest.mark.parametrize("members", [{}, {"stream": True}], ids=["whole", "stream"])
@pytest.mark.parametrize("body", [b"", b"<html>\n\n</html>\n\n", b"[]", b"\xff" * 1000])
async def test_an_answer_that_is_none_is_a_bad_gateway(world, upstream, members, body):
    async def script(call):
        await call.answer(body)

    upstream.script = script
    answer = await world.chat(**members)
    assert answer.status == 502
    assert answer.error["code"] == "upstream_error"
    assert answer.header("x-request-id").startswith("req_")
    event = await world.event()
    assert (event.outcome, event.http_status) == (Outcome.FAILED, 502)
    assert (event.usage, event.cost_nanos) == (NOTHING, 0)


async def test_an_upstream_cut_before_its_answer_is_a_bad_gateway(world, upstream):
    async def script(call):
        await call.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")
        call.cut()

    upstream.script = script
    answer = await world.chat()
    assert (answer.status, answer.error["code"]) == (502, "upstream_unreachable")
    event = await world.event()
    assert (event.outcome, event.usage) == (Outcome.FAILED, NOTHING)


@pytest.mark.parametrize(
    ("status", "told", "code"),
    [
        (400, 400, "out_of_range"),
        (401, 502, "upstream_error"),
        (404, 502, "upstream_error"),
        (429, 429, "model_busy"),
        (500, 502, "upstream_error"),
        (503, 503, "model_busy"),
        (302, 502, "upstream_error"),
    ],
)
async def test_an_error_of_the_upstream_is_told_in_our_words_and_is_free(
    world, upstream, status, told, code
):
    async def script(call):
        await call.answer(
            b'{"error":{"message":"secret-message","code":"out_of_range"}}', status=status
        )

    upstream.script = script
    answer = await world.chat()
    assert (answer.status, answer.error["code"]) == (told, code)
    assert (b"secret-message" in answer.body) == (status == 400)
    assert (answer.header("retry-after-ms") is not None) == (told in (429, 503))
    event = await world.event()
    assert (event.outcome, event.http_status, event.usage) == (Outcome.FAILED, told, NOTHING)


async def test_an_error_body_without_end_is_bounded(world, upstream):
    async def script(call):
        await call.begin(status=500)
        for _ in range(64):
            await call.send(b"x" * 65536)
        await call.end()

    upstream.script = script
    assert (await world.chat()).status == 502


async def test_the_first_target_refuses_and_the_second_answers(world, upstream, refused):
    upstream.script = answer_whole
    world.publish(
        world.endpoint(
            world.target(refused, "rep_a"), world.target(upstream.address, "rep_b", tier=1)
        )
    )
    await world.in_force()
    answer = await world.chat()
    assert answer.status == 200
    assert answer.header("x-tradewind-deployment") == "dep_of_rep_b"
    event = await world.event()
    assert (event.deployment_id, event.outcome) == ("dep_of_rep_b", Outcome.COMPLETED)
    assert [type(record) for record in world.records()].count(Opened) == 1


async def test_a_target_that_refuses_rests(tmp_path, upstream, refused):
    upstream.script = answer_whole
    world = World(tmp_path)
    world.publish(
        world.endpoint(
            world.target(refused, "rep_a"), world.target(upstream.address, "rep_b", tier=1)
        )
    )
    journal = Journal.open(world.journal, node="gateway")
    async with assembled(world, journal) as state:
        assert (await world.chat()).status == 200
        assert state.router.rests == 1
        assert state.router.in_flight == 0


async def test_a_busy_target_is_passed_over(world, upstream, second):
    async def busy(call):
        await call.answer(b"{}", status=503)

    upstream.script, second.script = busy, answer_whole
    world.publish(
        world.endpoint(
            world.target(upstream.address, "rep_a"), world.target(second.address, "rep_b", tier=1)
        )
    )
    await world.in_force()
    assert (await world.chat()).status == 200
    assert (len(upstream.calls), len(second.calls)) == (1, 1)
    assert (await world.event()).deployment_id == "dep_of_rep_b"


@pytest.mark.parametrize(("retries", "status"), [(True, 200), (False, 504)])
async def test_a_target_that_does_not_begin_is_passed_over_where_the_endpoint_says_so(
    tmp_path, upstream, second, retries, status
):
    async def silent(call):
        await call.gone()

    upstream.script, second.script = silent, answer_whole
    world = World(tmp_path)
    targets = (
        world.target(upstream.address, "rep_a"),
        world.target(second.address, "rep_b", tier=1),
    )
    world.publish(world.endpoint(*targets, routing=Routing(retry_timeouts=retries)))
    async with assembled(world, Journal.open(world.journal, node="gateway")) as state:
        state.timeouts = UpstreamTimeouts(first_byte_s=1.0)
        assert (await world.chat()).status == status
    assert (len(upstream.calls), len(second.calls)) == (1, int(retries))


async def test_after_the_first_byte_no_other_target_goes_on(world, upstream, second):
    async def cut_in_the_middle(call):
        await call.begin()
        await call.send(text_event("one"))
        await may_cut.wait()
        call.cut()

    may_cut = asyncio.Event()
    upstream.script = cut_in_the_middle
    world.publish(
        world.endpoint(
            world.target(upstream.address, "rep_a"), world.target(second.address, "rep_b", tier=1)
        )
    )
    await world.in_force()
    client = await world.client()
    await client.stream()
    pieces = client.pieces()
    assert b"one" in await anext(pieces)
    may_cut.set()
    assert b'"error"' in await rest_of(pieces)
    assert second.calls == []


async def test_a_request_that_was_refused_is_not_tried_elsewhere(world, upstream, second):
    async def refuse(call):
        await call.answer(b'{"error":{"message":"no"}}', status=400)

    upstream.script = refuse
    world.publish(
        world.endpoint(
            world.target(upstream.address, "rep_a"), world.target(second.address, "rep_b", tier=1)
        )
    )
    await world.in_force()
    assert (await world.chat()).status == 400
    assert second.calls == []


async def test_when_every_target_is_down_the_call_failed_and_is_free(world, refused):
    world.publish(world.endpoint(world.target(refused, "rep_a"), world.target(refused, "rep_b")))
    await world.in_force()
    answer = await world.chat()
    assert (answer.status, answer.error["code"]) == (502, "upstream_unreachable")
    event = await world.event()
    assert (event.outcome, event.http_status, event.usage) == (Outcome.FAILED, 502, NOTHING)
    assert await world.metric("tradewind_calls_in_flight") == 0


async def test_a_model_without_targets_is_not_ready_and_nothing_is_recorded(world):
    world.publish(world.endpoint())
    await world.in_force()
    for members in ({}, {"stream": True}):
        answer = await world.chat(**members)
        assert (answer.status, answer.error["code"]) == (503, "model_not_ready")
        assert answer.number("retry-after-ms") > 0
    assert world.books() == []


# Requests that are refused here.


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_json"),
        (b'{"model":', 400, "invalid_json"),
        (b'{"model":"tw/small","messages":["\xff"]}', 400, "invalid_json"),
        (b'{"model":"tw/small","messages":' + b"[" * 100_000 + b"}", 400, "invalid_json"),
        (ask_for(model="tw/none"), 404, "model_not_found"),
        (ask_for(messages=[]), 400, "invalid_value"),
        (ask_for(max_tokens=0), 400, "invalid_value"),
        (ask_for(n=1000), 400, "invalid_value"),
        (ask_for(messages=[{"role": "user", "content": "x" * 300_000}]), 400,
         "context_length_exceeded"),
    ],
    ids=lambda value: repr(value)[:40],
)  # fmt: skip
async def test_a_refused_request_reaches_no_upstream_and_is_not_recorded(
    world, upstream, body, status, code
):
    client = await world.client()
    answer = await client.call("POST", "/v1/chat/completions", body)
    assert (answer.status, answer.error["code"]) == (status, code)
    assert answer.header("content-type") == "application/json"
    assert upstream.calls == []
    assert world.books() == []
    assert (await client.call("GET", "/healthz")).status == 200


@pytest.mark.parametrize(
    "members",
    [
        {"tool_choice": {"type": "function", "function": "f"}, "tools": [{"function": {}}]},
        {"tool_choice": "required", "tools": [{"function": {"name": "f"}}], "messages": ["Hello"]},
    ],
)
async def test_what_a_provider_cannot_carry_leaves_the_keys_place_free(world, upstream, members):
    world.limit(concurrent_requests=1, tokens_per_minute=1000)
    world.publish(world.endpoint(world.target(upstream.address, provider="llama_server")))
    await world.in_force()
    client = await world.client()
    for _ in range(3):
        answer = await client.chat(**members)
        assert answer.status == 400, "and never 429: nothing is in flight"
    assert world.books() == []


async def test_a_whole_answer_that_never_came_is_free_whatever_was_generated(world, upstream):
    async def script(call):
        await call.begin()
        await call.send(
            b'data: {"choices":[{"index":0,"delta":{}}],'
            b'"prompt_progress":{"total":32,"cache":30}}\n\n'
        )
        await call.send(text_event("one") + text_event("two"))
        call.cut()

    upstream.script = script
    world.publish(world.endpoint(world.target(upstream.address, provider="llama_server")))
    await world.in_force()
    client = await world.client()
    assert (await client.chat()).status == 502
    event = await world.event()
    assert (event.outcome, event.usage, event.cost_nanos) == (Outcome.FAILED, NOTHING, 0)


async def test_a_request_larger_than_the_limit_is_refused_before_it_is_read(world):
    client = await world.client()
    head = await client.ask(
        "POST", "/v1/chat/completions", headers=[("content-length", str(10**12))]
    )
    assert head.status == 413


async def test_without_a_journal_no_call_is_accepted_until_there_is_one_again(world, upstream):
    upstream.script = answer_whole
    await world.drain()
    with oversized_journal(world.journal):
        await world.start()
        answer = await world.chat()
        assert (answer.status, answer.error["code"]) == (503, "journal_unavailable")
        client = await world.client()
        assert (await client.call("GET", "/healthz")).json["reason"] == "journal cannot be written"
        assert (await client.call("GET", "/v1/models")).status == 200
        assert upstream.calls == []
        assert await world.metric("tradewind_journal_healthy") == 0
    async with asyncio.timeout(30):
        while (await world.chat()).status == 503:
            await asyncio.sleep(0.05)
    assert (await world.chat()).status == 200


async def test_usage_a_hostile_upstream_tells_is_not_billed(world, upstream):
    async def script(call):
        await call.answer(
            json.dumps(
                {
                    "usage": {
                        "prompt_tokens": 10,
                        "completion_tokens": 10**30,
                        "prompt_tokens_details": {"cached_tokens": -(10**18)},
                    }
                }
            ).encode()
        )

    upstream.script = script
    answer = await world.chat()
    assert answer.status == 200
    event = await world.event()
    assert event.usage == Usage(len(json.dumps(QUESTION)) // 4, 0, 0, UsageSource.ESTIMATED)
    assert answer.cost_nanos == event.cost_nanos >= 0


async def test_usage_beside_an_error_is_billed(world, upstream):
    async def script(call):
        await call.begin()
        await call.send(text_event("one") + usage_event(10, 4, 1))
        await may_cut.wait()
        call.cut()

    may_cut = asyncio.Event()
    upstream.script = script
    client = await world.client()
    await client.stream()
    pieces = client.pieces()
    assert b"one" in await anext(pieces)
    may_cut.set()
    await rest_of(pieces)
    event = await world.event()
    assert event.outcome is Outcome.FAILED
    assert event.usage == Usage(10, 4, 1, UsageSource.UPSTREAM)
    assert event.cost_nanos == cost_of(10, 4, 1)
