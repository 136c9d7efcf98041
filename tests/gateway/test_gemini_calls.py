"""Gemini clients through the whole gateway: to targets of the OpenAI dialect, to targets of their
own, and OpenAI's clients to Google's host. Real sockets on both sides.
"""

import asyncio
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

from tests.gateway.dialects.gemini_parts import content_of, legal, legal_array
from tests.plugins.providers.gemini_answers import STREAM, WHOLE, error_body, text
from tradewind.core.ids import event_id_of_request
from tradewind.snapshot.contents import Operation
from tradewind.usage.event import Outcome
from tradewind.wire.gemini import UNSIGNED
from tradewind.wire.sse import DONE

HELLO = [{"role": "user", "parts": [{"text": "Hello"}]}]
TOOLS = [{"functionDeclarations": [{"name": "look"}]}]
GENERATE = f"/v1beta/models/{MODEL}:generateContent"
STREAMED = f"/v1beta/models/{MODEL}:streamGenerateContent"


@pytest.fixture
async def native(tmp_path, upstream):
    """A gateway whose one model is at a host that speaks Gemini itself."""
    world = World(tmp_path)
    world.publish(world.endpoint(google(world, upstream)))
    await world.start()
    yield world
    await world.stop()


@pytest.fixture
async def embedder(tmp_path, upstream):
    """A gateway whose one model makes embeddings, at a host of the OpenAI dialect."""
    world = World(tmp_path)
    target = world.target(upstream.address)
    world.publish(world.endpoint(target, operation=Operation.EMBEDDINGS))
    await world.start()
    yield world
    await world.stop()


def google(world, upstream, replica="rep_1", **changes):
    return world.target(
        upstream.address,
        replica,
        "google",
        upstream_model="gemini-2.5-flash",
        base_path="/v1beta",
        **changes,
    )


async def ask(world, path=GENERATE, *, method="POST", key="", in_query=False, **members):
    """Ask as the official client does, with `x-goog-api-key`."""
    client = await world.client()
    key = key or world.key.text
    headers = [] if in_query else [("x-goog-api-key", key)]
    body = b"" if method == "GET" else json.dumps({"contents": HELLO} | members).encode()
    return await client.call(method, path, body, key=None, headers=headers)


def answering(*events):
    async def script(call):
        await call.stream(*events)

    return script


def whole_script(body, status=200):
    async def script(call):
        await call.answer(body, status=status)

    return script


def delta(**members):
    return event_of(choices=[{"index": 0, "delta": members, "finish_reason": None}])


def finished(reason):
    return event_of(choices=[{"index": 0, "delta": {}, "finish_reason": reason}])


# To targets of the OpenAI dialect.


async def test_a_whole_answer_of_an_openai_target(world, upstream):
    upstream.script = whole_script(whole_answer("Hi there"))
    answer = await ask(world, systemInstruction={"parts": [{"text": "Be brief"}]})
    assert answer.status == 200
    said = answer.json
    assert said.pop("responseId")
    assert said == {
        "candidates": [
            {
                "content": {"parts": [{"text": "Hi there"}], "role": "model"},
                "finishReason": "STOP",
                "index": 0,
            }
        ],
        "usageMetadata": {
            "promptTokenCount": 10,
            "cachedContentTokenCount": 4,
            "candidatesTokenCount": 3,
            "totalTokenCount": 13,
        },
        "modelVersion": MODEL,
    }
    [call] = upstream.calls
    assert call.json == {
        "model": "upstream-model",
        "messages": [
            {"role": "system", "content": "Be brief"},
            {"role": "user", "content": "Hello"},
        ],
    }
    recorded = await world.event()
    assert (recorded.usage.input_tokens, recorded.usage.output_tokens) == (10, 3)
    assert recorded.trail.dialect == "gemini"
    assert event_id_of_request(answer.header("x-request-id")).bytes == recorded.event_id


@pytest.mark.parametrize(
    "path",
    [
        "/v1beta/models/tw%2Fsmall:generateContent",
        "/v1beta/models/models/tw/small:generateContent",
        "/v1beta/models/models%2Ftw%2Fsmall:generateContent",
        "/v1beta/models/small:generateContent",
        "/v1beta/models/tw/small:floor:generateContent",
        "/v1beta/models/tw/small%3Afloor:generateContent",
        "/v1/models/tw/small:generateContent",
        "/v1/models/models/tw/small:floor:generateContent?alt=json",
    ],
)
async def test_a_model_is_called_by_any_of_its_names_and_paths(world, upstream, path):
    upstream.script = whole_script(whole_answer("Hi"))
    answer = await ask(world, path)
    assert (answer.status, answer.json["modelVersion"]) == (200, MODEL)


