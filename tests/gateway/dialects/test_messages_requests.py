"""Messages requests: passed on as they are, or said in the common form, or refused by name.

Bodies are written from "Create a Message", "Tool use", "Vision", "PDF support", "Thinking" and
"Structured outputs" (platform.claude.com); they are examples, not recordings.
"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages_parts import ENDPOINT, NO_DIALECT, ScriptedReader, as_chat, body_of, inbound

from tradewind.gateway.dialects.messages import MessagesInbound
from tradewind.gateway.dialects.surfaces import MESSAGES
from tradewind.plugins.providers.base import Dialect
from tradewind.wire.chat import ChatRequest
from tradewind.wire.errors import ApiError

NATIVE = frozenset({Dialect.MESSAGES})
SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}
TOOL = {"name": "look", "description": "Looks.", "input_schema": SCHEMA}
FUNCTION = {
    "type": "function",
    "function": {"name": "look", "description": "Looks.", "parameters": SCHEMA},
}
PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}
PNG_PART = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K"}}


def messages_of(*messages, **members):
    return as_chat(messages=list(messages), **members)["messages"]


def refused(**members):
    with pytest.raises(ApiError) as caught:
        as_chat(**members)
    assert caught.value.status == 400
    return caught.value


def test_an_inbound_says_what_the_gateway_acts_on():
    request = inbound(stream=True)
    assert (request.model, request.is_stream, request.output_limit) == ("small", True, 100)
    assert (request.choices, request.dialect, request.surface) == (1, Dialect.MESSAGES, MESSAGES)
    assert request.body_length == len(body_of(stream=True))
    assert inbound().is_stream is False


def test_a_wish_of_where_to_go_is_taken_and_not_passed_on():
    request = inbound(provider={"order": ["own"]}, models=["other"])
    assert request.wish.provider is not None
    assert request.wish.provider.order == ["own"]
    assert request.wish.models == ("other",)
    for dialects in (NATIVE, NO_DIALECT):
        fields = request.request_for(ENDPOINT, dialects, b"").fields
        assert not {"provider", "models"} & fields.keys()


def test_a_host_of_the_dialect_gets_every_member_as_it_came():
    members = {
        "system": [{"type": "text", "text": "Be brief", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": "Hi"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm", "signature": "EqQB"},
                    {"type": "redacted_thinking", "data": "abc"},
                ],
            },
        ],
        "thinking": {"type": "enabled", "budget_tokens": 2048},
        "tools": [{"type": "web_search_20250305", "name": "web_search"}],
        "a_beta_member": {"of": "tomorrow"},
        "max_tokens": 0,
    }
    line = b"anthropic-beta: tomorrow-2030-01-01\r\n"
    request = inbound(**members).request_for(ENDPOINT, NATIVE, line)
    assert (request.dialect, request.parsed, request.headers) == (Dialect.MESSAGES, None, line)
    assert {name: json.loads(bytes(value)) for name, value in request.fields.items()} == {
        "model": "small"
    } | members
    assert inbound(stream=True).request_for(ENDPOINT, NATIVE, b"").is_stream


def test_the_reader_of_a_host_of_the_dialect_is_left_alone():
    request = inbound()
    reader = ScriptedReader()
    assert request.reader_for(request.request_for(ENDPOINT, NATIVE, b""), reader) is reader
    translated = request.request_for(ENDPOINT, NO_DIALECT, b"")
    assert request.reader_for(translated, reader) is not reader


def test_a_plain_request_in_the_common_form():
    assert as_chat(
        system="Be brief",
        stream=True,
        temperature=0.5,
        top_p=0.9,
        stop_sequences=["END"],
        service_tier="standard_only",
    ) == {
        "model": "small",
        "messages": [
            {"role": "system", "content": "Be brief"},
            {"role": "user", "content": "Hello"},
        ],
        "max_tokens": 100,
        "stream": True,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["END"],
        "service_tier": "default",
    }


def test_the_parsed_request_says_the_same_as_its_members():
    request = inbound(
        stream=True, tools=[TOOL], tool_choice={"type": "any"}, max_tokens=9
    ).request_for(ENDPOINT, NO_DIALECT, b"")
    parsed = request.parsed
    assert isinstance(parsed, ChatRequest)
    assert request.is_stream
    assert (parsed.model, parsed.output_limit, parsed.tool_choice) == ("small", 9, "required")
    assert parsed.tools == [FUNCTION]
    assert [bytes(message) for message in parsed.messages] == [b'{"role":"user","content":"Hello"}']


def test_a_request_is_translated_once_for_all_targets():
    request = inbound()
    first = request.request_for(ENDPOINT, NO_DIALECT, b"")
    assert request.request_for(ENDPOINT, NO_DIALECT, b"").fields is first.fields


def test_knobs_that_change_no_answer_are_left_out():
    assert (
        as_chat(
            top_k=5,
            metadata={"user_id": "u"},
            cache_control={"type": "ephemeral"},
            context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
            speed="fast",
            container=None,
            mcp_servers=[],
        )
        == as_chat()
    )


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("container", "container_1"),
        ("inference_geo", "us"),
        ("mcp_servers", [{"type": "url", "url": "https://x.test"}]),
        ("a_beta_member", 1),
    ],
)
def test_a_member_that_means_something_and_cannot_be_said_is_refused_by_name(member, value):
    error = refused(**{member: value})
    assert (error.param, error.code) == (member, "unsupported_content")
    assert member in error.message


def test_filling_the_hosts_cache_cannot_be_said():
    assert refused(max_tokens=0).param == "max_tokens"


def test_system_blocks_are_paragraphs_of_one_message():
    blocks = [
        {"type": "text", "text": "One", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "Two"},
    ]
    user = {"role": "user", "content": "Hi"}
    assert messages_of(user, system=blocks)[0] == {"role": "system", "content": "One\n\nTwo"}
    assert messages_of(user, {"role": "system", "content": blocks})[1]["role"] == "system"


def test_parts_of_a_users_turn():
    content = [
        {"type": "text", "text": "What is this?", "cache_control": {"type": "ephemeral"}},
        {"type": "image", "source": PNG},
        {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}},
        {
            "type": "document",
            "title": "a.pdf",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
        },
        {
            "type": "document",
            "title": "Notes",
            "source": {"type": "text", "media_type": "text/plain", "data": "Words"},
        },
        {
            "type": "search_result",
            "title": "T",
            "source": "https://x.test",
            "content": [{"type": "text", "text": "Found"}],
        },
    ]
    assert messages_of({"role": "user", "content": content}) == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                PNG_PART,
                {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
                {
                    "type": "file",
                    "file": {
                        "filename": "a.pdf",
                        "file_data": "data:application/pdf;base64,JVBE",
                    },
                },
                {"type": "text", "text": "Notes\nWords"},
                {"type": "text", "text": "T\nhttps://x.test\nFound"},
            ],
        }
    ]


def test_one_text_block_is_a_plain_text():
    blocks = [{"type": "text", "text": "Hi"}]
    assert messages_of({"role": "user", "content": blocks}) == [{"role": "user", "content": "Hi"}]


def test_tool_calls_and_their_results_follow_each_other():
    found = messages_of(
        {"role": "user", "content": "Look"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "I must look", "signature": "EqQB"},
                {"type": "redacted_thinking", "data": "abc"},
                {"type": "text", "text": "Let me see"},
                {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "x"}},
                {"type": "tool_use", "id": "toolu_2", "name": "look", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "And now?"},
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "A ship"},
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_2",
                    "is_error": True,
                    "content": [{"type": "text", "text": "Too dark"}],
                },
            ],
        },
        tools=[TOOL],
    )
    assert found == [
        {"role": "user", "content": "Look"},
        {
            "role": "assistant",
            "content": "Let me see",
            "tool_calls": [
                {
                    "id": "toolu_1",
                    "type": "function",
                    "function": {"name": "look", "arguments": '{"at": "x"}'},
                },
                {
                    "id": "toolu_2",
                    "type": "function",
                    "function": {"name": "look", "arguments": "{}"},
                },
            ],
            "reasoning_content": "I must look",
        },
        {"role": "tool", "tool_call_id": "toolu_1", "content": "A ship"},
        {"role": "tool", "tool_call_id": "toolu_2", "content": "Error: Too dark"},
        {"role": "user", "content": "And now?"},
    ]


def test_images_of_a_result_follow_all_results():
    found = messages_of(
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "content": [{"type": "image", "source": PNG}],
                },
                {"type": "tool_result", "tool_use_id": "toolu_2"},
                {"type": "text", "text": "And now?"},
            ],
        }
    )
    assert found == [
        {
            "role": "tool",
            "tool_call_id": "toolu_1",
            "content": "The result is in the next message.",
        },
        {"role": "tool", "tool_call_id": "toolu_2", "content": ""},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "From the result of toolu_1:"},
                PNG_PART,
                {"type": "text", "text": "And now?"},
            ],
        },
    ]


def test_a_call_without_a_text_has_no_content():
    use = {"type": "tool_use", "id": "1", "name": "look", "input": {}}
    [message] = messages_of({"role": "assistant", "content": [use]})
    assert message["content"] is None


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none", "disable_parallel_tool_use": True}, {"tool_choice": "none"}),
        (
            {"type": "tool", "name": "look"},
            {"tool_choice": {"type": "function", "function": {"name": "look"}}},
        ),
        (
            {"type": "auto", "disable_parallel_tool_use": True},
            {"tool_choice": "auto", "parallel_tool_calls": False},
        ),
    ],
)
def test_tools_and_how_to_choose_them(choice, expected):
    plain = as_chat()
    found = as_chat(tools=[TOOL | {"type": "custom"}], tool_choice=choice)
    assert found == plain | {"tools": [FUNCTION]} | expected


def test_a_strict_tool_stays_strict():
    [tool] = as_chat(tools=[TOOL | {"strict": True}])["tools"]
    assert tool["function"]["strict"] is True


@pytest.mark.parametrize(
    "kind",
    ["web_search_20250305", "bash_20250124", "text_editor_20250728", "computer_20251124"],
)
def test_a_tool_that_its_vendor_defines_is_refused_by_its_name(kind):
    error = refused(tools=[TOOL, {"type": kind, "name": "x"}])
    assert (error.param, error.code) == ("tools[1]", "unsupported_content")
    assert kind in error.message


@pytest.mark.parametrize(
    ("asked", "effort"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "low"),
        ({"thinking": {"type": "enabled", "budget_tokens": 8192}}, "medium"),
        ({"thinking": {"type": "enabled", "budget_tokens": 32000}}, "high"),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}, "low"),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, "high"),
        ({"thinking": {"type": "adaptive"}}, None),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}}, None),
        ({"output_config": {"effort": "high"}}, None),
    ],
)
def test_thinking_is_an_effort(asked, effort):
    assert as_chat(**asked).get("reasoning_effort") == effort


@pytest.mark.parametrize("place", ["output_config", "output_format"])
def test_a_schema_of_the_answer_is_a_response_format(place):
    wanted = {"type": "json_schema", "schema": SCHEMA}
    value = {"format": wanted} if place == "output_config" else wanted
    assert as_chat(**{place: value})["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "output", "schema": SCHEMA, "strict": True},
    }


def test_parameters_are_named_as_targets_name_them():
    request = inbound(
        system="x",
        metadata={},
        stop_sequences=["x"],
        top_k=1,
        tools=[TOOL],
        thinking={"type": "adaptive"},
        output_config={"format": {"type": "json_schema", "schema": SCHEMA}},
    )
    assert request.parameters == {
        "max_tokens",
        "stop",
        "top_k",
        "tools",
        "reasoning_effort",
        "response_format",
    }
    assert inbound(output_config={"effort": "low"}).parameters == {"max_tokens"}


def user(*blocks):
    return {"messages": [{"role": "user", "content": list(blocks)}]}


def assistant(*blocks):
    return {"messages": [{"role": "assistant", "content": list(blocks)}]}


@pytest.mark.parametrize(
    ("members", "param"),
    [
        (user({"type": "server_tool_use"}), "messages[0].content[0]"),
        (user({"type": "container_upload"}), "messages[0].content[0]"),
        (user({"type": "text"}), "messages[0].content[0]"),
        (user({"type": "image"}), "messages[0].content[0].source"),
        (
            user({"type": "image", "source": {"type": "file"}}),
            "messages[0].content[0].source",
        ),
        (
            user({"type": "document", "source": {"type": "url", "url": "https://x.test"}}),
            "messages[0].content[0].source",
        ),
        (
            user(
                {
                    "type": "document",
                    "citations": {"enabled": True},
                    "source": {"type": "text", "data": "x"},
                }
            ),
            "messages[0].content[0].citations",
        ),
        (user({"type": "tool_result"}), "messages[0].content[0]"),
        (
            user({"type": "tool_result", "tool_use_id": "1", "content": [{"type": "x"}]}),
            "messages[0].content[0].content[0]",
        ),
        (
            user({"type": "tool_result", "tool_use_id": "1", "content": {"a": 1}}),
            "messages[0].content[0].content",
        ),
        (user({"text": "no type"}), "messages[0].content[0]"),
        (user(5), "messages[0].content[0]"),
        (assistant({"type": "web_search_tool_result"}), "messages[0].content[0]"),
        (assistant({"type": "image", "source": PNG}), "messages[0].content[0]"),
        (assistant({"type": "tool_use", "name": "x"}), "messages[0].content[0]"),
        (
            assistant({"type": "tool_use", "id": "1", "name": "x", "input": [1]}),
            "messages[0].content[0].input",
        ),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0]"),
        ({"system": [{"type": "image"}]}, "system[0]"),
        ({"tools": [{"name": "x"}]}, "tools[0]"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "some"}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool"}}, "tool_choice"),
        ({"thinking": {"type": "some"}}, "thinking"),
        (
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "some"}},
            "output_config.effort",
        ),
        ({"output_config": {"format": {"type": "regex"}}}, "output_config.format"),
        ({"output_config": {"tone": "kind"}}, "output_config"),
        ({"service_tier": "best"}, "service_tier"),
        ({"temperature": "hot"}, "temperature"),
        ({"stop_sequences": [1]}, "stop_sequences[0]"),
    ],
)
def test_what_is_wrong_or_cannot_be_said_is_a_400_that_names_it(members, param):
    assert refused(**members).param == param


def test_names_of_the_caller_are_not_repeated_at_length():
    error = refused(**user({"type": "x" * 5000}))
    assert len(error.message) < 300


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{}", "model"),
        (b'{"model":"m","messages":[{}]}', "max_tokens"),
        (b'{"model":"m","max_tokens":5,"messages":[]}', "messages"),
        (b'{"model":"m","max_tokens":-1,"messages":[{}]}', "max_tokens"),
        (b'{"model":"","max_tokens":1,"messages":[{}]}', "model"),
        (b'{"model":"m","max_tokens":1,"messages":[{}],"provider":{"x":1}}', "provider"),
        (b"[]", None),
        (b"", None),
        (b"\xff", None),
    ],
)
def test_a_request_without_what_it_needs_is_a_400(body, param):
    with pytest.raises(ApiError) as caught:
        MessagesInbound(body)
    assert (caught.value.status, caught.value.param) == (400, param)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "text", "content", "source", "id", "name", "input", "tool_use_id", "role"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
_kinds = st.sampled_from(
    ["text", "image", "document", "tool_use", "tool_result", "thinking", "search_result", "x"]
)
_blocks = st.dictionaries(
    st.sampled_from(["text", "source", "id", "name", "input", "tool_use_id", "content", "title"]),
    _json,
    max_size=5,
).flatmap(lambda block: _kinds.map(lambda kind: {"type": kind} | block))
_members = st.dictionaries(
    st.sampled_from(
        ["system", "tools", "tool_choice", "thinking", "output_config", "stop_sequences", "x"]
    ),
    _json,
    max_size=4,
)


@given(
    st.lists(st.tuples(st.sampled_from(["user", "assistant", "system"]), st.lists(_blocks))),
    _members,
)
def test_no_hostile_body_raises_anything_but_a_400(turns, members):
    messages = [{"role": role, "content": blocks} for role, blocks in turns]
    try:
        as_chat(messages=messages, **members)
    except ApiError as error:
        assert error.status == 400


@given(st.binary(max_size=100))
def test_no_bytes_raise_anything_but_a_400(body):
    try:
        MessagesInbound(body)
    except ApiError as error:
        assert error.status == 400


@pytest.mark.parametrize("opening", [b"[", b'{"content":['])
def test_a_body_nested_too_deeply_is_a_400(opening):
    body = body_of().replace(b'"Hello"', opening * 100_000)
    with pytest.raises(ApiError) as caught:
        MessagesInbound(body).request_for(ENDPOINT, NO_DIALECT, b"")
    assert caught.value.status == 400
