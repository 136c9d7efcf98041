"""Calls under policies, from the client's bytes to the journal's."""

import asyncio
import contextlib
import json

import msgspec
import pytest
from gateway_parts import soon, text_event, until, usage_event, whole_answer
from guard_parts import GuardedWorld, a_policy, rule, safety_in, trail_in

from tradewind.snapshot.safety import Action, DataReference, Direction, Streaming
from tradewind.usage.event import Outcome, UsageSource
from tradewind.wire.sse import DONE


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


@pytest.fixture
async def world(tmp_path, upstream):
    async with guarded(tmp_path, upstream, a_policy()) as world:
        yield world


def saying(*messages):
    return [{"role": "user", "content": text} for text in messages]


def answers(text):
    async def script(call):
        await call.answer(whole_answer(text))

    return script


def streams(*texts):
    async def script(call):
        await call.stream(*map(text_event, texts), usage_event(10, 0, len(texts)), DONE)

    return script


def text_in(body):
    """Return what a streamed answer said."""
    said = ""
    for line in body.decode().split("\n"):
        if line.startswith("data: {"):
            for choice in json.loads(line[6:]).get("choices", ()):
                said += choice.get("delta", {}).get("content") or ""
    return said


async def test_a_harmless_call_passes_and_its_trail_names_the_policy(world, upstream):
    upstream.script = answers("Hello!")
    answer = await world.chat()
    assert answer.status == 200
    assert answer.json["choices"][0]["message"]["content"] == "Hello!"
    event = await world.event()
    assert event.outcome is Outcome.COMPLETED
    assert safety_in(event).policies == (("policy_a", 1),)
    assert safety_in(event).flags == safety_in(event).failures == ()


async def test_a_blocked_prompt_is_refused_while_its_host_works_and_costs_nothing(
    tmp_path, upstream
):
    async with guarded(tmp_path, upstream, a_policy(options={"fault": "hang"})) as world:
        await _is_refused_while_its_host_works(world, upstream)


async def _is_refused_while_its_host_works(world, upstream):
    gone = asyncio.Event()

    async def script(call):
        await call.begin(content_type="application/json")
        world.check.release()
        await call.gone()
        gone.set()

    upstream.script = script
    answer = await world.chat(messages=saying("hello", "[[hate 6]]"))
    assert answer.status == 400
    assert answer.error["code"] == "content_filter"
    assert answer.error["innererror"]["content_filter_result"]["hate"]["filtered"] is True
    event = await world.event()
    assert (event.outcome, event.http_status) == (Outcome.FAILED, 400)
    assert (event.usage.source, event.cost_nanos) == (UsageSource.NONE, 0)
    assert trail_in(event).error_code == "content_filter"
    [flag] = safety_in(event).flags
    assert (flag.category, flag.direction, flag.severity) == ("hate", "prompt", 6)
    assert (flag.action, flag.check) == ("block", "fake")
    await soon(gone.wait())


async def test_nothing_of_an_answer_goes_out_before_its_prompt_was_judged(tmp_path, upstream):
    async with guarded(tmp_path, upstream, a_policy(options={"fault": "hang"})) as world:
        said = asyncio.Event()

        async def script(call):
            await call.stream(text_event("Hel"), text_event("lo"), usage_event(10, 0, 2), DONE)
            said.set()

        upstream.script = script
        client = await world.client()
        asking = asyncio.create_task(client.stream())
        await soon(said.wait())
        await until(lambda: world.check.examined)
        assert not client.received
        world.check.release()
        assert (await soon(asking)).status == 200
        assert text_in(b"".join([piece async for piece in client.pieces()])) == "Hello"
        event = await world.event()
        assert event.outcome is Outcome.COMPLETED
        assert safety_in(event).examined_us > 0


