"""Turns a text into hashed n-grams: what the linear checks weigh.

Features are runs of 3, 4 and 5 characters and runs of one and two words, each hashed into one of
`BUCKETS` places, weighed 1 + ln(count) and scaled to length 1 (feature hashing: Weinberger et al.,
ICML 2009). No vocabulary is kept, so nothing grows, and every step is one numpy operation over the
whole text. Case, runs of white space and digits are folded here (a number says nothing about an
attack, and a model that remembers numbers raises false alarms); all other disguises are
`canonical`'s to undo.

Weights depend on every constant here: a change means training all linear checks again.
"""

from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

BITS = 18
BUCKETS = 1 << BITS

Indices: TypeAlias = NDArray[np.int32]
Values: TypeAlias = NDArray[np.float32]

_SPACE = np.uint32(32)
_ZERO = np.uint32(48)
_FACTOR = np.uint32(0x01000193)
_SPREAD = np.uint32(0x9E3779B1)
_SHIFT = np.uint32(32 - BITS)
_CHARACTER_RUNS = (3, 4, 5)
_LONGEST_WORD = 64
"""Characters of a word that its hash tells apart."""
_POWERS = np.array(
    [pow(0x01000193, power, 1 << 32) for power in range(_LONGEST_WORD)], dtype=np.uint32
)


_REMEMBERED = 8
_LONGEST_REMEMBERED = 8_192
"""Two checks ask for the same text one after the other, one of them twice; 0.6 MB each at most."""


class _Grams(NamedTuple):
    """The n-grams of a text."""

    length: int
    """Characters, once runs of white space are folded, with a space before and after them."""
    positions: NDArray[np.int64]
    """Where each of the characters stood."""
    buckets: NDArray[np.uint32]
    places: NDArray[np.int64]
    """Of the last character of each."""

    @property
    def is_empty(self) -> bool:
        return self.length <= 2  # The two spaces around it.


class Windows(NamedTuple):
    """Features of overlapping pieces of one text, one after the other."""

    starts: NDArray[np.int32]
    """Where each window starts in the text, in characters."""
    ends: NDArray[np.int32]
    offsets: NDArray[np.int64]
    """Window `n` has the features from `offsets[n]` up to `offsets[n + 1]`."""
    indices: Indices
    values: Values


def hashed(text: str) -> tuple[Indices, Values]:
    """Return the buckets of a text, ascending and each once, and their values (length 1 together).

    A text of white space and control characters alone has none.
    """
    grams = _grams_of(text)
    if grams.is_empty:
        return np.zeros(0, np.int32), np.zeros(0, np.float32)
    buckets, counts = np.unique(grams.buckets, return_counts=True)
    values = np.log(counts.astype(np.float32)) + np.float32(1)
    values /= np.sqrt(np.add.reduce(values * values))
    return buckets.astype(np.int32), values


def windowed(text: str, size: int, step: int) -> Windows:
    """Return the features of windows of `size` characters that start every `step`.

    The n-grams are made once for the whole text, so overlapping windows cost a sort and no more.
    A text shorter than a window is one window. Characters count after runs of white space are
    folded; the spans are those of the text given.
    """
    found = _grams_of(text)
    if found.is_empty:
        nothing = np.zeros(0, np.int32)
        return Windows(nothing, nothing, np.zeros(1, np.int64), nothing, np.zeros(0, np.float32))
    length, positions = found.length, found.positions
    # Numbers of 16 bits are sorted by radix, without a comparison.
    narrow = np.uint16 if length <= 1 << 16 else np.int64
    order = np.argsort(found.places.astype(narrow), kind="stable")
    grams, places = found.buckets[order], found.places[order]
    first = np.arange(0, max(1, length - size + step), step, dtype=np.int64)
    last = np.minimum(first + size, length)
    low = np.searchsorted(places, first)
    high = np.searchsorted(places, last)
    sizes = high - low
    # Half as wide, they are sorted in half of the time.
    wide = np.uint32 if first.size <= 1 << (32 - BITS) else np.int64
    owner = np.repeat(np.arange(first.size, dtype=wide), sizes)
    ends = np.cumsum(sizes)
    inside = np.arange(int(ends[-1]), dtype=np.int64) - np.repeat(ends - sizes, sizes)
    keys = (owner << wide(BITS)) | grams[inside + np.repeat(low, sizes)].astype(wide)
    unique, counts = np.unique(keys, return_counts=True)
    sizes = np.bincount((unique >> wide(BITS)).astype(np.int64), minlength=first.size)
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    values = np.log(counts.astype(np.float32)) + np.float32(1)
    squares = np.add.reduceat(values * values, offsets[:-1])
    values /= np.repeat(np.sqrt(squares), np.diff(offsets))
    return Windows(
        positions[first].astype(np.int32).clip(max=len(text) - 1),
        (positions[last - 1] + 1).astype(np.int32).clip(max=len(text)),
        offsets.astype(np.int64),
        (unique & wide(BUCKETS - 1)).astype(np.int32),
        values,
    )


