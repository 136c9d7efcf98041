"""What becomes of the engine's bytes: events as it really sends them, in every cutting."""

import json

import pytest
from provider_parts import (
    NAME,
    TARGET,
    LlamaAnswer,
    chat_request,
    chunks,
    embeddings_request,
    read,
    splits,
)

from tradewind.plugins.providers.base import TokenCounts
from tradewind.plugins.providers.dialects.openai import MOST_ANSWER_BYTES
from tradewind.plugins.providers.llama_server import LlamaServer
from tradewind.wire.errors import ApiError
from tradewind.wire.sse import DONE, MOST_EVENT_BYTES

PROVIDER = LlamaServer()
HELLO = LlamaAnswer(["He", "llo", "!"])
PING = b":\n\n"
USAGE = {
    "prompt_tokens": 32,
    "completion_tokens": 3,
    "total_tokens": 35,
    "prompt_tokens_details": {"cached_tokens": 31},
}


def reader_for(**members):
    return PROVIDER.prepare(chat_request(**members), TARGET).reader


def streaming(*, shows_usage=False, **members):
    return reader_for(stream=True, stream_options={"include_usage": shows_usage}, **members)


def texts_of(found):
    texts = {}
    for chunk in found:
        for choice in chunk["choices"]:
            former = texts.setdefault(choice["index"], "")
            texts[choice["index"]] = former + (choice["delta"].get("content") or "")
    return texts


def test_a_stream_is_passed_on_without_progress_and_usage():
    reader = streaming()
    found = chunks(read(reader, HELLO.raw))
    assert texts_of(found) == {0: "Hello!"}
    assert len(found) == 5, "a role, three pieces, a finish"
    assert not any(chunk.keys() & {"prompt_progress", "timings", "usage"} for chunk in found)
    assert reader.counts == TokenCounts(32, 31, 3)
    assert reader.output_events == 3


def test_usage_is_shown_to_who_asked_for_it_without_the_engines_extras():
    found = chunks(read(streaming(shows_usage=True), HELLO.raw))
    assert found[-1] == {
        "choices": [],
        "created": 1795316664,
        "id": "chatcmpl-x",
        "model": NAME,
        "system_fingerprint": "b1-7e4c0a9",
        "object": "chat.completion.chunk",
        "usage": USAGE,
    }
    assert sum("usage" in chunk for chunk in found) == 1


@pytest.mark.parametrize("shows_usage", [True, False])
@pytest.mark.parametrize("is_stream", [True, False])
def test_an_answer_reads_the_same_however_it_was_cut(is_stream, shows_usage):
    options = {"stream": is_stream, "stream_options": {"include_usage": shows_usage}}
    expected = read(reader_for(**options), HELLO.raw)
    for pieces in splits(HELLO.raw, count=12):
        reader = reader_for(**options)
        assert read(reader, *pieces) == expected
        assert reader.counts == TokenCounts(32, 31, 3)
        assert reader.output_events == 3


def test_progress_tells_the_input_tokens_before_the_first_token():
    reader = streaming()
    assert reader.feed(HELLO.parts[0]) == b""
    assert reader.counts == TokenCounts(32, 31, None)
    assert reader.output_events == 0


def test_the_end_mark_is_held_back_until_the_engine_has_ended():
    reader = streaming()
    assert b"[DONE]" not in reader.feed(HELLO.raw)
    assert reader.finish() == DONE


def test_a_whole_answer_is_put_together_from_the_stream():
    reader = reader_for()
    found = json.loads(read(reader, HELLO.raw))
    assert found == {
        "id": "chatcmpl-x",
        "created": 1795316664,
        "model": NAME,
        "system_fingerprint": "b1-7e4c0a9",
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello!"},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE,
    }
    assert reader.counts == TokenCounts(32, 31, 3)


def test_nothing_of_a_whole_answer_goes_out_before_its_end():
    reader = reader_for()
    assert [reader.feed(part) for part in HELLO.parts] == [b""] * len(HELLO.parts)
    assert reader.output_events == 3


def test_usage_of_several_choices_is_their_sum_and_the_prompt_counts_once():
    answer = LlamaAnswer(["a", "b"], ["c"], ["d", "e", "f"])
    reader = reader_for(n=3)
    found = json.loads(read(reader, answer.raw))
    assert [choice["message"]["content"] for choice in found["choices"]] == ["ab", "c", "def"]
    assert found["usage"] == USAGE | {"completion_tokens": 6, "total_tokens": 38}
    assert reader.counts == TokenCounts(32, 31, 6)


@pytest.mark.parametrize("shows_usage", [True, False])
def test_a_stream_of_several_choices_has_one_usage_event_with_the_sum(shows_usage):
    answer = LlamaAnswer(["a", "b"], ["c"])
    reader = streaming(n=2, shows_usage=shows_usage)
    found = chunks(read(reader, answer.raw))
    assert texts_of(found) == {0: "ab", 1: "c"}
    shown = [chunk["usage"]["completion_tokens"] for chunk in found if "usage" in chunk]
    assert shown == ([3] if shows_usage else [])
    assert reader.counts == TokenCounts(32, 31, 3)


def test_choices_that_come_interleaved_are_told_apart():
    answer = LlamaAnswer()
    parts = [
        answer.progress(0, 32),
        answer.piece(1, '{"content":"b1"}'),
        answer.piece(0, '{"content":"a1"}'),
        answer.progress(1, 32),
        answer.usage(1),
        answer.piece(0, '{"content":"a2"}'),
        answer.piece(0, "{}", '"length"'),
        answer.usage(2),
        DONE,
    ]
    reader = reader_for(n=2)
    found = json.loads(read(reader, *parts))
    assert [choice["message"]["content"] for choice in found["choices"]] == ["a1a2", "b1"]
    assert [choice["finish_reason"] for choice in found["choices"]] == ["length", None]
    assert reader.counts == TokenCounts(32, 31, 3)


