"""Hosts that speak OpenAI's dialect: only the model's name and the usage are touched."""

import json

import pytest
from provider_parts import (
    NAME,
    TARGET,
    chat_request,
    chunks,
    embeddings_request,
    read,
    sent,
    splits,
)

from tradewind.plugins.providers.base import TokenCounts
from tradewind.plugins.providers.dialects.openai import MOST_ANSWER_BYTES
from tradewind.plugins.providers.openai_compatible import OpenAICompatible
from tradewind.snapshot.contents import Target
from tradewind.wire.errors import ApiError
from tradewind.wire.sse import DONE, MOST_EVENT_BYTES

PROVIDER = OpenAICompatible()
USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 2,
    "total_tokens": 11,
    "prompt_tokens_details": {"cached_tokens": 4},
}


def reader_for(**members):
    return PROVIDER.prepare(chat_request(**members), TARGET).reader


def an_event(separators=(",", ":"), **members):
    chunk = {"id": "c", "model": TARGET.upstream_model, "choices": []} | members
    return b"data: " + json.dumps(chunk, separators=separators).encode() + b"\n\n"


def text_event(text, **members):
    return an_event(choices=[{"index": 0, "delta": {"content": text}}], **members)


STREAM = text_event("He") + text_event("llo") + an_event(usage=USAGE) + DONE


def test_the_head_is_complete_and_carries_the_targets_credential():
    prepared = PROVIDER.prepare(chat_request(), TARGET)
    lines = prepared.head.split(b"\r\n")
    assert lines[0] == b"POST /v1/chat/completions HTTP/1.1"
    assert lines[-2:] == [b"", b""]
    assert set(lines[1:-2]) == {
        b"host: 10.0.0.1:8000",
        b"authorization: Bearer key-of-target",
        b"content-type: application/json",
        b"accept-encoding: identity",
        b"content-length: %d" % len(prepared.body),
    }


def test_a_unix_socket_is_called_localhost():
    target = Target("d", "r", "openai_compatible", "/run/engine.sock", "m", "key")
    prepared = PROVIDER.prepare(embeddings_request(), target)
    assert prepared.head.startswith(b"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\n")


def test_the_upstream_is_asked_by_its_own_name_and_gets_all_else_as_it_came():
    request = chat_request(seed=5, top_k=40, x={"a": [1, 2.5]}, user="u")
    assert sent(PROVIDER.prepare(request, TARGET)) == {
        "model": "upstream-model",
        "messages": [{"role": "user", "content": "Hello"}],
        "seed": 5,
        "top_k": 40,
        "x": {"a": [1, 2.5]},
        "user": "u",
    }
    assert json.loads(bytes(request.fields["model"])) == "small", "the request is not changed"


@pytest.mark.parametrize(
    "asked", [{}, {"stream_options": None}, {"stream_options": {"include_usage": False}}]
)
def test_usage_of_a_stream_is_always_asked_for(asked):
    prepared = PROVIDER.prepare(chat_request(stream=True, **asked), TARGET)
    assert sent(prepared)["stream_options"] == {"include_usage": True}


def test_a_whole_answer_names_the_model_the_client_asked_for():
    reader = reader_for()
    content = '"model":"upstream-model" and "model": "upstream-model"'
    answer = {
        "id": "c",
        "model": "upstream-model",
        "choices": [{"message": {"content": content}, "x": {"model": "upstream-model"}}],
        "usage": USAGE,
    }
    for indent in (None, 2):
        reader = reader_for()
        found = json.loads(read(reader, json.dumps(answer, indent=indent).encode()))
        assert found == answer | {"model": NAME}
        assert reader.counts == TokenCounts(9, 4, 2)


def test_a_whole_answer_that_names_a_dated_model_is_renamed_too():
    reader = reader_for()
    assert json.loads(read(reader, b'{"model":"upstream-model-2026-01-01"}')) == {"model": NAME}


