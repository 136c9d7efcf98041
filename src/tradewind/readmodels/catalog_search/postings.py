"""Postings: which numbers have a word, packed so that many are read at once. Pure.

Numbers are cut into *parts* of PART. What a word has in one part is either its offsets in it, two
bytes each, or, when it has many there, one bit for each (the containers of Roaring bitmaps:
Chambi, Lemire and others, "Better bitmap performance with Roaring bitmaps", 2016). Offsets can be
added to by joining bytes, in SQL.
"""

import sys
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tradewind.readmodels.catalog_search.masks import mask_of
from tradewind.readmodels.catalog_search.words import Place

PART = 32_768
"""Small enough that filling one is done in seconds, and large enough that a word that all of a
million models have is read from some thirty rows.
"""
_BYTES = PART // 8
_MOST_SPARSE = 1_024
"""Offsets; beyond it reading them one by one costs more than 4 KB of bits."""


class Posting(NamedTuple):
    """What one word has, in one place of names and one part."""

    word: str
    place: Place
    sparse: bytes
    dense: bytes | None


class Postings:
    """Collects the words of models of one part."""

    def __init__(self) -> None:
        self._offsets: Mapping[Place, defaultdict[str, list[int]]] = {
            place: defaultdict(list) for place in Place
        }

    def add(self, offset: int, words_by_place: Mapping[Place, Iterable[str]]) -> None:
        """Offsets come ascending, each once."""
        for place, words in words_by_place.items():
            offsets = self._offsets[place]
            for word in words:
                offsets[word].append(offset)

    def packed(self) -> Iterator[Posting]:
        """Yield what was collected; words in order, so that they lie together where stored."""
        for place, words in self._offsets.items():
            for word in sorted(words):
                yield _pack(word, place, words[word])

    def joinable(self) -> Iterator[Posting]:
        """Yield the same with offsets alone, to be added to what is there."""
        for place, words in self._offsets.items():
            for word in sorted(words):
                yield Posting(word, place, _offsets(words[word]), None)


class MaskBuilder:
    """Puts one mask together from what is read of parts."""

    def __init__(self, size: int) -> None:
        self._bits = bytearray((size // PART + 1) * _BYTES)

    def add(self, part: int, sparse: bytes, dense: Sequence[bytes]) -> None:
        """`part` is counted from where number 0 is. Parts beyond the size came later."""
        at = part * _BYTES
        if at >= len(self._bits):
            return
        mask = int.from_bytes(self._bits[at : at + _BYTES], "little")
        if sparse:
            mask |= mask_of(_read(sparse), PART)
        for one in dense:
            mask |= int.from_bytes(one, "little")
        self._bits[at : at + _BYTES] = mask.to_bytes(_BYTES, "little")

    def mask(self) -> int:
        return int.from_bytes(self._bits, "little")


def _pack(word: str, place: Place, offsets: list[int]) -> Posting:
    if len(offsets) <= _MOST_SPARSE:
        return Posting(word, place, _offsets(offsets), None)
    return Posting(word, place, b"", mask_of(offsets, PART).to_bytes(_BYTES, "little"))


def _offsets(numbers: list[int]) -> bytes:
    packed = array("H", numbers)
    if sys.byteorder != "little":
        packed.byteswap()
    return packed.tobytes()


def _read(sparse: bytes) -> "array[int]":
    numbers = array("H", sparse)
    if sys.byteorder != "little":
        numbers.byteswap()
    return numbers