async def test_a_stream_of_events_with_thoughts_and_tools(world, upstream):
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
    answer = await ask(
        world,
        STREAMED + "?alt=sse",
        tools=TOOLS,
        toolConfig={"functionCallingConfig": {"mode": "ANY"}},
        generationConfig={"thinkingConfig": {"includeThoughts": True}},
    )
    assert (answer.status, answer.header("content-type")) == (200, EVENT_STREAM)
    said = legal(answer.body)
    assert content_of(said) == {
        "thoughts": "Hm",
        "text": "Let me see",
        "calls": [("call_1", "look", {"at": 1}), ("call_2", "look", {})],
    }
    assert said["usageMetadata"]["candidatesTokenCount"] == 7
    [call] = upstream.calls
    assert (call.json["stream"], call.json["tool_choice"]) == (True, "required")
    recorded = await world.event()
    assert (recorded.outcome, recorded.usage.output_tokens) == (Outcome.COMPLETED, 7)


async def test_a_stream_without_alt_is_one_array_sent_entry_by_entry(world, upstream):
    async def script(call):
        await call.begin()
        await call.send(text_event("Hi"))
        await more.wait()
        await call.send(text_event(" there") + finished("stop") + usage_event(10, 4, 2) + DONE)
        await call.end()

    more = asyncio.Event()
    upstream.script = script
    client = await world.client()
    body = json.dumps({"contents": HELLO}).encode()
    head = await client.ask("POST", STREAMED, body)
    assert (head.status, head.header("content-type")) == (200, "application/json")
    pieces = client.pieces()
    first = await soon(anext(pieces))
    assert first.startswith(b"[{")
    assert b'"Hi"' in first
    more.set()
    raw = first + b"".join([piece async for piece in pieces])
    said = legal_array(raw)
    assert content_of(said)["text"] == "Hi there"
    assert (await world.event()).usage.output_tokens == 2


async def test_several_candidates(world, upstream):
    choices = [
        {"index": n, "finish_reason": "stop", "message": {"role": "assistant", "content": str(n)}}
        for n in range(2)
    ]
    upstream.script = whole_script(whole_answer(choices=choices))
    answer = await ask(world, generationConfig={"candidateCount": 2, "maxOutputTokens": 5})
    assert [content_of(answer.json, index)["text"] for index in range(2)] == ["0", "1"]
    [call] = upstream.calls
    assert (call.json["n"], call.json["max_tokens"]) == (2, 5)


async def test_a_stream_that_breaks_ends_with_an_error_in_either_form(world, upstream):
    async def script(call):
        await call.begin()
        await call.send(text_event("Hi"))
        call.cut()

    upstream.script = script
    answer = await ask(world, STREAMED + "?alt=sse")
    *_, last, rest = answer.body.split(b"\n\n")
    assert rest == b""
    error = json.loads(last.removeprefix(b"data: "))["error"]
    assert (error["code"], error["status"]) == (502, "INTERNAL")
    assert b"finishReason" not in answer.body
    answer = await ask(world, STREAMED)
    entries = json.loads(answer.body)
    assert entries[-1]["error"]["status"] == "INTERNAL"
    assert "finishReason" not in answer.body.decode()
    assert [event.outcome for event in world.events()] == [Outcome.FAILED] * 2


async def test_refusals_are_told_as_this_dialect_tells_them(world, upstream):
    answer = await ask(world, "/v1beta/models/nobody:generateContent")
    assert (answer.status, answer.error["code"], answer.error["status"]) == (404, 404, "NOT_FOUND")
    answer = await ask(world, contents="many")
    assert (answer.status, answer.error["status"]) == (400, "INVALID_ARGUMENT")
    assert "contents" in answer.error["message"]
    answer = await ask(world, STREAMED, tools=[{"googleSearch": {}}])
    assert (answer.status, answer.error["status"]) == (400, "INVALID_ARGUMENT")
    assert "googleSearch" in answer.error["message"]
    answer = await ask(world, key="wrong")
    assert (answer.status, answer.error["status"]) == (401, "UNAUTHENTICATED")
    answer = await ask(world, "/v1beta/nothing")
    assert (answer.status, answer.error["status"]) == (404, "NOT_FOUND")
    for path in (f"/v1beta/models/{MODEL}:predict", f"/v1beta/models/{MODEL}"):
        answer = await ask(world, path)
        assert (answer.status, answer.error["code"]) == (404, 404)
        assert answer.error["status"] == "NOT_FOUND"
    assert (await ask(world, f"/v1beta/models/{MODEL}:predict", key="wrong")).status == 401
    answer = await ask(world, GENERATE, method="GET")
    assert (answer.status, answer.header("allow")) == (405, "POST")
    assert upstream.calls == []


