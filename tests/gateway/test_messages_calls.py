"""Messages clients through the whole gateway: to targets of the OpenAI dialect, to targets of their
own, and OpenAI's clients to targets of the Messages dialect. Real sockets on both sides.
"""

import json

import pytest
from gateway_parts import (
    EVENT_STREAM,
    MODEL,
    World,
    event_of,
    soon,
    text_event,
    usage_event,
    whole_answer,
)

from tests.gateway.dialects.messages_parts import content_of, legal
from tests.plugins.providers.messages_answers import STREAM, WHOLE, error_body, start, text
from tradewind.core.ids import event_id_of_request
from tradewind.usage.event import Outcome
from tradewind.wire.sse import DONE

TOOL = {"name": "look", "input_schema": {"type": "object", "properties": {}}}


@pytest.fixture
async def native(tmp_path, upstream):
    """A gateway whose one model is at a host that speaks Messages itself."""
    world = World(tmp_path)
    target = world.target(upstream.address, provider="anthropic", upstream_model="claude-haiku-4-5")
    world.publish(world.endpoint(target))
    await world.start()
    yield world
    await world.stop()


def asking(**members):
    body = {
        "model": "small",
        "max_tokens": 64,
        "messages": [{"role": "user", "content": "Hello"}],
    }
    return json.dumps(body | members).encode()


async def ask(world, *, path="/v1/messages", headers=(), **members):
    """Ask as the official client does: with `x-api-key` and a version."""
    client = await world.client()
    sent = [("x-api-key", world.key.text), ("anthropic-version", "2023-06-01"), *headers]
    return await client.call("POST", path, asking(**members), key=None, headers=sent)


def answering(*events):
    async def script(call):
        await call.stream(*events)

    return script


def delta(**members):
    return event_of(choices=[{"index": 0, "delta": members, "finish_reason": None}])


def finished(reason):
    return event_of(choices=[{"index": 0, "delta": {}, "finish_reason": reason}])


async def test_a_whole_answer_of_an_openai_target(world, upstream):
    async def script(call):
        await call.answer(whole_answer("Hi there"))

    upstream.script = script
    answer = await ask(world, system="Be brief")
    assert answer.status == 200
    message = answer.json
    assert message.pop("id").startswith("msg_")
    assert message == {
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [{"type": "text", "text": "Hi there"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 6,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 4,
            "output_tokens": 3,
        },
    }
    [call] = upstream.calls
    assert call.json["messages"] == [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "Hello"},
    ]
    assert (call.json["model"], call.json["max_tokens"]) == ("upstream-model", 64)
    recorded = await world.event()
    assert (recorded.usage.input_tokens, recorded.usage.output_tokens) == (10, 3)
    assert recorded.trail.dialect == "messages"
    assert event_id_of_request(answer.header("request-id")).bytes == recorded.event_id
    assert answer.header("x-request-id") is None


async def test_a_stream_with_thinking_and_tools_of_an_openai_target(world, upstream):
    def call_delta(index, arguments, **members):
        function = {"arguments": arguments} | members.pop("function", {})
        return delta(tool_calls=[{"index": index, "function": function} | members])

    upstream.script = answering(
        delta(role="assistant", content=""),
        delta(reasoning_content="Hm"),
        text_event("Let me see"),
        call_delta(0, "", id="call_1", type="function", function={"name": "look"}),
        call_delta(0, '{"at"'),
        call_delta(1, "{}", id="call_2", type="function", function={"name": "look"}),
        call_delta(0, ":1}"),
        finished("tool_calls"),
        usage_event(10, 4, 7),
        DONE,
    )
    answer = await ask(world, stream=True, tools=[TOOL], tool_choice={"type": "any"})
    assert (answer.status, answer.header("content-type")) == (200, EVENT_STREAM)
    message = legal(answer.body)
    assert content_of(message) == {
        "thinking": "Hm",
        "text": "Let me see",
        "calls": [("call_1", "look", {"at": 1}), ("call_2", "look", {})],
    }
    assert message["stop_reason"] == "tool_use"
    assert message["usage"]["output_tokens"] == 7
    [call] = upstream.calls
    assert call.json["tool_choice"] == "required"
    assert call.json["stream_options"] == {"include_usage": True}
    recorded = await world.event()
    assert (recorded.outcome, recorded.usage.output_tokens) == (Outcome.COMPLETED, 7)


