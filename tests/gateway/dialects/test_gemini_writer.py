"""Answers in the common form, written as Gemini: whole, as events and as one array ("Generating
content", ai.google.dev).
"""

import json

import pytest
from gemini_parts import (
    NAME,
    ScriptedReader,
    call_piece,
    chunk,
    content_of,
    inbound,
    legal,
    legal_array,
)
from hypothesis import given
from hypothesis import strategies as st

from tradewind.gateway.dialects.base import TranslatedAnswer
from tradewind.gateway.dialects.gemini import ArrayAnswer
from tradewind.gateway.dialects.gemini_embeddings import EmbeddingsWriter
from tradewind.gateway.dialects.gemini_writer import GeminiWriter
from tradewind.gateway.dialects.surfaces import GEMINI_ARRAY
from tradewind.plugins.providers.base import TokenCounts
from tradewind.wire.errors import ApiError
from tradewind.wire.gemini import UNSIGNED
from tradewind.wire.messages import INVALID_JSON
from tradewind.wire.sse import EventCutter, data_of

COUNTS = TokenCounts(100, 60, 20, None, 5)
BEGUN = chunk({"role": "assistant", "content": ""})


def writer_for(counts=None, *, thoughts=True, output_events=0):
    reader = ScriptedReader(counts, output_events)
    return GeminiWriter(NAME, reader, input_estimate=25, shows_thoughts=thoughts)


def written(*chunks, counts=COUNTS, **options):
    """Return the answer that a stream of chunks adds up to; the stream must be legal."""
    writer = writer_for(counts, **options)
    return legal(b"".join(map(writer.events, chunks)) + writer.end(counts))


def whole(*choices, counts=COUNTS, **options):
    answer = {
        "choices": [
            {"index": index, "finish_reason": "stop"} | choice
            for index, choice in enumerate(choices)
        ]
    }
    return json.loads(writer_for(counts, **options).whole(json.dumps(answer).encode(), counts))


def test_a_text_is_written_chunk_by_chunk_as_documented():
    writer = writer_for()
    assert writer.events(BEGUN) == b""
    first, last = (json.loads(data_of(event)) for event in _events_of_a_text(writer))
    response_id = first.pop("responseId")
    assert first == {
        "candidates": [{"content": {"parts": [{"text": "Hey"}], "role": "model"}, "index": 0}],
        "modelVersion": NAME,
    }
    assert last == {
        "candidates": [
            {
                "content": {"parts": [{"text": ""}], "role": "model"},
                "finishReason": "STOP",
                "index": 0,
            }
        ],
        "usageMetadata": {
            "promptTokenCount": 10,
            "cachedContentTokenCount": 4,
            "candidatesTokenCount": 2,
            "totalTokenCount": 12,
        },
        "modelVersion": NAME,
        "responseId": response_id,
    }


def _events_of_a_text(writer):
    yield writer.events(chunk({"content": "Hey"}))
    assert writer.events(chunk(finish="stop")) == b"", "how it ended comes with what it cost"
    yield writer.end(TokenCounts(10, 4, 2))


def test_every_chunk_with_text_goes_out_as_one():
    writer = writer_for()
    for text in ("a", "b", 'say "c"\n'):
        assert json.dumps(text).encode() in writer.events(chunk({"content": text}))


def test_thoughts_are_counted_apart_and_shown_to_who_asked():
    pieces = (
        chunk({"reasoning_content": "Hm"}),
        chunk({"reasoning": "."}),
        chunk({"content": "Yes"}),
    )
    answer = written(*pieces)
    assert content_of(answer) == {"thoughts": "Hm.", "text": "Yes", "calls": []}
    assert answer["usageMetadata"] == {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 60,
        "candidatesTokenCount": 15,
        "thoughtsTokenCount": 5,
        "totalTokenCount": 120,
    }
    assert content_of(written(*pieces, thoughts=False))["thoughts"] == ""


