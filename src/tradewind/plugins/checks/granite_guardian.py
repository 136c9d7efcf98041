"""Granite Guardian (3.0 to 3.3) as a safety model.

After its documentation: the risk to look for stands in a system message, the last message is what
is judged, and the chat template of the deployment puts the task around both. 3.0 and 3.1 answer
`Yes` or `No`, 3.2 adds a `<confidence>`, 3.3 answers `<score> yes </score>`. The model judges one
risk at a time: the option `risk` names it (`harm` where there is none), and a policy that wants
several uses the check several times. `groundedness` judges an answer against the content's sources.
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from tradewind.plugins.checks.base import CheckFailed, Content, Finding, Verdict
from tradewind.plugins.checks.model_answers import (
    ASKING,
    defused,
    probability,
    said,
    severity_of,
)
from tradewind.snapshot.safety import Direction

_RISKS = {
    "harm": "custom:harm",
    "social_bias": "hate",
    "violence": "violence",
    "sexual_content": "sexual",
    "profanity": "profanity",
    "unethical_behavior": "custom:unethical_behavior",
    "jailbreak": "jailbreak",
    "groundedness": "ungrounded_material",
}
_MODEL = "Granite Guardian"
_VERDICT = re.compile(r"(?:<score>)?\s*(yes|no)\b")
_CONFIDENCE = re.compile(r"<confidence>\s*(high|low)\s*</confidence>")
_LOW, _HIGH = 0.6, 0.95
"""What its two words of confidence are taken for where there are no log probabilities."""
_MOST_SOURCE_CHARACTERS = 16_000


class GraniteGuardian:
    name: ClassVar[str] = "granite_guardian"
    version: ClassVar[str] = "1"
    categories: ClassVar[frozenset[str]] = frozenset(_RISKS.values())
    directions: ClassVar[frozenset[Direction]] = frozenset(Direction)
    most_characters: ClassVar[int] = 16_000

    def chat(self, content: Content, options: Mapping[str, str]) -> dict[str, Any]:
        risk = _risk(options)
        text = defused(content.text)
        messages = [{"role": "system", "content": risk}]
        if risk == "groundedness":
            if content.direction is not Direction.COMPLETION or not content.sources:
                raise CheckFailed(f"{_MODEL} judges answers with their sources alone")
            sources = defused("\n\n".join(content.sources)[:_MOST_SOURCE_CHARACTERS])
            messages.append({"role": "context", "content": sources})
            messages.append({"role": "assistant", "content": text})
        elif content.direction is Direction.COMPLETION:
            # The template judges the answer to something.
            messages.append({"role": "user", "content": "-"})
            messages.append({"role": "assistant", "content": text})
        else:
            messages.append({"role": "user", "content": text})
        return {"messages": messages, "max_tokens": 24, **ASKING}

    def verdict(
        self, content: Content, answer: Mapping[str, Any], options: Mapping[str, str]
    ) -> Verdict:
        del content
        category = _RISKS[_risk(options)]
        text = said(_MODEL, answer).lower()
        found = _VERDICT.match(text)
        if found is None:
            raise CheckFailed(f"{_MODEL} did not answer with yes or no")
        is_found = found[1] == "yes"
        likelihood = probability(answer, "yes", "no")
        if likelihood is None:
            confidence = _CONFIDENCE.search(text)
            sure = 1.0 if confidence is None else _HIGH if confidence[1] == "high" else _LOW
            likelihood = sure if is_found else 1.0 - sure
        finding = Finding(category, severity_of(likelihood), likelihood)
        return Verdict(self.name, self.version, (finding,))


def _risk(options: Mapping[str, str]) -> str:
    risk = options.get("risk", "harm")
    if risk not in _RISKS:
        raise CheckFailed(f"{_MODEL} knows no such risk as the option `risk` names")
    return risk
