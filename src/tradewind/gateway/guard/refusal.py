"""Refusals of prompts and of calls whose checks could not tell. Pure.

Azure's shape ("Content filtering", learn.microsoft.com): 400, code `content_filter`, and inside
`innererror` what was found. Live Azure spells it `content_filter_result`, its documentation
`content_filter_results`; both are sent. PyRIT takes a prompt for blocked by that code.
"""

from typing import Any

from tradewind.gateway.dialects.surfaces import Surface
from tradewind.gateway.guard.annotations import (
    MOST_EVIDENCE,
    evidence_of,
    filter_results,
    is_worth_telling,
)
from tradewind.gateway.guard.judging import Judgement
from tradewind.wire.errors import ApiError, unavailable

CODE = "content_filter"
_PROMPT = (
    "The response was filtered due to the prompt triggering Tradewind's content management policy. "
    "Please modify your prompt and retry."
)
_ANSWER = "The answer was filtered: it triggered Tradewind's content management policy."


def prompt_refused(judgement: Judgement, surface: Surface) -> ApiError:
    """Return the refusal of a prompt, or of a document it brings, that a policy blocks."""
    return _refused(_PROMPT, judgement, "messages" if _is_flat(surface) else "prompt")


def answer_refused(judgement: Judgement, surface: Surface) -> ApiError:
    """Return the refusal of an answer in a form that cannot say itself that it was filtered."""
    return _refused(_ANSWER, judgement, "messages" if _is_flat(surface) else "completion")


def checks_unavailable(judgement: Judgement) -> ApiError:
    """Return the refusal of a call whose checks could not tell, where the policy wants them to."""
    names = sorted({name for name, _ in judgement.failures})
    error = unavailable(
        "The call was not let through: "
        f"{', '.join(names)[:200] or 'a check'} could not tell, and the policy does not let calls "
        "pass without. Retry in a moment.",
        code="content_filter_unavailable",
    )
    failures = [{"check": name, "reason": why} for name, why in dict.fromkeys(judgement.failures)]
    error.details = {"tradewind_safety": {"failures": failures}}
    return error


def _refused(message: str, judgement: Judgement, param: str) -> ApiError:
    results = filter_results(judgement.flags, judgement.findings, judgement.failures)
    findings = [evidence_of(one) for one in judgement.findings if is_worth_telling(one)]
    details: dict[str, Any] = {
        "innererror": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": results,
            "content_filter_results": results,
        },
        "tradewind_safety": {"findings": findings[:MOST_EVIDENCE]},
    }
    return ApiError(400, message, type=None, param=param, code=CODE, details=details)


def _is_flat(surface: Surface) -> bool:
    return surface.name == "azure_inference"
