"""Answers of hosts that speak the Gemini dialect, to clients that speak it and to others."""

import json
import struct
from base64 import b64decode
from copy import deepcopy
from typing import Any

import pytest
from gemini_answers import (
    BLOCKED,
    CALL,
    FIRST_USAGE,
    STREAM,
    USAGE,
    WHOLE,
    answer,
    error_body,
    event,
    text,
)
from hypothesis import given
from hypothesis import strategies as st
from provider_parts import (
    EMBEDDER,
    ENDPOINT,
    NAME,
    chat_request,
    chunks,
    embeddings_request,
    read,
    splits,
)

from tradewind.plugins.providers.base import Dialect, ProviderRequest, TokenCounts
from tradewind.plugins.providers.google import Google
from tradewind.snapshot.contents import Operation, Target
from tradewind.wire.chat import decode_fields
from tradewind.wire.errors import ApiError
from tradewind.wire.sse import MOST_EVENT_BYTES

PROVIDER = Google()
TARGET = Target(
    "d", "r", "google", "https://host.test:443", "gemini-2.5-flash", "key", base_path="/v1beta"
)
COUNTS = TokenCounts(100, 60, 20, None, 5)


def native(*, stream=False):
    body = b'{"contents":[{"parts":[{"text":"Hi"}]}]}'
    request = ProviderRequest(
        ENDPOINT, decode_fields(body), None, dialect=Dialect.GEMINI, streams=stream
    )
    return PROVIDER.prepare(request, TARGET).reader


def as_chat(**members):
    return PROVIDER.prepare(chat_request(**members), TARGET).reader


def whole(said):
    """Return a whole answer in the common form, and its reader."""
    reader = as_chat()
    return json.loads(read(reader, json.dumps(said).encode())), reader


def deltas(raw, index=0):
    return [
        choice["delta"]
        for chunk in chunks(raw)
        for choice in chunk["choices"]
        if choice["index"] == index and choice["delta"]
    ]


def reasons(raw):
    return [
        (choice["index"], choice["finish_reason"])
        for chunk in chunks(raw)
        for choice in chunk["choices"]
        if choice["finish_reason"] is not None
    ]


# To clients of the same dialect.


def test_a_whole_answer_passes_with_the_clients_name_of_the_model():
    reader = native()
    assert json.loads(read(reader, json.dumps(WHOLE).encode())) == WHOLE | {"modelVersion": NAME}
    assert reader.counts == COUNTS


def test_members_that_nobody_knows_pass():
    said: dict[str, Any] = deepcopy(WHOLE) | {"modelStatus": {"a": 1}}
    said["candidates"][0]["groundingMetadata"] = {"webSearchQueries": ["x"]}
    assert json.loads(read(native(), json.dumps(said).encode())) == said | {"modelVersion": NAME}
    found = [
        json.loads(each[6:]) for each in read(native(stream=True), event(said)).split(b"\n\n")[:-1]
    ]
    assert found == [said | {"modelVersion": NAME}]


def test_a_stream_passes_event_by_event():
    reader = native(stream=True)
    passed = read(reader, STREAM)
    expected = STREAM.replace(b'"gemini-2.5-flash"', f'"{NAME}"'.encode())
    assert passed == expected.replace(b"\r\n\r\n", b"\n\n")
    assert reader.counts == COUNTS
    assert reader.output_events > 4


def test_a_name_inside_of_arguments_is_not_ours_to_change():
    call = {"functionCall": {"name": "look", "args": {"modelVersion": "gemini-2.5-flash"}}}
    passed = read(native(stream=True), event(answer(call, reason="STOP")))
    members = json.loads(passed[6:])
    assert members["modelVersion"] == NAME
    assert members["candidates"][0]["content"]["parts"] == [call]


def test_the_end_is_held_back_until_the_upstream_has_ended():
    reader = native(stream=True)
    assert b"finishReason" not in reader.feed(STREAM)
    assert reader.finish().count(b"finishReason") == 1


