"""Answers of hosts that speak the Messages dialect, to clients that speak it and to others."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages_answers import (
    PING,
    STREAM,
    WHOLE,
    end,
    error_body,
    event,
    start,
    text,
    thinking,
    tool_use,
)
from provider_parts import ENDPOINT, NAME, chat_request, chunks, read, splits

from tradewind.plugins.providers.anthropic import Anthropic
from tradewind.plugins.providers.base import Dialect, ProviderRequest, TokenCounts
from tradewind.snapshot.contents import Target
from tradewind.wire.chat import decode_fields
from tradewind.wire.errors import ApiError
from tradewind.wire.sse import MOST_EVENT_BYTES

PROVIDER = Anthropic()
TARGET = Target("d", "r", "anthropic", "https://host.test:443", "claude-haiku-4-5", "key")
COUNTS = TokenCounts(100, 60, 20, 30, 5)


def native(*, stream=False, target=TARGET):
    body = b'{"model":"small","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}'
    request = ProviderRequest(
        ENDPOINT, decode_fields(body), None, dialect=Dialect.MESSAGES, streams=stream
    )
    return PROVIDER.prepare(request, target).reader


def as_chat(**members):
    return PROVIDER.prepare(chat_request(**members), TARGET).reader


# To clients of the same dialect.


def test_a_whole_answer_passes_with_the_clients_name_of_the_model():
    reader = native()
    answer = json.loads(read(reader, json.dumps(WHOLE).encode()))
    assert answer == WHOLE | {"model": NAME}
    assert reader.counts == COUNTS


def test_members_that_nobody_knows_pass():
    whole = WHOLE | {"container": {"id": "c"}, "content": [{"type": "of_tomorrow", "x": 1}]}
    answer = json.loads(read(native(), json.dumps(whole).encode()))
    assert answer == whole | {"model": NAME}


def test_a_stream_passes_byte_for_byte_but_for_the_name():
    reader = native(stream=True)
    assert read(reader, STREAM) == STREAM.replace(b'"claude-haiku-4-5"', f'"{NAME}"'.encode())
    assert reader.counts == COUNTS
    assert reader.output_events == 7


def test_a_stream_of_the_clients_own_name_is_not_touched():
    target = Target("d", "r", "anthropic", "https://host.test:443", NAME, "key")
    assert read(native(stream=True, target=target), STREAM) == STREAM


def test_a_stream_may_be_cut_anywhere():
    short = start() + PING + text(0, "Hi") + end()
    expected = read(native(stream=True), short)
    for pieces in splits(short, count=40):
        reader = native(stream=True)
        assert read(reader, *pieces) == expected
        assert reader.counts == COUNTS


def test_the_end_is_held_back_until_the_upstream_has_ended():
    reader = native(stream=True)
    assert b"message_stop" not in reader.feed(STREAM)
    assert reader.finish() == event("message_stop")


def test_nothing_behind_the_end_is_passed_on():
    reader = native(stream=True)
    reader.feed(STREAM + PING + b"data: [DONE]\n\n")
    assert reader.feed(PING) == b""
    assert reader.finish() == event("message_stop")


def test_counts_grow_with_the_stream():
    reader = native(stream=True)
    reader.feed(start())
    assert reader.counts == TokenCounts(100, 60, 1, 30)
    final = {"input_tokens": 11, "cache_read_input_tokens": 0, "output_tokens": 9}
    reader.feed(text(0, "Hi") + end(usage=final))
    assert reader.counts == TokenCounts(41, 0, 9, 30)


def test_a_text_that_looks_like_events_is_a_text():
    piece = 'say "message_stop" and {"type":"message_start"} and "error"'
    stream = start() + text(0, piece) + end()
    passed = read(native(stream=True), stream)
    assert passed.count(b"event: message_stop") == 1
    assert json.dumps(piece).encode() in passed


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        start(),
        start() + text(0, "Hi"),
        STREAM[:-1],
        b"{}",
        b"<html>\n\n",
        event("message_start"),
        STREAM + b"event: ping",
        b'data: {"type":"message_start","message":{}\n\n',
        b"data: " + b"x" * (MOST_EVENT_BYTES + 1),
    ],
    ids=range(10),
)
@pytest.mark.parametrize("shape", ["native", "chat"])
def test_a_stream_that_is_cut_or_is_none_is_a_broken_answer(stream, shape):
    reader = native(stream=True) if shape == "native" else as_chat(stream=True)
    with pytest.raises(ApiError) as caught:
        read(reader, stream)
    assert (caught.value.status, caught.value.code) == (502, "upstream_error")


@pytest.mark.parametrize("body", [b"", b"nothing", b"[]", b'{"content":5}', b"\xff"])
def test_a_whole_answer_that_cannot_be_read_is_a_broken_answer(body):
    with pytest.raises(ApiError) as caught:
        read(as_chat(), body)
    assert caught.value.status == 502
    if body != b'{"content":5}':  # what we need not understand, clients of the dialect may
        with pytest.raises(ApiError):
            read(native(), body)


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("overloaded_error", 503, "model_busy"),
        ("rate_limit_error", 503, "model_busy"),
        ("api_error", 502, "upstream_error"),
    ],
)
@pytest.mark.parametrize("begun", [b"", start() + text(0, "Hi")])
@pytest.mark.parametrize("shape", ["native", "chat"])
def test_an_error_event_fails_the_call(kind, status, code, begun, shape):
    reader = native(stream=True) if shape == "native" else as_chat(stream=True)
    reader.feed(begun)
    with pytest.raises(ApiError) as caught:
        reader.feed(event("error", error={"type": kind, "message": "secret words"}))
    assert (caught.value.status, caught.value.code) == (status, code)
    assert "secret" not in caught.value.message


# To clients of the common form.


def test_a_whole_answer_in_the_common_form():
    reader = as_chat()
    answer = json.loads(read(reader, json.dumps(WHOLE).encode()))
    assert answer.pop("created") > 1_700_000_000
    assert answer == {
        "id": "chatcmpl-msg_01",
        "object": "chat.completion",
        "model": NAME,
        "choices": [
            {
                "index": 0,
                "logprobs": None,
                "finish_reason": "tool_calls",
                "message": {
                    "role": "assistant",
                    "content": "Let me see",
                    "refusal": None,
                    "reasoning_content": "Hm, well",
                    "tool_calls": [
                        {
                            "id": "toolu_1",
                            "type": "function",
                            "function": {"name": "look", "arguments": '{"at": "x"}'},
                        },
                        {
                            "id": "toolu_2",
                            "type": "function",
                            "function": {"name": "wait", "arguments": "{}"},
                        },
                    ],
                },
            }
        ],
        "usage": {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
            "completion_tokens_details": {"reasoning_tokens": 5},
        },
    }
    assert reader.counts == COUNTS


def together(events):
    """Return what chunks of the common form add up to, as OpenAI's clients add them."""
    message, finish = {"content": "", "reasoning_content": "", "tool_calls": []}, None
    for chunk in events:
        for choice in chunk["choices"]:
            delta = choice["delta"]
            message["content"] += delta.get("content") or ""
            message["reasoning_content"] += delta.get("reasoning_content") or ""
            for call in delta.get("tool_calls") or ():
                if call["index"] == len(message["tool_calls"]):
                    message["tool_calls"].append(call | {"function": dict(call["function"])})
                else:
                    function = message["tool_calls"][call["index"]]["function"]
                    function["arguments"] += call["function"]["arguments"]
            finish = choice["finish_reason"] or finish
    return message, finish


