"""Typing errors: which words of the catalog somebody may have meant. Pure.

Candidates are found by shared trigrams, as `pg_trgm` counts them (documentation of PostgreSQL,
F.35: two blanks before a word and one behind it; shared trigrams over all), so that memory and
PostgreSQL find the same ones; the bounded distance then decides.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

MOST_CANDIDATES = 64
MOST_CORRECTIONS = 8
_LONG = 8
_SHORT_SIMILARITY = {4: 0.11, 5: 0.19, 6: 0.25, 7: 0.3}
_LONG_SIMILARITY = 0.19


class Correction(NamedTuple):
    word: str
    distance: int


def corrections(word: str, candidates: Iterable[str]) -> list[Correction]:
    """Return the candidates near enough to have been meant, nearest first."""
    most = most_errors(word)
    found = [
        Correction(other, distance)
        for other in candidates
        if (distance := distance_within(word, other, most)) is not None and distance > 0
    ]
    return sorted(found, key=lambda correction: (correction.distance, correction.word))


def most_errors(word: str) -> int:
    return 2 if len(word) >= _LONG else 1


def least_similarity(word: str) -> float:
    """Return what the similarity of a word and a candidate is at least: as low as the errors that
    are forgiven can bring it.
    """
    return _SHORT_SIMILARITY.get(len(word), _LONG_SIMILARITY)


def trigrams(word: str) -> frozenset[str]:
    padded = f"  {word} "
    return frozenset(padded[i : i + 3] for i in range(len(padded) - 2))


def distance_within(one: str, other: str, most: int) -> int | None:
    """Return how many letters were added, left out, changed or swapped with their neighbour; None
    when more than `most`.
    """
    if abs(len(one) - len(other)) > most:
        return None
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        above, row = row, [i]
        for j, against in enumerate(other, 1):
            best = min(row[j - 1] + 1, above[j] + 1, above[j - 1] + (letter != against))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == against:
                best = min(best, before[j - 2] + 1)
            row.append(best)
        if min(row) > most and min(above) > most:
            return None
        before = above
    return row[-1] if row[-1] <= most else None


class Vocabulary:
    """Words by their trigrams, in memory."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = sorted(set(words))
        self._sizes: list[int] = []
        self._by_trigram: dict[str, list[int]] = {}
        for place, word in enumerate(self._words):
            found = trigrams(word)
            self._sizes.append(len(found))
            for trigram in found:
                self._by_trigram.setdefault(trigram, []).append(place)

    def similar(self, word: str) -> Sequence[str]:
        """Return the MOST_CANDIDATES most similar words, the most similar first."""
        asked = trigrams(word)
        shared: Counter[int] = Counter()
        for trigram in asked:
            shared.update(self._by_trigram.get(trigram, ()))
        least = least_similarity(word)
        found = [
            (-similarity, self._words[place])
            for place, count in shared.items()
            if (similarity := count / (len(asked) + self._sizes[place] - count)) >= least
        ]
        return [other for _, other in sorted(found)[:MOST_CANDIDATES]]