async def test_the_end_comes_only_when_the_upstream_has_ended(world, upstream):
    upstream.script = answering(text_event("Hi"), finished("stop"))
    answer = await ask(world, stream=True)
    assert legal(answer.body)["stop_reason"] == "end_turn"


async def test_a_stream_that_breaks_ends_with_an_error_event_and_no_stop(world, upstream):
    async def script(call):
        await call.begin()
        await call.send(text_event("Hi"))
        call.cut()

    upstream.script = script
    answer = await ask(world, stream=True)
    *_, last, rest = answer.body.split(b"\n\n")
    assert rest == b""
    name, data = last.split(b"\n")
    error = json.loads(data.removeprefix(b"data: "))
    assert name == b"event: error"
    assert (error["type"], error["error"]["type"]) == ("error", "api_error")
    assert b"message_stop" not in answer.body
    assert (await world.event()).outcome is Outcome.FAILED


async def test_refusals_are_told_as_this_dialect_tells_them(world, upstream):
    answer = await ask(world, model="nobody")
    assert (answer.status, answer.json["type"]) == (404, "error")
    assert answer.error["type"] == "not_found_error"
    answer = await ask(world, max_tokens="many")
    assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")
    assert "max_tokens" in answer.error["message"]
    answer = await ask(world, tools=[{"type": "web_search_20250305", "name": "web_search"}])
    assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")
    assert "web_search_20250305" in answer.error["message"]
    client = await world.client()
    answer = await client.call("POST", "/v1/messages", asking(), key=None)
    assert (answer.status, answer.error["type"]) == (401, "authentication_error")
    assert upstream.calls == []


async def test_an_error_of_the_target_is_told_as_this_dialect_tells_it(world, upstream):
    async def script(call):
        await call.answer(b'{"error":{"message":"no such thing"}}', status=400)

    upstream.script = script
    answer = await ask(world, stream=True)
    assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")
    assert answer.error["message"] == "no such thing"
    assert answer.json["request_id"] == answer.header("request-id")


async def test_a_whole_answer_of_a_target_of_its_own_dialect(native, upstream):
    async def script(call):
        await call.answer(json.dumps(WHOLE).encode())

    upstream.script = script
    answer = await ask(
        native,
        headers=[("anthropic-beta", "tomorrow-2030-01-01")],
        provider={"allow_fallbacks": False},
        a_beta_member=[1],
    )
    assert answer.json == WHOLE | {"model": MODEL}
    [call] = upstream.calls
    assert call.head.startswith(b"POST /v1/messages HTTP/1.1\r\n")
    assert b"x-api-key: key-of-target\r\n" in call.head
    assert b"anthropic-beta: tomorrow-2030-01-01\r\n" in call.head
    assert native.key.text.encode() not in call.head + call.body
    assert call.json == {
        "model": "claude-haiku-4-5",
        "max_tokens": 64,
        "messages": [{"role": "user", "content": "Hello"}],
        "a_beta_member": [1],
    }
    usage = (await native.event()).usage
    assert (usage.input_tokens, usage.cached_input_tokens, usage.output_tokens) == (100, 60, 20)
    assert usage.cache_write_tokens == 30


async def test_a_stream_of_a_target_of_its_own_dialect(native, upstream):
    upstream.script = answering(STREAM[:300], STREAM[300:])
    answer = await ask(native, stream=True)
    assert answer.body == STREAM.replace(b'"claude-haiku-4-5"', f'"{MODEL}"'.encode())
    recorded = await native.event()
    assert (recorded.outcome, recorded.usage.input_tokens) == (Outcome.COMPLETED, 100)
    assert recorded.usage.output_tokens == 20


async def test_a_native_stream_without_its_end_is_a_failed_call(native, upstream):
    upstream.script = answering(start(), text(0, "Hi"))
    answer = await ask(native, stream=True)
    assert answer.body.split(b"\n\n")[-2].startswith(b"event: error\n")
    assert (await native.event()).outcome is Outcome.FAILED


