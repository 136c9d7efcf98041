"""Requests to hosts that speak the Messages dialect, from clients that speak it and from others.

Expected bodies are written from "Create a Message", "Tool use", "Structured outputs", "Thinking"
and "Troubleshooting thinking" (platform.claude.com).
"""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from provider_parts import ENDPOINT, chat_request, sent

from tradewind.plugins.providers.anthropic import Anthropic
from tradewind.plugins.providers.base import Dialect, ProviderRequest
from tradewind.plugins.providers.registry import providers
from tradewind.snapshot.contents import Operation, Target
from tradewind.wire.chat import decode_fields
from tradewind.wire.errors import ApiError
from tradewind.wire.messages import INVALID_JSON, UNSIGNED

PROVIDER = Anthropic()
TARGET = Target("d", "r", "anthropic", "https://host.test:443", "claude-haiku-4-5", "key-of-target")
SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}}
FUNCTION = {
    "type": "function",
    "function": {"name": "look", "description": "Looks.", "parameters": SCHEMA},
}
TOOL = {"name": "look", "description": "Looks.", "input_schema": SCHEMA}
USER = {"role": "user", "content": "Hi"}


def on(model, **options):
    return msgspec.structs.replace(TARGET, upstream_model=model, options=options)


def native(**members):
    body = {"model": "small", "max_tokens": 9, "messages": [USER]} | members
    return ProviderRequest(
        ENDPOINT,
        decode_fields(json.dumps(body).encode()),
        None,
        dialect=Dialect.MESSAGES,
        headers=b"anthropic-beta: tomorrow-2030-01-01\r\n",
    )


def body_for(target=TARGET, **members):
    return sent(PROVIDER.prepare(chat_request(**members), target))


def messages_for(*messages):
    return body_for(messages=list(messages))["messages"]


def refused(**members):
    with pytest.raises(ApiError) as caught:
        PROVIDER.prepare(chat_request(**members), TARGET)
    assert caught.value.status == 400
    return caught.value


def test_the_provider_is_one_of_the_family():
    provider = providers()["anthropic"]
    assert provider.dialects == {Dialect.MESSAGES}
    assert provider.operations == {Operation.CHAT}


def test_the_head_has_the_key_and_the_version_where_this_host_looks_for_them():
    prepared = PROVIDER.prepare(native(), TARGET)
    lines = prepared.head.split(b"\r\n")
    assert lines[0] == b"POST /v1/messages HTTP/1.1"
    assert lines[-2:] == [b"", b""]
    assert {
        b"x-api-key: key-of-target",
        b"anthropic-version: 2023-06-01",
        b"anthropic-beta: tomorrow-2030-01-01",
        b"content-type: application/json",
        b"content-length: %d" % len(prepared.body),
    } <= set(lines)
    assert not any(line.startswith(b"authorization") for line in lines)


def test_the_version_is_an_option_of_the_target():
    prepared = PROVIDER.prepare(native(), on("m", version="2030-01-01"))
    assert b"anthropic-version: 2030-01-01\r\n" in prepared.head


def test_a_messages_request_passes_with_nothing_changed_but_the_model():
    members = {
        "system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}],
        "thinking": {"type": "enabled", "budget_tokens": 2048},
        "a_beta_member": {"of": "tomorrow"},
    }
    request = native(**members)
    assert (
        sent(PROVIDER.prepare(request, TARGET))
        == {
            "model": "claude-haiku-4-5",
            "max_tokens": 9,
            "messages": [USER],
        }
        | members
    )
    assert json.loads(bytes(request.fields["model"])) == "small", "the request is not changed"


def test_thinking_that_another_target_wrote_is_not_sent_to_who_cannot_have_signed_it():
    foreign = {"type": "thinking", "thinking": "x", "signature": UNSIGNED}
    own = {"type": "thinking", "thinking": "y", "signature": "EqQB"}
    said = {"type": "text", "text": f"What is {UNSIGNED}?"}
    messages = [
        USER,
        {"role": "assistant", "content": [foreign, own, said]},
        {"role": "user", "content": UNSIGNED},
        {"role": "assistant", "content": [foreign]},
        USER,
    ]
    assert sent(PROVIDER.prepare(native(messages=messages), TARGET))["messages"] == [
        USER,
        {"role": "assistant", "content": [own, said]},
        {"role": "user", "content": UNSIGNED},
        USER,
    ]


@pytest.mark.parametrize("content", [[5, UNSIGNED], [[UNSIGNED]], [{"x": UNSIGNED}]])
def test_blocks_that_are_none_are_a_400(content):
    request = native(messages=[{"role": "user", "content": content}])
    with pytest.raises(ApiError) as caught:
        PROVIDER.prepare(request, TARGET)
    assert caught.value.status == 400


def test_a_plain_request_of_the_common_form():
    found = body_for(
        stream=True,
        temperature=0.5,
        top_p=0.9,
        top_k=5,
        stop=["END"],
        max_tokens=7,
        service_tier="default",
    )
    assert found == {
        "model": "claude-haiku-4-5",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
        "max_tokens": 7,
        "stream": True,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 5,
        "stop_sequences": ["END"],
        "service_tier": "standard_only",
    }
    assert body_for(stop="END")["stop_sequences"] == ["END"]