def test_usage_behind_the_end_is_held_back_too_and_counts():
    reader = native(stream=True)
    late = event({"usageMetadata": USAGE, "modelVersion": "gemini-2.5-flash"})
    assert reader.feed(text("Hi", reason="STOP") + late) == b""
    assert reader.finish().count(b"data: ") == 2
    assert reader.counts == COUNTS


def test_older_models_that_tell_an_end_in_every_chunk_stream_all_the_same():
    reader = native(stream=True)
    assert reader.feed(text("a", reason="STOP")) == b""
    assert b'"a"' in reader.feed(text("b", reason="STOP"))
    assert b'"b"' in reader.finish()


def test_of_two_candidates_one_may_end_first():
    reader = native(stream=True)
    reader.feed(text("a", reason="STOP") + text("b", index=1))
    rest = read(reader, text("c", index=1, reason="STOP"))
    assert b'"c"' in rest


def test_counts_are_cumulative_and_what_is_left_out_stays():
    reader = native(stream=True)
    reader.feed(text("a", usage={"promptTokenCount": 9, "cachedContentTokenCount": 4}))
    assert reader.counts == TokenCounts(9, 4, None)
    reader.feed(text("b", usage={"promptTokenCount": 9, "candidatesTokenCount": 7}))
    assert reader.counts == TokenCounts(9, 4, 7)


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        (FIRST_USAGE, TokenCounts(100, None, 0)),
        ({"promptTokenCount": 5, "toolUsePromptTokenCount": 7}, TokenCounts(12)),
        (
            {"promptTokenCount": 5, "thoughtsTokenCount": 7},
            TokenCounts(5, None, 7, None, 7),
        ),
        (
            {
                "promptTokenCount": 5,
                "candidatesTokenCount": 1,
                "promptTokensDetails": [
                    {"modality": "AUDIO", "tokenCount": 4},
                    {"modality": "TEXT", "tokenCount": 1},
                ],
            },
            TokenCounts(5, None, 1, audio_input_tokens=4),
        ),
        (None, TokenCounts()),
    ],
)
def test_every_kind_of_token_is_counted_once(usage, counts):
    reader = native()
    read(reader, json.dumps(answer({"text": "x"}, reason="STOP", usage=usage)).encode())
    assert reader.counts == counts


def test_an_answer_without_usage_has_an_estimate():
    for reader in (native(), as_chat()):
        read(reader, json.dumps(answer({"text": "x" * 40}, reason="STOP")).encode())
        assert (reader.counts, reader.output_events) == (TokenCounts(), 10)


def test_a_stream_may_be_cut_anywhere():
    for make in (lambda: native(stream=True), lambda: as_chat(stream=True)):
        expected = _plain(read(make(), STREAM))
        for pieces in splits(STREAM, count=30):
            reader = make()
            assert _plain(read(reader, *pieces)) == expected
            assert reader.counts == COUNTS


def _plain(raw):
    events = [each[6:] for each in raw.decode().split("\n\n") if each.startswith("data: {")]
    return [{**json.loads(each), "created": 0} for each in events]


BROKEN = [
    b"",
    text("Hi"),
    STREAM[:-1],
    b"{}",
    b"<html>",
    b"data: {\n\n",
    b"data: []\n\n",
    text("Hi") + b'data: {"candidates":5}\n\n',
    text("Hi") + b'data: {"error":{"code":500,"message":"it broke"}}\n\n',
    b"data: " + b"x" * (MOST_EVENT_BYTES + 1),
]


@pytest.mark.parametrize("stream", BROKEN, ids=lambda raw: repr(raw[:40]))
def test_a_stream_that_is_none_is_a_bad_gateway(stream):
    for reader in (native(stream=True), as_chat(stream=True)):
        with pytest.raises(ApiError) as caught:
            read(reader, stream)
        assert (caught.value.status, caught.value.code) == (502, "upstream_error")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b'{"error":{"code":500,"message":"x"}}', b"[" * 100_000]
)
def test_a_whole_answer_that_is_none_is_a_bad_gateway(body):
    for reader in (native(), as_chat()):
        with pytest.raises(ApiError) as caught:
            read(reader, body)
        assert caught.value.status == 502


