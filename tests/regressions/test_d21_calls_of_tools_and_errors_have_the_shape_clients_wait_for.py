"""D21: pieces of tool calls without an index, and errors in another shape than the API's, which
official clients cannot read (tensorzero#1266, #5445).

Hosts number calls wrongly or not at all; clients get numbers that add up. Every refusal, whatever
raised it, has the shape of the API that was spoken: on both planes.
"""

import json

import pytest
from dialect_clients import DIALECTS
from gateway_parts import event_of, usage_event

from tests.control.conftest import (
    accounts,
    app,
    built,
    client,
    first_run,
    services,
    usage,
)
from tradewind.wire.sse import DONE

__all__ = ["accounts", "app", "built", "client", "first_run", "services", "usage"]


def pieces(*calls, finish=None):
    return event_of(
        choices=[{"index": 0, "delta": {"tool_calls": list(calls)}, "finish_reason": finish}]
    )


def piece(arguments, *, index=None, id=None, name=None):  # noqa: A002
    function = {"arguments": arguments} | ({} if name is None else {"name": name})
    call = {"function": function} | ({} if index is None else {"index": index})
    return call if id is None else call | {"id": id, "type": "function"}


NUMBERED = {
    "as it should be": [
        pieces(piece('{"a":', index=0, id="call_a", name="one")),
        pieces(piece("1}", index=0)),
        pieces(piece('{"b":2}', index=1, id="call_b", name="two")),
    ],
    "whole calls, all of index zero": [
        pieces(piece('{"a":1}', index=0, id="call_a", name="one")),
        pieces(piece('{"b":2}', index=0, id="call_b", name="two")),
    ],
    "whole calls in one event, all of index zero": [
        pieces(
            piece('{"a":1}', index=0, id="call_a", name="one"),
            piece('{"b":2}', index=0, id="call_b", name="two"),
        ),
    ],
    "whole calls without an index": [
        pieces(piece('{"a":1}', id="call_a", name="one")),
        pieces(piece('{"b":2}', id="call_b", name="two")),
    ],
}
EXPECTED = [("one", {"a": 1}), ("two", {"b": 2})]
STOP = event_of(choices=[{"index": 0, "delta": {}, "finish_reason": "tool_calls"}])


@pytest.mark.parametrize("how", NUMBERED)
@pytest.mark.parametrize("dialect", ["messages", "responses", "gemini"])
async def test_calls_that_a_host_numbers_wrongly_are_told_apart_for_translated_dialects(
    world, upstream, dialect, how
):
    async def script(call):
        await call.stream(*NUMBERED[how], STOP, usage_event(10, 0, 5), DONE)

    upstream.script = script
    spoken = DIALECTS[dialect]
    client = await world.client()
    path = spoken.streamed or spoken.path
    body = spoken.body if spoken.streamed else spoken.body | {"stream": True}
    answer = await client.call("POST", path, json.dumps(body).encode())
    assert answer.status == 200, answer.body
    assert calls_in[dialect](answer.body) == EXPECTED


def _messages_calls(raw):
    found = []
    for line in raw.decode().split("\n"):
        if not line.startswith("data: "):
            continue
        event = json.loads(line[6:])
        if event["type"] == "content_block_start" and event["content_block"]["type"] == "tool_use":
            found.append([event["content_block"]["name"], ""])
        elif event["type"] == "content_block_delta":
            found[-1][1] += event["delta"].get("partial_json", "")
    return [(name, json.loads(arguments)) for name, arguments in found]


def _responses_calls(raw):
    lines = [line[6:] for line in raw.decode().split("\n") if line.startswith("data: ")]
    output = json.loads(lines[-1])["response"]["output"]
    return [
        (item["name"], json.loads(item["arguments"]))
        for item in output
        if item["type"] == "function_call"
    ]


def _gemini_calls(raw):
    found = []
    for line in raw.decode().split("\n"):
        if line.startswith("data: "):
            for candidate in json.loads(line[6:]).get("candidates", ()):
                for part in candidate.get("content", {}).get("parts", ()):
                    if "functionCall" in part:
                        call = part["functionCall"]
                        found.append((call["name"], call["args"]))
    return found


calls_in = {
    "messages": _messages_calls,
    "responses": _responses_calls,
    "gemini": _gemini_calls,
}


