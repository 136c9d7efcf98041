"""What an answer says that none of its sources says. No model: sentences are aligned by the words
they share, and what must agree is compared exactly: numbers with their units, names, negation.

Sources come with the content (`Content.sources`), or are the DOCUMENT contents of the same
examination; an answer without sources has nothing to be held against and no finding. Only
COMPLETION contents are examined. "12/hour" against "10/hour" is found with its span (severity 6);
a name, a number or a whole sentence that stands nowhere is likely ungrounded (4); a sentence that
turns a source's "is not" into "is" as well. A claim in quite other words than its source is taken
for ungrounded, a false one made of the source's own words and numbers for grounded: this is a
check of facts that can be compared, not of meaning.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from tradewind.plugins.checks.base import CheckFailed, Content, Finding, Sources, Verdict
from tradewind.plugins.checks.claims import Claim, Quantity, claims, stem
from tradewind.snapshot.safety import Direction

MOST_SOURCE_CHARACTERS = 55_000
"""As much as Azure's interface takes; reading them takes 40 ms, once a call."""
_MOST_FINDINGS = 64
_CATEGORY = "ungrounded_material"
_BEST = 4
"""Source sentences that a claim is held against."""
_COMMON_IN_SOURCES = 200
"""A word that more sentences have says nothing about which of them is meant."""
_LEAST_WORDS = 3
_SUPPORTED = 0.4
"""Of the words of a claim that its best sentences must have together."""
_SAME = 0.6
"""Words shared with one sentence from which on both say the same thing, or the contrary."""
_HEDGES = frozenset(
    map(stem, ("sure", "sorry", "help", "glad", "happy", "please", "hello", "thanks"))
)


@dataclass(frozen=True, slots=True)
class _Sources:
    sentences: tuple[Claim, ...]
    by_word: Mapping[str, tuple[int, ...]]
    quantities: frozenset[tuple[str, str]]
    values: frozenset[str]
    text: str
    """In lower case."""


class Groundedness:
    name: ClassVar[str] = "groundedness"
    version: ClassVar[str] = "1"
    categories: ClassVar[frozenset[str]] = frozenset({_CATEGORY})
    directions: ClassVar[frozenset[Direction]] = frozenset({Direction.COMPLETION})
    most_characters: ClassVar[int] = 20_000
    hold_back: ClassVar[int] = 0

    def prepare(self, name: str, raw: bytes) -> object:
        del name, raw
        raise CheckFailed("sources come with the call")

    def examine(
        self, contents: Sequence[Content], options: Mapping[str, str], data: Sequence[object]
    ) -> list[Verdict]:
        del options, data
        shared = Sources(each.text for each in contents if each.direction is Direction.DOCUMENT)
        verdicts: list[Verdict] = []
        for content in contents:
            texts = content.sources or shared
            findings: tuple[Finding, ...] = ()
            if content.direction is Direction.COMPLETION and texts:
                findings = tuple(_findings(content, _read(texts)))[:_MOST_FINDINGS]
            verdicts.append(Verdict(self.name, self.version, findings))
        return verdicts


def _read(texts: tuple[str, ...]) -> _Sources:
    if not isinstance(texts, Sources):
        return _sources(texts)
    # Two threads that come at once make the same.
    made = texts.made
    if not isinstance(made, _Sources):
        made = texts.made = _sources(texts)
    return made


def _sources(texts: Sequence[str]) -> _Sources:
    left = MOST_SOURCE_CHARACTERS
    sentences: list[Claim] = []
    kept: list[str] = []
    for text in texts:
        piece = text[:left]
        left -= len(piece)
        kept.append(piece.lower())
        sentences += claims(piece)
    by_word: dict[str, list[int]] = {}
    for at, sentence in enumerate(sentences):
        for word in sentence.words:
            by_word.setdefault(word, []).append(at)
    return _Sources(
        tuple(sentences),
        {word: tuple(places[:_COMMON_IN_SOURCES]) for word, places in by_word.items()},
        frozenset((each.value, each.unit) for one in sentences for each in one.quantities),
        frozenset(each.value for one in sentences for each in one.quantities),
        " ".join(kept),
    )


def _findings(content: Content, sources: _Sources) -> Iterator[Finding]:
    for claim in claims(content.text):
        if claim.is_question or claim.end <= content.look_back:
            continue
        for finding in _of_claim(claim, sources):
            if finding.end > content.look_back:
                yield finding


def _of_claim(claim: Claim, sources: _Sources) -> Iterator[Finding]:
    best = _aligned(claim, sources)
    wrong = [each for each in claim.quantities if not _is_said(each, best, sources)]
    for each in wrong:
        # Where the sources speak of the same thing in another number it is a contradiction.
        is_contradicted = any(
            other.unit == each.unit for _, sentence in best for other in sentence.quantities
        )
        # An answer may be the number alone; then its unit says what it is of.
        is_contradicted |= not claim.words - {stem(each.unit.strip("/"))} and any(
            unit == each.unit != "" for _, unit in sources.quantities
        )
        yield _ungrounded(6 if is_contradicted else 4, each.start, each.end)
    names = [each for each in claim.names if not _is_named(each[0], sources)]
    for _, start, end in names:
        yield _ungrounded(4, start, end)
    if wrong or names or len(claim.words) < _LEAST_WORDS or not claim.words.isdisjoint(_HEDGES):
        return
    covered: set[str] = set()
    for _, sentence in best:
        covered |= claim.words & sentence.words
    if len(covered) < _SUPPORTED * len(claim.words):
        yield _ungrounded(4, claim.start, claim.end)
    elif best:
        shared, nearest = best[0]
        if shared >= _SAME * len(claim.words) and nearest.is_negated is not claim.is_negated:
            yield _ungrounded(4, claim.start, claim.end)


def _aligned(claim: Claim, sources: _Sources) -> list[tuple[int, Claim]]:
    """Return the sentences that share most words, with how many."""
    shared: Counter[int] = Counter()
    for word in claim.words:
        shared.update(sources.by_word.get(word, ()))
    best = sorted(shared.items(), key=lambda each: (-each[1], each[0]))[:_BEST]
    return [(count, sources.sentences[at]) for at, count in best]


def _is_said(quantity: Quantity, best: Sequence[tuple[int, Claim]], sources: _Sources) -> bool:
    for _, sentence in best:
        for other in sentence.quantities:
            is_same_unit = other.unit == quantity.unit or not (other.unit and quantity.unit)
            if other.value == quantity.value and is_same_unit:
                return True
    # The same number of the same thing elsewhere; a bare number elsewhere is of something else.
    return bool(quantity.unit) and (quantity.value, quantity.unit) in sources.quantities


def _is_named(name: str, sources: _Sources) -> bool:
    return all(
        part in sources.text or stem(part) in sources.text
        for part in name.replace("-", " ").split()
        if len(part) > 2
    )


def _ungrounded(severity: int, start: int, end: int) -> Finding:
    return Finding(_CATEGORY, severity, 1.0 if severity == 6 else 0.6, start, end)
