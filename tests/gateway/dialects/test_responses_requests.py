"""Responses requests in the common form, and what is said of those that have none.

Written from platform.openai.com, API reference, "Create a model response", and its guides "Function
calling", "Conversation state" and "Images and vision".
"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from tradewind.gateway.dialects.responses import ResponsesInbound
from tradewind.plugins.providers.base import Dialect
from tradewind.snapshot.contents import Endpoint, Operation, Price
from tradewind.wire import chat as wire_chat
from tradewind.wire.errors import ApiError
from tradewind.wire.responses import decode_request
from tradewind.wire.stored_responses import StoredResponse, decode_stored, encode

ENDPOINT = Endpoint(
    "p/m", Operation.CHAT, "p", 1, 512, 512, Price("price_1", "USD", 1, 2, 3), (), None, ("m",)
)
FUNCTION = {
    "type": "function",
    "name": "find",
    "description": "Find a berth.",
    "parameters": {"type": "object", "properties": {}},
    "strict": True,
}


def inbound(chain=(), *, stores=False, **members):
    body = json.dumps({"model": "m", **members}).encode()
    request, fields = decode_request(body)
    return ResponsesInbound(
        request, fields, body_length=len(body), chain=tuple(chain), stores=stores
    )


def chat(chain=(), **members):
    """Return the body that a target of another dialect gets."""
    request = inbound(chain, **members).request_for(ENDPOINT, frozenset(), b"")
    assert request.dialect is Dialect.OPENAI
    fields = {name: json.loads(bytes(value)) for name, value in request.fields.items()}
    assert request.parsed == wire_chat.decode_request(wire_chat.encode(request.fields))
    return fields


def messages(*items, chain=(), **members):
    return chat(chain, input=list(items), **members)["messages"]


def refusal(**members):
    with pytest.raises(ApiError) as refused:
        chat(**members)
    assert refused.value.status == 400
    return refused.value


def link(id_, previous=None, input_=(), output=()):
    """A stored response, as it comes back from the store."""
    stored = StoredResponse(
        "org",
        "proj",
        id_,
        previous,
        1,
        2,
        encoded(list(input_)),
        encoded({"output": list(output), "instructions": "of then"}),
    )
    return decode_stored(encode(stored))


def encoded(value):
    return Raw(json.dumps(value).encode())


def user(text):
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def answer(text):
    return {
        "id": "msg_1",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }


def test_a_text_is_a_message_of_the_user():
    assert chat(input="Hello") == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hello"}],
    }


def test_every_member_goes_by_its_name_in_the_common_form():
    fields = chat(
        input="Hello",
        instructions="Be brief.",
        stream=True,
        max_output_tokens=20,
        temperature=0.5,
        top_p=0.9,
        top_logprobs=2,
        include=["message.output_text.logprobs", "reasoning.encrypted_content"],
        tools=[FUNCTION],
        tool_choice="required",
        parallel_tool_calls=False,
        text={"format": {"type": "json_schema", "name": "a", "schema": {}, "strict": True}},
        reasoning={"effort": "low", "summary": "auto"},
        service_tier="flex",
        user="u1",
        metadata={"a": "b"},
        store=True,
        truncation="auto",
        prompt_cache_key="k",
        stream_options={"include_obfuscation": False},
    )
    function = {name: value for name, value in FUNCTION.items() if name != "type"}
    assert fields == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello"},
        ],
        "stream": True,
        "max_completion_tokens": 20,
        "temperature": 0.5,
        "top_p": 0.9,
        "logprobs": True,
        "top_logprobs": 2,
        "tools": [{"type": "function", "function": function}],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "a", "schema": {}, "strict": True},
        },
        "reasoning_effort": "low",
        "service_tier": "flex",
        "user": "u1",
    }


def test_members_that_are_null_are_not_there():
    fields = chat(input="Hello", tools=None, conversation=None, prompt=None, max_output_tokens=None)
    assert set(fields) == {"model", "messages"}


def test_roles_and_parts_of_messages():
    image = {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"}
    file = {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,A"}
    audio = {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}
    assert messages(
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "input_text", "text": "What?"}, image, file, audio]},
        answer("A ship."),
        {"role": "assistant", "content": "And more."},
        user("Thanks"),
    ) == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What?"},
                {
                    "type": "image_url",
                    "image_url": {"url": "data:image/png;base64,AA", "detail": "low"},
                },
                {
                    "type": "file",
                    "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,A"},
                },
                audio,
            ],
        },
        {"role": "assistant", "content": "A ship."},
        {"role": "assistant", "content": "And more."},
        {"role": "user", "content": "Thanks"},
    ]


def test_a_turn_with_text_reasoning_and_calls_is_one_message():
    assert messages(
        user("A berth?"),
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]},
        answer("Let me look."),
        {"type": "function_call", "call_id": "a", "name": "find", "arguments": "{}"},
        {"type": "function_call", "call_id": "b", "name": "find", "arguments": '{"q":1}'},
        {"type": "function_call_output", "call_id": "a", "output": "none"},
        {
            "type": "function_call_output",
            "call_id": "b",
            "output": [{"type": "input_text", "text": "one"}],
        },
    )[1:] == [
        {
            "role": "assistant",
            "content": "Let me look.",
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "find", "arguments": "{}"}},
                {
                    "id": "b",
                    "type": "function",
                    "function": {"name": "find", "arguments": '{"q":1}'},
                },
            ],
            "reasoning_content": "Hm.",
        },
        {"role": "tool", "tool_call_id": "a", "content": "none"},
        {"role": "tool", "tool_call_id": "b", "content": "one"},
    ]


def test_reasoning_before_the_last_question_is_not_sent_again():
    reasoning = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "Hm."}]}
    call = {"type": "function_call", "call_id": "a", "name": "find", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "a", "output": "none"}
    found = messages(user("A berth?"), reasoning, call, output, answer("None."), user("Why?"))
    assert all("reasoning_content" not in message for message in found)


def test_a_chain_comes_before_the_input_and_without_the_instructions_of_then():
    chain = [
        link("resp_2", "resp_1", [user("Two")], [answer("2")]),
        link("resp_1", None, [user("One")], [answer("1")]),
    ]
    assert messages(user("Three"), chain=chain, instructions="Be brief.") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "1"},
        {"role": "user", "content": "Two"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "Three"},
    ]


def test_a_chain_needs_no_input_of_its_own():
    assert chat([link("resp_1", None, [user("One")], [answer("1")])])["messages"][-1] == {
        "role": "assistant",
        "content": "1",
    }


def test_what_a_hosts_own_tools_did_earlier_is_passed_over():
    search = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {}}
    chain = [link("resp_1", None, [user("One")], [search, answer("1")])]
    assert [message["content"] for message in messages(user("Two"), chain=chain)] == [
        "One",
        "1",
        "Two",
    ]


def test_the_length_of_a_chain_counts():
    chain = [link("resp_1", None, [user("x" * 1000)], [answer("1")])]
    assert inbound(chain, input="Hi").body_length > 1000


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ({"type": "function", "name": "find"}, {"type": "function", "function": {"name": "find"}}),
    ],
)
def test_a_choice_of_tools(choice, said):
    assert chat(input="Hi", tools=[FUNCTION], tool_choice=choice)["tool_choice"] == said


def test_allowed_tools_are_the_only_ones_that_are_shown():
    fields = chat(
        input="Hi",
        tools=[FUNCTION, {**FUNCTION, "name": "other"}],
        tool_choice={
            "type": "allowed_tools",
            "mode": "required",
            "tools": [{"type": "function", "name": "other"}, 7, {"name": []}],
        },
    )
    assert [tool["function"]["name"] for tool in fields["tools"]] == ["other"]
    assert fields["tool_choice"] == "required"


@pytest.mark.parametrize(
    "kind", ["web_search", "file_search", "code_interpreter", "mcp", "custom", "image_generation"]
)
def test_a_tool_that_is_no_function_is_named(kind):
    error = refusal(input="Hi", tools=[FUNCTION, {"type": kind, "name": "x"}])
    assert (error.code, error.param) == ("unsupported_parameter", "tools[1]")
    assert kind in error.message


@pytest.mark.parametrize(
    ("members", "code", "param"),
    [
        ({"input": "Hi", "frequency_penalty": 1}, "unknown_parameter", "frequency_penalty"),
        ({"input": "Hi", "conversation": "conv_1"}, "unsupported_parameter", "conversation"),
        ({"input": "Hi", "prompt": {"id": "p"}}, "unsupported_parameter", "prompt"),
        ({"input": "Hi", "context_management": []}, "unsupported_parameter", "context_management"),
        ({"input": "Hi", "text": {"format": {"type": "xml"}}}, "unsupported_parameter", None),
        ({"input": "Hi", "tool_choice": {"type": "mcp"}}, "unsupported_parameter", "tool_choice"),
        ({"input": "Hi", "temperature": 3}, "invalid_value", "temperature"),
        ({"input": "Hi", "tools": [{"type": "function"}]}, "invalid_value", "tools[0].name"),
        ({"input": 7}, "invalid_value", "input"),
        ({"input": [7]}, "invalid_value", "input[0]"),
        ({}, "invalid_value", "input"),
        ({"input": []}, "invalid_value", "input"),
        ({"input": [{"role": "judge", "content": "x"}]}, "invalid_value", "input"),
        ({"input": [{"role": "user"}]}, "invalid_value", "input"),
        ({"input": [{"type": "function_call", "name": "x"}]}, "invalid_value", "input"),
        ({"input": [{"type": "computer_call"}]}, "unsupported_content", "input"),
        ({"input": [{"type": "mcp_call", "output": {}}]}, "unsupported_content", "input"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "unsupported_content", "input"),
        (
            {"input": [{"type": "function_call_output", "call_id": "a", "output": "x"}]},
            "invalid_value",
            "input",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "unsupported_content",
            "input",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "u"}]}]},
            "unsupported_content",
            "input",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "hologram"}, {"type": "x"}]}]},
            "unsupported_content",
            "input",
        ),
    ],
)
def test_what_has_no_common_form_is_named(members, code, param):
    error = refusal(**members)
    assert (error.code, error.param) == (code, param or "text.format")


def test_parameters_are_told_by_their_common_names():
    found = inbound(input="Hi", tools=[FUNCTION], text={}, reasoning={}, store=False, user="u")
    assert found.parameters == {"tools", "response_format", "reasoning_effort"}


def test_what_the_request_says_of_its_route_is_kept():
    found = inbound(input="Hi", provider={"only": ["own"]}, models=["b"], prompt_cache_key="k")
    assert found.wish.provider is not None
    assert found.wish.provider.only == ["own"]
    assert found.wish.models == ("b",)
    assert found.wish.affinity
    assert found.wish.affinity == inbound(input="Ho", prompt_cache_key="k").wish.affinity


def test_an_output_of_a_deleted_call_is_refused_in_words():
    chain = [
        link(
            "resp_2",
            "resp_1",
            [{"type": "function_call_output", "call_id": "gone", "output": "x"}],
            [answer("2")],
        )
    ]
    with pytest.raises(ApiError, match="No tool call found for function call output"):
        chat(chain, input="Hi")


def test_items_get_ids_and_parts_when_they_are_stored():
    found = inbound(
        stores=True,
        input=[
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Ho"},
            {"type": "function_call", "id": "fc_mine", "call_id": "a", "name": "f"},
            {"type": "item_reference", "id": "x"},
        ],
    )
    items = json.loads(bytes(found.items))
    assert [item["type"] for item in items] == [
        "message",
        "message",
        "function_call",
        "item_reference",
    ]
    assert len({item["id"] for item in items}) == 4
    assert items[0]["id"].startswith("msg_")
    assert items[0]["content"] == [{"type": "input_text", "text": "Hi"}]
    assert items[1]["content"] == [{"type": "output_text", "text": "Ho"}]
    assert items[2]["id"] == "fc_mine"


# Any request, however hostile.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
TYPES = st.sampled_from(
    ["message", "function_call", "function_call_output", "reasoning", "input_text", "input_image"]
)
PART = st.fixed_dictionaries({"type": TYPES | JSON}, optional={"text": JSON, "image_url": JSON})
ITEM = st.fixed_dictionaries(
    {},
    optional={
        "type": TYPES | JSON,
        "role": st.sampled_from(["user", "assistant", "developer"]) | JSON,
        "content": st.text(max_size=5) | st.lists(PART, max_size=3) | JSON,
        "call_id": st.sampled_from(["a", "b"]) | JSON,
        "name": st.just("find") | JSON,
        "arguments": st.just("{}") | JSON,
        "output": st.just("x") | st.lists(PART, max_size=2) | JSON,
        "summary": st.lists(PART, max_size=2) | JSON,
        "id": JSON,
    },
)
TOOL = st.fixed_dictionaries({"type": st.just("function") | JSON}, optional={"name": JSON})
CHOICE = st.fixed_dictionaries(
    {"type": st.sampled_from(["function", "allowed_tools"]) | JSON},
    optional={"name": JSON, "mode": JSON, "tools": st.lists(TOOL, max_size=2) | JSON},
)
MEMBERS = st.fixed_dictionaries(
    {"input": st.text(max_size=5) | st.lists(ITEM, max_size=5) | JSON},
    optional={
        "instructions": st.lists(ITEM, max_size=2) | JSON,
        "tools": st.lists(TOOL, max_size=2) | JSON,
        "tool_choice": CHOICE | JSON,
        "text": st.fixed_dictionaries({"format": CHOICE | JSON}) | JSON,
        "reasoning": st.fixed_dictionaries({}, optional={"effort": JSON, "summary": JSON}) | JSON,
        "include": JSON,
        "metadata": JSON,
        "previous_response_id": JSON,
    },
)


@given(MEMBERS, st.booleans(), st.booleans())
def test_any_request_is_sent_or_refused_in_words(members, stores, is_native):
    dialects = frozenset({Dialect.RESPONSES}) if is_native else frozenset()
    try:
        found = inbound(stores=stores, **members)
        request = found.request_for(ENDPOINT, dialects, b"")
    except ApiError as error:
        assert error.status == 400
        assert error.message
        return
    sent = json.loads(wire_chat.encode(request.fields))
    assert sent["model"] == "m"
    if not is_native:
        assert all(isinstance(message["role"], str) for message in sent["messages"])
    if stores:
        assert all(isinstance(item["id"], str) for item in json.loads(bytes(found.items)))
