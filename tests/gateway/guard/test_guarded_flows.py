"""What else happens to a call under policies: it is stored, kept, slow, spent, repeated, fallen
through.
"""

import asyncio
import contextlib
import json

import msgspec
import pytest
from gateway_parts import soon, text_event, until, usage_event, whole_answer
from guard_parts import GuardedWorld, a_policy, rule, safety_in, trail_in
from scripted_upstream import ScriptedUpstream

from tradewind.gateway import guarding
from tradewind.gateway.lanes import Lanes
from tradewind.snapshot import file
from tradewind.snapshot.contents import Operation
from tradewind.snapshot.safety import Action, Direction, Streaming
from tradewind.snapshot.view import SnapshotView
from tradewind.usage.event import Outcome
from tradewind.wire.sse import DONE

SECRET = "[[pii.email 6 EMAIL]]"


@contextlib.asynccontextmanager
async def guarded(folder, upstream, *policies, **config):
    world = GuardedWorld(folder, *policies, **config)
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.start()
    try:
        yield world
    finally:
        world.check.release()
        await world.stop()


def answers(text):
    async def script(call):
        await call.answer(whole_answer(text))

    return script


class Store(ScriptedUpstream):
    """Takes whatever the gateway stores, or refuses it."""

    def __init__(self, status=204):
        super().__init__(self._take)
        self.kept = []
        self._status = status

    async def _take(self, call):
        if call.head.startswith(b"PUT /responses"):
            self.kept.append(call.body)
        await call.raw(b"HTTP/1.1 %d Done\r\ncontent-length: 0\r\n\r\n" % self._status)


REDACTING = a_policy(*rule("pii", Action.REDACT), *rule("hate"))


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_response_is_stored_as_its_client_got_it(tmp_path, upstream, is_stream):
    async def streams(call):
        ending = {"index": 0, "delta": {}, "finish_reason": "stop"}
        await call.stream(
            text_event("Write to "),
            text_event(SECRET),
            b"data: " + json.dumps({"choices": [ending]}).encode() + b"\n\n",
            usage_event(10, 0, 3),
            DONE,
        )

    async with Store() as store:
        async with guarded(tmp_path, upstream, REDACTING, backstage=store.address) as world:
            upstream.script = streams if is_stream else answers(f"Write to {SECRET}")
            body = json.dumps({"model": "small", "input": "hi", "stream": is_stream}).encode()
            answer = await (await world.client()).call("POST", "/v1/responses", body)
            assert answer.status == 200
            assert SECRET.encode() not in answer.body
            assert b"<EMAIL_1>" in answer.body
            await until(lambda: store.kept)
        [kept] = store.kept
        assert SECRET.encode() not in kept
        assert b"<EMAIL_1>" in kept


async def test_a_background_response_that_a_policy_blocks_ends_as_blocked(tmp_path, upstream):
    async with Store() as store:
        async with guarded(tmp_path, upstream, REDACTING, backstage=store.address) as world:
            upstream.script = answers("[[hate 6]]")
            body = json.dumps({"model": "small", "input": "hi", "background": True}).encode()
            answer = await (await world.client()).call("POST", "/v1/responses", body)
            assert answer.json["status"] == "queued"
            event = await world.event()
            assert trail_in(event).error_code == "content_filter"
            await until(lambda: len(store.kept) == 2)
        assert b"[[hate" not in store.kept[1]


async def test_what_is_kept_of_a_call_is_what_its_client_got(tmp_path, upstream):
    folder = tmp_path / "content"
    async with guarded(tmp_path, upstream, REDACTING, content_folder=folder) as world:
        world.terms = {"content_days": 3}
        world.publish(world.endpoint(world.target(upstream.address)))
        await world.in_force()
        upstream.script = answers(f"Write to {SECRET}")
        assert b"<EMAIL_1>" in (await world.chat()).body
        await until(lambda: any(folder.glob("*")) and not any(folder.glob("*.new")))
    kept = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"EMAIL_1" in kept
    assert SECRET.encode() not in kept


