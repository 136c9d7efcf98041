"""What safety models answer: the first words of a chat completion and how sure they were. Pure."""

import math
import re
from collections.abc import Mapping
from typing import Any

from tradewind.plugins.checks.base import CheckFailed
from tradewind.plugins.checks.remote_answers import items, member, number

LONGEST_VERDICT = 400
_FIRST_WORD = re.compile(r"[a-z]+")


def said(model: str, answer: Mapping[str, Any]) -> str:
    """Return the text of the first choice. Raises CheckFailed."""
    choices = items(answer, "choices")
    text = member(member(choices[0], "message"), "content") if choices else None
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST_VERDICT:
        raise CheckFailed(f"{model} did not answer with a verdict")
    return text.strip()


def yes_or_no(model: str, answer: Mapping[str, Any]) -> float:
    """Return how sure a model that answers `Yes` or `No` is of yes. Raises CheckFailed."""
    word = _FIRST_WORD.search(said(model, answer).lower())
    if word is None or word[0] not in {"yes", "no"}:
        raise CheckFailed(f"{model} did not answer with yes or no")
    likelihood = probability(answer, "yes", "no")
    return float(word[0] == "yes") if likelihood is None else likelihood


def probability(answer: Mapping[str, Any], yes: str, no: str) -> float | None:
    """Return the probability of one word against the other at the first place that offers either;
    None where the answer has no log probabilities.
    """
    choices = items(answer, "choices")
    tokens = items(member(choices[0], "logprobs"), "content") if choices else None
    for token in (tokens or ())[:8]:
        found = {yes: 0.0, no: 0.0}
        for each in [token, *(items(token, "top_logprobs") or ())]:
            text, logprob = member(each, "token"), number(member(each, "logprob"), -1e9, 0.01)
            if not isinstance(text, str) or logprob is None:
                continue
            word = text.strip().lower()
            if word in found:
                # The chosen one is listed among the top ones again.
                found[word] = max(found[word], math.exp(min(logprob, 0.0)))
        total = found[yes] + found[no]
        if total > 0:
            return found[yes] / total
    return None


def severity_of(likelihood: float) -> int:
    """These models are sure or not; how grave it is they do not say. 2 from 0.3, 4 from 0.5, 6
    from 0.8.
    """
    return 6 if likelihood >= 0.8 else 4 if likelihood >= 0.5 else 2 if likelihood >= 0.3 else 0


def defused(text: str) -> str:
    """Return a text in which nothing reads as a control token of a chat template: what is to be
    judged must not end its own turn.
    """
    text = text.replace("<|", "< |").replace("|>", "| >")
    for word in ("start_of_turn", "end_of_turn", "END CONVERSATION", "BEGIN CONVERSATION"):
        text = text.replace(f"<{word}>", f"< {word}>")
    return text


ASKING: dict[str, Any] = {"temperature": 0, "logprobs": True, "top_logprobs": 5, "stream": False}
