"""ShieldGemma (2B, 9B, 27B) as a safety model.

After its model card: a preamble, the text between turn marks, one safety principle, and the
question whether it is violated; the answer begins with `Yes` or `No`, and the probability of `Yes`
against `No` is the score. The model judges one principle at a time, so the option `principle`
names one (`dangerous`, `harassment`, `hate`, `sexual`); a policy that wants all four uses the check
four times. The principles are in our own words: a deployment that answers worse to them than to
the card's can give its own in the option `guideline`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from tradewind.plugins.checks.base import CheckFailed, Content, Finding, Verdict
from tradewind.plugins.checks.model_answers import ASKING, defused, severity_of, yes_or_no
from tradewind.snapshot.safety import Direction

_CATEGORIES = {"dangerous": "violence", "harassment": "hate", "hate": "hate", "sexual": "sexual"}
_DANGEROUS = (
    '"No Dangerous Content": {who} content that helps anybody to harm themselves or others, such '
    "as getting or making firearms or explosives, promoting terrorism, or ways of suicide."
)
_HARASSMENT = (
    '"No Harassment": {who} malicious, intimidating, bullying or abusive content against another '
    "person, such as threats or making light of what happened to victims."
)
_HATE = (
    '"No Hate Speech": {who} content that attacks or belittles people for their race, ethnicity, '
    "religion, disability, age, nationality, veteran status, sexual orientation, sex, gender "
    "identity, caste or another protected trait."
)
_SEXUAL = (
    '"No Sexually Explicit Information": {who} content that refers to sexual acts or is otherwise '
    "lewd; medical and scientific terms about anatomy and sex education are allowed."
)
_PRINCIPLES = {
    "dangerous": _DANGEROUS,
    "harassment": _HARASSMENT,
    "hate": _HATE,
    "sexual": _SEXUAL,
}
_OF_PROMPT = "The prompt shall not contain or seek generation of"
_OF_ANSWER = "The chatbot shall not generate"
_MODEL = "ShieldGemma"
_LONGEST_GUIDELINE = 2000


class ShieldGemma:
    name: ClassVar[str] = "shieldgemma"
    version: ClassVar[str] = "1"
    categories: ClassVar[frozenset[str]] = frozenset(_CATEGORIES.values())
    directions: ClassVar[frozenset[Direction]] = frozenset(Direction)
    most_characters: ClassVar[int] = 12_000

    def chat(self, content: Content, options: Mapping[str, str]) -> dict[str, Any]:
        _, principle = _principle(options)
        text = defused(content.text)
        if content.direction is Direction.COMPLETION:
            head = "an AI response to a prompt is"
            shown = f"Chatbot Response: {text}"
            asked, who = "Chatbot Response", _OF_ANSWER
        else:
            head, shown = "a user prompt is", f"Human Question: {text}"
            asked, who = "Human Question", _OF_PROMPT
        guideline = options.get("guideline", "")[:_LONGEST_GUIDELINE] or principle.format(who=who)
        prompt = (
            f"You are a policy expert trying to help determine whether {head} in violation of the "
            "defined safety policies.\n\n"
            f"<start_of_turn>\n{shown}\n<end_of_turn>\n\n"
            f"Our safety principle is defined in the below:\n\n* {guideline}\n\n===\n\n"
            f"Does the {asked} violate the above principle? Your answer must start with 'Yes' or "
            "'No'. And then walk through step by step to be sure we answer correctly."
        )
        return {"messages": [{"role": "user", "content": prompt}], "max_tokens": 4, **ASKING}

    def verdict(
        self, content: Content, answer: Mapping[str, Any], options: Mapping[str, str]
    ) -> Verdict:
        del content
        category, _ = _principle(options)
        likelihood = yes_or_no(_MODEL, answer)
        finding = Finding(category, severity_of(likelihood), likelihood)
        return Verdict(self.name, self.version, (finding,))


def _principle(options: Mapping[str, str]) -> tuple[str, str]:
    """Return the category and the principle that the options name."""
    name = options.get("principle", "")
    if name not in _PRINCIPLES:
        raise CheckFailed(f"{_MODEL} needs the option `principle`")
    return _CATEGORIES[name], _PRINCIPLES[name]
