"""Streams of every dialect, put together."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.gateway.content.answers import gather_stream, is_stream


def events(*payloads, ending=b""):
    return b"".join(b"data: %b\n\n" % json.dumps(each).encode() for each in payloads) + ending


def chat(delta, index=0, finish=None):
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish}]}


def test_chunks_of_chat_become_one_text_a_choice():
    stream = events(
        chat({"role": "assistant", "content": ""}),
        chat({"content": "Wri"}),
        chat({"content": "B"}, index=1),
        chat({"reasoning_content": "Hm"}),
        chat({"content": "te ada@exam"}),
        chat({"content": "ple.org"}, finish="stop"),
        {"choices": [], "usage": {"prompt_tokens": 3}},
        ending=b"data: [DONE]\n\n",
    )
    assert is_stream(stream)
    assert gather_stream(stream) == {
        "streamed": True,
        "choices": [
            {
                "index": 0,
                "text": "Write ada@example.org",
                "reasoning": "Hm",
                "finish_reason": "stop",
            },
            {"index": 1, "text": "B"},
        ],
    }


def test_calls_of_tools_keep_their_arguments():
    def call(index, name=None, arguments=""):
        function = {"arguments": arguments} | ({"name": name} if name else {})
        return chat({"tool_calls": [{"index": index, "function": function}]})

    stream = events(
        call(0, "f"), call(1, "g", "{}"), call(0, arguments='{"a":'), call(0, None, "1}")
    )
    assert gather_stream(stream)["choices"] == [
        {
            "index": 0,
            "tool_calls": [
                {"name": "f", "arguments": '{"a":1}'},
                {"name": "g", "arguments": "{}"},
            ],
        }
    ]


def test_completions_are_texts_of_choices():
    stream = events({"choices": [{"index": 0, "text": "a"}]}, {"choices": [{"text": "b"}]})
    assert gather_stream(stream)["choices"] == [{"index": 0, "text": "ab"}]


def test_events_of_messages():
    stream = b"event: message_start\n" + events(
        {"type": "message_start", "message": {"content": []}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking"}},
        {"type": "content_block_delta", "index": 0, "delta": {"thinking": "Hm"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Hi"}},
        {"type": "content_block_start", "index": 2, "content_block": {"name": "f", "input": {}}},
        {"type": "content_block_delta", "index": 2, "delta": {"partial_json": '{"a"'}},
        {"type": "content_block_delta", "index": 2, "delta": {"partial_json": ":1}"}},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
        {"type": "message_stop"},
    )
    assert gather_stream(stream)["choices"] == [
        {
            "index": 0,
            "text": "Hi",
            "reasoning": "Hm",
            "tool_calls": [{"name": "f", "arguments": '{"a":1}'}],
            "finish_reason": "tool_use",
        }
    ]


def test_events_of_responses():
    stream = events(
        {"type": "response.created", "response": {"status": "in_progress"}},
        {"type": "response.reasoning_summary_text.delta", "delta": "Hm"},
        {"type": "response.output_text.delta", "output_index": 0, "delta": "H"},
        {"type": "response.output_text.delta", "output_index": 0, "delta": "i"},
        {"type": "response.output_text.done", "text": "Hi"},
        {"type": "response.refusal.delta", "delta": "No"},
        {"type": "response.output_item.added", "output_index": 1, "item": {"name": "f"}},
        {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": "{}"},
        {"type": "response.audio.delta", "delta": "AAAA"},
        {"type": "response.failed", "response": {"status": "failed", "error": {"code": "x"}}},
    )
    assert gather_stream(stream) == {
        "streamed": True,
        "choices": [
            {
                "index": 0,
                "text": "Hi",
                "reasoning": "Hm",
                "refusal": "No",
                "tool_calls": [{"name": "f", "arguments": "{}"}],
                "finish_reason": "failed",
            }
        ],
        "error": {"code": "x"},
    }


def test_entries_of_gemini_as_events_and_as_one_array():
    def entry(*parts, finish=None):
        candidate = {"content": {"parts": list(parts)}, "finishReason": finish}
        return {"candidates": [candidate]}

    entries = [
        entry({"text": "Hm", "thought": True}),
        entry({"text": "H"}),
        entry({"text": "i"}, {"functionCall": {"name": "f", "args": {"a": 1}}}, finish="STOP"),
    ]
    expected = [
        {
            "index": 0,
            "text": "Hi",
            "reasoning": "Hm",
            "tool_calls": [{"name": "f", "arguments": '{"a":1}'}],
            "finish_reason": "STOP",
        }
    ]
    array = json.dumps(entries).encode()
    assert gather_stream(events(*entries))["choices"] == expected
    assert gather_stream(array)["choices"] == expected
    assert gather_stream(array.rstrip(b"]") + b",\r\n")["choices"] == expected


def test_an_error_within_a_stream_is_kept():
    stream = events(chat({"content": "H"}), {"error": {"message": "gone"}})
    assert gather_stream(stream)["error"] == {"message": "gone"}


def test_an_end_that_is_cut_is_left_out():
    stream = events(chat({"content": "Hi"})) + b'data: {"choices": [{"del'
    assert gather_stream(stream)["choices"] == [{"index": 0, "text": "Hi"}]


@pytest.mark.parametrize("body", [b"{}", b"[]", b"", b"\x00"])
def test_other_bodies_are_no_streams(body):
    assert not is_stream(body)


SHAPES = st.sampled_from(
    [
        "choices",
        "delta",
        "type",
        "candidates",
        "content",
        "parts",
        "tool_calls",
        "function",
        "index",
        "text",
        "error",
        "response",
        "item",
        "name",
        "functionCall",
        "response.x.delta",
        "content_block_delta",
        "message_delta",
        "finishReason",
    ]
)
HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | SHAPES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SHAPES, inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(HOSTILE, max_size=5))
def test_no_shape_of_an_event_stops_it(payloads):
    assert gather_stream(events(*payloads))["streamed"] is True
    assert gather_stream(json.dumps(payloads).encode())["streamed"] is True


@given(st.binary(max_size=200))
def test_any_bytes_are_taken(data):
    assert gather_stream(data)["streamed"] is True