def test_the_output_limit_is_the_callers_or_the_models():
    assert body_for()["max_tokens"] == ENDPOINT.max_output_tokens
    assert body_for(max_completion_tokens=5)["max_tokens"] == 5


def test_system_messages_are_gathered_and_turns_of_one_role_become_one():
    found = body_for(
        messages=[
            {"role": "system", "content": "One"},
            {"role": "user", "content": "a"},
            {"role": "developer", "content": [{"type": "text", "text": "Two"}]},
            {"role": "user", "content": [{"type": "text", "text": "b"}]},
            {"role": "assistant", "content": "c"},
            {"role": "assistant", "content": ""},
            {"role": "user", "content": "d", "name": "Ann"},
        ]
    )
    assert found["system"] == [{"type": "text", "text": "One"}, {"type": "text", "text": "Two"}]
    assert found["messages"] == [
        {
            "role": "user",
            "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "c"}]},
        {"role": "user", "content": [{"type": "text", "text": "d"}]},
    ]


def test_calls_and_their_results_are_blocks_of_two_turns():
    found = messages_for(
        USER,
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "Hm",
            "tool_calls": [
                {
                    "id": "functions.look:0",
                    "type": "function",
                    "function": {"name": "look", "arguments": '{"at": "x"}'},
                },
                {"id": "b", "type": "function", "function": {"name": "look", "arguments": ""}},
                {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{"}},
            ],
        },
        {"role": "tool", "tool_call_id": "functions.look:0", "content": "A ship"},
        {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "None"}]},
        {"role": "user", "content": "And now?"},
    )
    assert found[1:] == [
        {
            "role": "assistant",
            "content": [
                {
                    "type": "tool_use",
                    "id": "functions_look_0",
                    "name": "look",
                    "input": {"at": "x"},
                },
                {"type": "tool_use", "id": "b", "name": "look", "input": {}},
                {"type": "tool_use", "id": "c", "name": "look", "input": {INVALID_JSON: "{"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "functions_look_0", "content": "A ship"},
                {
                    "type": "tool_result",
                    "tool_use_id": "b",
                    "content": [{"type": "text", "text": "None"}],
                },
                {"type": "text", "text": "And now?"},
            ],
        },
    ]


def test_parts_become_blocks_and_keep_their_cache_marks():
    mark = {"type": "ephemeral"}
    [turn] = messages_for(
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look", "cache_control": mark},
                {"type": "text", "text": ""},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}},
                {"type": "image_url", "image_url": {"url": "https://x.test/a", "detail": "low"}},
                {
                    "type": "file",
                    "file": {
                        "filename": "a.pdf",
                        "file_data": "data:application/pdf;base64,JVBE",
                    },
                },
            ],
        }
    )
    assert turn["content"] == [
        {"type": "text", "text": "Look", "cache_control": mark},
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"},
        },
        {"type": "image", "source": {"type": "url", "url": "https://x.test/a"}},
        {
            "type": "document",
            "title": "a.pdf",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
        },
    ]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, {}),
        ({"tool_choice": "auto"}, {}),
        ({"tool_choice": "required"}, {"tool_choice": {"type": "any"}}),
        ({"tool_choice": "none"}, {"tool_choice": {"type": "none"}}),
        (
            {"tool_choice": {"type": "function", "function": {"name": "look"}}},
            {"tool_choice": {"type": "tool", "name": "look"}},
        ),
        (
            {"parallel_tool_calls": False},
            {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        ),
        (
            {"tool_choice": "none", "parallel_tool_calls": False},
            {"tool_choice": {"type": "none"}},
        ),
    ],
)
def test_functions_are_tools(asked, expected):
    found = body_for(tools=[FUNCTION], **asked)
    assert found == body_for() | {"tools": [TOOL]} | expected


def test_a_function_without_parameters_takes_an_empty_object():
    for parameters in ({}, {"parameters": None}):
        function = {"name": "wait", "strict": True} | parameters
        [tool] = body_for(tools=[{"type": "function", "function": function}])["tools"]
        assert tool == {
            "name": "wait",
            "strict": True,
            "input_schema": {"type": "object", "properties": {}},
        }


def test_a_schema_of_the_answer_is_a_format():
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    assert body_for(response_format=wanted)["output_config"] == {
        "format": {"type": "json_schema", "schema": SCHEMA}
    }
    assert "output_config" not in body_for(response_format={"type": "text"})


@pytest.mark.parametrize(
    ("model", "adaptive"),
    [
        ("claude-3-7-sonnet-20250219", False),
        ("claude-opus-4-20250514", False),
        ("claude-sonnet-4-5-20250929", False),
        ("claude-haiku-4-5@20251001", False),
        ("claude-opus-4-6", True),
        ("claude-opus-4.6", True),
        ("anthropic.claude-opus-4-7-v1:0", True),
        ("claude-sonnet-5", True),
        ("claude-opus-5-5", True),
        ("claude-mythos-preview", True),
        ("minimax-m2", False),
    ],
)
def test_the_effort_takes_the_form_that_the_model_knows(model, adaptive):
    found = body_for(on(model), reasoning_effort="medium")
    if adaptive:
        assert found["thinking"] == {"type": "adaptive"}
        assert found["output_config"] == {"effort": "medium"}
    else:
        assert found["thinking"] == {"type": "enabled", "budget_tokens": 1536}
        assert "output_config" not in found