async def test_a_refused_call_tells_of_its_limit_in_this_dialect(tmp_path, upstream):
    upstream.script = whole_script(whole_answer())
    world = World(tmp_path)
    world.limit(requests_per_minute=1)
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.start()
    answers = [await ask(world) for _ in range(2)]
    await world.stop()
    assert [answer.status for answer in answers] == [200, 429]
    assert answers[1].error["status"] == "RESOURCE_EXHAUSTED"
    assert answers[1].number("retry-after-ms") > 0


# The key in the address.


@pytest.mark.parametrize(
    "path",
    [GENERATE + "?key=", STREAMED + "?alt=sse&key=", f"/v1/models/{MODEL}:generateContent?key="],
)
async def test_a_key_in_the_query_opens_these_paths(world, upstream, path):
    upstream.script = answering(text_event("Hi"), finished("stop"), DONE)
    if "stream" not in path:
        upstream.script = whole_script(whole_answer("Hi"))
    answer = await ask(world, path + world.key.text, in_query=True)
    assert answer.status == 200
    assert (await ask(world, path + "wrong", in_query=True)).status == 401
    assert (await ask(world, path + world.key.text, key="wrong")).status == 401, "headers win"


async def test_a_key_in_the_query_is_written_nowhere(world, upstream):
    upstream.script = whole_script(whole_answer("Hi"))
    await ask(world, f"{GENERATE}?key={world.key.text}", in_query=True)
    await ask(world, f"/v1beta/nothing?key={world.key.text}", in_query=True)
    await ask(world, f"/v1beta/models/no:generateContent?key={world.key.text}", in_query=True)
    await world.event()
    assert world.key.text.encode() not in upstream.calls[0].head
    files = [path for path in world.folder.rglob("*") if path.is_file()]
    assert files
    assert all(world.key.text.encode() not in path.read_bytes() for path in files)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models", "/v1/messages"])
async def test_a_key_in_the_query_opens_no_other_path(world, path):
    method = "GET" if path == "/v1/models" else "POST"
    client = await world.client()
    answer = await client.call(method, f"{path}?key={world.key.text}", key=None)
    assert answer.status == 401


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/v1beta/models", "GET"),
        (f"/v1beta/models/{MODEL}", "GET"),
        (GENERATE, "POST"),
        (STREAMED, "POST"),
        (f"/v1beta/models/{MODEL}:countTokens", "POST"),
        (f"/v1beta/models/{MODEL}:embedContent", "POST"),
        (f"/v1beta/models/{MODEL}:batchEmbedContents", "POST"),
    ],
)
async def test_every_path_needs_a_key_and_has_one_method(world, path, method):
    for key in (None, "wrong"):
        answer = await (await world.client()).call(method, path, key=key)
        assert (answer.status, answer.error["status"]) == (401, "UNAUTHENTICATED")
    other = await (await world.client()).call("DELETE", path)
    assert (other.status, other.header("allow")) == (405, method)
    assert world.records() == []


# Models and tokens.

SHOWN = {
    "name": f"models/{MODEL}",
    "version": "1700000000",
    "displayName": MODEL,
    "inputTokenLimit": 2048,
    "outputTokenLimit": 2048,
    "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
}


@pytest.mark.parametrize("path", ["/v1beta/models", "/v1beta/models?pageSize=1", "/v1/models"])
async def test_models_are_listed_as_google_lists_them(world, path):
    assert (await ask(world, path, method="GET")).json == {"models": [SHOWN]}


@pytest.mark.parametrize(
    "path",
    [
        f"/v1beta/models/{MODEL}",
        "/v1beta/models/models/tw%2Fsmall",
        "/v1beta/models/tw/small:floor",
        f"/v1/models/{MODEL}",
    ],
)
async def test_a_model_is_shown_as_google_shows_it(world, path):
    assert (await ask(world, path, method="GET")).json == SHOWN


async def test_other_clients_see_the_models_as_ever(world):
    answer = await (await world.client()).call("GET", "/v1/models")
    assert answer.json["object"] == "list"


