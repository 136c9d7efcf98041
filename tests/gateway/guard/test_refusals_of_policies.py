"""What callers read whose prompt a policy refused, on every surface."""

import json

import pytest

from tests.gateway.guard.answer_parts import guard_for, judgement_of
from tradewind.gateway.dialects.surfaces import (
    AZURE_INFERENCE,
    AZURE_OPENAI,
    GEMINI,
    MESSAGES,
    OPENAI,
)
from tradewind.gateway.guard.judging import Judgement
from tradewind.gateway.guard.refusal import checks_unavailable, prompt_refused
from tradewind.plugins.checks.base import Content
from tradewind.snapshot.safety import Direction

SECRET = "a very B@D prompt"
RESULTS = {"violence": {"filtered": True, "severity": "high"}}
INNER = {
    "code": "ResponsibleAIPolicyViolation",
    "content_filter_result": RESULTS,
    "content_filter_results": RESULTS,
}


def refused(surface):
    judgement = judgement_of(guard_for(), Content(SECRET, Direction.PROMPT))
    error = prompt_refused(judgement, surface)
    assert error.status == 400
    body = surface.error(error, "req_1")
    assert b"B@D" not in body
    return json.loads(body)


@pytest.mark.parametrize("surface", [OPENAI, AZURE_OPENAI], ids=lambda surface: surface.name)
def test_openai_and_azure_have_what_azure_documents(surface):
    error = refused(surface)["error"]
    assert error["code"] == "content_filter"
    assert error["type"] is None
    assert error["param"] == "prompt"
    assert error["innererror"] == INNER
    assert error["message"].startswith("The response was filtered due to the prompt triggering")
    assert error["tradewind_safety"]["findings"][0]["threshold"] == 4
    assert error.get("status") == (400 if surface is AZURE_OPENAI else None)


def test_azure_inference_has_its_members_at_the_top():
    body = refused(AZURE_INFERENCE)
    assert (body["status"], body["code"], body["param"], body["type"]) == (
        400,
        "content_filter",
        "messages",
        None,
    )
    assert body["innererror"] == body["error"]["innererror"] == INNER
    assert body["error"]["code"] == "content_filter"


def test_messages_say_it_within_their_error():
    body = refused(MESSAGES)
    assert body["type"] == "error"
    assert body["error"]["type"] == "invalid_request_error"
    assert body["error"]["code"] == "content_filter"
    assert body["error"]["innererror"] == INNER


def test_gemini_says_why_the_prompt_was_blocked():
    body = refused(GEMINI)
    assert body["promptFeedback"] == {
        "blockReason": "SAFETY",
        "safetyRatings": [
            {
                "category": "HARM_CATEGORY_DANGEROUS_CONTENT",
                "probability": "HIGH",
                "blocked": True,
            }
        ],
    }
    error = body["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["details"][0]["reason"] == "CONTENT_FILTER"
    assert error["details"][0]["innererror"] == INNER


def test_a_refusal_for_want_of_a_verdict_is_worth_another_try():
    error = checks_unavailable(Judgement(failures=(("llama_guard", "timeout"),) * 2))
    assert (error.status, error.code) == (503, "content_filter_unavailable")
    assert "llama_guard" in error.message
    assert b"retry-after-ms: " in error.headers
    told = json.loads(OPENAI.error(error, ""))["error"]["tradewind_safety"]
    assert told == {"failures": [{"check": "llama_guard", "reason": "timeout"}]}
