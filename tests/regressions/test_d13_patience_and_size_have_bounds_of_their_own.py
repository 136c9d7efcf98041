"""D13: a long time to the first token killed by an idle timeout of 10 s, bodies over 10 MB answered
with 503 (gpustack#4725, #6089, #4319, #4419, #5721; envoy ai-gateway#805, #494).

Waiting for the first byte and silence inside an answer are bounded apart from each other, and a
body that is too large is told so, in the words of the API that was spoken, before it has come.
"""

import asyncio
import json

import pytest
from dialect_clients import DIALECTS
from gateway_parts import World, assembled, soon, text_event, usage_event, whole_answer
from scripted_upstream import ScriptedUpstream

from tradewind.gateway.http.limits import UpstreamTimeouts
from tradewind.usage.event import Outcome
from tradewind.usage.journal import Journal
from tradewind.wire.sse import DONE

MIB = 1024 * 1024


@pytest.fixture
async def patient(tmp_path):
    """A gateway that waits long for a first byte and hardly at all inside an answer."""
    async with ScriptedUpstream() as upstream:
        world = World(tmp_path)
        world.publish(world.endpoint(world.target(upstream.address)))
        async with assembled(world, Journal.open(world.journal, node="gateway")) as state:
            state.timeouts = UpstreamTimeouts(first_byte_s=60.0, idle_s=0.3)
            yield world, upstream


async def until_swept(call):
    """Wait for longer than the silence that is allowed inside an answer, with its sweep."""
    await asyncio.sleep(2.5)
    return call


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_first_token_may_take_longer_than_any_silence_after_it(patient, stream):
    world, upstream = patient

    async def script(call):
        await until_swept(call)
        if call.json.get("stream"):
            await call.stream(text_event("late"), usage_event(10, 0, 1), DONE)
        else:
            await call.answer(whole_answer("late"))

    upstream.script = script
    told = await DIALECTS["chat"].ask(await world.client(), stream=stream)
    assert (told.status, told.text, told.error) == (200, "late", None)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_silence_inside_an_answer_is_told_and_not_waited_for(patient, dialect):
    world, upstream = patient

    async def script(call):
        await call.begin()
        await call.send(text_event("one"))
        await call.gone()

    upstream.script = script
    told = await soon(DIALECTS[dialect].ask(await world.client(), stream=True))
    assert told.text == "one"
    assert told.error is not None
    assert not told.has_ended_well
    event = await world.event()
    assert (event.outcome, event.usage.output_tokens) == (Outcome.FAILED, 1)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_body_of_many_megabytes_goes_through(world, upstream, dialect):
    upstream.script = None
    sizes = []

    async def script(call):
        sizes.append(len(call.body))
        await call.answer(whole_answer())

    upstream.script = script
    text = "x" * (12 * MIB)
    spoken = DIALECTS[dialect]
    members = {
        "chat": {"messages": [{"role": "user", "content": text}]},
        "azure": {"messages": [{"role": "user", "content": text}]},
        "messages": {"messages": [{"role": "user", "content": text}]},
        "responses": {"input": text},
        "gemini": {"contents": [{"role": "user", "parts": [{"text": text}]}]},
    }[dialect]
    world.publish(world.endpoint(world.target(upstream.address), context_tokens=100_000_000))
    await world.in_force()
    told = await spoken.ask(await world.client(), **members)
    assert told.status == 200
    assert sizes[0] >= 12 * MIB


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_body_that_is_too_large_is_told_before_it_has_come(world, upstream, dialect):
    client = await world.client()
    size = world.config.max_body_bytes + 1
    answer = await client.ask(
        "POST", DIALECTS[dialect].path, headers=[("content-length", str(size))]
    )
    assert answer.status == 413
    assert not upstream.calls


async def test_a_chunked_body_that_grows_too_large_is_cut_off_at_the_bound(tmp_path, upstream):
    world = World(tmp_path, max_body_bytes=MIB)
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.start()
    client = await world.client()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n"
        f"authorization: Bearer {world.key.text}\r\ntransfer-encoding: chunked\r\n\r\n"
    ).encode()
    piece = b"%x\r\n%b\r\n" % (64 * 1024, b" " * 64 * 1024)
    client._writer.write(head)
    for _ in range(40):
        client._writer.write(piece)
    answer = await client.head()
    assert answer.status == 413
    assert not upstream.calls
    await world.stop()


async def test_the_error_of_a_large_body_has_the_shape_of_its_api(tmp_path, upstream):
    world = World(tmp_path, max_body_bytes=1024)
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.start()
    for dialect in DIALECTS.values():
        body = json.dumps(dialect.body | {"metadata": {"a": "x" * 2048}}).encode()
        answer = await (await world.client()).call("POST", dialect.path, body)
        assert answer.status == 413
        assert answer.json["error"]["message"]
    await world.stop()