async def test_a_busy_host_is_503_with_a_time_to_come_back(native, upstream):
    async def script(call):
        await call.answer(error_body("overloaded_error", "Overloaded"), status=529)

    upstream.script = script
    answer = await ask(native)
    assert (answer.status, answer.error["type"]) == (503, "overloaded_error")
    assert answer.number("retry-after-ms") > 0


async def test_an_openai_client_of_a_messages_target(native, upstream):
    async def script(call):
        if call.json.get("stream"):
            await call.stream(STREAM)
        else:
            await call.answer(json.dumps(WHOLE).encode())

    upstream.script = script
    answer = await native.chat(max_tokens=50)
    [choice] = answer.json["choices"]
    assert (answer.json["model"], choice["finish_reason"]) == (MODEL, "tool_calls")
    assert choice["message"]["content"] == "Let me see"
    stream = await (await native.client()).call(
        "POST",
        "/v1/chat/completions",
        json.dumps(
            {"model": MODEL, "stream": True, "messages": [{"role": "user", "content": "x"}]}
        ).encode(),
    )
    assert stream.body.endswith(DONE)
    assert b'"content":"Let me"' in stream.body
    assert b"message_start" not in stream.body
    first = upstream.calls[0]
    assert first.json == {
        "model": "claude-haiku-4-5",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
    }


async def test_what_a_messages_target_cannot_do_is_told_in_openais_words(native, upstream):
    answer = await native.chat(n=2)
    assert (answer.status, answer.error["param"]) == (400, "n")
    assert answer.error["code"] == "unsupported_content"
    assert upstream.calls == []


async def test_the_next_target_takes_a_translated_request_when_the_first_is_busy(
    tmp_path, upstream
):
    async def script(call):
        if b"/messages " in call.head[:40]:
            await call.answer(error_body("overloaded_error", "Overloaded"), status=529)
        else:
            await call.answer(whole_answer("Here"))

    upstream.script = script
    world = World(tmp_path)
    world.publish(
        world.endpoint(
            world.target(upstream.address, "rep_1", "anthropic"),
            world.target(upstream.address, "rep_2", tier=1),
        )
    )
    await world.start()
    answer = await soon(ask(world))
    await world.stop()
    assert content_of(answer.json)["text"] == "Here"
    assert [b"/messages " in call.head[:40] for call in upstream.calls] == [True, False]


async def test_tokens_are_counted_by_an_estimate_that_says_so(world, upstream):
    answer = await ask(world, path="/v1/messages/count_tokens")
    assert answer.status == 200
    assert answer.header("x-tradewind-estimated") == "true"
    assert answer.json == {"input_tokens": -(-len(asking()) // 4)}
    assert upstream.calls == []
    assert world.books() == []
    answer = await ask(world, path="/v1/messages/count_tokens", model="nobody")
    assert (answer.status, answer.error["type"]) == (404, "not_found_error")
    answer = await ask(world, path="/v1/messages/count_tokens", messages=[])
    assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")


async def test_a_refused_call_tells_of_its_limit_in_this_dialect(tmp_path, upstream):
    async def script(call):
        await call.answer(whole_answer())

    upstream.script = script
    world = World(tmp_path)
    world.limit(requests_per_minute=1)
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.start()
    answers = [await ask(world) for _ in range(2)]
    await world.stop()
    assert [answer.status for answer in answers] == [200, 429]
    assert answers[1].error["type"] == "rate_limit_error"
    assert answers[1].number("retry-after-ms") > 0


async def test_a_client_that_leaves_pays_for_what_it_was_sent(native, upstream):
    async def script(call):
        await call.begin()
        await call.send(start() + text(0, "Hi", " there")[:-2])
        await call.gone()

    upstream.script = script
    client = await native.client()
    await client.ask("POST", "/v1/messages", asking(stream=True))
    await soon(anext(client.pieces()))
    client.reset()
    recorded = await native.event()
    assert recorded.outcome is Outcome.CANCELLED
    assert (recorded.usage.input_tokens, recorded.usage.output_tokens) == (100, 2)