def test_a_whole_answer_of_a_model_of_the_same_name_is_not_touched():
    target = Target("d", "r", "openai_compatible", "h:1", NAME, "key")
    reader = PROVIDER.prepare(chat_request(), target).reader
    raw = b'{ "model" : "%b",\n "x": 1e2 }' % NAME.encode()
    assert read(reader, raw[:5], raw[5:]) == raw


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ("null", TokenCounts()),
        ("{}", TokenCounts()),
        ('{"prompt_tokens":0,"completion_tokens":0}', TokenCounts(0, None, 0)),
        ('{"prompt_tokens":3}', TokenCounts(3, None, None)),
        ('{"prompt_tokens":"3"}', TokenCounts()),
    ],
)
def test_missing_usage_is_not_zero_usage(usage, counts):
    reader = reader_for()
    read(reader, b'{"usage":%b}' % usage.encode())
    assert reader.counts == counts


def test_embeddings_write_no_tokens_and_that_is_known():
    reader = PROVIDER.prepare(embeddings_request(), TARGET).reader
    read(reader, b'{"model":"m","data":[],"usage":{"prompt_tokens":7,"total_tokens":7}}')
    assert reader.counts == TokenCounts(7, None, 0)


@pytest.mark.parametrize(
    "raw",
    [b"", b"<html>", b"[]", b"null", b'{"choices":[', b'{"a":"\xff', b"{} {}", b"[" * 200_000],
    ids=lambda raw: repr(raw[:20]),
)
def test_a_whole_answer_that_cannot_be_read_is_a_bad_gateway(raw):
    with pytest.raises(ApiError) as caught:
        read(reader_for(), raw)
    assert (caught.value.status, caught.value.code) == (502, "upstream_error")


