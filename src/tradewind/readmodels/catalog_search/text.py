"""The text of a question: which models match it, and how well. Pure but for the store it asks.

The score of a model is the sum over the words of how well each matches. Scores are added for all
models at once, as binary numbers of which each digit is a mask.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tradewind.readmodels.catalog_search import ranking
from tradewind.readmodels.catalog_search.typos import MOST_CORRECTIONS, corrections
from tradewind.readmodels.catalog_search.words import Term, may_be_mistyped, terms_of

SHORTEST_BEGINNING = 2
"""A single letter is no beginning of a word: it would match a third of the catalog."""
_MAX_DIGITS = 7


class Matching(NamedTuple):
    """Masks of the models that have a word, by where they have it."""

    name: int = 0
    group: int = 0
    text: int = 0

    def anywhere(self) -> int:
        return self.name | self.group | self.text


class Words(Protocol):
    """What a store knows of words."""

    def whole(self, word: str) -> Matching:
        """Return which models have the word."""
        ...

    def beginning(self, word: str) -> Matching:
        """Return which models have a word that begins so (the word itself does)."""
        ...

    def similar(self, word: str) -> Sequence[str]:
        """Return words of names and groups that look like it; see `typos.Vocabulary`."""
        ...


class TextMatch(NamedTuple):
    mask: int
    score_slices: tuple[int, ...]
    """Digits of the score, highest first, each with the models whose digit is 0: the best first."""
    corrected: str | None


class _Level(NamedTuple):
    score: int
    mask: int


class _Meant(NamedTuple):
    """What may have been meant by a word."""

    levels: list[_Level]
    word: str


def match_text(text: str, words: Words, visible: int) -> TextMatch | None:
    """Return what matches among the visible models; None when the text has no words.

    Typing errors are forgiven only when nothing matches all words as they are. That is decided by
    what is visible: what a reader may not see must not show in what it is answered.
    """
    terms = terms_of(text)
    if not terms:
        return None
    typed = [_levels(term, words) for term in terms]
    matching, slices = _combine(typed, visible)
    if matching:
        return TextMatch(matching, slices, None)
    meant = [_meant(term, words, visible) for term in terms]
    matching, slices = _combine(
        [[*levels, *other.levels] for levels, other in zip(typed, meant, strict=True)], visible
    )
    said = [
        term.whole if any(level.mask & matching for level in levels) else other.word
        for term, levels, other in zip(terms, typed, meant, strict=True)
    ]
    return TextMatch(matching, slices, " ".join(said) if matching else None)


def _combine(levels_of_terms: list[list[_Level]], visible: int) -> tuple[int, tuple[int, ...]]:
    """Return what matches every word, and the slices of its scores."""
    matching = visible
    digits: list[int] = []
    for levels in levels_of_terms:
        left, matching = matching, 0
        for level in levels:
            # The first level a model is in is its best one.
            here = left & level.mask
            left &= ~here
            matching |= here
            _add(digits, here, level.score)
    return matching, tuple(matching & ~digit for digit in reversed(digits))


def _levels(term: Term, words: Words) -> list[_Level]:
    """Return how well models match a word as it is, best first."""
    # First what is read with it: a store then knows the whole word as well.
    begins = words.beginning(term.whole) if len(term.whole) >= SHORTEST_BEGINNING else Matching()
    whole = words.whole(term.whole)
    in_parts = _all_parts(term.parts, words)
    return [
        _Level(ranking.WHOLE_NAME, whole.name),
        _Level(ranking.WHOLE_GROUP, whole.group),
        _Level(ranking.BEGINS_NAME, begins.name),
        _Level(ranking.BEGINS_GROUP, begins.group | in_parts),
        _Level(ranking.IN_TEXT, whole.text | begins.text),
    ]


def _meant(term: Term, words: Words, visible: int) -> _Meant:
    if term.parts:
        return _corrected_parts(term.parts, words, visible)
    return _corrected(term.whole, words, visible)


def _all_parts(parts: Sequence[str], words: Words) -> int:
    if not parts:
        return 0
    mask = -1
    for part in parts:
        found = words.whole(part)
        mask &= found.name | found.group
    return mask


def _corrected(word: str, words: Words, visible: int) -> _Meant:
    if not may_be_mistyped(word):
        return _Meant([], word)
    by_distance = {1: 0, 2: 0}
    found: list[str] = []
    for other, distance in corrections(word, words.similar(word)):
        there = words.whole(other)
        mask = (there.name | there.group) & visible
        if mask:
            by_distance[distance] |= mask
            found.append(other)
        if len(found) == MOST_CORRECTIONS:
            break
    levels = [_Level(ranking.ONE_ERROR, by_distance[1]), _Level(ranking.TWO_ERRORS, by_distance[2])]
    return _Meant(levels, found[0] if found else word)


def _corrected_parts(parts: Sequence[str], words: Words, visible: int) -> _Meant:
    """Letters may be mistyped, digits never: "lama3.3" is llama3.3."""
    mask = visible
    said: list[str] = []
    for part in parts:
        there = words.whole(part)
        here, taken = (there.name | there.group) & visible, part
        if not here:
            levels, taken = _corrected(part, words, visible)
            for level in levels:
                here |= level.mask
        mask &= here
        said.append(taken)
    return _Meant([_Level(ranking.TWO_ERRORS, mask)], "".join(said))


def _add(digits: list[int], mask: int, score: int) -> None:
    """Add a score to that of each model of a mask; `digits` are masks, lowest first."""
    if not mask:
        return
    carry = 0
    for place in range(_MAX_DIGITS):
        has = mask if score >> place & 1 else 0
        if not has and not carry and score >> place == 0:
            break
        if place == len(digits):
            digits.append(0)
        before = digits[place]
        digits[place] = before ^ has ^ carry
        carry = (before & has) | (carry & (before ^ has))
