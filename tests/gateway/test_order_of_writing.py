"""Nothing is acknowledged that the journal does not hold: the order of frames and bytes."""

import asyncio
import socket
import threading

import pytest
from gateway_parts import (
    PRICE,
    World,
    ask_for,
    assembled,
    soon,
    text_event,
    until,
    usage_event,
    whole_answer,
)
from scripted_upstream import PATIENCE_S

from tradewind.core.ids import event_id_of_request
from tradewind.gateway.metrics import Metrics
from tradewind.gateway.record import Recorder
from tradewind.snapshot.contents import Endpoint, Grant, Operation, Target
from tradewind.testing.usage_records import opened_call
from tradewind.usage.event import Opened, Outcome, Usage, UsageEvent, UsageSource
from tradewind.usage.journal import Journal
from tradewind.usage.segments import is_intact, list_segments
from tradewind.wire.sse import DONE

STREAM = (text_event("Hi"), usage_event(10, 4, 1), DONE)


async def answer_as_asked(call):
    if call.json.get("stream"):
        await call.stream(*STREAM)
    else:
        await call.answer(whole_answer())


@pytest.mark.parametrize("members", [{}, {"stream": True}], ids=["whole", "stream"])
async def test_the_open_frame_is_in_the_file_before_the_upstream_sees_the_request(
    world, upstream, members
):
    seen = []

    async def script(call):
        seen.append(world.records())
        await answer_as_asked(call)

    upstream.script = script
    client = await world.client()
    for _ in range(3):  # the first on a new connection to the upstream, the others on a kept one
        await client.call("POST", "/v1/chat/completions", ask_for(**members))
    assert [[type(record) for record in records] for records in seen] == [
        [Opened],
        [Opened, UsageEvent, Opened],
        [Opened, UsageEvent] * 2 + [Opened],
    ]


@pytest.mark.parametrize("durability", ["process", "disk"])
@pytest.mark.parametrize("members", [{}, {"stream": True}], ids=["whole", "stream"])
async def test_the_final_frame_is_in_the_file_before_the_client_has_the_end(
    tmp_path, upstream, members, durability
):
    """The client is a thread of its own, which looks into the file the moment it has the end."""
    upstream.script = answer_as_asked
    world = World(tmp_path, durability=durability)
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.start()
    missing = []

    def ask_and_look():
        with socket.create_connection(("127.0.0.1", world.port), timeout=30) as sock:
            for _ in range(30):
                body = ask_for(**members)
                sock.sendall(
                    b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n"
                    b"authorization: Bearer %b\r\n\r\n%b"
                    % (len(body), world.key.text.encode(), body)
                )
                got = b""
                while DONE not in got and b'"usage":{' not in got:
                    piece = sock.recv(65536)
                    assert piece, got
                    got += piece
                request_id = got.partition(b"x-request-id: ")[2].partition(b"\r\n")[0].decode()
                ended = {event.event_id for event in world.events()}
                if event_id_of_request(request_id).bytes not in ended:
                    missing.append(request_id)
                while members and not got.endswith(b"0\r\n\r\n"):
                    got += sock.recv(65536)

    await soon(asyncio.to_thread(ask_and_look))
    await world.stop()
    assert missing == []
    assert len(world.events()) == 30


async def test_the_end_mark_waits_for_the_upstream_and_with_it_for_the_final_frame(world, upstream):
    """An upstream may say [DONE] long before it ends; for a client that mark is the end."""
    may_end = asyncio.Event()

    async def script(call):
        await call.begin()
        await call.send(text_event("Hi") + DONE)
        await may_end.wait()
        await call.send(usage_event(10, 4, 1))
        await call.end()

    upstream.script = script
    client = await world.client()
    await client.stream()
    pieces = client.pieces()
    first = await anext(pieces)
    assert b"Hi" in first
    assert b"[DONE]" not in first
    assert world.events() == []
    may_end.set()
    assert b"".join([piece async for piece in pieces]) == DONE
    [event] = world.events()
    assert event.usage == Usage(10, 4, 1, UsageSource.UPSTREAM)