def test_an_answer_without_end_is_refused_at_the_bound():
    reader = reader_for()
    piece = b" " * (1 << 20)
    for _ in range(MOST_ANSWER_BYTES // len(piece)):
        reader.feed(piece)
    with pytest.raises(ApiError) as caught:
        reader.feed(b" ")
    assert caught.value.status == 502


def test_a_stream_is_passed_on_with_the_clients_name_of_the_model():
    reader = reader_for(stream=True, stream_options={"include_usage": True})
    found = chunks(read(reader, STREAM))
    assert [chunk["model"] for chunk in found] == [NAME] * 3
    assert [chunk["choices"][0]["delta"]["content"] for chunk in found[:2]] == ["He", "llo"]
    assert found[2]["usage"] == USAGE


def test_the_usage_event_is_hidden_from_who_did_not_ask_for_it():
    reader = reader_for(stream=True)
    found = chunks(read(reader, STREAM))
    assert len(found) == 2
    assert reader.counts == TokenCounts(9, 4, 2)


def test_usage_beside_a_choice_is_read_and_the_choice_is_passed_on():
    reader = reader_for(stream=True)
    found = chunks(read(reader, text_event("x", usage=USAGE), DONE))
    assert found[0]["choices"][0]["delta"] == {"content": "x"}
    assert reader.counts == TokenCounts(9, 4, 2)


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("shows_usage", [True, False])
def test_a_stream_reads_the_same_however_it_was_cut(ending, shows_usage):
    raw = STREAM.replace(b"\n", ending)
    options = {"stream": True, "stream_options": {"include_usage": shows_usage}}
    expected = chunks(read(reader_for(**options), raw))
    for pieces in splits(raw, count=40):
        reader = reader_for(**options)
        assert chunks(read(reader, *pieces)) == expected, pieces
        assert reader.counts == TokenCounts(9, 4, 2)
        assert reader.output_events == 2


def test_the_end_mark_is_held_back_until_the_upstream_has_ended():
    reader = reader_for(stream=True)
    assert b"[DONE]" not in reader.feed(STREAM)
    assert reader.finish() == DONE


def test_a_missing_end_mark_is_added():
    reader = reader_for(stream=True)
    ending = an_event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
    assert chunks(read(reader, text_event("x"), ending))[0]["model"] == NAME


def test_a_stream_without_end_mark_and_without_a_reason_to_end_was_cut_on_its_way():
    reader = reader_for(stream=True)
    reader.feed(text_event("x"))
    with pytest.raises(ApiError) as caught:
        reader.finish()
    assert caught.value.status == 502


def test_usage_after_the_end_mark_still_counts():
    reader = reader_for(stream=True)
    reader.feed(text_event("x"))
    reader.feed(DONE)
    assert reader.feed(an_event(usage=USAGE)) == b""
    assert reader.finish() == DONE
    assert reader.counts == TokenCounts(9, 4, 2)


def test_a_stream_without_usage_leaves_the_counts_unknown_and_the_events_counted():
    reader = reader_for(stream=True)
    read(reader, text_event("a") + text_event("") + text_event("b") + DONE)
    assert reader.counts == TokenCounts()
    assert reader.output_events == 2


def test_pieces_of_a_tool_call_are_output_too():
    reader = reader_for(stream=True)
    for arguments in ("", '{"a"', ":1}"):
        call = {"index": 0, "function": {"arguments": arguments}}
        reader.feed(an_event(choices=[{"index": 0, "delta": {"tool_calls": [call]}}]))
    assert reader.output_events == 2


def test_a_json_text_in_the_content_is_neither_renamed_nor_read_as_usage():
    text = '"model":"upstream-model","usage":{"prompt_tokens":1,"completion_tokens":1}'
    reader = reader_for(stream=True)
    found = chunks(read(reader, text_event(text) + DONE))
    assert found[0]["choices"][0]["delta"]["content"] == text
    assert reader.counts == TokenCounts()


def test_hosts_that_write_a_space_behind_a_colon_are_understood():
    events = [
        an_event((", ", ": "), choices=[{"index": 0, "delta": {"content": "x"}}]),
        an_event((", ", ": "), usage=USAGE),
    ]
    reader = reader_for(stream=True)
    found = chunks(read(reader, *events, DONE))
    assert [chunk["model"] for chunk in found] == [NAME]
    assert reader.counts == TokenCounts(9, 4, 2)


@pytest.mark.parametrize(
    "raw", [b"", b"<html>\n\n</html>\n\n", b'{"error":"busy"}\n\n', b"\xff\xfe\n\n", b"garbage"]
)
def test_a_stream_that_is_none_is_a_bad_gateway(raw):
    with pytest.raises(ApiError) as caught:
        read(reader_for(stream=True), raw)
    assert caught.value.status == 502


def test_a_stream_that_ends_inside_an_event_is_a_bad_gateway():
    reader = reader_for(stream=True)
    assert reader.feed(text_event("x") + b'data: {"choi')
    with pytest.raises(ApiError):
        reader.finish()


def test_an_event_without_end_is_a_bad_gateway():
    reader = reader_for(stream=True)
    with pytest.raises(ApiError):
        reader.feed(b"data: " + b"x" * MOST_EVENT_BYTES)


@pytest.mark.parametrize("colon", [b":", b": "])
@pytest.mark.parametrize(
    "usage",
    [
        b"null",
        b"{}",
        b'{"prompt_tokens":"x"}',
        b'{"prompt_tokens":-1}',
        b'{"completion_tokens":' + b"9" * 5000 + b"}",
        b'{"prompt_tokens":1',
    ],
    ids=lambda usage: repr(usage[:30]),
)
def test_usage_that_is_none_does_not_break_the_stream(usage, colon):
    reader = reader_for(stream=True)
    event = b'data: {"choices":[],"usage"%b%b}\n\n' % (colon, usage)
    read(reader, text_event("x"), event, DONE)
    assert reader.counts == TokenCounts()


# What hosts that speak the dialect get wrong.


def calls_event(*calls, **members):
    return an_event(choices=[{"index": 0, "delta": {"tool_calls": list(calls)}}], **members)


@pytest.mark.parametrize("code", ["server_error", 502, None])
def test_an_error_in_a_stream_is_told_and_what_came_before_is_the_clients(code):
    """D20: mid-stream errors lost."""
    reader = reader_for(stream=True)
    error = {"message": "boom", "code": code}
    raw = text_event("He") + an_event(error=error) + text_event("lost") + DONE
    assert [chunk["choices"][0]["delta"] for chunk in chunks(reader.feed(raw) + DONE)] == [
        {"content": "He"}
    ]
    assert reader.output_events == 1
    for call in (lambda: reader.feed(DONE), reader.finish):
        with pytest.raises(ApiError) as caught:
            call()
        assert (caught.value.status, caught.value.code) == (502, "upstream_error")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        ({"message": "slow down", "code": 429}, 429, "model_busy"),
        ({"message": "x", "code": "503"}, 503, "model_busy"),
        ({"message": "x", "code": 401}, 502, "upstream_error"),
        ({"message": "bad", "code": 400}, 400, "refused_by_model"),
        (
            {"message": "too long", "code": "context_length_exceeded"},
            400,
            "context_length_exceeded",
        ),
        ({"message": "no", "code": "content_filter"}, 400, "content_filter"),
        ("a text", 502, "upstream_error"),
    ],
)
def test_an_error_that_comes_instead_of_a_stream_is_the_callers_error(error, status, code):
    with pytest.raises(ApiError) as caught:
        read(reader_for(stream=True), an_event(error=error), DONE)
    assert (caught.value.status, caught.value.code) == (status, code)


