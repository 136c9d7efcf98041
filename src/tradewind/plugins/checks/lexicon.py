"""A graded lexicon: which words stand in a text, what they are together, and how grave that is.

The words are data (`data/lexicon.toml`, which says what its tables mean). A text is read once: an
Aho-Corasick automaton finds every term at once, then one sweep over the hits in their order looks
for roles that stand together in one sentence. Both are linear in the text.
"""

import re
import tomllib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tradewind.plugins.checks.automaton import Automaton
from tradewind.plugins.checks.canonical import View, canonical

_SENTENCE_END = re.compile(r"[.!?]+[\s\"')\]]|\n\s*\n|\n(?=\s*(?:[-*\u2022]|\d+[.)]))")
_PLAIN = {
    **dict.fromkeys(map(ord, "\u2018\u2019\u02bc"), "'"),
    **dict.fromkeys(map(ord, "\n\t\r\v\f\u00a0"), " "),
}
_MOST_HITS = 20_000
"""Of one text. A text of nothing but terms says all it has to say long before."""


class Hit(NamedTuple):
    start: int
    end: int
    roles: tuple[int, ...]
    sentence: int


class Mark(NamedTuple):
    """Something that says something, and where it stands."""

    category: str
    severity: int
    start: int
    end: int


class Reading(NamedTuple):
    """What a text says by its words."""

    marks: tuple[Mark, ...]
    """In the order of the text, every one of them; severities before `less` is taken off."""
    less: Mapping[str, int]
    """What the context takes off a category's severity."""
    least: Mapping[str, int]
    """What the context leaves at least, where it takes something off."""
    counts: Mapping[str, int]
    """How often each role was heard."""
    words: int
    """About how many words the text has."""


@dataclass(frozen=True, slots=True)
class _Together:
    roles: frozenset[int]
    category: str
    severity: int
    within: int


@dataclass(frozen=True, slots=True)
class _Context:
    category: str
    roles: frozenset[int]
    at: int
    less: int
    least: int


