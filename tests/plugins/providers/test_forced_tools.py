"""Tools the engine would not force: a schema on its text, read back as a call."""

import json

import pytest
from provider_parts import TARGET, LlamaAnswer, chat_request, chunks, read, sent, splits

from tradewind.plugins.providers.base import TokenCounts
from tradewind.plugins.providers.llama_server import LlamaServer
from tradewind.wire.errors import ApiError

PROVIDER = LlamaServer()
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Weather of a place",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
    },
}
CLOCK = {"type": "function", "function": {"name": "clock"}}
NAMED = {"type": "function", "function": {"name": "weather"}}
CALL = '{"name": "weather", "arguments": {"place": "Cádiz", "at": [1, 2.50]}}'


def prepared(**members):
    members = {"tools": [WEATHER, CLOCK], "tool_choice": "required"} | members
    return PROVIDER.prepare(chat_request(**members), TARGET)


def schema_of(**members):
    return sent(prepared(**members))["response_format"]["json_schema"]["schema"]


def tool(name, **parameters):
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def test_one_of_all_functions_must_be_called():
    body = sent(prepared())
    assert body.keys().isdisjoint({"tools", "tool_choice"})
    assert body["response_format"]["type"] == "json_schema"
    assert body["response_format"]["json_schema"]["schema"] == {
        "anyOf": [
            {
                "type": "object",
                "properties": {
                    "name": {"const": "weather"},
                    "arguments": WEATHER["function"]["parameters"],
                },
                "required": ["name", "arguments"],
                "additionalProperties": False,
            },
            {
                "type": "object",
                "properties": {"name": {"const": "clock"}, "arguments": {"type": "object"}},
                "required": ["name", "arguments"],
                "additionalProperties": False,
            },
        ]
    }


def test_a_named_function_is_the_only_one_offered():
    found = schema_of(tool_choice=NAMED)
    assert [each["properties"]["name"] for each in found["anyOf"]] == [{"const": "weather"}]
    told = sent(prepared(tool_choice=NAMED))["messages"][0]["content"]
    assert "weather" in told
    assert "clock" not in told


@pytest.mark.parametrize("keyword", ["$defs", "definitions"])
def test_definitions_are_hoisted_to_where_references_look_for_them(keyword):
    one = {"type": "string"}
    found = schema_of(
        tools=[
            tool("a", **{keyword: {"Place": one}}, properties={"p": {"$ref": "#/x/Place"}}),
            tool("b", **{keyword: {"Place": one, "Time": {"type": "integer"}}}),
        ]
    )
    assert found[keyword] == {"Place": one, "Time": {"type": "integer"}}


def test_two_meanings_of_one_definition_are_refused_and_not_mixed_up():
    tools = [
        tool("a", **{"$defs": {"Place": {"type": "string"}}}),
        tool("b", **{"$defs": {"Place": {"type": "object"}}}),
    ]
    with pytest.raises(ApiError, match=r"\$defs/Place") as caught:
        prepared(tools=tools)
    assert (caught.value.status, caught.value.param) == (400, "tools")


def test_the_functions_are_told_in_a_system_message():
    first, *rest = sent(prepared())["messages"]
    assert first["role"] == "system"
    assert "Weather of a place" in first["content"]
    assert rest == [{"role": "user", "content": "Hello"}]


@pytest.mark.parametrize("role", ["system", "developer"])
def test_the_clients_own_system_message_is_kept_and_stays_the_only_one(role):
    own = {"role": role, "content": "Be brief.", "name": "x"}
    user = {"role": "user", "content": [{"type": "text", "text": "Hi"}], "x": 1.50}
    first, second = sent(prepared(messages=[own, user]))["messages"]
    assert first["content"].startswith("Be brief.\n\n")
    assert "Weather of a place" in first["content"]
    assert (first["role"], first["name"]) == (role, "x")
    assert second == user


