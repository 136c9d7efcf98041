"""Alphabets that were shifted or turned around, and mirror writing.

All 26 shifts and their mirror images (Atbash is one) are weighed at once by how often English uses
each letter; the likeliest are read, and one counts only if common words come out that were not
there before.
"""

import re
from collections.abc import Iterator

import numpy as np

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
# Letters of English prose, per mille (Lewand, Cryptological Mathematics, 2000, p. 36).
_FREQUENCY = np.array(
    (
        *(82, 15, 28, 43, 127, 22, 20, 61, 70, 1.5, 7.7, 40, 24),
        *(67, 75, 19, 1, 60, 63, 91, 28, 9.8, 24, 1.5, 20, 0.7),
    )
)
_LOG = np.log(_FREQUENCY / _FREQUENCY.sum())
_CODES = np.arange(26)
_ALPHABETS = np.array(
    [(_CODES + shift) % 26 for shift in range(26)] + [(shift - _CODES) % 26 for shift in range(26)]
)
"""Row `n`: what each letter of the disguise reads as."""
_LIKELIHOODS = _LOG[_ALPHABETS]

_COMMON_WORDS = """
a about act all always an and answer any are as at be been but by call can come could did do
each find first for from get had has have her him his how i if ignore in instructions into is
it its like look made make many may me more must my never no not now of on one or other out
people pretend previous prompt rules said see she so some system tell than that the their them
then there these they this time to two up use was way we were what when which who will with
without word would write you your
"""
_COMMON = frozenset(_COMMON_WORDS.split())
_WORD = re.compile(r"[a-z']+")
_FEWEST_LETTERS = 16
_MOST_LINES = 6
_MOST_SAMPLED = 2_000
_TRIED = 4
_UNSURE = 2
_CLEARLY = 0.1
"""By how much a letter must be likelier than it is as it stands, in nats."""


def shifted(text: str) -> Iterator[tuple[str, int, int]]:
    """Read lines whose alphabet was moved or mirrored."""
    lowered = text.lower()
    if len(lowered) != len(text):
        return
    found = 0
    place = 0
    for line in lowered.splitlines(keepends=True):
        start, place = place, place + len(line)
        if found >= _MOST_LINES or len(line) < _FEWEST_LETTERS or _share(line) > 0.2:
            continue
        for reading in _readings(line):
            found += 1
            yield reading, start, place


def _readings(line: str) -> Iterator[str]:
    """Yield up to two readings that are likelier English than the line as it stands."""
    raw = np.frombuffer(line[:_MOST_SAMPLED].encode("ascii", "ignore"), np.uint8)
    codes = raw[(raw >= ord("a")) & (raw <= ord("z"))] - ord("a")
    if codes.size < max(_FEWEST_LETTERS, min(len(line), _MOST_SAMPLED) // 2):
        return
    scores = _LIKELIHOODS @ np.bincount(codes, minlength=26)
    clearly = float(scores[0]) + _CLEARLY * codes.size
    for rank, number in enumerate(np.argsort(-scores)[:_TRIED].tolist()):
        if float(scores[number]) < clearly:
            return
        alphabet = "".join(_LETTERS[code] for code in _ALPHABETS[number].tolist())
        reading = line.translate(str.maketrans(_LETTERS, alphabet))
        # Prose has a share of 0.4 and more.
        if _share(reading) > 0.25:
            yield reading
            return
        # A short line may have no common word at all.
        if rank < _UNSURE:
            yield reading


def turned_around(text: str) -> Iterator[str]:
    """Read a text that was written from its end, or whose words were."""
    words = _WORD.findall(text[:_MOST_SAMPLED].lower())
    if sum(map(len, words)) < _FEWEST_LETTERS:
        return
    ahead = sum(1 for word in words if len(word) > 1 and word in _COMMON)
    if 2 * ahead >= len(words):
        return
    back = sum(1 for word in words if len(word) > 1 and word[::-1] in _COMMON)
    if back > 2 * ahead and back * 8 >= len(words):
        yield text[::-1]
        yield re.sub(r"\w+", lambda word: word[0][::-1], text)


def _share(text: str) -> float:
    words = _WORD.findall(text[:_MOST_SAMPLED])
    return sum(1 for word in words if word in _COMMON) / max(1, len(words))