def test_the_engines_sign_of_life_during_a_long_prompt_breaks_nothing():
    parts = [HELLO.parts[0], PING, PING, *HELLO.parts[1:], PING, DONE]
    assert json.loads(read(reader_for(), *parts))["choices"][0]["message"]["content"] == "Hello!"
    assert read(streaming(), *parts).count(PING) == 3, "a waiting client hears of it"


def test_log_probabilities_are_collected():
    answer = LlamaAnswer()
    entry = '{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[]}'
    parts = [
        answer.piece(0, '{"content":"a"}').replace(
            b'"delta"', b'"logprobs":{"content":[%b]},"delta"' % entry.encode()
        ),
        answer.piece(0, '{"content":"b"}').replace(
            b'"delta"', b'"logprobs":{"content":[%b]},"delta"' % entry.encode()
        ),
        answer.usage(2),
        DONE,
    ]
    found = json.loads(read(reader_for(logprobs=True), *parts))
    assert found["choices"][0]["logprobs"] == {"content": [json.loads(entry)] * 2}


def test_reasoning_and_tool_calls_of_the_models_own_are_put_together():
    answer = LlamaAnswer()
    first = '{"tool_calls":[{"index":0,"id":"x1","type":"function","function":{"name":"f",'
    parts = [
        answer.piece(0, '{"reasoning_content":"hm"}'),
        answer.piece(0, '{"reasoning_content":"m"}'),
        answer.piece(0, first + '"arguments":""}}]}'),
        answer.piece(0, '{"tool_calls":[{"index":0,"function":{"arguments":"{\\"a\\""}}]}'),
        answer.piece(0, '{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}'),
        answer.piece(0, "{}", '"tool_calls"'),
        answer.usage(9),
        DONE,
    ]
    [choice] = json.loads(read(reader_for(), *parts))["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "reasoning_content": "hmm",
        "tool_calls": [
            {"id": "x1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
        ],
    }


def test_a_text_about_usage_is_only_a_text():
    text = '"usage":{"completion_tokens":5},"prompt_progress":{"total":1},"error":{"code":1}'
    answer = LlamaAnswer([text])
    for reader in (reader_for(), streaming()):
        assert json.dumps(text)[1:-1].encode() in read(reader, answer.raw)
        assert reader.counts == TokenCounts(32, 31, 1)


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>",
        b"<html>\n\n",
        HELLO.raw[:-3],
        HELLO.raw[: -len(DONE)],
        HELLO.raw[: -len(DONE)] + b"data: {",
        b'data: {"error":{"code":500,"message":"out of memory"}}\n\n' + DONE,
        b'error: {"error":{"code":500}}\n\n' + DONE,
        b'data: {"prompt_progress":{"total":"x"}}\n\n' + DONE,
        b'data: {"prompt_progress":{"\xff\n\n' + DONE,
    ],
    ids=lambda raw: repr(raw[-40:]),
)
def test_an_answer_that_is_none_is_a_bad_gateway(raw, is_stream):
    with pytest.raises(ApiError) as caught:
        read(reader_for(stream=is_stream), raw)
    assert (caught.value.status, caught.value.code) == (502, "upstream_error")
    assert "out of memory" not in caught.value.message


@pytest.mark.parametrize(
    "raw",
    [
        DONE,
        b"data: null\n\n" + DONE,
        b'data: {"choices":[5]}\n\n' + DONE,
        b'data: {"choices":[{"index":0,"delta":{"content":"\xff"}}]}\n\n' + DONE,
        b"data: " + b"[" * 200_000 + b"\n\n" + DONE,
        b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":7}]}}]}\n\n' + DONE,
        b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":-1}]}}]}\n\n' + DONE,
    ],
    ids=lambda raw: repr(raw[:70]),
)
def test_a_whole_answer_is_not_made_of_garbage(raw):
    with pytest.raises(ApiError) as caught:
        read(reader_for(), raw)
    assert caught.value.status == 502


def test_an_answer_without_end_is_refused_at_the_bound():
    reader = reader_for()
    piece = b": " + b"x" * (1 << 20) + b"\n\n"
    for _ in range(MOST_ANSWER_BYTES // len(piece)):
        reader.feed(piece)
    with pytest.raises(ApiError):
        reader.feed(piece)
    with pytest.raises(ApiError):
        streaming().feed(b"data: " + b"x" * MOST_EVENT_BYTES)


def test_embeddings_are_renamed_and_lose_the_engines_extras():
    answer = {
        "model": "the/alias",
        "object": "list",
        "data": [{"embedding": [0.25, -1e-9], "index": 0, "object": "embedding"}],
        "usage": {"prompt_tokens": 5, "total_tokens": 5},
    }
    raw = json.dumps(answer | {"timings": {}}).encode()
    for pieces in splits(raw, count=5):
        reader = PROVIDER.prepare(embeddings_request(), TARGET).reader
        assert json.loads(read(reader, *pieces)) == answer | {"model": NAME}
        assert reader.counts == TokenCounts(5, None, 0)


@pytest.mark.parametrize("raw", [b"", b"[]", b"<html>", b'{"data":['])
def test_embeddings_that_are_none_are_a_bad_gateway(raw):
    reader = PROVIDER.prepare(embeddings_request(), TARGET).reader
    with pytest.raises(ApiError) as caught:
        read(reader, raw)
    assert caught.value.status == 502
