"""Gemini requests for targets of other dialects ("Generating content", "Function calling",
"Structured outputs", "Gemini thinking", ai.google.dev).
"""

import base64
import json

import pytest
from gemini_parts import ENDPOINT, HELLO, NO_DIALECT, as_chat, body_of, inbound
from hypothesis import given
from hypothesis import strategies as st

from tradewind.gateway.dialects.gemini import GeminiInbound
from tradewind.gateway.dialects.gemini_schema import json_schema
from tradewind.plugins.providers.base import Dialect
from tradewind.wire.chat import ChatRequest
from tradewind.wire.errors import ApiError

PNG = base64.b64encode(b"\xff\xfe\xfd\xfb").decode()
CALL = {"functionCall": {"name": "look", "args": {"at": 1}}}
RESULT = {"functionResponse": {"name": "look", "response": {"output": "rain"}}}
TOOL = {"functionDeclarations": [{"name": "look", "description": "Looks."}]}


def refusal(**members):
    with pytest.raises(ApiError) as caught:
        as_chat(**members)
    assert caught.value.status == 400
    return caught.value


def messages(*contents, **members):
    return as_chat(contents=list(contents), **members)["messages"]


def user(*parts):
    return {"role": "user", "parts": list(parts)}


def model(*parts):
    return {"role": "model", "parts": list(parts)}


def config(**members):
    return as_chat(generationConfig=members)


# Contents.


def test_a_question_is_as_short_as_it_was():
    assert as_chat() == {"model": "small", "messages": [{"role": "user", "content": "Hello"}]}


def test_a_system_instruction_comes_first():
    said = messages(*HELLO, systemInstruction={"parts": [{"text": "Be"}, {"text": "brief"}]})
    assert said[0] == {"role": "system", "content": "Be\n\nbrief"}


def test_a_list_of_one_may_come_without_its_brackets():
    said = as_chat(
        contents={"parts": {"text": "Hello"}},
        systemInstruction={"parts": {"text": "Be brief"}},
        tools={"functionDeclarations": {"name": "look"}},
    )
    assert [message["content"] for message in said["messages"]] == ["Be brief", "Hello"]
    assert said["tools"][0]["function"]["name"] == "look"


def test_every_member_has_a_second_spelling():
    said = as_chat(
        contents=[
            user({"inline_data": {"mime_type": "image/png", "data": PNG}}),
            model({"function_call": {"name": "look", "args": {"at_once": {"in_turn": 1}}}}),
            user({"function_response": {"name": "look", "response": {"some_key": 1}}}),
        ],
        system_instruction={"parts": [{"text": "Be brief"}]},
        generation_config={"max_output_tokens": 9, "stop_sequences": ["x"]},
        tools=[{"function_declarations": [{"name": "look", "parameters": {"type": "OBJECT"}}]}],
        tool_config={"function_calling_config": {"mode": "ANY"}},
        safety_settings=[{"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_NONE"}],
    )
    assert (said["max_tokens"], said["stop"], said["tool_choice"]) == (9, ["x"], "required")
    *_, calling, result = said["messages"]
    arguments = calling["tool_calls"][0]["function"]["arguments"]
    assert json.loads(arguments) == {"at_once": {"in_turn": 1}}, (
        "names of arguments are the model's"
    )
    assert json.loads(result["content"]) == {"some_key": 1}


def test_a_member_in_both_spellings_is_refused():
    error = refusal(generationConfig={"maxOutputTokens": 1, "max_output_tokens": 2})
    assert error.param == "maxOutputTokens"


def test_a_native_request_is_spelled_as_its_limits_are_read():
    request = inbound(generation_config={"max_output_tokens": 9}).request_for(
        ENDPOINT, frozenset({Dialect.GEMINI}), b""
    )
    assert json.loads(bytes(request.fields["generationConfig"])) == {"maxOutputTokens": 9}
    assert "generation_config" not in request.fields


@pytest.mark.parametrize(
    ("blob", "part"),
    [
        (
            {"mimeType": "image/png", "data": PNG},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        ),
        (
            {"mimeType": "audio/mpeg", "data": "AAAA"},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
        ),
        (
            {"mimeType": "application/pdf", "data": "AAAA", "displayName": "a.pdf"},
            {
                "type": "file",
                "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
            },
        ),
        ({"mimeType": "text/plain; charset=utf-8", "data": "SGk="}, {"type": "text", "text": "Hi"}),
    ],
)
def test_inline_data_becomes_a_part_of_its_kind(blob, part):
    assert messages(user({"text": "See"}, {"inlineData": blob}))[0]["content"][1] == part