def test_a_call_is_one_object_however_it_came():
    answer = written(
        BEGUN,
        chunk({"content": "Let me see"}),
        chunk(call_piece(0, id="call_1", name="look")),
        chunk(call_piece(0, '{"at"')),
        chunk(call_piece(1, "{}", id="call_2", name="wait")),
        chunk(call_piece(0, ":1}")),
        chunk(finish="tool_calls"),
    )
    assert content_of(answer) == {
        "thoughts": "",
        "text": "Let me see",
        "calls": [("call_1", "look", {"at": 1}), ("call_2", "wait", {})],
    }
    assert answer["candidates"][0]["finishReason"] == "STOP"


def test_calls_of_a_host_that_gives_no_index_are_told_apart_by_their_ids():
    pieces = [
        {"id": "a", "function": {"name": "look", "arguments": '{"n":'}},
        {"function": {"arguments": "1}"}},
        {"id": "b", "function": {"name": "look", "arguments": '{"n":2}'}},
    ]
    answer = written(*(chunk({"tool_calls": [piece]}) for piece in pieces))
    assert content_of(answer)["calls"] == [("a", "look", {"n": 1}), ("b", "look", {"n": 2})]
    same = [{"index": 0, **piece} for piece in pieces]
    answer = written(*(chunk({"tool_calls": [piece]}) for piece in same))
    assert content_of(answer)["calls"] == [("a", "look", {"n": 1}), ("b", "look", {"n": 2})]


def test_the_first_call_has_the_signature_that_a_host_of_this_dialect_takes():
    calls = [{"id": str(n), "function": {"name": "look", "arguments": "{}"}} for n in range(2)]
    parts = whole({"message": {"tool_calls": calls}})["candidates"][0]["content"]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [UNSIGNED, None]


def test_arguments_that_are_no_object_are_told_as_such():
    call = {"id": "a", "function": {"name": "look", "arguments": '{"cut'}}
    answer = whole({"message": {"tool_calls": [call]}, "finish_reason": "length"})
    assert content_of(answer)["calls"] == [("a", "look", {INVALID_JSON: '{"cut'})]
    assert answer["candidates"][0]["finishReason"] == "MAX_TOKENS"


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", "STOP"),
        ("length", "MAX_TOKENS"),
        ("content_filter", "SAFETY"),
        ("tool_calls", "STOP"),
        ("function_call", "STOP"),
        ("of_tomorrow", "OTHER"),
        (None, "STOP"),
    ],
)
def test_why_it_ended(finish, reason):
    message = {"content": "x"}
    assert (
        whole({"message": message, "finish_reason": finish})["candidates"][0]["finishReason"]
        == reason
    )
    assert written(chunk(message, finish))["candidates"][0]["finishReason"] == reason


def test_a_refusal_is_a_text_that_ended_for_safety():
    answer = written(chunk({"refusal": "I will not."}), chunk(finish="stop"))
    assert content_of(answer)["text"] == "I will not."
    assert answer["candidates"][0]["finishReason"] == "SAFETY"
    assert whole({"message": {"refusal": "No"}})["candidates"][0]["finishReason"] == "SAFETY"


def test_candidates_keep_their_indexes():
    answer = written(
        chunk({"content": "b"}, index=1),
        chunk({"content": "a"}, index=0),
        chunk(finish="length", index=1),
        chunk(finish="stop", index=0),
    )
    assert [content_of(answer, index)["text"] for index in (0, 1)] == ["a", "b"]
    assert [each["finishReason"] for each in answer["candidates"]] == ["STOP", "MAX_TOKENS"]
    both = whole({"message": {"content": "a"}}, {"message": {"content": "b"}})
    assert [content_of(both, index)["text"] for index in (0, 1)] == ["a", "b"]