class Lexicon:
    """The lexicon, ready to read texts. Immutable once made: any number of threads may read."""

    def __init__(self, data: Mapping[str, Any], more: Mapping[str, Iterable[str]]) -> None:
        """Take the tables of the data file and, in `more`, terms of further roles."""
        terms: dict[str, dict[int, bool]] = {}
        names: list[str] = []
        roles: Mapping[str, str] = data["roles"]
        for name in sorted({*roles, *more}):
            number = len(names)
            names.append(name)
            for term in (*roles.get(name, "").split(", "), *more.get(name, ())):
                if not term:
                    continue
                is_open = term.endswith("*")
                terms.setdefault(term.rstrip("*"), {})[number] = is_open
        numbers = {name: number for number, name in enumerate(names)}
        self._automaton = Automaton(
            {
                term: (
                    len(term),
                    tuple(role for role, is_open in roles.items() if not is_open),
                    tuple(role for role, is_open in roles.items() if is_open),
                )
                for term, roles in terms.items()
            }
        )
        self._alone: dict[int, tuple[str, int]] = {
            numbers[each["role"]]: (each["category"], each["severity"]) for each in data["alone"]
        }
        self._together: dict[int, list[_Together]] = {}
        for each in data["together"]:
            rule = _Together(
                frozenset(numbers[role] for role in each["roles"]),
                each["category"],
                each["severity"],
                each["within"],
            )
            for role in rule.roles:
                self._together.setdefault(role, []).append(rule)
        self._muted: dict[int, list[tuple[frozenset[int], int]]] = {}
        for each in data["muted"]:
            by = frozenset(numbers[role] for role in each["by"])
            for role in each["roles"]:
                self._muted.setdefault(numbers[role], []).append((by, each["within"]))
        self._contexts = tuple(
            _Context(
                each["category"],
                frozenset(numbers[role] for role in each["roles"]),
                each["at"],
                each["less"],
                each["least"],
            )
            for each in data["context"]
        )
        self.roles = tuple(names)

    def read(self, text: str) -> Reading:
        """Return what a text says by its words. Linear in its length."""
        return self.read_view(canonical(text), text)

    def read_view(self, view: View, text: str) -> Reading:
        """Return the same where the canonical form of the text is there already."""
        plain = _lowered(view.text)
        # Lines and paragraphs end sentences too, and folding makes their breaks spaces.
        ends = [found.start() for found in _SENTENCE_END.finditer(text)]
        hits = self._heard(self._hits(plain, view, ends))
        marks: list[Mark] = []
        last: dict[int, Hit] = {}
        sentence = -1
        counts: dict[int, int] = {}
        for hit in hits:
            if hit.sentence != sentence:
                last.clear()
                sentence = hit.sentence
            for role in hit.roles:
                last[role] = hit
                counts[role] = counts.get(role, 0) + 1
                if role in self._alone:
                    category, severity = self._alone[role]
                    marks.append(Mark(category, severity, hit.start, hit.end))
            for role in hit.roles:
                for rule in self._together.get(role, ()):
                    start = self._start(rule, hit, last)
                    if start is not None:
                        marks.append(Mark(rule.category, rule.severity, start, hit.end))
        less: dict[str, int] = {}
        least: dict[str, int] = {}
        for context in self._contexts:
            if sum(counts.get(role, 0) for role in context.roles) >= context.at:
                less[context.category] = less.get(context.category, 0) + context.less
                least[context.category] = max(least.get(context.category, 0), context.least)
        heard = {self.roles[role]: count for role, count in counts.items()}
        return Reading(tuple(marks), less, least, heard, 1 + plain.count(" "))

    def _hits(self, plain: str, view: View, ends: Sequence[int]) -> list[Hit]:
        hits: list[Hit] = []
        length = len(plain)
        for last, (size, closed, opened) in self._automaton.hits(plain):
            start, end = last - size + 1, last + 1
            if start and plain[start - 1].isalnum():
                continue
            roles = opened
            if end == length or not plain[end].isalnum():
                roles += closed
            elif opened:
                while end < length and plain[end].isalnum():
                    end += 1
            if roles:
                first, after = view.span(start, end)
                hits.append(Hit(first, after, roles, bisect_left(ends, first)))
                if len(hits) == _MOST_HITS:
                    break
        hits.sort()
        return hits

    def _heard(self, hits: Sequence[Hit]) -> list[Hit]:
        """Return the hits without the roles that a word beside them mutes."""
        places: dict[frozenset[int], list[int]] = {}
        for rules in self._muted.values():
            for by, _ in rules:
                places.setdefault(by, [])
        for hit in hits:
            for by, starts in places.items():
                if not by.isdisjoint(hit.roles):
                    starts.append(hit.start)
        heard: list[Hit] = []
        for hit in hits:
            roles = tuple(
                role
                for role in hit.roles
                if not any(
                    _is_near(places[by], hit.start, hit.end, within)
                    for by, within in self._muted.get(role, ())
                )
            )
            if roles:
                heard.append(hit if len(roles) == len(hit.roles) else hit._replace(roles=roles))
        return heard

    @staticmethod
    def _start(rule: _Together, hit: Hit, last: Mapping[int, Hit]) -> int | None:
        """Return where a rule's words begin when the last of them is this hit."""
        starts: set[int] = set()
        for role in rule.roles:
            other = last.get(role)
            if other is None or other.start < hit.end - rule.within - (hit.end - hit.start):
                return None
            starts.add(other.start)
        # One word that has two roles is not two words.
        return min(starts) if len(starts) == len(rule.roles) else None


def _lowered(text: str) -> str:
    """Return a text in lower case, as long as it was, its blanks and apostrophes of one kind."""
    lowered = text.lower()
    if len(lowered) != len(text):  # A few capitals become two characters and would shift spans.
        lowered = "".join(low if len(low := char.lower()) == 1 else char for char in text)
    return lowered.translate(_PLAIN)


def lexicon(raw: str, more: Mapping[str, Iterable[str]]) -> Lexicon:
    """Read the text of a data file."""
    return Lexicon(tomllib.loads(raw), more)


def _is_near(starts: Sequence[int], start: int, end: int, within: int) -> bool:
    low = bisect_left(starts, start - within)
    return low < bisect_right(starts, end + within)