def test_the_official_clients_base64_is_made_everybodys():
    data = base64.urlsafe_b64encode(b"\xff\xfe\xfd\xfb").decode().rstrip("=")
    assert data != PNG
    said = messages(user({"inlineData": {"mimeType": "image/png", "data": data}}))
    assert said[0]["content"][0]["image_url"]["url"] == f"data:image/png;base64,{PNG}"


def test_an_image_by_its_address():
    file = {"mimeType": "image/png", "fileUri": "https://x.test/a.png"}
    said = messages(user({"fileData": file}))
    assert said[0]["content"][0]["image_url"] == {"url": "https://x.test/a.png"}


@pytest.mark.parametrize(
    "part",
    [
        {"fileData": {"mimeType": "image/png", "fileUri": "gs://bucket/a.png"}},
        {"fileData": {"fileUri": "https://x.test/a"}},
        {"fileData": {"mimeType": "video/mp4", "fileUri": "https://x.test/a.mp4"}},
        {
            "fileData": {
                "mimeType": "image/png",
                "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/a",
            }
        },
        {"inlineData": {"mimeType": "video/mp4", "data": "AAAA"}},
        {"inlineData": {"mimeType": "audio/flac", "data": "AAAA"}},
        {"executableCode": {"language": "PYTHON", "code": "1"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK"}},
        {"text": "x", "videoMetadata": {"fps": 1}},
    ],
)
def test_what_only_googles_hosts_can_read_is_refused_by_name(part):
    error = refusal(contents=[user(part)])
    assert error.code == "unsupported_content"
    assert (error.param or "").startswith("contents[0].parts[0]")


@pytest.mark.parametrize(
    "part",
    [
        {},
        {"inlineData": {"mimeType": "image/png"}},
        {"inlineData": {"mimeType": "text/plain", "data": "///"}},
        {"of_tomorrow": 1},
        {"inlineData": {"mimeType": "text/plain", "data": "/w=="}},
        {"text": 1},
    ],
)
def test_a_part_that_is_none_is_refused(part):
    assert refusal(contents=[user(part)]).code == "invalid_value"


def test_calls_and_results_find_each_other_without_ids():
    said = messages(
        user({"text": "Weather?"}),
        model({"text": "Let me see"}, CALL, CALL),
        user({"text": "Well?"}, RESULT, RESULT),
    )
    _, calling, first, second, rest = said
    ids = [call["id"] for call in calling["tool_calls"]]
    assert calling["content"] == "Let me see"
    assert len(set(ids)) == 2
    assert [first["tool_call_id"], second["tool_call_id"]] == ids
    assert (first["role"], first["content"]) == ("tool", "rain")
    assert rest == {"role": "user", "content": "Well?"}


def test_made_ids_are_the_same_every_time_and_those_of_no_other_call():
    other = {"functionCall": {"name": "look", "id": "call_0_look"}}
    contents = [user({"text": "x"}), model(CALL, other), user(RESULT)]
    said = messages(*contents)
    assert messages(*contents) == said
    ids = [call["id"] for call in said[1]["tool_calls"]]
    assert len(set(ids)) == 2
    assert ids[1] == "call_0_look"


def test_results_in_another_order_are_told_apart_by_their_ids():
    calls = [{"functionCall": {"name": "look", "id": name}} for name in ("a", "b")]
    results = [
        {"functionResponse": {"name": "look", "id": name, "response": {"output": name}}}
        for name in ("b", "a")
    ]
    said = messages(model(*calls), {"role": "function", "parts": results})
    assert [(each["tool_call_id"], each["content"]) for each in said[1:]] == [
        ("b", "b"),
        ("a", "a"),
    ]


def test_a_result_without_a_call_is_refused():
    assert refusal(contents=[user(RESULT)]).param == "contents[0].parts[0].functionResponse"


@pytest.mark.parametrize(
    ("response", "text"),
    [
        ({"output": "rain"}, "rain"),
        ({"output": {"sky": "grey"}}, '{"sky": "grey"}'),
        ({"error": "no sky"}, "Error: no sky"),
        ({"result": "rain"}, '{"result": "rain"}'),
        ({}, "{}"),
    ],
)
def test_a_result_is_the_text_it_means(response, text):
    result = {"functionResponse": {"name": "look", "response": response}}
    assert messages(model(CALL), user(result))[1]["content"] == text


def test_an_image_in_a_result_comes_behind_it():
    blob = {"inlineData": {"mimeType": "image/png", "data": PNG}}
    result = {"functionResponse": {"name": "look", "parts": [blob]}}
    _, tool, rest = messages(model(CALL), user(result))
    assert tool["content"] == "The result is in the next message."
    assert [part["type"] for part in rest["content"]] == ["text", "image_url"]


def test_thoughts_come_back_as_reasoning_and_signatures_are_dropped():
    said = messages(
        model(
            {"text": "Hm", "thought": True},
            {"text": "Yes", "thoughtSignature": "AAAA"},
            {"thoughtSignature": "AAAA"},
        ),
        user({"text": "Why?"}),
    )
    assert said[0] == {"role": "assistant", "content": "Yes", "reasoning_content": "Hm"}


def test_a_role_that_is_none_is_refused():
    assert (
        refusal(contents=[{"role": "system", "parts": [{"text": "x"}]}]).param == "contents[0].role"
    )


# Members.


def test_the_generation_config_in_the_common_words():
    said = config(
        temperature=0.5,
        topP=0.9,
        topK=40.0,
        candidateCount=2,
        maxOutputTokens=9,
        stopSequences=["a", "b"],
        seed=7,
        presencePenalty=0.1,
        frequencyPenalty=0.2,
        responseLogprobs=True,
        logprobs=3,
        responseModalities=["TEXT"],
        mediaResolution="MEDIA_RESOLUTION_LOW",
    )
    del said["model"], said["messages"]
    assert said == {
        "temperature": 0.5,
        "top_p": 0.9,
        "n": 2,
        "max_tokens": 9,
        "stop": ["a", "b"],
        "seed": 7,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "logprobs": True,
        "top_logprobs": 3,
    }


def test_what_the_gateway_acts_on_is_read():
    asked = inbound(generationConfig={"maxOutputTokens": 9, "candidateCount": 3}, is_stream=True)
    assert (asked.output_limit, asked.choices, asked.is_stream) == (9, 3, True)
    parsed = asked.request_for(ENDPOINT, NO_DIALECT, b"").parsed
    assert isinstance(parsed, ChatRequest)
    assert (parsed.max_tokens, parsed.n, parsed.stream) == (9, 3, True)
    asked = inbound(generationConfig={"maxOutputTokens": 0, "candidateCount": 0})
    assert (asked.output_limit, asked.choices) == (None, 1)


@pytest.mark.parametrize(
    ("thinking", "effort"),
    [
        ({"thinkingLevel": "LOW"}, "low"),
        ({"thinkingLevel": "minimal"}, "minimal"),
        ({"thinkingLevel": "XHIGH"}, "high"),
        ({"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}, None),
        ({"thinkingBudget": 0}, "none"),
        ({"thinkingBudget": -1}, None),
        ({"thinkingBudget": 1024}, "low"),
        ({"thinkingBudget": 8192}, "medium"),
        ({"thinkingBudget": 24576}, "high"),
        ({"includeThoughts": True}, None),
    ],
)
def test_thinking_becomes_an_effort(thinking, effort):
    assert config(thinkingConfig=thinking).get("reasoning_effort") == effort


SCHEMA = {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}


@pytest.mark.parametrize(
    ("members", "wanted"),
    [
        ({"responseMimeType": "text/plain"}, None),
        ({"responseMimeType": "application/json"}, {"type": "json_object"}),
        (
            {"responseMimeType": "application/json", "responseSchema": SCHEMA},
            {"type": "object", "properties": {"a": {"type": "string"}}},
        ),
        (
            {"responseMimeType": "application/json", "responseJsonSchema": {"type": "array"}},
            {"type": "array"},
        ),
    ],
)
def test_a_format_with_its_schema(members, wanted):
    found = config(**members).get("response_format")
    if wanted is not None and wanted.get("type") != "json_object":
        wanted = {
            "type": "json_schema",
            "json_schema": {"name": "output", "schema": wanted, "strict": True},
        }
    assert found == wanted


def test_schemas_become_json_schema():
    assert json_schema(
        {
            "type": "OBJECT",
            "nullable": True,
            "propertyOrdering": ["b", "a"],
            "properties": {
                "a": {"type": "INTEGER", "format": "int64", "minimum": 1},
                "b": {"type": "STRING", "format": "enum", "enum": ["x"], "nullable": True},
                "nullable": {"type": "ARRAY", "items": {"type": "NUMBER"}, "maxItems": "3"},
                "d": {"anyOf": [{"type": "BOOLEAN"}, {"type": "STRING"}], "nullable": True},
                "e": {"ref": "#/defs/E"},
            },
            "required": ["a"],
            "defs": {"E": {"type": "TYPE_UNSPECIFIED", "example": 1}},
        }
    ) == {
        "type": ["object", "null"],
        "properties": {
            "a": {"type": "integer", "format": "int64", "minimum": 1},
            "b": {"type": ["string", "null"], "enum": ["x", None]},
            "nullable": {"type": "array", "items": {"type": "number"}, "maxItems": 3},
            "d": {"anyOf": [{"type": "boolean"}, {"type": "string"}, {"type": "null"}]},
            "e": {"$ref": "#/$defs/E"},
        },
        "required": ["a"],
        "$defs": {"E": {"examples": [1]}},
    }


def test_properties_are_in_the_order_that_is_asked_for():
    schema = {"properties": {"a": {}, "b": {}, "c": {}}, "propertyOrdering": ["c", "z", "a"]}
    assert list(json_schema(schema)["properties"]) == ["c", "a", "b"]


def test_functions_with_either_kind_of_schema():
    declared = [
        {"name": "one", "description": "One.", "parameters": SCHEMA, "response": SCHEMA},
        {"name": "two", "parametersJsonSchema": {"type": "object", "required": ["X"]}},
        {"name": "three", "behavior": "BLOCKING"},
    ]
    tools = as_chat(tools=[{"functionDeclarations": declared}])["tools"]
    assert [tool["function"] for tool in tools] == [
        {
            "name": "one",
            "description": "One.",
            "parameters": {"type": "object", "properties": {"a": {"type": "string"}}},
        },
        {"name": "two", "parameters": {"type": "object", "required": ["X"]}},
        {"name": "three", "parameters": {"type": "object", "properties": {}}},
    ]


@pytest.mark.parametrize("tool", ["googleSearch", "codeExecution", "urlContext", "of_tomorrow"])
def test_a_tool_that_googles_hosts_run_is_refused_by_its_name(tool):
    error = refusal(tools=[TOOL, {tool: {}}])
    assert tool in error.message or "ofTomorrow" in error.message
    assert error.code == "unsupported_content"


@pytest.mark.parametrize(
    ("calling", "choice", "offered"),
    [
        ({"mode": "AUTO"}, None, ["one", "two"]),
        ({}, None, ["one", "two"]),
        ({"mode": "any"}, "required", ["one", "two"]),
        ({"mode": "NONE"}, "none", ["one", "two"]),
        (
            {"mode": "ANY", "allowedFunctionNames": ["two"]},
            {"type": "function", "function": {"name": "two"}},
            ["two"],
        ),
        ({"mode": "ANY", "allowedFunctionNames": ["two", "one"]}, "required", ["one", "two"]),
        ({"mode": "VALIDATED", "allowedFunctionNames": ["one"]}, None, ["one"]),
    ],
)
def test_which_functions_may_be_called(calling, choice, offered):
    tools = [{"functionDeclarations": [{"name": "one"}, {"name": "two"}]}]
    said = as_chat(tools=tools, toolConfig={"functionCallingConfig": calling})
    assert said.get("tool_choice") == choice
    assert [tool["function"]["name"] for tool in said["tools"]] == offered


@pytest.mark.parametrize(
    ("tier", "common"), [("standard", "default"), ("FLEX", "flex"), ("unspecified", None)]
)
def test_a_service_tier(tier, common):
    assert as_chat(serviceTier=tier).get("service_tier") == common


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"cachedContent": "cachedContents/a"}, "cachedContent"),
        ({"generationConfig": {"responseMimeType": "text/x.enum"}}, "responseMimeType"),
        ({"generationConfig": {"responseSchema": SCHEMA}}, "responseMimeType"),
        ({"generationConfig": {"responseModalities": ["IMAGE"]}}, "responseModalities"),
        ({"generationConfig": {"speechConfig": {}}}, "generationConfig"),
        ({"generationConfig": {"logprobs": 3}}, "logprobs"),
        ({"generationConfig": {"thinkingConfig": {"thinkingLevel": "ENDLESS"}}}, "thinkingLevel"),
        ({"generationConfig": {"maxOutputTokens": -1}}, "maxOutputTokens"),
        ({"generationConfig": {"candidateCount": 17}}, "candidateCount"),
        ({"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}, "functionCallingConfig"),
        ({"toolConfig": {"functionCallingConfig": {"mode": "MAYBE"}}}, "mode"),
        (
            {
                "tools": [TOOL],
                "toolConfig": {
                    "functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["no"]}
                },
            },
            "allowedFunctionNames",
        ),
        ({"toolConfig": {"retrievalConfig": {"latLng": {}}}}, "retrievalConfig"),
        ({"serviceTier": "royal"}, "serviceTier"),
        ({"contents": []}, "contents"),
        ({"contents": "Hello"}, "contents"),
        ({"contents": [{"parts": []}]}, "contents"),
    ],
)
def test_what_cannot_be_said_is_refused_by_its_name(members, param):
    assert param in (refusal(**members).param or "")


def test_an_unknown_member_is_refused_by_its_name_however_long():
    assert "`ofTomorrow`" in refusal(of_tomorrow=1).message
    error = refusal(**{"x" * 10_000: 1})
    assert len(error.message) < 1000


@pytest.mark.parametrize(
    "members",
    [
        {"safetySettings": [{"category": "x", "threshold": "y"}]},
        {"labels": {"team": "a"}},
        {"model": "models/small"},
        {"cachedContent": ""},
        {"generationConfig": {}},
        {"tools": [{"googleSearch": None}]},
        {"toolConfig": {"functionCallingConfig": {"mode": "AUTO"}}},
    ],
)
def test_what_changes_no_meaning_is_left_out(members):
    assert as_chat(**members).keys() == {"model", "messages"}


def test_routing_wishes_are_ours_and_go_no_further():
    asked = inbound(provider={"only": ["openai"]}, models=["tw/other"], model="models/small")
    assert asked.wish.models == ("tw/other",)
    for dialects in (NO_DIALECT, frozenset({Dialect.GEMINI})):
        fields = asked.request_for(ENDPOINT, dialects, b"").fields
        assert not fields.keys() & {"provider", "models"}
    assert set(asked.request_for(ENDPOINT, frozenset({Dialect.GEMINI}), b"").fields) == {"contents"}


def test_parameters_are_told_by_their_common_names():
    asked = inbound(
        generationConfig={"temperature": 1, "responseMimeType": "text/plain"},
        tools=[TOOL],
        toolConfig={},
        safetySettings=[],
    )
    assert asked.parameters == {"temperature", "response_format", "tools", "tool_choice"}


# Hostile bodies.

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)
_names = st.sampled_from(
    [
        "contents",
        "parts",
        "role",
        "text",
        "inlineData",
        "inline_data",
        "functionCall",
        "functionResponse",
        "name",
        "args",
        "response",
        "systemInstruction",
        "tools",
        "functionDeclarations",
        "parameters",
        "toolConfig",
        "functionCallingConfig",
        "generationConfig",
        "generation_config",
        "thinkingConfig",
        "responseSchema",
        "provider",
    ]
)
_hostile = st.recursive(
    _values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=5),
    max_leaves=20,
)


