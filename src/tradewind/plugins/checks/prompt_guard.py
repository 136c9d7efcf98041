"""Llama Prompt Guard 2 (22M and 86M) as a safety model.

It is a classifier with two labels (`BENIGN` or LABEL_0, `MALICIOUS` or LABEL_1) and writes no text,
so the deployment answers with what classification pipelines return, as the text of a chat
completion: the label alone, `{"label", "score"}`, or a list of these for both labels. It sees 512
tokens, so contents come in short pieces. What it finds in a document is an indirect attack.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import msgspec

from tradewind.plugins.checks.base import CheckFailed, Content, Finding, Verdict
from tradewind.plugins.checks.model_answers import said, severity_of
from tradewind.plugins.checks.remote_answers import member, number
from tradewind.snapshot.safety import Direction

_LABELS = {"malicious": True, "label_1": True, "benign": False, "label_0": False}
_MODEL = "Prompt Guard"


class PromptGuard:
    name: ClassVar[str] = "prompt_guard"
    version: ClassVar[str] = "1"
    categories: ClassVar[frozenset[str]] = frozenset({"jailbreak", "indirect_attack"})
    directions: ClassVar[frozenset[Direction]] = frozenset({Direction.PROMPT, Direction.DOCUMENT})
    most_characters: ClassVar[int] = 1500
    """Under 512 tokens in most languages; longer ones are cut into pieces."""

    def chat(self, content: Content, options: Mapping[str, str]) -> dict[str, Any]:
        del options
        return {
            "messages": [{"role": "user", "content": content.text}],
            "max_tokens": 16,
            "temperature": 0,
            "stream": False,
        }

    def verdict(
        self, content: Content, answer: Mapping[str, Any], options: Mapping[str, str]
    ) -> Verdict:
        del options
        likelihood = _likelihood(said(_MODEL, answer))
        is_document = content.direction is Direction.DOCUMENT
        category = "indirect_attack" if is_document else "jailbreak"
        finding = Finding(category, severity_of(likelihood), likelihood)
        return Verdict(self.name, self.version, (finding,))


def _likelihood(text: str) -> float:
    alone = _LABELS.get(text.lower())
    if alone is not None:
        return float(alone)
    try:
        told: Any = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise CheckFailed(f"{_MODEL} did not answer with a label") from error
    if isinstance(told, list) and told:
        told = cast("list[Any]", told)[0]
    is_malicious = _LABELS.get(str(member(told, "label")).lower())
    score = number(member(told, "score"), 0, 1)
    if is_malicious is None or score is None:
        raise CheckFailed(f"{_MODEL} did not answer with a label")
    return score if is_malicious else 1.0 - score