async def test_a_blocked_stream_ends_with_the_filters_reason_and_its_host_is_stopped(
    world, upstream
):
    begun, gone = asyncio.Event(), asyncio.Event()

    async def script(call):
        await call.begin()
        for _ in range(20):
            await call.send(text_event("All is well here. "))
        await soon(begun.wait())
        await call.send(text_event("And now: [[violence 6]]" + " and more" * 30))
        await call.gone()
        gone.set()

    upstream.script = script
    client = await world.client()
    assert (await client.stream()).status == 200
    begun.set()
    body = b"".join([piece async for piece in client.pieces()])
    assert "All is well here." in text_in(body)
    assert b"[[violence" not in body
    assert b'"finish_reason":"content_filter"' in body.replace(b" ", b"")
    assert body.endswith(DONE)
    await soon(gone.wait())
    event = await world.event()
    assert (event.outcome, event.http_status) == (Outcome.COMPLETED, 200)
    assert trail_in(event).error_code == "content_filter"
    assert event.cost_nanos > 0
    assert safety_in(event).blocked_at is not None
    [flag] = safety_in(event).flags
    assert (flag.category, flag.direction, flag.action) == ("violence", "completion", "block")


async def test_a_blocked_whole_answer_is_billed_and_says_why_it_is_empty(world, upstream):
    upstream.script = answers("I say [[sexual 7]]")
    answer = await world.chat()
    assert answer.status == 200
    assert answer.json["choices"][0]["finish_reason"] == "content_filter"
    assert b"[[sexual" not in answer.body
    event = await world.event()
    assert (event.outcome, trail_in(event).error_code) == (Outcome.COMPLETED, "content_filter")
    assert event.cost_nanos > 0


async def test_a_prompts_values_are_sent_as_placeholders_and_come_back_in_the_answer(
    tmp_path, upstream
):
    policy = a_policy(*rule("pii", Action.REDACT, 4, [Direction.PROMPT, Direction.DOCUMENT]))
    async with guarded(tmp_path, upstream, policy) as world:
        upstream.script = streams("Write to <EM", "AIL", "_1> now, and", " again to <EMAIL_1>.")
        secret = "[[pii.email 6 EMAIL]]"
        client = await world.client()
        head = await client.stream(
            messages=[
                {"role": "user", "content": [{"type": "text", "text": f"Mail {secret}, {secret}"}]},
                {
                    "role": "assistant",
                    "tool_calls": [
                        {
                            "id": "c1",
                            "type": "function",
                            "function": {"name": "f", "arguments": json.dumps({"to": [secret]})},
                        }
                    ],
                },
                {"role": "tool", "tool_call_id": "c1", "content": json.dumps({secret: 1})},
            ]
        )
        assert head.status == 200
        body = b"".join([piece async for piece in client.pieces()])
        assert text_in(body) == f"Write to {secret} now, and again to {secret}."
        [sent] = upstream.calls
        assert secret.encode() not in sent.body
        messages = sent.json["messages"]
        assert messages[0]["content"][0]["text"] == "Mail <EMAIL_1>, <EMAIL_1>"
        assert json.loads(messages[1]["tool_calls"][0]["function"]["arguments"]) == {
            "to": ["<EMAIL_1>"]
        }
        assert json.loads(messages[2]["content"]) == {"<EMAIL_1>": 1}
        [flag, *_] = safety_in(await world.event()).flags
        assert flag.action == "redact"


async def test_a_blocked_prompt_that_was_never_sent_is_in_the_books_too(tmp_path, upstream):
    policy = a_policy(*rule("pii", Action.REDACT), *rule("hate"))
    async with guarded(tmp_path, upstream, policy) as world:
        answer = await world.chat(messages=saying("[[hate 6]]"))
        assert (answer.status, answer.error["code"]) == (400, "content_filter")
        assert not upstream.calls
        event = await world.event()
        assert (event.usage.source, event.cost_nanos) == (UsageSource.NONE, 0)
        assert safety_in(event).flags[0].category == "hate"


async def test_a_client_that_leaves_while_it_waits_for_checks_gives_back_its_place(
    tmp_path, upstream
):
    policy = a_policy(*rule("pii", Action.REDACT), options={"fault": "hang"})
    async with guarded(tmp_path, upstream, policy) as world:
        world.limit(concurrent_requests=1)
        world.publish(world.endpoint(world.target(upstream.address)))
        await world.in_force()
        upstream.script = answers("Hello!")
        client = await world.client()
        asking = asyncio.create_task(client.chat())
        await until(lambda: world.check.examined)
        client.reset()
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await asking
        world.check.release()

        async def is_free():
            return (await world.chat()).status == 200

        async with asyncio.timeout(30):
            while not await is_free():
                await asyncio.sleep(0.01)


