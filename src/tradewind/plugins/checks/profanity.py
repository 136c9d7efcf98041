"""Finds swear words and slurs, by a list of terms with their grades.

Severity 2 is mild, 4 strong, 6 severe; the list says which, so a word is what it is in any
sentence. Whole words only: a town's name does not swear.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from tradewind.plugins.checks.automaton import Automaton
from tradewind.plugins.checks.base import CheckFailed, Content, Finding, Verdict
from tradewind.plugins.checks.folded_text import fold
from tradewind.plugins.checks.swear_words import terms
from tradewind.snapshot.safety import Direction

_CATEGORY = "profanity"
_MOST_FINDINGS = 200
"""Of one content. They say the same a thousand times over."""


class Profanity:
    name: ClassVar[str] = "profanity"
    version: ClassVar[str] = "1"
    categories: ClassVar[frozenset[str]] = frozenset({_CATEGORY})
    directions: ClassVar[frozenset[Direction]] = frozenset(Direction)
    most_characters: ClassVar[int] = 200_000
    hold_back: ClassVar[int] = 0

    def __init__(self) -> None:
        self._automaton = Automaton(
            {
                fold(term.text).text: (len(fold(term.text).text), _severity(term.grade))
                for term in terms()
            }
        )

    def prepare(self, name: str, raw: bytes) -> object:
        del raw
        raise CheckFailed(f"the profanity check takes no data, and {name!r} was given to it")

    def examine(
        self, contents: Sequence[Content], options: Mapping[str, str], data: Sequence[object]
    ) -> list[Verdict]:
        del options, data
        return [Verdict(self.name, self.version, self._findings(content)) for content in contents]

    def _findings(self, content: Content) -> tuple[Finding, ...]:
        folded = fold(content.text)
        text = folded.text
        found: list[Finding] = []
        for last, (size, severity) in self._automaton.hits(text):
            start, end = last - size + 1, last + 1
            if (start and text[start - 1].isalnum()) or (end < len(text) and text[end].isalnum()):
                continue
            first, after = folded.span(start, end)
            if after <= content.look_back:
                continue
            found.append(Finding(_CATEGORY, severity, severity / 6, first, after))
            if len(found) == _MOST_FINDINGS:
                break
        return tuple(found) or (Finding(_CATEGORY, 0, 0.0),)


def _severity(grade: float) -> int:
    if grade >= 2.6:
        return 6
    return 4 if grade >= 1.7 else 2