@pytest.mark.parametrize(
    "body",
    [
        {"contents": HELLO},
        {"generateContentRequest": {"model": "models/small", "contents": HELLO}},
        {"generate_content_request": {"contents": HELLO}},
    ],
)
async def test_tokens_are_counted_by_an_estimate_that_says_so(world, upstream, body):
    raw = json.dumps(body).encode()
    client = await world.client()
    answer = await client.call("POST", f"/v1beta/models/{MODEL}:countTokens", raw)
    assert answer.status == 200
    assert answer.header("x-tradewind-estimated") == "true"
    assert answer.json == {"totalTokens": -(-len(raw) // 4)}
    assert upstream.calls == []
    assert world.records() == []


async def test_tokens_of_nothing_and_of_nobody_are_not_counted(world):
    answer = await ask(world, f"/v1beta/models/{MODEL}:countTokens", contents=[])
    assert (answer.status, answer.error["status"]) == (400, "INVALID_ARGUMENT")
    assert (await ask(world, "/v1beta/models/nobody:countTokens")).status == 404


# Embeddings.


async def embed(world, method, body):
    client = await world.client()
    path = f"/v1beta/models/{MODEL}:{method}"
    return await client.call("POST", path, json.dumps(body).encode())


def content(piece):
    return {"content": {"parts": [{"text": piece}]}}


OPENAI_EMBEDDINGS = {
    "object": "list",
    "data": [
        {"object": "embedding", "index": 0, "embedding": [0.5, 0.25]},
        {"object": "embedding", "index": 1, "embedding": [1.0, 2.0]},
    ],
    "model": "upstream-model",
    "usage": {"prompt_tokens": 3, "total_tokens": 3},
}


async def test_embeddings_of_an_openai_target(embedder, upstream):
    upstream.script = whole_script(json.dumps(OPENAI_EMBEDDINGS).encode())
    requests = [
        content(piece) | {"model": f"models/{MODEL}", "outputDimensionality": 2}
        for piece in ("a", "b")
    ]
    answer = await embed(embedder, "batchEmbedContents", {"requests": requests})
    assert answer.json == {
        "embeddings": [{"values": [0.5, 0.25]}, {"values": [1.0, 2.0]}],
        "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3},
    }
    [call] = upstream.calls
    assert call.json == {"model": "upstream-model", "input": ["a", "b"], "dimensions": 2}
    assert (await embedder.event()).usage.input_tokens == 3


async def test_one_embedding_has_a_form_of_its_own(embedder, upstream):
    one = OPENAI_EMBEDDINGS | {"data": OPENAI_EMBEDDINGS["data"][:1]}
    upstream.script = whole_script(json.dumps(one).encode())
    body = content("a") | {"taskType": "RETRIEVAL_QUERY", "title": "x"}
    answer = await embed(embedder, "embedContent", body)
    assert answer.json["embedding"] == {"values": [0.5, 0.25]}
    assert upstream.calls[0].json == {"model": "upstream-model", "input": ["a"]}


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("embedContent", {}),
        ("embedContent", {"content": {"parts": []}}),
        ("embedContent", content("a") | {"model": "models/another"}),
        ("embedContent", content("a") | {"outputDimensionality": 0}),
        ("embedContent", content("a") | {"ofTomorrow": 1}),
        ("embedContent", {"content": {"parts": [{"inlineData": {"mimeType": "a/b"}}]}}),
        ("batchEmbedContents", {"requests": []}),
        ("batchEmbedContents", content("a")),
        (
            "batchEmbedContents",
            {"requests": [content("a") | {"outputDimensionality": 2}, content("b")]},
        ),
    ],
)
async def test_embeddings_that_cannot_be_asked_for_are_refused(embedder, upstream, method, body):
    answer = await embed(embedder, method, body)
    assert (answer.status, answer.error["status"]) == (400, "INVALID_ARGUMENT")
    assert upstream.calls == []


# To targets of the dialect itself.


async def test_a_whole_answer_of_a_target_of_its_own_dialect(native, upstream):
    upstream.script = whole_script(json.dumps(WHOLE).encode())
    answer = await ask(
        native,
        tools=[{"googleSearch": {}}],
        generation_config={"max_output_tokens": 9},
        provider={"allow_fallbacks": False},
        model=f"models/{MODEL}",
    )
    assert answer.json == WHOLE | {"modelVersion": MODEL}
    [call] = upstream.calls
    assert call.head.startswith(
        b"POST /v1beta/models/gemini-2.5-flash:generateContent HTTP/1.1\r\n"
    )
    assert b"x-goog-api-key: key-of-target\r\n" in call.head
    assert native.key.text.encode() not in call.head + call.body
    assert call.json == {
        "contents": HELLO,
        "tools": [{"googleSearch": {}}],
        "generationConfig": {"maxOutputTokens": 9},
    }
    usage = (await native.event()).usage
    assert (usage.input_tokens, usage.cached_input_tokens, usage.output_tokens) == (100, 60, 20)
    assert usage.reasoning_tokens == 5


