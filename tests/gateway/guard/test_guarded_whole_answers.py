"""Whole answers: what a policy leaves of them, in every dialect."""

import json

import pytest
from openai.types import Completion, chat
from openai.types.responses import Response

from tests.gateway.dialects.messages_parts import ScriptedReader
from tests.gateway.guard.answer_parts import (
    COUNTS,
    KINDS,
    Walk,
    answer_guard,
    guard_for,
    judgement_of,
)
from tradewind.gateway.dialects.gemini_writer import GeminiWriter
from tradewind.gateway.dialects.messages_writer import MessagesWriter
from tradewind.gateway.dialects.responses import ResponsesInbound
from tradewind.gateway.dialects.responses_writer import ResponsesWriter
from tradewind.gateway.dialects.surfaces import OPENAI
from tradewind.gateway.guard.answer_guard import AnswerGuard
from tradewind.gateway.guard.placeholders import Placeholders
from tradewind.plugins.checks.base import Content
from tradewind.plugins.providers.base import Dialect
from tradewind.snapshot.contents import Operation
from tradewind.snapshot.safety import Action, Direction
from tradewind.wire.responses import decode_request

WHOLE = [kind for kind in KINDS if kind != "array"]


def whole(kind, *texts, **message):
    """Return an answer with one choice for each text."""
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", "content": text, "refusal": None, **message},
            "logprobs": None,
            "finish_reason": "stop",
        }
        for index, text in enumerate(texts)
    ]
    answer = {
        "id": "chatcmpl-7",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "tw/small",
        "choices": choices,
        "usage": {"prompt_tokens": 12, "completion_tokens": 19, "total_tokens": 31},
    }
    body = json.dumps(answer).encode()
    match kind:
        case "openai" | "azure" | "inference":
            return body
        case "responses":
            request, fields = decode_request(b'{"model":"tw","input":"Hi"}')
            draft = ResponsesInbound(request, fields, body_length=1).draft
            writer = ResponsesWriter(draft, shows_summary=False, shows_logprobs=False)
            return writer.whole(body, COUNTS)
        case "messages":
            writer = MessagesWriter("tw/small", ScriptedReader(COUNTS), input_estimate=5)
            return writer.whole(body, COUNTS)
        case _:
            writer = GeminiWriter("tw/small", ScriptedReader(COUNTS), input_estimate=5)
            return writer.whole(body, COUNTS)


def judged(kind, guard, body, **members):
    walk = Walk(answer_guard(kind, guard, is_stream=False, **members), guard)
    assert walk.answer.feed(b"") == b""
    walk.finish(body)
    assert walk.answer.is_waiting
    assert walk.out == b""
    walk.judge_all()
    assert not walk.answer.is_waiting
    return walk


@pytest.mark.parametrize("kind", WHOLE)
def test_an_answer_without_findings_says_what_it_said(kind):
    guard = guard_for()
    body = whole(kind, "a fine text")
    told = json.loads(judged(kind, guard, body).out)
    came = json.loads(body)
    if kind in ("openai", "azure", "inference"):
        chat.ChatCompletion.model_validate(told)
        results = told["choices"][0].pop("content_filter_results")
        assert results == {"violence": {"filtered": False, "severity": "safe"}}
        assert told.pop("tradewind_safety") == {
            "policies": [{"id": "policy_1", "version": 3}],
            "findings": [],
        }
    elif kind == "gemini":
        assert told["candidates"][0].pop("safetyRatings") == [
            {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "NEGLIGIBLE"}
        ]
    assert told == came


@pytest.mark.parametrize("kind", WHOLE)
def test_a_blocked_answer_has_no_text_and_says_so(kind):
    guard = guard_for()
    calls = [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"secret": 1}'}}
    ]
    body = whole(kind, "it is B@D", tool_calls=calls, reasoning_content="hidden thought")
    walk = judged(kind, guard, body)
    for hidden in (b"B@D", b"secret", b"hidden thought", b"it is"):
        assert hidden not in walk.out
    told = json.loads(walk.out)
    assert walk.answer.blocked_at == 0
    evidence = told.get("tradewind_safety") or told["tradewindSafety"]
    assert evidence["findings"][0] == {
        "direction": "completion",
        "category": "violence",
        "severity": 6,
        "score": 0.9,
        "threshold": 4,
        "action": "block",
        "check": "words",
        "version": "1",
        "span": [6, 9],
        "in": "text",
        "choice": 0,
    }
    match kind:
        case "openai" | "azure" | "inference":
            chat.ChatCompletion.model_validate(told)
            assert told["choices"] == [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "", "refusal": None},
                    "logprobs": None,
                    "finish_reason": "content_filter",
                    "content_filter_results": {"violence": {"filtered": True, "severity": "high"}},
                }
            ]
            assert told["usage"]["completion_tokens"] == 19
        case "responses":
            Response.model_validate(told)
            assert told["status"] == "incomplete"
            assert told["incomplete_details"] == {"reason": "content_filter"}
            assert told["output"][0]["content"][0]["text"] == ""
            assert walk.answer.final is not None
            assert json.loads(walk.answer.final) == told
        case "messages":
            assert (told["content"], told["stop_reason"]) == ([], "refusal")
        case _:
            candidate = told["candidates"][0]
            assert (candidate["finishReason"], candidate["content"]["parts"]) == (
                "SAFETY",
                [{"text": ""}],
            )