def _grams_of(text: str) -> _Grams:
    return _remembered(text) if len(text) <= _LONGEST_REMEMBERED else _made(text)


@lru_cache(_REMEMBERED)
def _remembered(text: str) -> _Grams:
    return _made(text)


def _made(text: str) -> _Grams:
    codes, positions = _folded(text)
    buckets, places = _grams(codes)
    return _Grams(int(codes.size), positions, buckets, places)


def _folded(text: str) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return the characters' codes, one space before and after them, and where each stood."""
    lowered = text.lower()
    if len(lowered) != len(text):  # A few capitals become two characters and would shift spans.
        lowered = "".join(low if len(low := char.lower()) == 1 else char for char in text)
    codes = np.frombuffer(lowered.encode("utf-32-le", "surrogatepass"), np.uint32)
    is_space = (
        (codes <= _SPACE)
        | (codes == np.uint32(0xA0))
        | ((codes >= np.uint32(0x2000)) & (codes <= np.uint32(0x200A)))
        | (codes == np.uint32(0x2028))
        | (codes == np.uint32(0x2029))
        | (codes == np.uint32(0x3000))
    )
    padded = np.empty(codes.size + 2, np.uint32)
    padded[0] = padded[-1] = _SPACE
    padded[1:-1] = np.where(is_space, _SPACE, codes)
    digit = (padded >= _ZERO) & (padded <= np.uint32(57))
    padded[digit] = _ZERO
    keep = np.ones(padded.size, np.bool_)
    keep[1:] = (padded[1:] != _SPACE) | (padded[:-1] != _SPACE)
    positions = np.flatnonzero(keep)
    return padded[keep], (positions - 1).clip(min=0)


def _grams(codes: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return the bucket of every n-gram and the place of its last character."""
    length = codes.size
    buckets: list[NDArray[np.uint32]] = []
    places: list[NDArray[np.int64]] = []
    for run in _CHARACTER_RUNS:
        count = length - run + 1
        if count < 1:
            continue
        mixed = np.full(count, run, np.uint32)
        for offset in range(run):
            mixed *= _FACTOR
            mixed ^= codes[offset : offset + count]
        buckets.append((mixed * _SPREAD) >> _SHIFT)
        places.append(np.arange(run - 1, length, dtype=np.int64))
    words, ends = _words(codes)
    if words.size:
        buckets.append((words * _SPREAD) >> _SHIFT)
        places.append(ends)
        pairs = words[:-1] * _FACTOR + (words[1:] ^ np.uint32(0x5BD1E995))
        buckets.append((pairs * _SPREAD) >> _SHIFT)
        places.append(ends[1:])
    if not buckets:
        # One character alone is too short for every run, and is not nothing.
        return codes[:1] & np.uint32(BUCKETS - 1), np.zeros(1, np.int64)
    return np.concatenate(buckets), np.concatenate(places)


def _words(codes: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return the hash of every word and the place of its last character."""
    is_word = (
        ((codes >= np.uint32(97)) & (codes <= np.uint32(122)))
        | (codes == _ZERO)
        | (codes > np.uint32(127))
    )
    # The text begins and ends with a space, so every word has an edge on both sides.
    edges = np.flatnonzero(is_word[1:] != is_word[:-1]) + 1
    starts, ends = edges[::2], edges[1::2]
    if not starts.size:
        return np.zeros(0, np.uint32), np.zeros(0, np.int64)
    places = np.flatnonzero(is_word)
    lengths = ends - starts
    first = np.cumsum(lengths) - lengths
    inside = np.arange(places.size) - np.repeat(first, lengths)
    terms = codes[places] * _POWERS[np.minimum(inside, _LONGEST_WORD - 1)]
    return np.add.reduceat(terms, first, dtype=np.uint32) * _SPREAD ^ np.uint32(7), ends - 1