@pytest.mark.parametrize("nothing", [None, "", {}, False])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_an_error_that_is_none_breaks_nothing(nothing, separators):
    reader = reader_for(stream=True)
    event = an_event(separators, choices=[{"index": 0, "delta": {"content": "x"}}], error=nothing)
    assert len(chunks(read(reader, event, DONE))) == 1


def test_a_whole_answer_that_is_an_error_is_told():
    with pytest.raises(ApiError) as caught:
        read(reader_for(), b'{"error":{"message":"slow down","code":429}}')
    assert (caught.value.status, caught.value.code) == (429, "model_busy")
    read(reader_for(), b'{"error":null,"choices":[]}')


def test_calls_of_tools_without_an_index_get_one():
    """D21: missing tool index."""
    reader = reader_for(stream=True)
    raw = (
        calls_event({"id": "a", "function": {"name": "f", "arguments": ""}})
        + calls_event({"function": {"arguments": "1"}})
        + calls_event({"id": "b", "function": {"name": "g", "arguments": "2"}})
        + calls_event({"id": "a", "function": {"arguments": "3"}})
        + DONE
    )
    found = chunks(read(reader, raw))
    calls = [chunk["choices"][0]["delta"]["tool_calls"][0] for chunk in found]
    assert [call["index"] for call in calls] == [0, 0, 1, 0]
    assert [call["function"]["arguments"] for call in calls] == ["", "1", "2", "3"]
    assert reader.output_events == 3


def test_calls_of_tools_with_their_index_are_passed_on_as_they_came():
    reader = reader_for(stream=True)
    raw = calls_event({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}})
    raw = raw.replace(b"upstream-model", NAME.encode())
    assert read(reader, raw, DONE) == raw + DONE


def test_calls_without_end_are_refused_at_the_bound():
    raw = b"".join(
        calls_event({"id": f"c{number}", "function": {"arguments": ""}}) for number in range(2000)
    )
    with pytest.raises(ApiError):
        reader_for(stream=True).feed(raw)


def test_usage_that_grows_is_taken_and_one_that_shrinks_is_not():
    """D1: a last chunk with a usage of zero was taken for the total."""
    reader = reader_for(stream=True)
    for written in (1, 2, 0):
        usage = {"prompt_tokens": 9, "completion_tokens": written, "cost": 0}
        reader.feed(text_event("x", usage=usage))
    reader.feed(DONE)
    reader.finish()
    assert reader.counts.output_tokens == 2


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_a_usage_of_zero_for_a_text_that_was_there_is_no_count(separators):
    reader = reader_for(stream=True)
    event = an_event(separators, choices=[{"index": 0, "delta": {"content": "x"}}])
    usage = {"prompt_tokens": 0, "completion_tokens": 0}
    read(reader, event, an_event(separators, usage=usage), DONE)
    assert (reader.counts.output_tokens, reader.output_events) == (None, 1)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("name", ["content", "reasoning_content", "reasoning"])