def test_a_stream_in_the_common_form():
    reader = as_chat(stream=True)
    events = chunks(read(reader, STREAM))
    assert events[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert {(each["id"], each["model"], each["object"]) for each in events} == {
        ("chatcmpl-msg_01", NAME, "chat.completion.chunk")
    }
    message, finish = together(events)
    assert finish == "tool_calls"
    calls = [
        (call["index"], call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in message["tool_calls"]
    ]
    assert calls == [(0, "toolu_1", "look", '{"at": "x"}'), (1, "toolu_2", "wait", "{}")]
    assert (message["content"], message["reasoning_content"]) == ("Let me see", "Hm, well")
    assert reader.counts == COUNTS
    assert reader.output_events == 6
    assert all("usage" not in each for each in events)


def test_usage_is_shown_to_who_asked_for_it():
    reader = as_chat(stream=True, stream_options={"include_usage": True})
    last = chunks(read(reader, STREAM))[-1]
    assert last["choices"] == []
    assert last["usage"]["prompt_tokens"] == 100


def test_a_chat_stream_may_be_cut_anywhere():
    short = start() + PING + thinking(0, "Hm") + text(1, "Hi") + end("max_tokens")
    expected = together(chunks(read(as_chat(stream=True), short)))
    assert expected[1] == "length"
    for pieces in splits(short, count=40):
        reader = as_chat(stream=True)
        assert together(chunks(read(reader, *pieces))) == expected
        assert reader.counts == COUNTS


def test_the_end_of_a_chat_stream_is_held_back():
    reader = as_chat(stream=True)
    passed = reader.feed(STREAM)
    assert b'finish_reason":"' not in passed
    assert reader.finish().endswith(b"data: [DONE]\n\n")


def test_arguments_that_come_with_the_start_of_their_block_are_not_lost():
    stream = start() + tool_use(0, "t", "look", given={"at": 1}) + end("tool_use")
    message, _ = together(chunks(read(as_chat(stream=True), stream)))
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == {"at": 1}


def test_kinds_of_events_and_blocks_that_are_not_known_are_left_out():
    stream = (
        start()
        + event("of_tomorrow", x=1)
        + event("content_block_start", index=0, content_block={"type": "server_tool_use"})
        + event(
            "content_block_delta",
            index=0,
            delta={"type": "input_json_delta", "partial_json": "{}"},
        )
        + event("content_block_stop", index=0)
        + text(1, "Hi")
        + end()
    )
    message, _ = together(chunks(read(as_chat(stream=True), stream)))
    assert (message["content"], message["tool_calls"]) == ("Hi", [])


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("of_tomorrow", "stop"),
    ],
)
def test_a_stop_reason_becomes_a_finish_reason(reason, finish):
    whole = json.dumps(WHOLE | {"stop_reason": reason}).encode()
    assert json.loads(read(as_chat(), whole))["choices"][0]["finish_reason"] == finish
    stream = start() + text(0, "Hi") + end(reason)
    assert together(chunks(read(as_chat(stream=True), stream)))[1] == finish


