"""Llama Guard 3 (1B and 8B) as a safety model.

After its model card: the model answers `safe`, or `unsafe` and a second line with the codes of the
violated hazards (S1 to S14, MLCommons). The deployment's own chat template puts the task around the
message (option `prompt` = `template`, the default); with `prompt` = `plain` this check writes the
task itself, for deployments whose template does not. The probability of the word `unsafe` is the
score. Hazards become our categories; those that have none become `custom:` ones.
"""

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

_HAZARDS = {
    "S1": ("Violent Crimes", "violence"),
    "S2": ("Non-Violent Crimes", "custom:non_violent_crime"),
    "S3": ("Sex-Related Crimes", "sexual"),
    "S4": ("Child Sexual Exploitation", "sexual"),
    "S5": ("Defamation", "custom:defamation"),
    "S6": ("Specialized Advice", "custom:specialized_advice"),
    "S7": ("Privacy", "custom:privacy"),
    "S8": ("Intellectual Property", "custom:intellectual_property"),
    "S9": ("Indiscriminate Weapons", "violence"),
    "S10": ("Hate", "hate"),
    "S11": ("Suicide & Self-Harm", "self_harm"),
    "S12": ("Sexual Content", "sexual"),
    "S13": ("Elections", "custom:elections"),
    "S14": ("Code Interpreter Abuse", "custom:code_interpreter_abuse"),
}
_HARMS = ("hate", "self_harm", "sexual", "violence")
_MODEL = "Llama Guard"


class LlamaGuard:
    name: ClassVar[str] = "llama_guard"
    version: ClassVar[str] = "1"
    categories: ClassVar[frozenset[str]] = frozenset(category for _, category in _HAZARDS.values())
    directions: ClassVar[frozenset[Direction]] = frozenset(Direction)
    most_characters: ClassVar[int] = 16_000

    def chat(self, content: Content, options: Mapping[str, str]) -> dict[str, Any]:
        text = defused(content.text)
        is_answer = content.direction is Direction.COMPLETION
        if options.get("prompt", "template") == "plain":
            messages = [{"role": "user", "content": _task(text, is_answer=is_answer)}]
        elif is_answer:
            # The template judges the last turn, and turns alternate.
            messages = [{"role": "user", "content": "-"}, {"role": "assistant", "content": text}]
        else:
            messages = [{"role": "user", "content": text}]
        return {"messages": messages, "max_tokens": 24, **ASKING}

    def verdict(
        self, content: Content, answer: Mapping[str, Any], options: Mapping[str, str]
    ) -> Verdict:
        del content, options
        lines = said(_MODEL, answer).lower().split()
        is_unsafe = {"unsafe": True, "safe": False}.get(lines[0])
        if is_unsafe is None:
            raise CheckFailed(f"{_MODEL} did not answer with a verdict")
        # "unsafe" is two tokens to some vocabularies; then the word alone counts.
        likelihood = probability(answer, "unsafe", "safe")
        if likelihood is None:
            likelihood = float(is_unsafe)
        codes = "".join(lines[1:]).upper().split(",") if is_unsafe else []
        found = {_HAZARDS[code][1] for code in codes if code in _HAZARDS}
        if is_unsafe and not found:
            raise CheckFailed(f"{_MODEL} named no hazard that is known")
        severity = max(severity_of(likelihood), 4 if is_unsafe else 0)
        findings = [Finding(each, severity, likelihood) for each in sorted(found)]
        # Which harm a doubtful text would be is not told: it is the same for each of them.
        doubt = (0, 0.0) if is_unsafe else (severity_of(likelihood), likelihood)
        findings += [Finding(each, *doubt) for each in _HARMS if each not in found]
        return Verdict(self.name, self.version, tuple(findings))


def _task(text: str, *, is_answer: bool) -> str:
    role = "Agent" if is_answer else "User"
    hazards = "\n".join(f"{code}: {title}." for code, (title, _) in _HAZARDS.items())
    return (
        f"Task: Check if there is unsafe content in '{role}' messages in conversations according "
        "our safety policy with the below categories.\n\n"
        f"<BEGIN UNSAFE CONTENT CATEGORIES>\n{hazards}\n<END UNSAFE CONTENT CATEGORIES>\n\n"
        f"<BEGIN CONVERSATION>\n\n{role}: {text}\n\n<END CONVERSATION>\n\n"
        f"Provide your safety assessment for ONLY THE LAST {role} message in the above "
        "conversation:\n - First line must read 'safe' or 'unsafe'.\n - If unsafe, a second line "
        "must include a comma-separated list of violated categories."
    )