async def test_a_guarded_call_falls_through_to_the_next_target(tmp_path, upstream):
    async with ScriptedUpstream() as second:
        world = GuardedWorld(tmp_path, a_policy())

        async def refuses(call):
            await call.answer(b'{"error":{"message":"no"}}', status=500)

        upstream.script, second.script = refuses, answers("from the second")
        world.publish(
            world.endpoint(
                world.target(upstream.address), world.target(second.address, "rep_2", tier=1)
            )
        )
        await world.start()
        try:
            answer = await world.chat()
            assert answer.json["choices"][0]["message"]["content"] == "from the second"
            event = await world.event()
            assert len(trail_in(event).attempts) == 2
            assert safety_in(event).policies
        finally:
            await world.stop()


async def test_an_upstream_that_breaks_off_fails_the_call_whatever_waits_to_be_looked_at(
    tmp_path, upstream
):
    async with guarded(tmp_path, upstream, a_policy(options={"fault": "hang"})) as world:

        async def script(call):
            await call.begin()
            await call.send(text_event("Hel"))
            call.cut()

        upstream.script = script
        answer = await world.chat(stream=True)
        assert answer.status == 502
        event = await world.event()
        assert (event.outcome, event.cost_nanos) == (Outcome.FAILED, 0)


async def test_a_host_that_is_faster_than_the_checks_is_read_no_further(tmp_path, upstream):
    async with guarded(tmp_path, upstream, a_policy(options={"fault": "hang"})) as world:
        events, sent, ended = 64 * guarding.MOST_HELD_BYTES // 4096, 0, asyncio.Event()

        async def script(call):
            nonlocal sent
            await call.begin()
            for _ in range(events):
                await call.send(text_event("Q" * 4096))
                sent += 1
            await call.send(usage_event(10, 0, 3))
            await call.send(DONE)
            await call.end()
            ended.set()

        upstream.script = script
        client = await world.client()
        asking = asyncio.create_task(client.stream())
        former, times = -1, 0

        def is_stuck():
            nonlocal former, times
            times = times + 1 if sent == former else 0
            former = sent
            return ended.is_set() or times >= 40

        await until(is_stuck)
        assert not ended.is_set(), "what nobody may see yet must not fill the memory"
        world.check.release()
        assert (await soon(asking)).status == 200
        said = 0
        async for piece in client.pieces():
            said += piece.count(b"Q")
        assert said == events * 4096
        await soon(ended.wait())


async def test_the_asynchronous_mode_sends_at_once_and_takes_back_what_it_finds(tmp_path, upstream):
    policy = a_policy(
        *rule("hate"),
        streaming=Streaming.ASYNCHRONOUS,
        directions=frozenset({Direction.COMPLETION}),
    )
    async with guarded(tmp_path, upstream, policy) as world:
        gone = asyncio.Event()

        async def script(call):
            await call.begin()
            await call.send(text_event("[[hate 6]]" + "x" * 60))
            await call.gone()
            gone.set()

        upstream.script = script
        client = await world.client()
        await client.stream()
        body = b"".join([piece async for piece in client.pieces()])
        assert b"[[hate 6]]" in body
        assert b"tradewind.retract" in body
        assert body.endswith(DONE)
        await soon(gone.wait())
        assert trail_in(await world.event()).error_code == "content_filter"


async def test_a_quiet_stream_has_what_it_said_looked_at(tmp_path, upstream):
    async with guarded(tmp_path, upstream, a_policy()) as world:
        got = asyncio.Event()

        async def script(call):
            await call.begin()
            for _ in range(8):
                await call.send(text_event("a few words, "))
            await soon(got.wait())
            await call.send(usage_event(10, 0, 8))
            await call.send(DONE)
            await call.end()

        upstream.script = script
        client = await world.client()
        await client.stream()
        pieces = client.pieces()
        assert b"a few words" in await soon(anext(pieces))
        got.set()
        assert b"".join([piece async for piece in pieces]).endswith(DONE)


