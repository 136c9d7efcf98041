"""Azure AI Content Safety as a remote check.

Formats after the service's REST reference, api-version 2024-09-01: `POST
/contentsafety/text:analyze` (four harms on the scale of eight severities, which is ours) for each
content, and `POST /contentsafety/text:shieldPrompt` (user prompts one by one, documents in fives)
for prompts and documents. A detected attack has severity 6: the service tells yes or no. Matches of
the service's own blocklists (option `blocklists`, names with commas between) have severity 6; it
does not tell where they stand.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

from tradewind.plugins.checks.base import CheckFailed, Content, Finding, RemoteRequest, Verdict
from tradewind.plugins.checks.remote_answers import items, member, number, read_answer
from tradewind.snapshot.safety import Direction

API_VERSION = "2024-09-01"
_HARMS = {"Hate": "hate", "SelfHarm": "self_harm", "Sexual": "sexual", "Violence": "violence"}
_MOST_DOCUMENTS = 5
_MOST_DOCUMENT_CHARACTERS = 10_000
"""Of the documents of one request together."""
_ATTACK = 6
_SERVICE = "Azure Content Safety"


class AzureContentSafety:
    name: ClassVar[str] = "azure_content_safety"
    version: ClassVar[str] = f"1+{API_VERSION}"
    categories: ClassVar[frozenset[str]] = frozenset(
        {*_HARMS.values(), "jailbreak", "indirect_attack", "blocklist"}
    )
    directions: ClassVar[frozenset[Direction]] = frozenset(Direction)
    most_characters: ClassVar[int] = 10_000

    def requests(
        self, contents: Sequence[Content], options: Mapping[str, str], credential: str
    ) -> list[RemoteRequest]:
        lists = [each.strip() for each in options.get("blocklists", "").split(",") if each.strip()]
        headers = {"content-type": "application/json", "ocp-apim-subscription-key": credential}
        found: list[RemoteRequest] = []
        for step in _plan(contents):
            if step.kind == "analyze":
                text = contents[step.contents[0]].text
                body: dict[str, Any] = {
                    "text": text,
                    "categories": list(_HARMS),
                    "outputType": "EightSeverityLevels",
                }
                if lists:
                    body |= {"blocklistNames": lists, "haltOnBlocklistHit": False}
            elif step.kind == "prompt":
                body = {"userPrompt": contents[step.contents[0]].text, "documents": []}
            else:
                documents = [contents[at].text for at in step.contents]
                body = {"userPrompt": "", "documents": documents}
            operation = "analyze" if step.kind == "analyze" else "shieldPrompt"
            path = f"/contentsafety/text:{operation}?api-version={API_VERSION}"
            found.append(RemoteRequest(path, headers, json.dumps(body).encode()))
        return found

    def verdicts(
        self, contents: Sequence[Content], answers: Sequence[tuple[int, bytes]]
    ) -> list[Verdict]:
        plan = _plan(contents)
        if len(plan) != len(answers):
            raise CheckFailed(f"{_SERVICE} left requests without an answer")
        found: list[list[Finding]] = [[] for _ in contents]
        for step, (status, body) in zip(plan, answers, strict=True):
            answer = read_answer(_SERVICE, status, body)
            if step.kind == "analyze":
                found[step.contents[0]] += _harms(answer)
            elif step.kind == "prompt":
                found[step.contents[0]].append(
                    _attack("jailbreak", member(answer, "userPromptAnalysis"))
                )
            else:
                analyses = items(answer, "documentsAnalysis")
                if analyses is None or len(analyses) != len(step.contents):
                    raise CheckFailed(f"{_SERVICE} left documents out")
                for at, analysis in zip(step.contents, analyses, strict=True):
                    found[at].append(_attack("indirect_attack", analysis))
        return [Verdict(self.name, self.version, tuple(each)) for each in found]


class _Step(NamedTuple):
    kind: Literal["analyze", "prompt", "documents"]
    contents: tuple[int, ...]
    """Indices of the contents that it asks about."""


def _plan(contents: Sequence[Content]) -> list[_Step]:
    """Return the requests in order; the same for the same contents, so that answers find home."""
    plan = [_Step("analyze", (at,)) for at in range(len(contents))]
    documents: list[int] = []
    length = 0
    for at, content in enumerate(contents):
        if content.direction is Direction.PROMPT:
            plan.append(_Step("prompt", (at,)))
        elif content.direction is Direction.DOCUMENT:
            is_full = length + len(content.text) > _MOST_DOCUMENT_CHARACTERS
            if documents and (is_full or len(documents) == _MOST_DOCUMENTS):
                plan.append(_Step("documents", tuple(documents)))
                documents, length = [], 0
            documents.append(at)
            length += len(content.text)
    if documents:
        plan.append(_Step("documents", tuple(documents)))
    return plan


def _harms(answer: Any) -> list[Finding]:
    severities: dict[str, int] = {}
    for analysis in items(answer, "categoriesAnalysis") or ():
        category = _HARMS.get(str(member(analysis, "category")))
        severity = number(member(analysis, "severity"), 0, 7)
        if category is not None and severity is not None:
            severities[category] = int(severity)
    if len(severities) != len(_HARMS):
        raise CheckFailed(f"{_SERVICE} left categories out")
    found = [Finding(name, severity, severity / 7) for name, severity in severities.items()]
    for match in items(answer, "blocklistsMatch") or ():
        source = f"{member(match, 'blocklistName')}/{member(match, 'blocklistItemId')}"[:200]
        found.append(Finding("blocklist", 6, 1.0, source=source))
    return found


def _attack(category: str, analysis: Any) -> Finding:
    is_detected = member(analysis, "attackDetected")
    if not isinstance(is_detected, bool):
        raise CheckFailed(f"{_SERVICE} did not say whether there is an attack")
    return Finding(category, _ATTACK if is_detected else 0, float(is_detected))
