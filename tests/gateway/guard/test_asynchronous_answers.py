"""Text that goes out at once, and is taken back."""

import json

import pytest
from openai.types import chat as openai_chat

from tests.gateway.dialects.messages_parts import legal
from tests.gateway.guard.answer_parts import (
    KINDS,
    Walk,
    answer_guard,
    chat_events,
    chunk,
    events_in,
    guard_for,
    judgement_of,
    sse,
    stream_of,
    text_in,
)
from tradewind.plugins.checks.base import Content
from tradewind.snapshot.safety import Action, Direction, Streaming
from tradewind.wire.sse import DONE

FINE = "These are fine words. "


def walk_of(kind, **members):
    guard = guard_for(streaming=Streaming.ASYNCHRONOUS)
    return Walk(answer_guard(kind, guard, **members), guard)


@pytest.mark.parametrize("kind", KINDS)
def test_text_goes_out_before_its_verdict(kind):
    walk = walk_of(kind)
    data, rest = stream_of(kind, chat_events([FINE] * 10)[:-1])
    walk.feed(data)
    assert walk.out == data
    walk.finish(rest)
    assert walk.answer.is_waiting  # the end waits: it may still have to be another one
    walk.judge_all()
    assert text_in(kind, walk.out) == FINE * 10


@pytest.mark.parametrize("kind", KINDS)
def test_a_block_takes_back_what_went_out(kind):
    walk = walk_of(kind)
    data, rest = stream_of(kind, chat_events([FINE] * 4 + ["B@D "] + [FINE] * 4)[:-1])
    walk.feed(data)
    walk.judge_all()
    assert walk.answer.is_blocked
    assert walk.answer.blocked_at == len(FINE) * 8 + 4
    assert walk.answer.finish(rest) == b""
    events = json.loads(walk.out) if kind == "array" else events_in(walk.out)
    names = [line for line in walk.out.split(b"\n") if line.startswith(b"event: tradewind")]
    match kind:
        case "gemini" | "array":
            assert names == []  # clients of this dialect take every line for a chunk
            assert events[-2] == {"candidates": [], "tradewindRetract": {"fromOffset": 0}}
            assert events[-1]["candidates"][0]["finishReason"] == "SAFETY"
        case "messages":
            assert {"type": "tradewind.retract", "from_offset": 0, "index": 0} in events
            known = walk.out.replace(
                b'event: tradewind.retract\ndata: {"type":"tradewind.retract","from_offset":0,'
                b'"index":0}\n\n',
                b"",
            )
            assert legal(known)["stop_reason"] == "refusal"
        case "responses":
            assert [event["sequence_number"] for event in events] == list(range(len(events)))
            retract = next(each for each in events if each["type"] == "tradewind.retract")
            assert retract["from_offset"] == 0
            assert events[-1]["type"] == "response.incomplete"
        case _:
            # The client of Azure's inference API fails on events with a name.
            assert names == ([] if kind == "inference" else [b"event: tradewind.retract"])
            retract = next(event for event in events if "from_offset" in event)
            assert (retract["from_offset"], retract["index"], retract["choices"]) == (0, 0, [])
            for event in events:
                if event["object"]:  # Azure's own frames have none
                    openai_chat.ChatCompletionChunk.model_validate(event)
            assert events[-1]["choices"][0]["finish_reason"] == "content_filter"
            assert walk.out.endswith(DONE)


def test_the_retraction_begins_where_the_verdicts_end():
    walk = walk_of("openai")
    for text in [FINE] * 20 + ["B@D "] + [FINE] * 10:
        walk.feed(sse(chunk(text)))
        walk.judge()
    assert walk.answer.is_blocked
    retract = next(event for event in events_in(walk.out) if "from_offset" in event)
    assert 0 < len(FINE) * 20 - 200 <= retract["from_offset"] <= len(FINE) * 20


def test_azure_tells_how_far_it_has_looked():
    guard = guard_for(streaming=Streaming.ASYNCHRONOUS)
    prompt = judgement_of(guard, Content("Hello", Direction.PROMPT))
    walk = Walk(answer_guard("azure", guard, prompt), guard)
    for event in chat_events([FINE] * 20):
        walk.feed(event)
        walk.judge()
    walk.finish(DONE)
    walk.judge_all()
    events = events_in(walk.out)
    assert events[0] == {
        "id": "",
        "object": "",
        "created": 0,
        "model": "",
        "prompt_filter_results": [
            {
                "prompt_index": 0,
                "content_filter_results": {"violence": {"filtered": False, "severity": "safe"}},
            }
        ],
        "choices": [],
        "usage": None,
    }
    told = [
        choice["content_filter_offsets"]
        for event in events
        for choice in event["choices"]
        if "content_filter_offsets" in choice
    ]
    checked = [one["check_offset"] for one in told]
    assert checked == sorted(checked)
    assert told[-1]["end_offset"] == len(FINE) * 20
    assert told[0]["start_offset"] == 0
    assert text_in("azure", walk.out) == FINE * 20


def test_what_is_to_be_redacted_does_not_go_out_at_once():
    guard = guard_for(streaming=Streaming.ASYNCHRONOUS, pii=Action.REDACT)
    walk = Walk(answer_guard("openai", guard), guard)
    walk.feed(sse(chunk("Write to ann@mail.test")))
    assert walk.out == b""


def test_a_choice_that_is_blocked_ends_alone():
    walk = walk_of("openai", choices=2)
    walk.feed(sse(chunk("so B@D " * 20, index=1)) + sse(chunk(FINE)))
    walk.judge_all()
    walk.feed(sse(chunk(FINE)) + sse(chunk("late", index=1)) + sse(chunk(finish="stop")))
    walk.finish(DONE)
    walk.judge_all()
    assert not walk.answer.is_blocked
    assert b"late" not in walk.out
    retract = next(event for event in events_in(walk.out) if "from_offset" in event)
    assert (retract["index"], retract["from_offset"]) == (1, 0)
    assert text_in("openai", walk.out) == FINE * 2