def test_probabilities_of_tokens():
    told = {
        "content": [
            {
                "token": "Hi",
                "logprob": -0.5,
                "bytes": [1],
                "top_logprobs": [{"token": "Hey", "logprob": -1.5}],
            }
        ]
    }
    expected = {
        "chosenCandidates": [{"token": "Hi", "logProbability": -0.5}],
        "topCandidates": [{"candidates": [{"token": "Hey", "logProbability": -1.5}]}],
    }
    answer = whole({"message": {"content": "Hi"}, "logprobs": told})
    assert answer["candidates"][0]["logprobsResult"] == expected
    event = writer_for().events(chunk({"content": "Hi"}, logprobs=told))
    assert json.loads(data_of(event))["candidates"][0]["logprobsResult"] == expected


def test_what_the_host_does_not_count_is_counted_here():
    counts = TokenCounts()
    answer = written(chunk({"content": "x"}), counts=counts, output_events=3)
    assert answer["usageMetadata"] == {
        "promptTokenCount": 25,
        "candidatesTokenCount": 3,
        "totalTokenCount": 28,
    }


def test_an_empty_stream_is_an_answer_all_the_same():
    assert content_of(written()) == {"thoughts": "", "text": "", "calls": []}


def test_comments_are_not_passed_on_since_the_official_client_takes_them_for_chunks():
    assert writer_for().events(b": still here\n\n") == b""


@pytest.mark.parametrize(
    "event",
    [
        b"data: {\n\n",
        b'data: {"choices":[{"delta":{"content":5}}]}\n\n',
        b'data: {"error":{"message":"it broke"}}\n\n',
        b'data: {"choices":[{"delta":{},"finish_reason":"error"}]}\n\n',
    ],
)
def test_a_broken_answer_is_a_bad_gateway(event):
    with pytest.raises(ApiError) as caught:
        writer_for().events(event)
    assert caught.value.status == 502


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"{}",
        b'{"choices":[]}',
        b'{"choices":[{}]}',
        b'{"choices":[{"message":{"tool_calls":[{"id":"a"}]}}]}',
        b'{"choices":[{"message":{},"finish_reason":"error"}]}',
    ],
)
def test_a_broken_whole_answer_is_a_bad_gateway(answer):
    with pytest.raises(ApiError) as caught:
        writer_for().whole(answer, COUNTS)
    assert caught.value.status == 502


def test_a_call_without_a_name_is_no_answer():
    writer = writer_for()
    writer.events(chunk(call_piece(0, "{}", id="a")))
    with pytest.raises(ApiError):
        writer.end(COUNTS)


def test_calls_and_candidates_are_bounded():
    many = (chunk(call_piece(n, "{}", id=str(n), name="look")) for n in range(300))
    with pytest.raises(ApiError):
        written(*many)
    with pytest.raises(ApiError):
        written(*(chunk({"content": "x"}, index=n) for n in range(200)))


# Any chunks, any cutting.

_text = st.text(min_size=1, max_size=5)
_index = st.integers(0, 1)
_pieces = st.lists(
    st.one_of(
        st.tuples(_index, _text).map(lambda pair: chunk({"content": pair[1]}, index=pair[0])),
        st.tuples(_index, _text).map(
            lambda pair: chunk({"reasoning_content": pair[1]}, index=pair[0])
        ),
        st.tuples(_index, st.integers(0, 2), _text).map(
            lambda of: chunk(call_piece(of[1], of[2], id=f"call_{of[1]}", name="look"), index=of[0])
        ),
        st.tuples(_index, st.sampled_from(["stop", "length", "content_filter"])).map(
            lambda pair: chunk(finish=pair[1], index=pair[0])
        ),
        st.just(b": still here\n\n"),
        st.just(chunk({"role": "assistant", "content": ""})),
        st.just(b'data: {"choices":[],"usage":null}\n\n'),
    ),
    max_size=12,
)


@given(_pieces, st.data())
def test_any_chunks_however_cut_are_a_legal_stream_with_the_same_sum(chunks, data):
    expected = written(*chunks)
    raw = b"".join(chunks)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    cutter, writer = EventCutter(), writer_for(COUNTS)
    out = b"".join(
        writer.events(cutter.feed(raw[start:end]))
        for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)
    )
    assert legal(out + writer.end(COUNTS)) == expected