def test_usage_without_a_cache_is_known_to_be_without():
    usage = {"input_tokens": 7, "output_tokens": 2}
    reader = native()
    read(reader, json.dumps(WHOLE | {"usage": usage}).encode())
    assert reader.counts == TokenCounts(7, None, 2)


@pytest.mark.parametrize("usage", [None, 5, {"input_tokens": "many"}])
def test_usage_that_cannot_be_read_is_unknown(usage):
    reader = native()
    read(reader, json.dumps(WHOLE | {"usage": usage}).encode())
    assert reader.counts == TokenCounts()


@given(st.lists(st.integers(0, len(STREAM)), max_size=6), st.booleans())
def test_a_stream_with_a_hole_never_raises_anything_but_a_502(cuts, is_native):
    reader = native(stream=True) if is_native else as_chat(stream=True)
    edges = sorted(cuts)
    raw = STREAM[: edges[0]] + STREAM[edges[-1] :] if edges else STREAM
    try:
        read(reader, raw)
    except ApiError as error:
        assert error.status == 502


# Errors.


@pytest.mark.parametrize(
    ("status", "kind", "message", "expected"),
    [
        (400, "invalid_request_error", "temperature: too hot", (400, "refused_by_model")),
        (
            400,
            "invalid_request_error",
            "prompt is too long: 210266 tokens > 200000 maximum",
            (400, "context_length_exceeded"),
        ),
        (
            400,
            "invalid_request_error",
            "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000",
            (400, "context_length_exceeded"),
        ),
        (413, "request_too_large", "Too large", (413, "refused_by_model")),
        (429, "rate_limit_error", "Slow down", (429, "model_busy")),
        (529, "overloaded_error", "Overloaded", (503, "model_busy")),
        (503, "overloaded_error", "Overloaded", (503, "model_busy")),
        (500, "api_error", "Oops", (502, "upstream_error")),
    ],
)
def test_an_error_that_the_caller_can_do_something_about(status, kind, message, expected):
    error = PROVIDER.error_of(status, error_body(kind, message))
    assert (error.status, error.code) == expected
    assert (error.status != 400) or error.message == message


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (401, "authentication_error", "invalid x-api-key sk-ant-1"),
        (402, "billing_error", "Pay us"),
        (403, "permission_error", "Not for you"),
        (404, "not_found_error", "model: claude-x"),
        (400, "invalid_request_error", "Your credit balance is too low to access the API."),
    ],
)
def test_what_only_the_operator_can_mend_is_a_502_that_tells_nothing(status, kind, message):
    error = PROVIDER.error_of(status, error_body(kind, message))
    assert (error.status, error.code) == (502, "upstream_error")
    assert message not in error.message


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error":"x"}', b'{"error":{}}'])
def test_an_error_of_any_shape_is_an_error(body):
    assert PROVIDER.error_of(400, body).status == 400
    assert PROVIDER.error_of(500, body).status == 502