def test_a_whole_answer_holds_the_call():
    reader = prepared().reader
    found = json.loads(read(reader, LlamaAnswer([CALL[:9], CALL[9:]]).raw))
    [choice] = found["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    [call] = choice["message"]["tool_calls"]
    assert call["type"] == "function"
    assert call["id"].startswith("call_")
    assert call["function"]["name"] == "weather"
    assert json.loads(call["function"]["arguments"]) == {"place": "Cádiz", "at": [1, 2.5]}
    assert reader.counts == TokenCounts(32, 31, 2)


@pytest.mark.parametrize("shows_usage", [True, False])
def test_a_stream_holds_the_call_and_ends_as_streams_do(shows_usage):
    options = {"stream": True, "stream_options": {"include_usage": shows_usage}}
    answer = LlamaAnswer([CALL])
    ids = set()
    for pieces in splits(answer.raw, count=3):
        reader = prepared(**options).reader
        whole, ending, *rest = chunks(read(reader, *pieces))
        [choice] = whole["choices"]
        [call] = choice["delta"]["tool_calls"]
        assert call["index"] == 0
        assert call["function"]["name"] == "weather"
        assert choice["finish_reason"] is None
        assert ending["choices"][0]["finish_reason"] == "tool_calls"
        assert [chunk["usage"]["completion_tokens"] for chunk in rest] == [1] * shows_usage
        assert {chunk["object"] for chunk in (whole, ending, *rest)} == {"chat.completion.chunk"}
        ids.add(call["id"])
    assert len(ids) > 1, "every call has an id of its own"


def test_every_choice_gets_its_call():
    answer = LlamaAnswer([CALL], [CALL.replace("weather", "clock")])
    found = json.loads(read(prepared(n=2).reader, answer.raw))
    names = [each["message"]["tool_calls"][0]["function"]["name"] for each in found["choices"]]
    assert names == ["weather", "clock"]
    assert found["usage"]["completion_tokens"] == 2


@pytest.mark.parametrize("is_stream", [True, False])
def test_a_call_that_was_cut_off_stays_a_text(is_stream):
    raw = read(prepared(stream=is_stream).reader, LlamaAnswer([CALL[:20]], finish="length").raw)
    found = chunks(raw) if is_stream else [json.loads(raw)]
    member = "delta" if is_stream else "message"
    assert found[0]["choices"][0][member]["content"] == CALL[:20]
    assert found[0]["choices"][0][member].get("tool_calls") is None
    assert found[-1]["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize(
    "choice",
    [
        "require",
        {"type": "function", "function": {"name": "nothing"}},
        {"type": "function", "function": {}},
        {"type": "function", "function": "weather"},
        {"type": "function", "function": None},
        {"type": "function", "function": {"name": ["weather"]}},
        {"type": "allowed_tools"},
    ],
)
def test_a_choice_that_names_no_tool_is_refused(choice):
    with pytest.raises(ApiError) as caught:
        prepared(tool_choice=choice)
    assert (caught.value.status, caught.value.param) == (400, "tool_choice")


@pytest.mark.parametrize("tools", [[], None])
def test_nothing_can_be_required_of_no_tools(tools):
    for choice in ("required", NAMED):
        with pytest.raises(ApiError) as caught:
            prepared(tools=tools, tool_choice=choice)
        assert (caught.value.status, caught.value.param) == (400, "tool_choice")


@pytest.mark.parametrize(
    "tools",
    [
        [{}],
        [{"type": "custom", "custom": {"name": "f"}}],
        [{"function": {"name": 5}}],
        [{"function": {"name": "f", "parameters": []}}],
        [tool("f", **{"$defs": ["x"]})],
        [tool("f", **{"$defs": "x"})],
        [tool("f", definitions=5)],
        [tool(f"f{number}") for number in range(129)],
    ],
    ids=lambda tools: repr(tools)[:60],
)
def test_tools_that_are_none_are_refused(tools):
    with pytest.raises(ApiError) as caught:
        prepared(tools=tools)
    assert (caught.value.status, caught.value.param) == (400, "tools")


@pytest.mark.parametrize("message", ["Hello", 5, None, ["Hello"]])
def test_messages_that_are_none_are_refused_and_not_repeated(message):
    with pytest.raises(ApiError) as caught:
        prepared(messages=[message])
    assert (caught.value.status, caught.value.param) == (400, "messages[0]")
    assert "Hello" not in caught.value.message


def test_a_forced_call_and_another_format_cannot_both_be_had():
    for wanted in ({"type": "json_object"}, {"type": "json_schema", "json_schema": {}}):
        with pytest.raises(ApiError) as caught:
            prepared(response_format=wanted)
        assert (caught.value.status, caught.value.param) == (400, "response_format")
    assert schema_of(response_format={"type": "text"}) == schema_of()


@pytest.mark.parametrize("choice", ["auto", "none", None])
def test_without_force_a_stream_stays_a_stream(choice):
    reader = prepared(tool_choice=choice, stream=True).reader
    assert reader.feed(LlamaAnswer(["x"]).raw)