def test_a_failure_inside_a_stream_keeps_its_kind():
    reader = as_chat(stream=True)
    busy = error_body(503, "UNAVAILABLE", "The model is overloaded.")
    with pytest.raises(ApiError) as caught:
        reader.feed(text("Hi") + b"data: " + busy + b"\n\n")
    assert caught.value.code == "model_busy"


# To clients of the common form.


def test_a_whole_answer_in_the_common_form():
    said, reader = whole(WHOLE)
    created = said.pop("created")
    assert created > 0
    assert said == {
        "id": "chatcmpl-r1",
        "object": "chat.completion",
        "model": NAME,
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Let me see",
                    "refusal": None,
                    "reasoning_content": "Hm, well",
                    "tool_calls": [
                        {
                            "id": "call_1",
                            "type": "function",
                            "function": {"name": "look", "arguments": '{"at": "x"}'},
                            "extra_content": {"google": {"thought_signature": "c2ln"}},
                        },
                        {
                            "id": "call_r1_1",
                            "type": "function",
                            "function": {"name": "wait", "arguments": "{}"},
                        },
                    ],
                },
                "logprobs": None,
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 60},
            "completion_tokens_details": {"reasoning_tokens": 5},
        },
    }
    assert reader.counts == COUNTS


def test_a_stream_in_the_common_form():
    reader = as_chat(stream=True, stream_options={"include_usage": True})
    raw = read(reader, STREAM)
    assert {(each["id"], each["model"], each["object"]) for each in chunks(raw)} == {
        ("chatcmpl-r1", NAME, "chat.completion.chunk")
    }
    assert deltas(raw) == [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "Hm, well"},
        {"content": "Let me"},
        {"content": " see"},
        {
            "tool_calls": [
                {
                    "index": 0,
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "look", "arguments": '{"at":"x"}'},
                    "extra_content": {"google": {"thought_signature": "c2ln"}},
                }
            ]
        },
        {
            "tool_calls": [
                {
                    "index": 1,
                    "id": "call_r1_1",
                    "type": "function",
                    "function": {"name": "wait", "arguments": "{}"},
                }
            ]
        },
    ]
    assert reasons(raw) == [(0, "tool_calls")]
    last = chunks(raw)[-1]
    assert (last["choices"], last["usage"]["completion_tokens"]) == ([], 20)
    assert reader.counts == COUNTS


def test_usage_is_shown_to_who_asked():
    assert b'"usage"' not in read(as_chat(stream=True), STREAM)


def test_the_end_of_a_translated_stream_waits_too():
    reader = as_chat(stream=True)
    assert b'"tool_calls"' in reader.feed(STREAM)
    assert reader.finish().endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("OTHER", "stop"),
        ("OF_TOMORROW", "stop"),
        ("MALFORMED_FUNCTION_CALL", "stop"),
    ],
)
def test_why_it_ended(reason, finish):
    said, _ = whole(answer({"text": "x"}, reason=reason))
    assert said["choices"][0]["finish_reason"] == finish
    raw = read(as_chat(stream=True), text("x") + text("", reason=reason))
    assert reasons(raw) == [(0, finish)]