@pytest.mark.parametrize("kind", ["whole", "stream", "cut"])
async def test_with_durability_disk_the_end_of_an_answer_waits_for_the_disk(
    tmp_path, upstream, kind
):
    async def script(call):
        if kind == "whole":
            await call.answer(whole_answer())
            return
        await call.begin()
        await call.send(text_event("one"))
        if kind == "cut":
            await may_cut.wait()
            call.cut()
        else:
            await call.send(DONE)
            await call.end()

    may_cut, is_on_disk = asyncio.Event(), threading.Event()
    upstream.script = script
    world = World(tmp_path)
    world.publish(world.endpoint(world.target(upstream.address)))
    journal = Journal.open(
        world.journal,
        node="gateway",
        durability="disk",
        fdatasync=lambda _: None if is_on_disk.wait(PATIENCE_S) else pytest.fail("not released"),
    )
    async with assembled(world, journal):
        client, other = await world.client(), await world.client()
        asked = asyncio.create_task(client.chat(stream=kind != "whole"))
        if kind == "cut":
            await until(lambda: b"one" in bytes(client.received))
            may_cut.set()
        await until(world.events)
        # An end that did not wait would be with the client before this answer.
        assert (await other.call("GET", "/healthz", key=None)).status == 200
        assert (b"one" in bytes(client.received)) == (kind != "whole")
        for mark in (b"HTTP/1.1 200" if kind == "whole" else b"[DONE]", b'"error"'):
            assert mark not in bytes(client.received)
        is_on_disk.set()
        answer = await soon(asked)
        assert answer.status == 200
        assert answer.body.endswith(DONE) == (kind != "whole")


async def test_with_durability_process_the_end_goes_with_the_flush_that_writes_the_frame(tmp_path):
    journal = Journal.open(tmp_path, node="gateway")
    scheduled, told = [], []
    recorder = Recorder(
        journal, Metrics(), schedule_flush=lambda: scheduled.append(True), waits_for_disk=False
    )
    end_a_call(recorder)
    recorder.when_safe(told.append)
    assert told == [True]
    assert len(scheduled) == 2, "OPEN and FINAL both ask for a flush, socket or not"
    await journal.close()


async def test_a_closing_gateway_lets_a_running_stream_end_and_seals_its_journal(world, upstream):
    may_end = asyncio.Event()

    async def script(call):
        await call.begin()
        await call.send(text_event("one"))
        await may_end.wait()
        await call.send(text_event("two") + DONE)
        await call.end()

    upstream.script = script
    client = await world.client()
    await client.stream()
    pieces = client.pieces()
    assert b"one" in await anext(pieces)
    closing = asyncio.create_task(world.drain())
    async with asyncio.timeout(30):
        while True:
            try:
                (await world.client()).close()
            except ConnectionError:
                break
            await asyncio.sleep(0.005)
    assert not closing.done()
    may_end.set()
    rest = b"".join([piece async for piece in pieces])
    assert rest.endswith(DONE)
    assert b"two" in rest
    await soon(closing)
    [event] = world.events()
    assert event.outcome is Outcome.COMPLETED
    [name] = list_segments(world.journal)
    assert is_intact(world.journal / str(name))


async def test_a_stream_that_does_not_end_in_time_is_cut_and_billed(tmp_path, upstream):
    async def script(call):
        await call.begin()
        await call.send(text_event("one"))
        await call.gone()

    upstream.script = script
    world = World(tmp_path, drain_timeout_s=0.05)
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.start()
    client = await world.client()
    await client.stream()
    pieces = client.pieces()
    assert b"one" in await anext(pieces)
    await world.drain()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await anext(pieces)
    await world.stop()
    [event] = world.events()
    assert (event.outcome, event.usage.output_tokens) == (Outcome.CANCELLED, 1)


def end_a_call(recorder):
    grant = Grant("k1", b"", "org", "proj")
    target = Target("dep", "rep", "llama_server", "h:1", "m", "key")
    endpoint = Endpoint("p/m", Operation.CHAT, "p", 1, 512, 512, PRICE, (target,))
    opened = recorder.open(
        grant, endpoint, target, operation=endpoint.operation, is_stream=True, input_estimate=5
    )
    assert type(opened) is type(opened_call())
    recorder.close(
        opened,
        endpoint,
        target,
        outcome=Outcome.COMPLETED,
        http_status=200,
        usage=Usage(1, 0, 1, UsageSource.UPSTREAM),
        first_token_us=1,
        duration_us=2,
    )
