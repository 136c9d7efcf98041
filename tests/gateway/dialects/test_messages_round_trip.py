"""From Messages to the common form and back: what both can say means the same afterwards."""

import json

from hypothesis import given
from hypothesis import strategies as st
from messages_parts import (
    ANTHROPIC,
    ENDPOINT,
    NAME,
    NO_DIALECT,
    content_of,
    inbound,
    legal,
)

from tradewind.gateway.dialects.base import TranslatedAnswer
from tradewind.gateway.dialects.messages_writer import MessagesWriter
from tradewind.plugins.providers.dialects.messages import MessagesAnswer
from tradewind.plugins.providers.dialects.messages_chat import (
    MessagesAnswerAsChat,
    MessagesStreamAsChat,
)
from tradewind.plugins.providers.dialects.messages_request import to_messages

_text = st.text(min_size=1, max_size=8)
_inputs = st.dictionaries(st.text(max_size=4), st.integers() | _text, max_size=3)
_text_block = _text.map(lambda text: {"type": "text", "text": text})
_image = st.sampled_from(
    [
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"},
        },
        {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}},
        {
            "type": "document",
            "title": "a.pdf",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
        },
    ]
)


@st.composite
def conversations(draw):
    """Return messages in the form that both ways lead to: blocks, turns that alternate, results in
    front, one text of an assistant in front of its calls.
    """
    messages, calls = [], []
    for number in range(draw(st.integers(1, 4))):
        content = [
            {"type": "tool_result", "tool_use_id": call, "content": draw(_text)} for call in calls
        ]
        content += draw(st.lists(_text_block | _image, min_size=not content, max_size=3))
        messages.append({"role": "user", "content": content})
        inputs = draw(st.lists(_inputs, max_size=2))
        calls = [f"toolu_{number}_{place}" for place in range(len(inputs))]
        said = draw(st.lists(_text_block, min_size=not calls, max_size=1))
        said += [
            {"type": "tool_use", "id": call, "name": "look", "input": given_input}
            for call, given_input in zip(calls, inputs, strict=True)
        ]
        messages.append({"role": "assistant", "content": said})
    return messages


_members = st.fixed_dictionaries(
    {},
    optional={
        "system": st.lists(_text_block, min_size=1, max_size=1),
        "temperature": st.sampled_from([0, 0.5, 1]),
        "top_p": st.sampled_from([0.1, 1]),
        "stop_sequences": st.lists(_text, min_size=1, max_size=3),
        "stream": st.booleans(),
        "service_tier": st.sampled_from(["auto", "standard_only"]),
        "output_config": st.just({"format": {"type": "json_schema", "schema": {"type": "object"}}}),
        "thinking": st.sampled_from([2048, 8192, 24576]).map(
            lambda budget: {"type": "enabled", "budget_tokens": budget}
        ),
    },
)
_tools = st.just({}) | st.fixed_dictionaries(
    {
        "tools": st.just(
            [{"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}]
        )
    },
    optional={
        "tool_choice": st.sampled_from(
            [
                {"type": "any"},
                {"type": "none"},
                {"type": "tool", "name": "look"},
                {"type": "auto", "disable_parallel_tool_use": True},
            ]
        )
    },
)


@given(conversations(), _members, _tools)
def test_a_request_means_the_same_after_both_ways(messages, members, tools):
    said = {"max_tokens": 50_000, "messages": messages} | members | tools
    if tools.get("tool_choice", {}).get("type") in ("any", "tool"):
        said.pop("thinking", None)  # no host takes both
    request = inbound(**said).request_for(ENDPOINT, NO_DIALECT, b"")
    back = {
        name: json.loads(bytes(value)) for name, value in to_messages(request, ANTHROPIC).items()
    }
    assert back == said | {"model": ANTHROPIC.upstream_model}


_answer_blocks = st.lists(
    st.one_of(
        _text.map(lambda text: ("text", text)),
        _text.map(lambda text: ("thinking", text)),
        _inputs.map(lambda given_input: ("tool_use", given_input)),
    ),
    max_size=5,
)


@given(
    _answer_blocks,
    st.sampled_from(["end_turn", "max_tokens", "refusal"]),
    st.tuples(*[st.integers(0, 1000)] * 4),
)
def test_an_answer_means_the_same_after_both_ways(blocks, reason, counts):
    usage = dict(
        zip(
            (
                "input_tokens",
                "cache_creation_input_tokens",
                "cache_read_input_tokens",
                "output_tokens",
            ),
            counts,
            strict=True,
        )
    )
    content, stream = [], [_event("message_start", message={"id": "msg_1", "usage": usage})]
    for index, (kind, value) in enumerate(blocks):
        if kind == "tool_use":
            block = {"type": kind, "id": f"toolu_{index}", "name": "look", "input": value}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(value)}
            begun = block | {"input": {}}
        else:
            block = {"type": kind, kind: value}
            delta = {"type": f"{kind}_delta", kind: value}
            begun = {"type": kind, kind: ""}
        content.append(block)
        stream += [
            _event("content_block_start", index=index, content_block=begun),
            _event("content_block_delta", index=index, delta=delta),
            _event("content_block_stop", index=index),
        ]
    if any(kind == "tool_use" for kind, _ in blocks) and reason == "end_turn":
        reason = "tool_use"
    stream += [
        _event("message_delta", delta={"stop_reason": reason}, usage={"output_tokens": counts[3]}),
        _event("message_stop"),
    ]
    whole = {"id": "msg_1", "content": content, "stop_reason": reason, "usage": usage}

    for reader, raw, is_stream in (
        (MessagesAnswerAsChat(NAME), json.dumps(whole).encode(), False),
        (MessagesStreamAsChat(NAME, shows_usage=False), b"".join(stream), True),
    ):
        writer = MessagesWriter(NAME, reader, input_estimate=1)
        translated = TranslatedAnswer(reader, writer, is_stream=is_stream)
        out = translated.feed(raw) + translated.finish()
        message = legal(out) if is_stream else json.loads(out)
        assert content_of(message) == content_of({"content": content})
        assert message["stop_reason"] == reason
        assert usage.items() <= message["usage"].items()


def test_an_answer_of_the_dialect_itself_is_not_translated_on_its_way():
    reader = MessagesAnswer(None)
    whole = b'{"id":"msg_1",  "content":[],"usage":null}'
    reader.feed(whole)
    assert reader.finish() == whole


def _event(kind, **members):
    return f"event: {kind}\ndata: {json.dumps({'type': kind} | members)}\n\n".encode()
