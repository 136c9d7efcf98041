"""D20: errors in the middle of a stream were lost, so that half an answer looked like a whole one
(litellm#24176, #4562).

However a host breaks off, every dialect's client gets a typed error event, never the end that means
success; and the books say failed, with what had been sent.
"""

import asyncio
import json

import pytest
from dialect_clients import DIALECTS, events_of
from gateway_parts import cost_of, soon, text_event, until

from tradewind.usage.event import Outcome
from tradewind.wire.sse import DONE

SENT = ["one", " two"]


async def cut(call):
    call.cut()


async def garbage(call):
    await call.send(b"data: {not json\n\n")
    await call.end()


async def ends_as_if_all_was_well(call):
    """As a proxy on the way does that gave up: the framing is right, and the rest is missing."""
    await call.end()


async def no_events(call):
    await call.send(b"<html>502</html>\n\n")
    await call.end()


async def ends_within_an_event(call):
    await call.send(b'data: {"choices": [{"ind')
    await call.end()


async def error_event(call):
    error = {"message": "secret stack at /srv/host.py:1", "type": "server_error", "code": 500}
    await call.send(b"data: " + json.dumps({"error": error}).encode() + b"\n\n")
    await call.end()


async def error_and_done(call):
    await call.send(b'data: {"error": {"message": "overloaded"}}\n\n' + DONE)
    await call.end()


async def broken_chunk(call):
    await call.raw(b"zz\r\nnot a chunk\r\n")


BREAKS = {
    each.__name__: each
    for each in (
        cut,
        ends_as_if_all_was_well,
        garbage,
        no_events,
        ends_within_an_event,
        error_event,
        error_and_done,
        broken_chunk,
    )
}
every_break = pytest.mark.parametrize("how", BREAKS)


def breaking(how, is_read):
    async def script(call):
        await call.begin()
        for text in SENT:
            await call.send(text_event(text))
        await soon(is_read.wait())
        await BREAKS[how](call)

    return script


async def read_until_it_breaks(world, upstream, spoken, how):
    """Ask for a stream that breaks off once its client has what was sent; return what it is told.

    Without that the break may come in one read with the words before it: then nothing was passed
    on yet, and the client gets a plain error.
    """
    is_read = asyncio.Event()
    upstream.script = breaking(how, is_read)
    client = await world.client()
    asked = asyncio.create_task(spoken.ask(client, stream=True))
    await until(lambda: SENT[-1].encode() in client.received)
    is_read.set()
    return await soon(asked)


@every_break
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_stream_that_breaks_off_says_so_in_every_dialect(world, upstream, dialect, how):
    told = await read_until_it_breaks(world, upstream, DIALECTS[dialect], how)
    assert told.text == "".join(SENT), "what had come is the client's"
    assert told.error is not None
    assert not told.has_ended_well
    assert told.error["message"]
    assert "/srv/host.py" not in json.dumps(told.error)
    event = await world.event()
    assert (event.outcome, event.http_status) == (Outcome.FAILED, 200)
    assert event.usage.output_tokens >= len(SENT)
    assert event.cost_nanos >= cost_of(0, 0, len(SENT))
    assert event.trail.error_code


@every_break
async def test_the_error_is_the_last_thing_a_client_of_messages_reads(world, upstream, how):
    def events_alone(raw):
        return [(name, json.loads(data)) for name, data in events_of(raw)]

    spoken = DIALECTS["messages"]._replace(read_stream=events_alone)
    events = await read_until_it_breaks(world, upstream, spoken, how)
    assert events[-1][0] == "error"
    assert events[-1][1]["error"]["type"] in ("api_error", "overloaded_error", "timeout_error")
    assert "message_stop" not in [name for name, _ in events]


@every_break
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_whole_answer_that_breaks_off_is_an_error_and_free(world, upstream, dialect, how):
    async def script(call):
        await call.begin(content_type="application/json")
        await call.send(b'{"id": "c", "choices": [')
        await BREAKS[how](call)

    upstream.script = script
    told = await soon(DIALECTS[dialect].ask(await world.client()))
    assert told.status in (502, 503, 504, 529)
    assert told.error["message"]
    event = await world.event()
    assert (event.outcome, event.cost_nanos) == (Outcome.FAILED, 0)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_stream_that_breaks_before_its_first_word_is_not_a_200(world, upstream, dialect):
    """Nothing was passed on, so the client gets a plain error that it can act on."""

    async def script(call):
        await call.begin()
        call.cut()

    upstream.script = script
    told = await soon(DIALECTS[dialect].ask(await world.client(), stream=True))
    assert told.status in (502, 503)
    assert (await world.event()).cost_nanos == 0
