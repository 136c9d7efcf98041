"""Copies of texts and code that belong to somebody.

The operator loads the texts; nothing is shipped. Their hashes are kept with licence and address,
never the texts (shingles). A copy of 11 words in a row is found wherever it stands; fewer are
anybody's. Where a text was reworded every few words, or translated, nothing is found.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from tradewind.plugins.checks.base import CheckFailed, Content, Finding, Verdict
from tradewind.plugins.checks.shingles import RUN, WINDOW, Runs, runs, winnowed
from tradewind.snapshot.safety import Direction

MOST_TEXTS = 100_000
MOST_CHARACTERS = 64 * 1024 * 1024
"""Of all texts of one index together."""
_LONGEST_FIELD = 300
_MAGIC = b"tradewind shingles 1"
_HEAD = struct.Struct("<20sQQI")
_WIDEST_GAP = 2 * (RUN + WINDOW)
"""Runs without a hit within one copy: a few words were changed."""
_MOST_FINDINGS = 64
_TEXT, _CODE = "protected_material_text", "protected_material_code"
# What Azure's interface asks for before it looks at all, and twice as much.
_LIKELY_CHARACTERS, _SURE_CHARACTERS = 110, 220
_SIGNS_OF_CODE = frozenset("{}();=<>[]")


class Work(msgspec.Struct, frozen=True):
    """One text that is somebody's."""

    text: str
    title: str
    licence: str = ""
    address: str = ""
    is_code: bool = False


class _Told(msgspec.Struct, frozen=True, array_like=True):
    source: str
    is_code: bool


def index(works: Iterable[Work]) -> bytes:
    """Return an index as the check takes it: 12 bytes for about 2.5 words. The same works in the
    same order give the same bytes. Raises ValueError for too much.
    """
    told: list[_Told] = []
    kept: list[NDArray[np.uint64]] = []
    characters = 0
    for work in works:
        characters += len(work.text)
        if len(told) >= MOST_TEXTS or characters > MOST_CHARACTERS:
            raise ValueError("these are more texts than one index holds")
        source = " ".join(
            part[:_LONGEST_FIELD] for part in (work.licence, work.address, work.title) if part
        )
        told.append(_Told(source, work.is_code))
        kept.append(winnowed(runs(work.text, is_code=work.is_code).hashes))
    hashes = np.concatenate(kept) if kept else np.zeros(0, np.uint64)
    owners = np.repeat(np.arange(len(kept), dtype=np.uint32), [each.size for each in kept])
    order = np.lexsort((owners, hashes))
    hashes, owners = hashes[order], owners[order]
    # Of what stands in several works the first is named.
    is_first = np.ones(hashes.size, np.bool_)
    is_first[1:] = hashes[1:] != hashes[:-1]
    hashes, owners = hashes[is_first], owners[is_first]
    names = msgspec.msgpack.encode(told)
    head = _HEAD.pack(_MAGIC, hashes.size, len(names), 0)
    return head + hashes.astype("<u8").tobytes() + owners.astype("<u4").tobytes() + names


@dataclass(frozen=True, slots=True)
class PreparedIndex:
    name: str
    hashes: NDArray[np.uint64]
    owners: NDArray[np.uint32]
    works: tuple[_Told, ...]


class ProtectedMaterial:
    name: ClassVar[str] = "protected_material"
    version: ClassVar[str] = "1"
    categories: ClassVar[frozenset[str]] = frozenset({_TEXT, _CODE})
    directions: ClassVar[frozenset[Direction]] = frozenset(Direction)
    most_characters: ClassVar[int] = 100_000
    hold_back: ClassVar[int] = 0

    def prepare(self, name: str, raw: bytes) -> PreparedIndex:
        """The arrays are views of `raw`, which may be mapped memory."""
        try:
            magic, count, size, _ = _HEAD.unpack_from(raw)
        except struct.error as error:
            raise CheckFailed("an index is not what this version writes") from error
        first, second = _HEAD.size, _HEAD.size + 8 * count
        third = second + 4 * count
        if magic != _MAGIC or third + size != len(raw):
            raise CheckFailed("an index is not what this version writes")
        try:
            works = msgspec.msgpack.decode(raw[third:], type=tuple[_Told, ...])
        except msgspec.MsgspecError as error:
            raise CheckFailed("an index is not what this version writes") from error
        hashes = np.frombuffer(raw, "<u8", count, first)
        owners = np.frombuffer(raw, "<u4", count, second)
        is_sorted = bool(np.all(hashes[1:] > hashes[:-1]))
        if not is_sorted or (count and int(owners.max()) >= len(works)):
            raise CheckFailed("an index is not what this version writes")
        return PreparedIndex(name, hashes, owners, works)

    def examine(
        self, contents: Sequence[Content], options: Mapping[str, str], data: Sequence[object]
    ) -> list[Verdict]:
        del options
        indexes = [each for each in data if isinstance(each, PreparedIndex)]
        if len(indexes) != len(data):
            raise CheckFailed("an index was not prepared")
        return [
            Verdict(self.name, self.version, tuple(_findings(content, indexes)[:_MOST_FINDINGS]))
            for content in contents
        ]


def _findings(content: Content, indexes: Sequence[PreparedIndex]) -> list[Finding]:
    found: list[Finding] = []
    for is_code in (False, True):
        holding = [each for each in indexes if any(w.is_code is is_code for w in each.works)]
        if not holding or (is_code and _SIGNS_OF_CODE.isdisjoint(content.text)):
            continue
        cut = runs(content.text, is_code=is_code)
        for each in holding:
            found += _copies(cut, each, is_code=is_code)
    found = [each for each in found if each.end > content.look_back]
    return sorted(found, key=lambda each: (each.start, each.end, each.source))


def _copies(cut: Runs, prepared: PreparedIndex, *, is_code: bool) -> Iterator[Finding]:
    if not prepared.hashes.size or not cut.hashes.size:
        return
    places = np.searchsorted(prepared.hashes, cut.hashes).clip(max=prepared.hashes.size - 1)
    hits = np.flatnonzero(prepared.hashes[places] == cut.hashes)
    # Copies of one work may stand between those of another, so each work has its own.
    open_copies: dict[int, tuple[int, int]] = {}
    for hit in hits.tolist():
        owner = int(prepared.owners[places[hit]])
        if prepared.works[owner].is_code is not is_code:
            continue
        first, last = open_copies.get(owner, (hit, hit))
        if hit - last > _WIDEST_GAP:
            yield _copy(cut, prepared, owner, first, last)
            first = hit
        open_copies[owner] = first, hit
    for owner, (first, last) in open_copies.items():
        yield _copy(cut, prepared, owner, first, last)


def _copy(cut: Runs, prepared: PreparedIndex, owner: int, first: int, last: int) -> Finding:
    work = prepared.works[owner]
    start, end = int(cut.starts[first]), int(cut.ends[last])
    length = end - start
    severity = 2 if length < _LIKELY_CHARACTERS else 4 if length < _SURE_CHARACTERS else 6
    category = _CODE if work.is_code else _TEXT
    score = min(1.0, length / _SURE_CHARACTERS)
    return Finding(category, severity, round(score, 3), start, end, work.source)