async def test_tool_results_are_documents(tmp_path, upstream):
    policy = a_policy(*rule("jailbreak", directions=[Direction.DOCUMENT]))
    async with guarded(tmp_path, upstream, policy) as world:
        upstream.script = answers("fine")
        trick = "[[jailbreak 6]]"
        assert (await world.chat(messages=saying(trick))).status == 200
        tool = {"role": "tool", "tool_call_id": "c", "content": trick}
        answer = await world.chat(messages=[*saying("hi"), tool])
        assert (answer.status, answer.error["code"]) == (400, "content_filter")


async def test_an_unknown_policy_lets_nothing_pass(tmp_path, upstream):
    async with guarded(tmp_path, upstream, a_policy()) as world:
        upstream.script = answers("Hello!")
        endpoint = world.endpoint(world.target(upstream.address), policies=("policy_gone",))
        world.publish(endpoint)
        await world.in_force()
        answer = await world.chat()
        assert (answer.status, answer.error["code"]) == (503, "content_filter_unavailable")


async def test_policies_of_the_endpoint_hold_as_well(tmp_path, upstream):
    strict = a_policy(*rule("hate", threshold=2), policy_id="policy_b", version=7)
    world = GuardedWorld(tmp_path, a_policy(*rule("hate", threshold=6)), strict)
    world.bound = ("policy_a",)
    world.publish(world.endpoint(world.target(upstream.address), policies=("policy_b",)))
    await world.start()
    try:
        upstream.script = answers("ok")
        answer = await world.chat(messages=saying("[[hate 3]]"))
        assert answer.status == 400
        event = await world.event()
        assert set(safety_in(event).policies) == {("policy_a", 1), ("policy_b", 7)}
    finally:
        await world.stop()


async def test_a_red_team_key_switches_policies_off_and_no_other_key_does(tmp_path, upstream):
    async with guarded(tmp_path, upstream, a_policy()) as world:
        upstream.script = answers("as you like: [[hate 7]]")
        off = [("x-tradewind-safety", "off")]
        body = json.dumps({"model": "tw/small", "messages": saying("[[hate 7]]")}).encode()
        client = await world.client()
        refused = await client.call("POST", "/v1/chat/completions", body, headers=off)
        assert (refused.status, refused.error["code"]) == (403, "safety_off_not_allowed")
        world.grant = msgspec.structs.replace(world.grant, is_red_team=True)
        world.publish(world.endpoint(world.target(upstream.address)))
        await world.in_force()
        answer = await client.call("POST", "/v1/chat/completions", body, headers=off)
        assert answer.status == 200
        [choice] = answer.json["choices"]
        assert choice["message"]["content"] == "as you like: [[hate 7]]"
        assert b"content_filter" not in answer.body
        event = await world.event()
        assert safety_in(event).policies == ()
        assert not world.check.examined
        assert (await client.call("POST", "/v1/chat/completions", body)).status == 400


async def test_a_cached_answer_is_given_under_the_same_policies_alone(tmp_path, upstream):
    async with guarded(tmp_path, upstream, a_policy()) as world:
        world.terms = {"cache_ttl_s": 60}
        endpoint = world.endpoint(world.target(upstream.address))
        world.publish(endpoint)
        await world.in_force()
        upstream.script = answers("Hello!")
        first, again = await world.chat(), await world.chat()
        assert again.header("x-tradewind-cache") == "hit"
        assert again.body == first.body
        assert len(upstream.calls) == 1
        world.policies = (a_policy(version=2),)
        world.publish(endpoint)
        await world.in_force()
        assert (await world.chat()).header("x-tradewind-cache") is None
        assert len(upstream.calls) == 2


async def test_a_blocked_answer_is_not_given_again(tmp_path, upstream):
    async with guarded(tmp_path, upstream, a_policy()) as world:
        world.terms = {"cache_ttl_s": 60}
        world.publish(world.endpoint(world.target(upstream.address)))
        await world.in_force()
        upstream.script = answers("[[hate 7]]")
        await world.chat()
        assert (await world.chat()).header("x-tradewind-cache") is None