def test_the_other_choices_of_an_answer_stay():
    guard = guard_for()
    walk = judged("openai", guard, whole("openai", "good", "so B@D", "fine"), choices=3)
    told = json.loads(walk.out)["choices"]
    assert [choice["message"]["content"] for choice in told] == ["good", "", "fine"]
    assert [choice["finish_reason"] for choice in told] == ["stop", "content_filter", "stop"]
    assert not told[0]["content_filter_results"]["violence"]["filtered"]


@pytest.mark.parametrize("kind", WHOLE)
def test_redacted_and_restored_text(kind):
    placeholders = Placeholders()
    told = placeholders.of_prompt("NAME", 'Ann "A"')
    guard = guard_for(pii=Action.REDACT)
    walk = judged(
        kind,
        guard,
        whole(kind, f"{told} is bob@mail.test"),
        placeholders=placeholders,
    )
    assert b".test" not in walk.out
    assert b'Ann \\"A\\" is <EMAIL_1>' in walk.out
    assert walk.answer.is_changed


def test_long_answers_are_examined_in_parts_that_overlap():
    guard = guard_for()
    text = "word " * 10_000
    walk = judged("openai", guard, whole("openai", text + "B@D"))
    assert max(len(content.text) for content in walk.contents) <= 8_200
    assert sum(len(content.text) - content.look_back for content in walk.contents) == 50_003
    assert b"word word" not in walk.out


def test_completions_have_annotations_too():
    guard = guard_for()
    answer = {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "text": "B@D", "logprobs": None, "finish_reason": "stop"}],
    }
    walk = judged("openai", guard, json.dumps(answer).encode(), operation=Operation.COMPLETIONS)
    told = json.loads(walk.out)
    Completion.model_validate(told)
    assert told["choices"][0]["text"] == ""
    assert told["choices"][0]["finish_reason"] == "content_filter"


@pytest.mark.parametrize(
    "body",
    [
        b'{"text": "so B@D"}',
        b'{"text": "ok", "segments": [{"text": "so B@D"}]}',
        b"1\n00:00:01,000 --> 00:00:02,000\nso B@D\n",
    ],
)
def test_a_transcript_cannot_say_that_it_was_filtered_so_an_error_does(body):
    guard = guard_for()
    walk = judged("openai", guard, body, operation=Operation.TRANSCRIPTION)
    assert walk.out == b""
    error = walk.answer.error
    assert error is not None
    assert (error.status, error.code) == (400, "content_filter")
    assert walk.answer.is_blocked


def test_a_transcript_in_plain_text_is_redacted():
    guard = guard_for(pii=Action.REDACT)
    body = "1\nWrite to ann@mail.test, é\n".encode()
    walk = judged("openai", guard, body, operation=Operation.TRANSCRIPTION)
    assert walk.out.decode() == "1\nWrite to <EMAIL_1>, é\n"


def test_what_a_host_annotated_itself_stays_where_it_is_graver():
    guard = guard_for()
    body = json.loads(whole("azure", "fine"))
    body["choices"][0]["content_filter_results"] = {
        "violence": {"filtered": False, "severity": "medium"},
        "protected_material_text": {"detected": False, "filtered": False},
    }
    walk = judged("azure", guard, json.dumps(body).encode())
    assert json.loads(walk.out)["choices"][0]["content_filter_results"] == {
        "violence": {"filtered": False, "severity": "medium"},
        "protected_material_text": {"detected": False, "filtered": False},
    }


def test_a_response_that_could_not_be_stored_says_so_as_it_was_told():
    guard = guard_for(pii=Action.REDACT)
    walk = judged("responses", guard, whole("responses", "Ask bob@mail.test"))
    again = walk.answer.unstored(walk.out)
    assert json.loads(again) == json.loads(walk.out) | {"store": False}


def test_the_prompt_is_annotated_with_what_was_found_in_it():
    guard = guard_for()
    prompt = judgement_of(guard, Content("an odd thing", Direction.PROMPT))
    answer = AnswerGuard(OPENAI, Dialect.OPENAI, guard, prompt, is_stream=False)
    walk = Walk(answer, guard)
    walk.finish(whole("openai", "fine"))
    walk.judge_all()
    told = json.loads(walk.out)
    assert told["prompt_filter_results"] == [
        {
            "prompt_index": 0,
            "content_filter_results": {
                "hate": {"filtered": False, "severity": "low"},
                "violence": {"filtered": False, "severity": "safe"},
            },
        }
    ]
    assert [one["direction"] for one in told["tradewind_safety"]["findings"]] == ["prompt"]