def test_every_piece_of_output_counts_however_it_is_spelled(name, separators):
    reader = reader_for(stream=True)
    pieces = [{name: ""}, {name: "a"}, {name: "b"}, {name: None}]
    events = [an_event(separators, choices=[{"index": 0, "delta": piece}]) for piece in pieces]
    assert len(chunks(read(reader, *events, DONE))) == 4
    assert reader.output_events == 2


def test_reasoning_is_carried_under_both_of_its_names():
    reader = reader_for(stream=True)
    raw = b"".join(
        an_event(choices=[{"index": 0, "delta": {name: "x"}}])
        for name in ("reasoning", "reasoning_content")
    )
    found = chunks(read(reader, raw, DONE))
    assert [chunk["choices"][0]["delta"] for chunk in found] == [
        {"reasoning": "x"},
        {"reasoning_content": "x"},
    ]


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        # OpenAI.
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_tokens_details": {
                    "cached_tokens": 60,
                    "cache_write_tokens": 30,
                    "audio_tokens": 7,
                },
                "completion_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 5},
            },
            TokenCounts(100, 60, 50, 30, 20, 7, 5),
        ),
        # xAI: reasoning apart from the completion, as its total says.
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 35,
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            TokenCounts(10, None, 25, None, 20),
        ),
        # DeepSeek, and Moonshot.
        (
            {"prompt_tokens": 9, "completion_tokens": 2, "prompt_cache_hit_tokens": 8},
            TokenCounts(9, 8, 2),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 2, "cached_tokens": 7},
            TokenCounts(9, 7, 2),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": None},
            TokenCounts(9, None, 2),
        ),
    ],
)
def test_every_class_of_tokens_is_read_from_whichever_place(usage, counts):
    """D2: cached tokens mispriced."""
    reader = reader_for()
    read(reader, json.dumps({"usage": usage}).encode())
    assert reader.counts == counts
    reader = reader_for(stream=True)
    read(reader, text_event("x"), an_event(usage=usage), DONE)
    assert reader.counts == counts


def test_usage_inside_the_choice_that_ends_is_read():
    """As Moonshot tells it."""
    reader = reader_for(stream=True)
    choice = {"index": 0, "delta": {}, "finish_reason": "stop", "usage": USAGE}
    found = chunks(read(reader, text_event("x"), an_event(choices=[choice]), DONE))
    assert reader.counts == TokenCounts(9, 4, 2)
    assert found[-1]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("usage", [None, {"prompt_tokens": 0, "completion_tokens": 0}])
def test_a_whole_text_without_usage_is_estimated(usage):
    """D1, for hosts that tell none with a whole answer either."""
    reader = reader_for()
    function = {"name": "f", "arguments": "{}"}
    message = {"content": "four" * 10, "tool_calls": [{"function": function}]}
    read(reader, json.dumps({"choices": [{"message": message}], "usage": usage}).encode())
    assert reader.counts.output_tokens is None
    assert reader.output_events == 11


def test_the_hosts_own_cost_is_not_read():
    """D4: a cost that a host reports is nothing to bill by."""
    reader = reader_for()
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "cost": 123.0}
    answer = json.loads(read(reader, json.dumps({"choices": [], "usage": usage}).encode()))
    assert answer["usage"]["cost"] == 123.0
    assert reader.counts == TokenCounts(9, None, 2)


def test_a_comment_before_the_answer_keeps_the_client_waiting_patiently():
    reader = reader_for(stream=True)
    raw = b": OPENROUTER PROCESSING\n\n" + text_event("x") + DONE
    assert reader.feed(raw[:25]) == b": OPENROUTER PROCESSING\n\n"
    assert chunks(reader.feed(raw[25:]) + reader.finish())[0]["model"] == NAME