@given(
    st.lists(
        st.tuples(st.none() | _text, st.none() | _text, st.integers(0, 2)), min_size=1, max_size=3
    ),
    st.sampled_from(["stop", "length", "tool_calls"]),
)
def test_a_whole_answer_is_the_sum_of_its_stream(choices, finish):
    messages, chunks = [], []
    for index, (text, thought, calls) in enumerate(choices):
        listed = [
            {"id": f"c{n}", "function": {"name": "look", "arguments": '{"n":1}'}}
            for n in range(calls)
        ]
        message = {"content": text, "reasoning_content": thought, "tool_calls": listed}
        messages.append({"message": message, "finish_reason": finish})
        if thought:
            chunks.append(chunk({"reasoning_content": thought}, index=index))
        chunks += [chunk({"content": character}, index=index) for character in text or ""]
        for n in range(calls):
            chunks.append(chunk(call_piece(n, '{"n"', id=f"c{n}", name="look"), index=index))
            chunks.append(chunk(call_piece(n, ":1}"), index=index))
        chunks.append(chunk(finish=finish, index=index))
    answer, stream = whole(*messages), written(*chunks)
    assert stream["usageMetadata"] == answer["usageMetadata"]
    for index, candidate in enumerate(answer["candidates"]):
        assert content_of(stream, index) == content_of(answer, index)
        assert stream["candidates"][index]["finishReason"] == candidate["finishReason"]


# As one array.


def array_of(*pieces):
    reader = ArrayAnswer(ScriptedReader(COUNTS))
    out = [reader.feed(piece) for piece in pieces]
    return out, reader


def test_an_array_is_written_entry_by_entry():
    events = [b'data: {"a":%d}\n\n' % number for number in range(3)]
    out, reader = array_of(events[0], b": comment\n\n", events[1] + events[2])
    assert out == [b'[{"a":0}', b"", b',\r\n{"a":1},\r\n{"a":2}']
    # What the scripted reader ends with is a last entry.
    assert reader.finish() == b",\r\n[DONE]]"


def test_an_array_of_a_translated_stream_is_json():
    asked = inbound(is_stream=True, is_array=True)
    assert asked.surface is GEMINI_ARRAY
    reader = TranslatedAnswer(ScriptedReader(COUNTS), writer_for(COUNTS), is_stream=True)
    array = ArrayAnswer(reader)
    raw = array.feed(chunk({"content": "a"})) + array.feed(chunk({"content": "b"}, "stop"))
    assert content_of(legal_array(raw + array.finish()))["text"] == "ab"
    assert array.counts == COUNTS


def test_an_array_that_breaks_ends_with_the_error():
    out, _ = array_of(b'data: {"a":1}\n\n')
    raw = out[0] + GEMINI_ARRAY.failure_events(ApiError(502, "It broke."), "req_1")
    assert json.loads(raw)[1] == {
        "error": {"code": 502, "message": "It broke.", "status": "INTERNAL"}
    }


# Embeddings.


def test_embeddings_in_the_order_they_were_asked_for():
    answer = {
        "data": [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}],
        "usage": {"prompt_tokens": 3},
    }
    raw = json.dumps(answer).encode()
    assert json.loads(EmbeddingsWriter(2, is_batch=True).whole(raw, TokenCounts(3, None, 0))) == {
        "embeddings": [{"values": [1.0]}, {"values": [2.0]}],
        "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3},
    }
    one = json.dumps({"data": [{"embedding": [1.0]}]}).encode()
    written_one = EmbeddingsWriter(1, is_batch=False).whole(one, TokenCounts())
    assert json.loads(written_one) == {"embedding": {"values": [1.0]}}


@pytest.mark.parametrize("answer", [b"", b"{}", b'{"data":[]}', b'{"data":[{"embedding":"AAAA"}]}'])
def test_broken_embeddings_are_a_bad_gateway(answer):
    with pytest.raises(ApiError) as caught:
        EmbeddingsWriter(1, is_batch=True).whole(answer, COUNTS)
    assert caught.value.status == 502