async def test_clients_of_chat_get_an_index_with_every_piece(world, upstream):
    """Of a host of another dialect, whose events have none."""

    def event(kind, **members):
        data = json.dumps({"type": kind} | members)
        return f"event: {kind}\ndata: {data}\n\n".encode()

    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 5, "output_tokens": 1},
    }

    async def script(call):
        sent = [event("message_start", message=message)]
        for index, (name, arguments) in enumerate(EXPECTED):
            block = {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": {}}
            text = json.dumps(arguments)
            sent.append(event("content_block_start", index=index, content_block=block))
            for half in (text[:3], text[3:]):
                delta = {"type": "input_json_delta", "partial_json": half}
                sent.append(event("content_block_delta", index=index, delta=delta))
            sent.append(event("content_block_stop", index=index))
        end = {"stop_reason": "tool_use", "stop_sequence": None}
        sent.append(event("message_delta", delta=end, usage={"output_tokens": 9}))
        await call.stream(*sent, event("message_stop"))

    upstream.script = script
    world.publish(world.endpoint(world.target(upstream.address, provider="anthropic")))
    await world.in_force()
    client = await world.client()
    await client.stream()
    raw = b"".join([piece async for piece in client.pieces()])
    calls = {}
    for line in raw.decode().split("\n\n"):
        if line.startswith("data: {"):
            for choice in json.loads(line[6:])["choices"]:
                for each in choice["delta"].get("tool_calls", ()):
                    call = calls.setdefault(each["index"], ["", ""])
                    call[0] += each["function"].get("name") or ""
                    call[1] += each["function"].get("arguments") or ""
    assert [(name, json.loads(text)) for name, text in calls.values()] == EXPECTED
    assert sorted(calls) == [0, 1]


# Errors.


async def wrong_key(world, client, spoken):
    return await client.call("POST", spoken.path, json.dumps(spoken.body).encode(), key="sk-wrong")


async def no_key(world, client, spoken):
    return await client.call("POST", spoken.path, json.dumps(spoken.body).encode(), key=None)


async def no_json(world, client, spoken):
    return await client.call("POST", spoken.path, b"{")


async def wrong_method(world, client, spoken):
    return await client.call("DELETE", spoken.path)


async def no_such_path(world, client, spoken):
    return await client.call("POST", f"{spoken.path.partition('?')[0]}/nothing/here", b"{}")


async def no_such_model(world, client, spoken):
    path = spoken.path.replace("tw/small", "tw/none")
    body = json.dumps(spoken.body).replace("tw/small", "tw/none").encode()
    return await client.call("POST", path, body)


async def host_is_broken(world, client, spoken):
    return await client.call("POST", spoken.path, json.dumps(spoken.body).encode())


REFUSALS = {
    wrong_key: 401,
    no_key: 401,
    no_json: 400,
    wrong_method: 405,
    no_such_path: 404,
    no_such_model: 404,
    host_is_broken: 502,
}


def is_openai(error, status):
    assert set(error) >= {"message", "type", "param", "code"}
    assert isinstance(error["message"], str)


def is_messages(body, status):
    assert body["type"] == "error"
    assert set(body["error"]) >= {"type", "message"}
    assert body["error"]["type"].endswith(("_error", "error"))


def is_gemini(error, status):
    assert error["code"] == status
    assert error["message"]
    assert error["status"].isupper()


SHAPES = {
    "chat": lambda body, status: is_openai(body["error"], status),
    "azure": lambda body, status: body["error"]["code"] and body["error"]["message"],
    "responses": lambda body, status: is_openai(body["error"], status),
    "messages": is_messages,
    "gemini": lambda body, status: is_gemini(body["error"], status),
}


@pytest.mark.parametrize("refused", REFUSALS, ids=lambda each: each.__name__)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_every_refusal_has_the_shape_of_the_api_that_was_spoken(
    world, upstream, dialect, refused
):
    async def script(call):
        await call.answer(b"oops", status=500)

    upstream.script = script
    answer = await refused(world, await world.client(), DIALECTS[dialect])
    assert answer.status == REFUSALS[refused]
    assert answer.header("content-type") == "application/json"
    body = answer.json
    if dialect in ("messages", "responses") and refused is no_such_path:
        # Below /v1/ a path that leads nowhere is nobody's dialect: OpenAI's shape.
        is_openai(body["error"], answer.status)
        return
    assert SHAPES[dialect](body, answer.status) is not False


@pytest.mark.postgres
@pytest.mark.parametrize(
    "path", ["/api/nothing", "/api/keys/%0A", "/api/%0A", "/api/limits/a%0Db", "/api/%00"]
)
def test_the_control_plane_refuses_any_path_as_a_problem(client, path):
    """A line feed in a path matched no mount, and was answered by the framework's own words."""
    answer = client.get(path)
    assert answer.status_code in (401, 404)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"]