async def test_a_stream_of_a_target_of_its_own_dialect_in_both_forms(native, upstream):
    upstream.script = answering(STREAM[:300], STREAM[300:])
    answer = await ask(native, STREAMED + "?alt=sse")
    expected = STREAM.replace(b'"gemini-2.5-flash"', f'"{MODEL}"'.encode())
    assert answer.body == expected.replace(b"\r\n\r\n", b"\n\n")
    recorded = await native.event()
    assert (recorded.outcome, recorded.usage.input_tokens) == (Outcome.COMPLETED, 100)
    assert recorded.usage.output_tokens == 20
    answer = await ask(native, STREAMED)
    assert answer.header("content-type") == "application/json"
    assert json.loads(answer.body) == [
        json.loads(event[6:]) for event in expected.decode().split("\r\n\r\n")[:-1]
    ]


async def test_a_native_stream_without_its_end_is_a_failed_call(native, upstream):
    upstream.script = answering(text("Hi"))
    answer = await ask(native, STREAMED + "?alt=sse")
    assert b'"error"' in answer.body.split(b"\n\n")[-2]
    assert (await native.event()).outcome is Outcome.FAILED


async def test_a_busy_host_is_told_with_a_time_to_come_back(native, upstream):
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}
    body = error_body(429, "RESOURCE_EXHAUSTED", "quota", info)
    upstream.script = whole_script(body, status=429)
    answer = await ask(native)
    assert answer.status in (429, 503)
    assert answer.number("retry-after-ms") >= 7000


async def test_an_openai_client_of_googles_host(native, upstream):
    async def script(call):
        if b"alt=sse" in call.head:
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
    assert b"candidates" not in stream.body
    assert upstream.calls[0].json == {
        "contents": HELLO,
        "generationConfig": {"maxOutputTokens": 50},
    }


async def test_what_googles_host_cannot_do_is_told_in_openais_words(native, upstream):
    answer = await native.chat(logit_bias={"1": 5})
    assert (answer.status, answer.error["param"]) == (400, "logit_bias")
    assert upstream.calls == []


async def test_the_next_target_takes_a_translated_request_when_the_first_is_busy(
    tmp_path, upstream
):
    async def script(call):
        if b"generateContent" in call.head[:80]:
            await call.answer(error_body(503, "UNAVAILABLE", "Overloaded"), status=503)
        else:
            await call.answer(whole_answer("Here"))

    upstream.script = script
    world = World(tmp_path)
    world.publish(
        world.endpoint(google(world, upstream), world.target(upstream.address, "rep_2", tier=1))
    )
    await world.start()
    answer = await soon(ask(world))
    await world.stop()
    assert content_of(answer.json)["text"] == "Here"
    assert [b"generateContent" in call.head[:80] for call in upstream.calls] == [True, False]


async def test_a_conversation_begun_with_one_kind_of_target_goes_on_with_the_other(
    tmp_path, upstream
):
    """A call that another model made needs what hosts of this dialect take for a signature."""
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "finish_reason": "tool_calls", "message": message}

    async def script(call):
        if b"generateContent" in call.head[:80]:
            await call.answer(json.dumps(WHOLE).encode())
        else:
            await call.answer(whole_answer(choices=[choice]))

    upstream.script = script
    world = World(tmp_path)
    other = world.endpoint(google(world, upstream), name="tw/other", aliases=())
    world.publish(world.endpoint(world.target(upstream.address)), other)
    await world.start()
    turn = (await ask(world, tools=TOOLS)).json["candidates"][0]["content"]
    result = {"functionResponse": {"id": "call_1", "name": "look", "response": {"output": "x"}}}
    contents = [*HELLO, turn, {"role": "user", "parts": [result]}]
    await ask(world, "/v1beta/models/tw/other:generateContent", contents=contents)
    await ask(world, contents=contents)
    await world.stop()
    _, to_google, to_openai = upstream.calls
    assert to_google.json["contents"][1]["parts"][0]["thoughtSignature"] == UNSIGNED
    assert to_openai.json["messages"][1]["tool_calls"] == [call]
    assert to_openai.json["messages"][2]["tool_call_id"] == "call_1"


async def test_a_client_that_leaves_pays_for_what_it_was_sent(native, upstream):
    async def script(call):
        await call.begin()
        await call.send(text("Hi"))
        await call.gone()

    upstream.script = script
    client = await native.client()
    await client.ask("POST", STREAMED + "?alt=sse", json.dumps({"contents": HELLO}).encode())
    await soon(anext(client.pieces()))
    client.reset()
    recorded = await native.event()
    assert recorded.outcome is Outcome.CANCELLED
    assert recorded.usage.output_tokens == 1
