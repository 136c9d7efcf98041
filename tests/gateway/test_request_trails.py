"""What a call leaves behind for the request log."""

import json

from gateway_parts import MODEL, QUESTION, ask_for, until

from tradewind.core.ids import request_id
from tradewind.usage.event import Opened, Refused

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "upstream-model",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1},
    }
).encode()


async def answer(call):
    await call.answer(ANSWER)


async def ask(world, body, *headers):
    client = await world.client()
    return await client.call("POST", "/v1/chat/completions", body, headers=headers)


async def test_a_call_tells_who_asked_and_where_it_went(world, upstream):
    upstream.script = answer
    headers = (
        ("traceparent", TRACE),
        ("user-agent", "openai/3.54.0"),
        ("x-tradewind-tags", "team=search, run=7"),
    )
    assert (await ask(world, ask_for(), *headers)).status == 200
    trail = (await world.event()).trail
    assert trail is not None
    assert (trail.dialect, trail.requested_model) == ("openai", MODEL)
    assert (trail.trace_parent, trail.user_agent) == (TRACE, "openai/3.54.0")
    assert trail.tags == {"team": "search", "run": "7"}
    [attempt] = trail.attempts
    assert (attempt.deployment_id, attempt.status, attempt.failure) == ("dep_of_rep_1", 200, "")
    assert attempt.why
    assert f"traceparent: {TRACE}\r\n".encode() in upstream.calls[0].head


async def test_each_attempt_is_in_the_trail(world, upstream):
    async def busy(call):
        await call.answer(b"{}", status=503)

    upstream.script = busy
    world.publish(
        world.endpoint(
            world.target(upstream.address, "rep_a"), world.target(upstream.address, "rep_b")
        )
    )
    await world.in_force()
    assert (await world.chat()).status == 503
    trail = (await world.event()).trail
    assert trail is not None
    assert [(each.status, each.failure) for each in trail.attempts] == [(503, "busy")] * 2
    assert {each.deployment_id for each in trail.attempts} == {"dep_of_rep_a", "dep_of_rep_b"}
    assert trail.error_code == "model_busy"


async def test_a_call_that_was_not_admitted_is_noted_and_not_billed(world):
    body = json.dumps(QUESTION | {"model": "none/such"}).encode()
    assert (await ask(world, body, ("user-agent", "curl"))).status == 404
    await until(world.records)
    [refused] = world.records()
    assert isinstance(refused, Refused)
    assert (refused.http_status, refused.error_code) == (404, "model_not_found")
    assert (refused.key_id, refused.user_agent) == (world.key.key_id, "curl")


async def test_a_refusal_names_its_entry_in_the_request_log(world):
    body = json.dumps(QUESTION | {"model": "none/such"}).encode()
    answer = await ask(world, body)
    await until(world.records)
    [refused] = world.records()
    assert answer.header("x-request-id") == request_id(refused.event_id)


async def test_a_refusal_names_it_in_the_words_of_the_dialect(world):
    body = json.dumps({"model": "none/such", "max_tokens": 1, "messages": QUESTION["messages"]})
    client = await world.client()
    answer = await client.call("POST", "/v1/messages", body.encode())
    await until(world.records)
    [refused] = world.records()
    assert answer.header("request-id") == request_id(refused.event_id)
    assert answer.json["request_id"] == request_id(refused.event_id)


async def test_a_stranger_leaves_no_trace_in_the_journal(world):
    client = await world.client()
    assert (await client.call("POST", "/v1/chat/completions", key="sk-tw-no")).status == 401
    assert world.records() == []


async def test_a_client_in_a_loop_does_not_fill_the_journal(world):
    client = await world.client()
    for _ in range(700):
        assert (await client.call("POST", "/v1/chat/completions", b"{")).status == 400
    noted = [record for record in world.records() if isinstance(record, Refused)]
    assert 0 < len(noted) < 700
    assert not any(isinstance(record, Opened) for record in world.records())