def test_a_blocked_prompt_is_an_empty_answer_that_was_filtered():
    said, reader = whole(BLOCKED)
    [choice] = said["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("", "content_filter")
    assert reader.counts == TokenCounts(100, None, 0)
    raw = read(as_chat(stream=True), event(BLOCKED))
    assert reasons(raw) == [(0, "content_filter")]
    assert deltas(raw) == [{"role": "assistant", "content": ""}]


def test_an_answer_of_no_candidates_is_none():
    for said in ({}, {"candidates": []}, {"candidates": None, "usageMetadata": USAGE}):
        with pytest.raises(ApiError) as caught:
            whole(said)
        assert caught.value.status == 502


def test_a_model_that_failed_to_say_anything_is_not_taken_for_one_that_said_nothing():
    failed = answer(reason="MALFORMED_FUNCTION_CALL")
    with pytest.raises(ApiError):
        whole(failed)
    with pytest.raises(ApiError):
        read(as_chat(stream=True), event(failed))


def test_a_candidate_without_content_is_an_empty_answer():
    said, _ = whole({"candidates": [{"finishReason": "MAX_TOKENS", "index": 0}]})
    assert said["choices"][0]["message"]["content"] == ""
    assert said["choices"][0]["finish_reason"] == "length"


def test_a_text_may_be_signed_too():
    part = {"text": "Yes", "thoughtSignature": "c2ln"}
    said, _ = whole(answer(part, reason="STOP"))
    signed = {"google": {"thought_signature": "c2ln"}}
    assert said["choices"][0]["message"]["extra_content"] == signed
    raw = read(as_chat(stream=True), event(answer(part, reason="STOP")))
    assert deltas(raw)[1] == {"content": "Yes", "extra_content": signed}


def test_several_candidates_are_several_choices():
    stream = text("a") + text("b", index=1) + text("", index=1, reason="MAX_TOKENS")
    raw = read(as_chat(stream=True), stream + text("c", reason="STOP"))
    assert [each.get("content") for each in deltas(raw)] == ["", "a", "c"]
    assert [each.get("content") for each in deltas(raw, 1)] == ["", "b"]
    assert reasons(raw) == [(0, "stop"), (1, "length")]


def test_probabilities_of_tokens():
    result = {
        "chosenCandidates": [{"token": "Hi", "logProbability": -0.5, "tokenId": 7}],
        "topCandidates": [{"candidates": [{"token": "Hey", "logProbability": -1.5}]}],
    }
    said = answer({"text": "Hi"}, reason="STOP")
    said["candidates"][0]["logprobsResult"] = result
    expected = [
        {
            "token": "Hi",
            "logprob": -0.5,
            "bytes": None,
            "top_logprobs": [{"token": "Hey", "logprob": -1.5, "bytes": None}],
        }
    ]
    assert whole(said)[0]["choices"][0]["logprobs"]["content"] == expected
    raw = read(as_chat(stream=True), event(said))
    assert chunks(raw)[1]["choices"][0]["logprobs"]["content"] == expected


_parts = st.lists(
    st.one_of(
        st.text(max_size=5).map(lambda piece: {"text": piece}),
        st.text(max_size=5).map(lambda piece: {"text": piece, "thought": True}),
        st.just(CALL),
        st.just({"executableCode": {"code": "1"}}),
    ),
    max_size=6,
)


@given(_parts, st.data())
def test_a_whole_answer_is_the_sum_of_its_stream_however_cut(parts, data):
    said, _ = whole(answer(*parts, reason="STOP", usage=USAGE))
    message = said["choices"][0]["message"]
    stream = b"".join(event(answer(part)) for part in parts)
    stream += text("", reason="STOP", usage=USAGE)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    raw = read(as_chat(stream=True), *pieces)
    found = deltas(raw)
    assert "".join(each.get("content", "") for each in found) == (message["content"] or "")
    assert "".join(each.get("reasoning_content", "") for each in found) == message.get(
        "reasoning_content", ""
    )
    calls = [call["id"] for each in found for call in each.get("tool_calls", ())]
    assert calls == [call["id"] for call in message.get("tool_calls", ())]
    assert reasons(raw) == [(0, said["choices"][0]["finish_reason"])]


# Embeddings.

EMBEDDED = {
    "embeddings": [{"values": [0.5, -0.25]}, {"values": [1.0, 2.0]}],
    "usageMetadata": {"promptTokenCount": 7},
}


def embedded(**members):
    request = embeddings_request(input=["a", "b"], **members)
    reader = PROVIDER.prepare(request, TARGET).reader
    return json.loads(read(reader, json.dumps(EMBEDDED).encode())), reader


def test_embeddings_in_the_common_form():
    said, reader = embedded()
    assert said == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.5, -0.25]},
            {"object": "embedding", "index": 1, "embedding": [1.0, 2.0]},
        ],
        "model": NAME,
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }
    assert reader.counts == TokenCounts(7, None, 0)


