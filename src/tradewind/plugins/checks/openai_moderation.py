"""OpenAI's moderation as a remote check.

Format after OpenAI's API reference, `POST /v1/moderations` with `omni-moderation-latest`: inputs as
a list of texts, one result each with `flagged`, `categories` and `category_scores`. Their thirteen
categories become ours: harassment counts as hate, `illicit/violent` as violence, `illicit` as
`custom:illicit`; of several the highest counts. Their scores are certainties and say nothing of
gravity: 2 from 0.2, 4 from 0.4 or where the service flags it, 6 from 0.8.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tradewind.plugins.checks.base import CheckFailed, Content, Finding, RemoteRequest, Verdict
from tradewind.plugins.checks.remote_answers import items, member, number, read_answer
from tradewind.snapshot.safety import Direction

MODEL = "omni-moderation-latest"
_MOST_INPUTS = 32
_SERVICE = "OpenAI moderation"
_CATEGORIES = {
    "hate": "hate",
    "hate/threatening": "hate",
    "harassment": "hate",
    "harassment/threatening": "hate",
    "self-harm": "self_harm",
    "self-harm/intent": "self_harm",
    "self-harm/instructions": "self_harm",
    "sexual": "sexual",
    "sexual/minors": "sexual",
    "violence": "violence",
    "violence/graphic": "violence",
    "illicit": "custom:illicit",
    "illicit/violent": "violence",
}
# What older models and compatible servers leave out.
_OPTIONAL = frozenset({"illicit", "illicit/violent"})


class OpenaiModeration:
    name: ClassVar[str] = "openai_moderation"
    version: ClassVar[str] = f"1+{MODEL}"
    categories: ClassVar[frozenset[str]] = frozenset(_CATEGORIES.values())
    directions: ClassVar[frozenset[Direction]] = frozenset(Direction)
    most_characters: ClassVar[int] = 20_000

    def requests(
        self, contents: Sequence[Content], options: Mapping[str, str], credential: str
    ) -> list[RemoteRequest]:
        headers = {"content-type": "application/json", "authorization": f"Bearer {credential}"}
        model = options.get("model", MODEL)
        return [
            RemoteRequest(
                "/v1/moderations",
                headers,
                json.dumps({"model": model, "input": [each.text for each in some]}).encode(),
            )
            for some in _batches(contents)
        ]

    def verdicts(
        self, contents: Sequence[Content], answers: Sequence[tuple[int, bytes]]
    ) -> list[Verdict]:
        batches = _batches(contents)
        if len(batches) != len(answers):
            raise CheckFailed(f"{_SERVICE} left requests without an answer")
        found: list[Verdict] = []
        for some, (status, body) in zip(batches, answers, strict=True):
            results = items(read_answer(_SERVICE, status, body), "results")
            if results is None or len(results) != len(some):
                raise CheckFailed(f"{_SERVICE} left texts out")
            found += [Verdict(self.name, self.version, _findings(each)) for each in results]
        return found


def _batches(contents: Sequence[Content]) -> list[Sequence[Content]]:
    return [contents[at : at + _MOST_INPUTS] for at in range(0, len(contents), _MOST_INPUTS)]


def _findings(result: Any) -> tuple[Finding, ...]:
    scores, flags = member(result, "category_scores"), member(result, "categories")
    gravest: dict[str, tuple[int, float]] = {}
    for theirs, ours in _CATEGORIES.items():
        score = number(member(scores, theirs), 0, 1)
        if score is None:
            if theirs in _OPTIONAL and member(scores, theirs) is None:
                continue
            raise CheckFailed(f"{_SERVICE} left a score out")
        severity = _severity(score, is_flagged=member(flags, theirs) is True)
        gravest[ours] = max(gravest.get(ours, (0, 0.0)), (severity, score))
    return tuple(
        Finding(category, severity, score) for category, (severity, score) in gravest.items()
    )


def _severity(score: float, *, is_flagged: bool) -> int:
    if score >= 0.8:
        return 6
    if is_flagged or score >= 0.4:
        return 4
    return 2 if score >= 0.2 else 0
