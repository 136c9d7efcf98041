"""Answers of the operations besides chat: read the same however they are cut, and never absurd."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple
from provider_parts import ENDPOINT, read

from tradewind.plugins.providers.base import ProviderRequest, TokenCounts
from tradewind.plugins.providers.dialects.openai import MOST_ANSWER_BYTES
from tradewind.plugins.providers.dialects.openai_operations import (
    CountedAnswer,
    EventsAnswer,
    PassedBytes,
    count_images,
    count_moderation,
    count_rerank,
    count_transcription,
)
from tradewind.plugins.providers.fakes.base import FakeRequest, Told
from tradewind.plugins.providers.fakes.registry import fakes
from tradewind.plugins.providers.openai_compatible import OpenAICompatible
from tradewind.snapshot.contents import Operation, Target
from tradewind.wire import chat
from tradewind.wire.errors import ApiError

PROVIDER = OpenAICompatible()
TARGET = Target("d", "r", "openai_compatible", "127.0.0.1:1", "fake-model", "fake-key")
FORM = (
    b'--xYz\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\nRIFF\r\n'
    b'--xYz\r\ncontent-disposition: form-data; name="%b"\r\n\r\n%b\r\n--xYz--\r\n'
)
QUESTIONS = {
    "completions": (Operation.COMPLETIONS, {"prompt": "x", "stream": True}),
    "completions-whole": (Operation.COMPLETIONS, {"prompt": "x"}),
    "rerank": (Operation.RERANK, {"query": "q", "documents": ["a"]}),
    "moderations": (Operation.MODERATIONS, {"input": "x"}),
    "images": (Operation.IMAGES, {"prompt": "x", "n": 2}),
    "speech": (Operation.SPEECH, {"input": "Hi"}),
    "speech-events": (Operation.SPEECH, {"input": "Hi", "stream_format": "sse"}),
    "transcription": (Operation.TRANSCRIPTION, (b"response_format", b"verbose_json")),
    "transcription-text": (Operation.TRANSCRIPTION, (b"response_format", b"text")),
    "transcription-srt": (Operation.TRANSCRIPTION, (b"response_format", b"srt")),
    "transcription-events": (Operation.TRANSCRIPTION, (b"stream", b"true")),
}


def prepared(question):
    operation, asked = QUESTIONS[question]
    if isinstance(asked, tuple):
        form = FORM % asked
        fields = {}
        return PROVIDER.prepare(
            ProviderRequest(
                ENDPOINT,
                fields,
                None,
                operation,
                streams=asked[0] == b"stream",
                form=form,
                form_type=b"multipart/form-data; boundary=xYz",
            ),
            TARGET,
        )
    fields = chat.decode_fields(json.dumps({"model": "m", **asked}).encode())
    streams = bool(asked.get("stream")) or "stream_format" in asked
    request = ProviderRequest(ENDPOINT, fields, None, operation, streams=streams)
    return PROVIDER.prepare(request, TARGET)


def answered(question):
    asked = prepared(question)
    head, *lines = asked.head.decode().split("\r\n")[:-2]
    method, path, _ = head.split(" ")
    headers = dict(line.split(": ", 1) for line in lines)
    request = FakeRequest(method, path, headers, asked.body)
    reply = fakes()["openai_compatible"].reply(request, Told.IN_PLACE)
    assert reply.status == 200, reply
    return b"".join(reply.pieces)


@pytest.mark.parametrize("question", QUESTIONS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_split_of_the_bytes_reads_the_same(question, data):
    raw = answered(question)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    whole, cut = prepared(question).reader, prepared(question).reader
    assert read(cut, *pieces) == read(whole, raw)
    assert cut.counts == whole.counts
    assert cut.counts != TokenCounts()


COUNTS = [count_images, count_moderation, count_rerank, count_transcription]
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
NAMES = ["usage", "meta", "data", "duration", "text", "results"]
MEMBERS = ["input_tokens", "total_tokens", "seconds", "billed_units", "input_tokens_details"]


@pytest.mark.parametrize("count", COUNTS)
@given(
    st.dictionaries(
        st.sampled_from(NAMES),
        json_values | st.dictionaries(st.sampled_from(MEMBERS), json_values),
    )
)
def test_whatever_stands_in_an_answer_counts_are_whole_numbers_or_unknown(count, answer):
    members = chat.decode_fields(json.dumps(answer).encode())
    *tokens, meters = astuple(count(members))
    for number in [*tokens, *(meters or {}).values()]:
        assert number is None or (isinstance(number, int) and number >= 0)


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"type": "duration", "seconds": 2.5}, TokenCounts(0, None, 0, meters={"audio_ms": 2500})),
        ({"prompt_audio_seconds": 3}, TokenCounts(0, None, 0, meters={"audio_ms": 3000})),
        (
            {
                "type": "tokens",
                "input_tokens": 9,
                "output_tokens": 4,
                "input_token_details": {"audio_tokens": 8, "text_tokens": 1},
            },
            TokenCounts(9, None, 4, audio_input_tokens=8),
        ),
        (None, TokenCounts()),
    ],
)
def test_a_transcription_tells_time_or_tokens_or_nothing(usage, counts):
    reader = CountedAnswer(None, count_transcription)
    read(reader, json.dumps({"text": "x", "usage": usage}).encode())
    assert reader.counts == counts


def test_only_an_answer_that_names_a_model_is_renamed():
    for raw in (b'{"results":[]}', b'{"model":"theirs","results":[]}'):
        answer = json.loads(read(CountedAnswer("ours", count_rerank), raw))
        assert answer.get("model", "ours") == "ours"
        assert ("model" in answer) == (b"model" in raw)


@pytest.mark.parametrize("raw", [b"", b"<html>", b"[]", b'{"error":{"message":"x"}}', b"\xff"])
def test_a_whole_answer_that_is_none_is_a_bad_gateway(raw):
    with pytest.raises(ApiError) as caught:
        read(CountedAnswer(None, count_images), raw)
    assert caught.value.status == 502


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"data: {",
        b'data: {"type":"error","error":{"message":"x"}}\n\n',
        b'data: {"type":"transcript.text.done", garbage}\n\n',
    ],
)
def test_events_that_are_none_are_a_bad_gateway(raw):
    with pytest.raises(ApiError) as caught:
        read(EventsAnswer(count_transcription), raw)
    assert caught.value.status == 502


def test_streamed_images_are_counted_as_they_are_completed():
    usage = {"input_tokens": 5, "output_tokens": 100}
    events = [
        {"type": "image_generation.partial_image", "b64_json": "aa"},
        {"type": "image_generation.completed", "b64_json": "bb", "usage": usage},
    ]
    fields = chat.decode_fields(b'{"model":"m","prompt":"x"}')
    request = ProviderRequest(ENDPOINT, fields, None, Operation.IMAGES, streams=True)
    reader = PROVIDER.prepare(request, TARGET).reader
    raw = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    assert read(reader, raw) == raw
    assert reader.counts == TokenCounts(5, None, 100, meters={"images": 1})


def test_subtitles_tell_how_long_the_recording_was():
    for raw, ms in (
        (b"1\n00:00:00,000 --> 01:02:03,500\nx\n", 3_723_500),
        (b"WEBVTT\n\n00:00.000 --> 00:04.250\nx\n\n01:00.000 --> 02:04.250\ny\n", 124_250),
        (b"WEBVTT\n", None),
    ):
        reader = PassedBytes(TokenCounts(), finds_time=True)
        assert b"".join([*(reader.feed(raw[n : n + 1]) for n in range(len(raw)))]) == raw
        reader.finish()
        assert reader.counts.meters == (None if ms is None else {"audio_ms": ms})


def test_an_answer_without_end_is_refused_at_the_bound():
    reader = CountedAnswer(None, count_images)
    for _ in range(MOST_ANSWER_BYTES >> 20):
        reader.feed(b" " * (1 << 20))
    with pytest.raises(ApiError):
        reader.feed(b" ")
