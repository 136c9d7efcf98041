"""Requests to hosts that speak the Gemini dialect ("Generating content", "Function calling",
"Structured outputs", "Gemini thinking", "OpenAI compatibility", "Embeddings", ai.google.dev).
"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from provider_parts import EMBEDDER, ENDPOINT, chat_request, embeddings_request, sent

from tradewind.plugins.providers.base import Dialect, ProviderRequest
from tradewind.plugins.providers.google import Google
from tradewind.snapshot.contents import Operation, Target
from tradewind.wire.chat import decode_fields
from tradewind.wire.errors import ApiError
from tradewind.wire.gemini import UNSIGNED
from tradewind.wire.messages import INVALID_JSON

PROVIDER = Google()
TARGET = Target(
    "d",
    "r",
    "google",
    "https://generativelanguage.googleapis.com:443",
    "gemini-2.5-flash",
    "key-of-target",
    base_path="/v1beta",
)
CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at":1}'}}


def prepared(target=TARGET, **members):
    return PROVIDER.prepare(chat_request(**members), target)


def body(target=TARGET, **members):
    return sent(prepared(target, **members))


def contents(*messages, target=TARGET):
    return body(target, messages=list(messages))["contents"]


def config(target=TARGET, **members):
    return body(target, **members).get("generationConfig")


def refusal(target=TARGET, **members):
    with pytest.raises(ApiError) as caught:
        prepared(target, **members)
    assert caught.value.status == 400
    return caught.value


def model_of(name):
    return replace(TARGET, upstream_model=name)


# Where it goes.


def test_a_request_opens_the_host_as_documented():
    head = prepared().head.decode().split("\r\n")
    assert head[0] == "POST /v1beta/models/gemini-2.5-flash:generateContent HTTP/1.1"
    assert "host: generativelanguage.googleapis.com" in head
    assert "x-goog-api-key: key-of-target" in head
    assert not any(line.lower().startswith("authorization") for line in head)


def test_a_stream_is_asked_for_as_events():
    head = prepared(stream=True).head
    assert b"/gemini-2.5-flash:streamGenerateContent?alt=sse HTTP/1.1\r\n" in head
    assert body(stream=True) == {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


@pytest.mark.parametrize(
    ("name", "resource"),
    [
        ("tunedModels/a b", b"/v1beta/tunedModels/a%20b:"),
        ("models/gemini-x", b"/v1beta/models/gemini-x:"),
        ("a?b#c", b"/v1beta/models/a%3Fb%23c:"),
    ],
)
def test_a_name_is_a_resource(name, resource):
    assert resource in prepared(model_of(name)).head


def test_vertex_has_paths_of_its_own_and_takes_a_token():
    target = replace(
        TARGET, base_path="/v1", options={"project": "my-project", "location": "europe-west4"}
    )
    head = prepared(target).head
    assert (
        b"POST /v1/projects/my-project/locations/europe-west4/publishers/google/models/"
        b"gemini-2.5-flash:generateContent HTTP/1.1\r\n"
    ) in head
    assert b"authorization: Bearer key-of-target\r\n" in head
    assert b"x-goog-api-key" not in head
    assert b"/locations/global/" in prepared(replace(target, options={"project": "p"})).head


@pytest.mark.parametrize("options", [{"project": "a/b"}, {"project": "p", "location": "x y"}])
def test_an_option_that_is_none_is_the_operators_fault(options):
    with pytest.raises(ApiError) as caught:
        prepared(replace(TARGET, options=options))
    assert caught.value.status == 502


def test_a_request_of_the_dialect_goes_through_as_it_came():
    fields = decode_fields(b'{"contents":[{"parts":[]}],"ofTomorrow":{"a":[1]}}')
    request = ProviderRequest(ENDPOINT, fields, None, dialect=Dialect.GEMINI, streams=True)
    found = PROVIDER.prepare(request, TARGET)
    assert sent(found) == {"contents": [{"parts": []}], "ofTomorrow": {"a": [1]}}
    assert b":streamGenerateContent?alt=sse " in found.head


# Messages.


def test_turns_and_a_system_instruction():
    found = body(
        messages=[
            {"role": "system", "content": "Be brief"},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hi", "reasoning_content": "Hm"},
            {"role": "user", "content": [{"type": "text", "text": "Why?"}]},
            {"role": "developer", "content": "In English"},
            {"role": "user", "content": "Well?"},
        ]
    )
    assert found == {
        "systemInstruction": {"parts": [{"text": "Be brief"}, {"text": "In English"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Hello"}]},
            {"role": "model", "parts": [{"text": "Hi"}]},
            {"role": "user", "parts": [{"text": "Why?"}, {"text": "Well?"}]},
        ],
    }


def test_calls_and_their_results():
    results = [
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        {"role": "tool", "tool_call_id": "call_2", "content": '{"sky":"grey"}'},
    ]
    other = {"id": "call_2", "type": "function", "function": {"name": "wait", "arguments": ""}}
    assert contents(
        {"role": "assistant", "content": "Let me see", "tool_calls": [CALL, other]}, *results
    ) == [
        {
            "role": "model",
            "parts": [
                {"text": "Let me see"},
                {"functionCall": {"name": "look", "args": {"at": 1}, "id": "call_1"}},
                {"functionCall": {"name": "wait", "args": {}, "id": "call_2"}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {
                    "functionResponse": {
                        "id": "call_1",
                        "name": "look",
                        "response": {"output": "rain"},
                    }
                },
                {
                    "functionResponse": {
                        "id": "call_2",
                        "name": "wait",
                        "response": {"sky": "grey"},
                    }
                },
            ],
        },
    ]


def test_arguments_that_are_no_object_are_told_as_such():
    call = {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{cut"}}
    [turn] = contents({"role": "assistant", "tool_calls": [call]})
    assert turn["parts"][0]["functionCall"]["args"] == {INVALID_JSON: "{cut"}


def test_a_result_of_no_call_is_refused():
    messages = [{"role": "tool", "tool_call_id": "call_9", "content": "x"}]
    assert refusal(messages=messages).param == "messages[0].tool_call_id"


def test_signatures_go_back_to_where_they_came_from():
    signed = {"google": {"thought_signature": "c2ln"}}
    [turn] = contents(
        {
            "role": "assistant",
            "content": "Hm",
            "extra_content": signed,
            "tool_calls": [CALL | {"extra_content": signed}],
        }
    )
    assert [part["thoughtSignature"] for part in turn["parts"]] == ["c2ln", "c2ln"]


@pytest.mark.parametrize(
    ("name", "signatures"),
    [
        ("gemini-2.5-flash", [None, None]),
        ("gemini-3-pro-preview", [UNSIGNED, None]),
        ("gemini-3.1-flash", [UNSIGNED, None]),
        ("gemini-flash-latest", [UNSIGNED, None]),
        ("gemma-3-27b-it", [None, None]),
    ],
)
def test_newer_models_get_what_they_take_instead_of_a_signature(name, signatures):
    message = {"role": "assistant", "tool_calls": [CALL, CALL | {"id": "call_2"}]}
    [turn] = contents(message, target=model_of(name))
    assert [part.get("thoughtSignature") for part in turn["parts"]] == signatures


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}},
            {"inlineData": {"mimeType": "image/png", "data": "iVBO"}},
        ),
        (
            {"type": "image_url", "image_url": "https://x.test/a.png?s=1"},
            {"fileData": {"fileUri": "https://x.test/a.png?s=1", "mimeType": "image/png"}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://x.test/a"}},
            {"fileData": {"fileUri": "https://x.test/a"}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
            {"inlineData": {"mimeType": "audio/wav", "data": "UklG"}},
        ),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE"}},
            {"inlineData": {"mimeType": "application/pdf", "data": "JVBE"}},
        ),
    ],
)
def test_media(part, expected):
    [turn] = contents({"role": "user", "content": [part]})
    assert turn["parts"] == [expected]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "ftp://x"}},
        {"type": "image_url", "image_url": {}},
        {"type": "image_url"},
        {"type": "image_url", "image_url": "http://[x"},
        {"type": "input_audio", "input_audio": {}},
        {"type": "file", "file": {"file_id": "file_1"}},
        {"type": "of_tomorrow"},
        {"type": "text"},
    ],
)
def test_a_part_that_cannot_be_said_is_refused(part):
    error = refusal(messages=[{"role": "user", "content": [part]}])
    assert (error.param or "").startswith("messages[0].content")


def test_nothing_but_system_messages_is_no_request():
    assert refusal(messages=[{"role": "system", "content": "x"}]).param == "messages"


# Members.


def test_members_of_the_same_meaning():
    assert config(
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        n=2,
        max_completion_tokens=9,
        stop="x",
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        logprobs=True,
        top_logprobs=3,
    ) == {
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 40,
        "candidateCount": 2,
        "maxOutputTokens": 9,
        "stopSequences": ["x"],
        "seed": 7,
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.2,
        "responseLogprobs": True,
        "logprobs": 3,
    }


def test_what_asks_for_nothing_is_left_out():
    assert body(
        n=1,
        user="u",
        metadata={"a": "b"},
        store=False,
        logit_bias={},
        parallel_tool_calls=True,
        modalities=["text"],
        response_format={"type": "text"},
        stop=None,
        tools=[],
        tool_choice="auto",
        service_tier="auto",
    ).keys() == {"contents"}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"type": "json_object"}, {"responseMimeType": "application/json"}),
        (
            {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
            {"responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}},
        ),
    ],
)
def test_a_format(wanted, expected):
    assert config(response_format=wanted) == expected


SCHEMA = {"type": "object", "properties": {"at": {"type": "integer"}}}


def function(name, **members):
    return {"type": "function", "function": {"name": name} | members}


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (SCHEMA, SCHEMA),
        ({"type": "object", "properties": {}}, None),
        ({"type": "object"}, None),
        (
            {"type": "object", "additionalProperties": {"type": "string"}},
            {"type": "object", "additionalProperties": {"type": "string"}},
        ),
        (None, None),
    ],
)
def test_functions(parameters, expected):
    offered = function("look", description="Looks.", parameters=parameters, strict=True)
    [tool] = body(tools=[offered])["tools"]
    [declared] = tool["functionDeclarations"]
    assert declared.pop("parametersJsonSchema", None) == expected
    assert declared == {"name": "look", "description": "Looks."}


@pytest.mark.parametrize(
    ("choice", "calling"),
    [
        ("auto", None),
        ("required", {"mode": "ANY"}),
        ("none", {"mode": "NONE"}),
        (
            {"type": "function", "function": {"name": "look"}},
            {"mode": "ANY", "allowedFunctionNames": ["look"]},
        ),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [function("look")]},
            },
            {"mode": "VALIDATED", "allowedFunctionNames": ["look"]},
        ),
    ],
)
def test_which_function_is_to_be_called(choice, calling):
    found = body(tools=[function("look")], tool_choice=choice).get("toolConfig")
    assert found == (None if calling is None else {"functionCallingConfig": calling})


@pytest.mark.parametrize(
    ("name", "effort", "thinking"),
    [
        ("gemini-2.5-flash", "low", {"thinkingBudget": 1024, "includeThoughts": True}),
        ("gemini-2.5-flash", "medium", {"thinkingBudget": 8192, "includeThoughts": True}),
        ("gemini-2.5-flash", "high", {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-2.5-pro", "none", {"thinkingBudget": 128}),
        ("gemini-3-pro-preview", "minimal", {"thinkingLevel": "low", "includeThoughts": True}),
        ("gemini-3-pro-preview", "medium", {"thinkingLevel": "high", "includeThoughts": True}),
        ("gemini-3.1-pro", "medium", {"thinkingLevel": "medium", "includeThoughts": True}),
        ("gemini-3-flash", "minimal", {"thinkingLevel": "minimal", "includeThoughts": True}),
        ("gemini-3-flash", "none", {"thinkingLevel": "minimal"}),
        ("gemini-flash-latest", "high", {"thinkingLevel": "high", "includeThoughts": True}),
        ("gemini-2.0-flash", "high", None),
        ("gemma-3-27b-it", "high", None),
    ],
)
def test_an_effort_in_the_words_of_the_models_generation(name, effort, thinking):
    found = config(model_of(name), reasoning_effort=effort)
    assert (found or {}).get("thinkingConfig") == thinking


def test_an_option_says_how_a_model_thinks_where_its_name_does_not():
    target = replace(model_of("tunedModels/mine"), options={"thinking": "level"})
    assert config(target, reasoning_effort="low")["thinkingConfig"]["thinkingLevel"] == "low"
    with pytest.raises(ApiError) as caught:
        prepared(replace(TARGET, options={"thinking": "hard"}), reasoning_effort="low")
    assert caught.value.status == 502


def test_the_dialects_own_members_are_carried():
    settings = [{"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_NONE"}]
    found = body(safety_settings=settings, cached_content="cachedContents/a", service_tier="flex")
    assert found["safetySettings"] == settings
    assert (found["cachedContent"], found["serviceTier"]) == ("cachedContents/a", "flex")


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"logit_bias": {"1": 5}}, "logit_bias"),
        ({"parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"modalities": ["audio"]}, "modalities"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"functions": [{"name": "x"}]}, "functions"),
        ({"of_tomorrow": 1}, "of_tomorrow"),
        ({"reasoning_effort": "endless"}, "reasoning_effort"),
        ({"response_format": {"type": "grammar"}}, "response_format"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        ({"tool_choice": "maybe", "tools": [function("x")]}, "tool_choice"),
        ({"service_tier": "royal"}, "service_tier"),
        ({"stop": 5}, "stop"),
    ],
)
def test_what_cannot_be_said_is_refused_by_its_name(members, param):
    assert refusal(**members).param == param


# Embeddings.


def test_embeddings_are_asked_for_in_one_batch():
    found = PROVIDER.prepare(embeddings_request(input=["a", "b"], dimensions=2), TARGET)
    assert b"/v1beta/models/gemini-2.5-flash:batchEmbedContents HTTP" in found.head
    assert sent(found) == {
        "requests": [
            {
                "model": "models/gemini-2.5-flash",
                "content": {"parts": [{"text": text}]},
                "outputDimensionality": 2,
            }
            for text in ("a", "b")
        ]
    }


def test_tokens_cannot_be_embedded():
    with pytest.raises(ApiError) as caught:
        PROVIDER.prepare(embeddings_request(input=[1, 2]), TARGET)
    assert (caught.value.status, caught.value.param) == (400, "input")


@pytest.mark.parametrize(
    ("said", "method", "expected"),
    [
        (
            {"content": {"parts": [{"text": "a"}]}, "taskType": "RETRIEVAL_QUERY"},
            b":embedContent ",
            {
                "content": {"parts": [{"text": "a"}]},
                "taskType": "RETRIEVAL_QUERY",
                "model": "models/gemini-2.5-flash",
            },
        ),
        (
            {"requests": [{"model": "models/small", "content": {}}]},
            b":batchEmbedContents ",
            {"requests": [{"model": "models/gemini-2.5-flash", "content": {}}]},
        ),
    ],
)
def test_embeddings_of_the_dialect_go_through_under_the_hosts_name(said, method, expected):
    fields = decode_fields(json.dumps(said).encode())
    request = ProviderRequest(EMBEDDER, fields, None, Operation.EMBEDDINGS, dialect=Dialect.GEMINI)
    found = PROVIDER.prepare(request, TARGET)
    assert method in found.head
    assert sent(found) == expected


def test_embeddings_on_vertex_are_refused():
    with pytest.raises(ApiError) as caught:
        PROVIDER.prepare(embeddings_request(), replace(TARGET, options={"project": "p"}))
    assert caught.value.status == 400


# Hostile requests.

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "function", "name", "id", "url"]),
            inner,
        )
    ),
    max_leaves=12,
)


@given(
    st.lists(
        st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "tool"])}).flatmap(
            lambda base: st.dictionaries(
                st.sampled_from(["content", "tool_calls", "tool_call_id", "extra_content"]), _json
            ).map(lambda rest: base | rest)
        ),
        min_size=1,
        max_size=3,
    ),
    st.dictionaries(
        st.sampled_from(["stop", "service_tier", "reasoning_effort", "seed", "safety_settings"]),
        _json,
        max_size=3,
    ),
)
def test_no_request_does_more_than_be_refused(messages, members):
    try:
        prepared(messages=messages, **members)
    except ApiError as error:
        assert error.status == 400