@given(st.dictionaries(_names, _hostile, max_size=5))
def test_no_body_does_more_than_be_refused(members):
    body = json.dumps({"contents": HELLO} | members).encode()
    try:
        asked = GeminiInbound(body, "small")
        assert asked.parameters is not None
        asked.request_for(ENDPOINT, NO_DIALECT, b"")
    except ApiError as error:
        assert error.status == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"\xff",
        b'{"contents":"\xff"}',
        b"[" * 200_000,
        b'{"contents":' + b"[" * 200_000,
        b'{"contents":[{"parts":[{"functionCall":{"name":"a","args":' + b'{"a":' * 100_000,
        b'{"contents":[{"parts":[{"text":"x"}]}],"tools":[{"functionDeclarations":[{"name":"a",'
        b'"parameters":' + b'{"items":' * 5_000 + b"{}" + b"}" * 5_000 + b"}]}]}",
        b'{"a_b":' * 900 + b"1" + b"}" * 900,
    ],
    ids=lambda body: repr(body[:40]),
)
def test_a_body_that_is_none_is_refused(body):
    with pytest.raises(ApiError) as caught:
        GeminiInbound(body, "small").request_for(ENDPOINT, NO_DIALECT, b"")
    assert caught.value.status == 400


def test_the_translation_is_made_once_for_all_targets():
    asked = GeminiInbound(body_of(), "small")
    first = asked.request_for(ENDPOINT, NO_DIALECT, b"")
    assert asked.request_for(ENDPOINT, NO_DIALECT, b"").fields is first.fields