async def test_embeddings_are_examined_on_their_way_in_and_pass_on_their_way_out(
    tmp_path, upstream
):
    async with guarded(tmp_path, upstream, a_policy()) as world:
        world.publish(
            world.endpoint(
                world.target(upstream.address), operation=Operation.EMBEDDINGS, dimensions=2
            )
        )
        await world.in_force()

        async def script(call):
            vector = {"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}
            await call.answer(
                json.dumps(
                    {
                        "object": "list",
                        "data": [vector],
                        "model": "m",
                        "usage": {"prompt_tokens": 2, "total_tokens": 2},
                    }
                ).encode()
            )

        upstream.script = script
        client = await world.client()

        async def embed(text):
            body = json.dumps({"model": "tw/small", "input": [text]}).encode()
            return await client.call("POST", "/v1/embeddings", body)

        assert (await embed("fine")).json["data"][0]["embedding"] == [0.1, 0.2]
        assert (await embed("[[hate 6]]")).error["code"] == "content_filter"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            "/v1/messages",
            {"max_tokens": 9, "messages": [{"role": "user", "content": "[[hate 6]]"}]},
        ),
        ("/v1/responses", {"input": "[[hate 6]]"}),
        (
            "/v1beta/models/tw/small:generateContent",
            {"contents": [{"parts": [{"text": "[[hate 6]]"}]}]},
        ),
        ("/v1/completions", {"prompt": "[[hate 6]]"}),
    ],
)
async def test_a_prompt_is_refused_in_every_dialect(tmp_path, upstream, path, body):
    async with guarded(tmp_path, upstream, a_policy()) as world:
        upstream.script = answers("Hello")
        members = body if path.startswith("/v1beta") else {"model": "tw/small"} | body
        answer = await (await world.client()).call("POST", path, json.dumps(members).encode())
        assert answer.status == 400
        assert b"content_filter" in answer.body or b"SAFETY" in answer.body
        event = await world.event()
        assert (trail_in(event).error_code, event.cost_nanos) == ("content_filter", 0)


async def test_a_call_that_may_be_answered_by_two_endpoints_is_under_the_policies_of_both(
    tmp_path, upstream
):
    other = a_policy(*rule("violence", threshold=1), policy_id="policy_b")
    world = GuardedWorld(tmp_path, a_policy(*rule("hate")), other)
    world.bound = ("policy_a",)
    world.publish(
        world.endpoint(world.target(upstream.address)),
        world.endpoint(
            world.target(upstream.address, "rep_2"),
            name="tw/other",
            aliases=(),
            policies=("policy_b",),
        ),
    )
    await world.start()
    try:
        upstream.script = answers("Hello")
        messages = [{"role": "user", "content": "[[violence 2]]"}]
        assert (await world.chat(messages=messages)).status == 200
        answer = await world.chat(messages=messages, models=["tw/small", "tw/other"])
        assert answer.status == 400
    finally:
        await world.stop()


def test_what_holds_for_no_call_costs_no_guard(tmp_path):
    world = GuardedWorld(tmp_path)
    world.publish(world.endpoint(world.target("127.0.0.1:1")))
    view = SnapshotView(file.read(world.snapshot_path))
    lane = Lanes(view).find(view, world.grant, "tw/small", Operation.CHAT)
    assert lane.guard is None
    assert msgspec.structs.asdict(lane)["policies"] == ()


async def test_findings_failures_and_waits_are_counted(tmp_path, upstream):
    policy = a_policy(*rule("hate"), fails_open=True, options={"fault": "failed"})
    async with guarded(tmp_path, upstream, a_policy()) as world:
        upstream.script = answers("Hello")
        await world.chat(messages=[{"role": "user", "content": "[[hate 6]]"}])
        await world.event()
        metrics = await (await world.client()).call("GET", "/metrics", key=None)
        counted = (
            'tradewind_safety_findings_total{check="fake",category="hate",direction="prompt",'
            'action="block"} 1'
        )
        assert counted in metrics.body.decode()
        world.policies = (policy,)
        world.publish(world.endpoint(world.target(upstream.address)))
        await world.in_force()
        assert (await world.chat()).status == 200
        await until(lambda: len(world.events()) == 2)
        metrics = await (await world.client()).call("GET", "/metrics", key=None)
        assert (
            'tradewind_safety_failures_total{check="fake",reason="failed"} 1'
            in metrics.body.decode()
        )