async def test_the_kill_switch_ends_what_runs_and_refuses_what_comes(tmp_path, upstream):
    world = GuardedWorld(tmp_path)
    endpoint = world.endpoint(world.target(upstream.address))
    world.publish(endpoint)
    await world.start()
    try:
        gone = asyncio.Event()

        async def script(call):
            await call.begin()
            await call.send(text_event("Once upon"))
            await call.gone()
            gone.set()

        upstream.script = script
        client = await world.client()
        await client.stream()
        pieces = client.pieces()
        assert b"Once upon" in await anext(pieces)
        world.publish(msgspec.structs.replace(endpoint, is_stopped=True))
        rest = b"".join([piece async for piece in pieces])
        assert b"model_stopped" in rest
        await soon(gone.wait())
        event = await world.event()
        assert (event.outcome, trail_in(event).error_code) == (Outcome.FAILED, "model_stopped")
        answer = await world.chat()
        assert (answer.status, answer.error["code"]) == (503, "model_stopped")
        world.publish(endpoint)
        await world.in_force()
        upstream.script = answers("back")
        assert (await world.chat()).status == 200
    finally:
        await world.stop()


FAULTS = ("crash", "failed", "garbage")


@pytest.mark.parametrize("streaming", list(Streaming))
@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("fault", [*FAULTS, "timeout", "unknown", "data"])
async def test_a_check_that_cannot_tell_refuses_the_call_or_lets_it_pass_as_the_policy_says(
    tmp_path, upstream, fault, is_stream, streaming
):
    use = {}
    if fault in FAULTS:
        use["options"] = {"fault": fault}
    elif fault == "timeout":
        use = {"options": {"fault": "hang"}, "deadline_ms": 1}
    elif fault == "data":
        use["data"] = (DataReference("names", "ab" * 32, 10),)
    closed = a_policy(streaming=streaming, **use)
    if fault == "unknown":
        closed = msgspec.structs.replace(
            closed, checks=(msgspec.structs.replace(closed.checks[0], name="nobody"),)
        )
    opened = msgspec.structs.replace(
        closed,
        version=2,
        checks=(msgspec.structs.replace(closed.checks[0], fails_open=True),),
    )
    async with guarded(tmp_path, upstream, closed) as world:
        upstream.script = streams("Hel", "lo") if is_stream else answers("Hello")
        answer = await world.chat(stream=is_stream)
        assert (answer.status, answer.error["code"]) == (503, "content_filter_unavailable")
        event = await world.event()
        assert event.cost_nanos == 0
        [(_, why)] = safety_in(event).failures
        assert why == fault
        world.policies = (opened,)
        world.publish(world.endpoint(world.target(upstream.address)))
        await world.in_force()
        answer = await world.chat(stream=is_stream)
        assert answer.status == 200
        assert (text_in(answer.body) if is_stream else "Hello") == "Hello"
        await until(lambda: len(world.events()) == 2)
        assert {why for _, why in safety_in(world.events()[1]).failures} == {fault}


async def test_a_planted_secret_is_in_no_journal_no_log_and_no_metric(tmp_path, upstream, caplog):
    secret = "[[pii.email 6 EMAIL]]"
    for number, policy in enumerate(
        (
            a_policy(*rule("pii", Action.REDACT)),
            a_policy(*rule("pii", Action.BLOCK)),
            a_policy(options={"fault": "crash"}),
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with guarded(folder, upstream, policy) as world:
            upstream.script = answers(f"so you are {secret}?")
            answer = await world.chat(messages=saying(f"I am {secret}"))
            assert answer.status in (200, 400, 503)
            await world.event()
            client = await world.client()
            metrics = await client.call("GET", "/metrics", key=None)
            assert secret.encode() not in metrics.body
        for path in folder.rglob("*"):
            if path.is_file():
                assert secret.encode() not in path.read_bytes(), path
    assert secret not in caplog.text
    assert "pii.email 6" not in caplog.text