def test_embeddings_in_base64_as_the_official_client_asks_for_them():
    said, _ = embedded(encoding_format="base64")
    assert struct.unpack("<2f", b64decode(said["data"][0]["embedding"])) == (0.5, -0.25)


def test_embeddings_for_a_client_of_the_dialect_pass():
    fields = decode_fields(b'{"requests":[{"content":{"parts":[{"text":"a"}]}}]}')
    request = ProviderRequest(EMBEDDER, fields, None, Operation.EMBEDDINGS, dialect=Dialect.GEMINI)
    reader = PROVIDER.prepare(request, TARGET).reader
    assert json.loads(read(reader, json.dumps(EMBEDDED).encode())) == EMBEDDED
    assert reader.counts == TokenCounts(7, None, 0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"embeddings":5}',
        b'{"embeddings":[{"values":["x"]}]}',
        b'{"error":{"code":500}}',
    ],
)
def test_embeddings_that_are_none_are_a_bad_gateway(body):
    reader = PROVIDER.prepare(embeddings_request(), TARGET).reader
    with pytest.raises(ApiError) as caught:
        read(reader, body)
    assert caught.value.status == 502


# Errors.


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (
            400,
            error_body(
                400,
                "INVALID_ARGUMENT",
                "The input token count (3475108) exceeds the maximum number of tokens allowed "
                "(1048576).",
            ),
            (400, "context_length_exceeded"),
        ),
        (
            400,
            error_body(400, "INVALID_ARGUMENT", "Unable to process input image."),
            (400, "refused_by_model"),
        ),
        (
            400,
            error_body(
                400,
                "INVALID_ARGUMENT",
                "API key not valid. Please pass a valid API key.",
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "API_KEY_INVALID",
                },
            ),
            (502, "upstream_error"),
        ),
        (
            400,
            error_body(400, "FAILED_PRECONDITION", "User location is not supported."),
            (502, "upstream_error"),
        ),
        (403, error_body(403, "PERMISSION_DENIED", "no key"), (502, "upstream_error")),
        (404, error_body(404, "NOT_FOUND", "no model"), (502, "upstream_error")),
        (500, error_body(500, "INTERNAL", "x"), (502, "upstream_error")),
        (503, error_body(503, "UNAVAILABLE", "overloaded"), (503, "model_busy")),
        (429, error_body(429, "RESOURCE_EXHAUSTED", "quota of org-1"), (429, "model_busy")),
        (
            400,
            b"[" + error_body(400, "INVALID_ARGUMENT", "in an array") + b"]",
            (400, "refused_by_model"),
        ),
    ],
)
def test_what_a_caller_is_told_of_an_error(status, body, expected):
    error = PROVIDER.error_of(status, body)
    assert (error.status, error.code) == expected
    if error.status == 400:
        assert error.message == json.loads(body.strip(b"[]"))["error"]["message"]
    else:
        assert "key" not in error.message
        assert "org-1" not in error.message


@pytest.mark.parametrize(
    ("delay", "line"),
    [
        ("34.5s", b"retry-after-ms: 34500\r\n"),
        ("soon", b"1000"),
        ("-1s", b"1000"),
        ("9e9s", b"1000"),
    ],
)
def test_a_busy_host_says_when_to_come_back(delay, line):
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}
    error = PROVIDER.error_of(429, error_body(429, "RESOURCE_EXHAUSTED", "x", info))
    assert line in error.headers