def test_the_form_of_thinking_is_an_option_of_the_target():
    assert body_for(on("m", thinking="adaptive"), reasoning_effort="low")["thinking"] == {
        "type": "adaptive"
    }
    found = body_for(on("claude-opus-5", thinking="budget"), reasoning_effort="low")
    assert found["thinking"]["type"] == "enabled"


@pytest.mark.parametrize(
    ("effort", "budget"), [("minimal", 2048), ("low", 2048), ("medium", 8192), ("high", 24576)]
)
def test_a_budget_follows_the_effort_and_leaves_room_for_the_answer(effort, budget):
    found = body_for(reasoning_effort=effort, max_tokens=100_000)
    assert found["thinking"]["budget_tokens"] == budget
    found = body_for(reasoning_effort=effort, max_tokens=2000)
    assert found["thinking"]["budget_tokens"] == 1500


@pytest.mark.parametrize(
    "asked",
    [
        {"max_tokens": 1000},
        {"tools": [FUNCTION], "tool_choice": "required"},
        {"messages": [USER, {"role": "tool", "tool_call_id": "1", "content": "x"}]},
        {"reasoning_effort": "none"},
        {"reasoning_effort": None},
    ],
)
def test_there_is_no_budget_where_the_host_would_refuse_one(asked):
    assert "thinking" not in body_for(**({"reasoning_effort": "high"} | asked))


def test_thinking_that_the_client_configures_itself_wins():
    thinking = {"type": "enabled", "budget_tokens": 1024}
    assert body_for(thinking=thinking, reasoning_effort="high")["thinking"] == thinking


def test_knobs_that_change_no_answer_and_values_that_ask_for_nothing_are_left_out():
    assert (
        body_for(
            seed=5,
            user="u",
            metadata={"a": "b"},
            store=True,
            stream_options={"include_usage": True},
            prompt_cache_key="k",
            n=1,
            logprobs=False,
            presence_penalty=0,
            frequency_penalty=0.0,
            logit_bias={},
            modalities=["text"],
            functions=None,
            tools=[],
        )
        == body_for()
    )


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("n", 2),
        ("logprobs", True),
        ("presence_penalty", 0.5),
        ("frequency_penalty", -1),
        ("logit_bias", {"5": 1}),
        ("modalities", ["text", "audio"]),
        ("audio", {"voice": "x"}),
        ("functions", [{"name": "x"}]),
        ("web_search_options", {"x": 1}),
        ("service_tier", "flex"),
        ("of_tomorrow", 1),
    ],
)
def test_a_member_that_means_something_and_cannot_be_said_is_refused_by_name(member, value):
    error = refused(**{member: value})
    assert (error.param, error.code) == (member, "unsupported_content")


def with_message(**message):
    return {"messages": [message]}


def with_part(**part):
    return with_message(role="user", content=[part])


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"temperature": 1.5}, "temperature"),
        ({"temperature": -0.1}, "temperature"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
        (with_message(role="robot", content="x"), "messages[0].role"),
        (with_message(role="function", content="x"), "messages[0].role"),
        (with_message(role="tool", content="x"), "messages[0]"),
        (with_message(role="user", content=5), "messages[0].content"),
        (
            with_message(role="assistant", function_call={"name": "x"}),
            "messages[0].function_call",
        ),
        (
            with_message(role="assistant", tool_calls=[{"id": "1", "type": "custom"}]),
            "messages[0].tool_calls[0]",
        ),
        (with_part(type="input_audio"), "messages[0].content[0]"),
        (with_part(type="text"), "messages[0].content[0]"),
        (
            with_part(type="image_url", image_url={"url": "ftp://x"}),
            "messages[0].content[0].image_url",
        ),
        (with_part(type="file", file={"file_id": "file-1"}), "messages[0].content[0].file"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0]"),
        ({"tools": [FUNCTION], "tool_choice": "some"}, "tool_choice"),
        ({"tools": [FUNCTION], "tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"reasoning_effort": "some"}, "reasoning_effort"),
    ],
)
def test_what_is_wrong_or_cannot_be_said_is_a_400_that_names_it(members, param):
    assert refused(**members).param == param


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "text", "content", "image_url", "url", "file", "id", "function", "name"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
_messages = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool"])},
    optional={
        "content": _json,
        "tool_calls": _json,
        "tool_call_id": _json,
        "refusal": _json,
    },
)
_members = st.dictionaries(
    st.sampled_from(["stop", "reasoning_effort", "service_tier", "modalities", "logit_bias", "x"]),
    _json,
    max_size=3,
)


@given(st.lists(_messages, min_size=1, max_size=4), _members)
def test_no_hostile_request_raises_anything_but_a_400(messages, members):
    try:
        body_for(messages=messages, **members)
    except ApiError as error:
        assert error.status == 400
