"""Texts that are longer than a check takes at once: cut, examined piece by piece, put together
again. Pure.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from tradewind.plugins.checks.base import Check, Content, Finding, Verdict

CHARACTERS_OF_BATCH = 8192
"""What a check is given at a time, and every other one then has its turn."""
_OVERLAP = 256


class Piece(NamedTuple):
    of: int
    """Index of the content it is a piece of."""
    start: int
    content: Content


def batches_of(contents: Sequence[Content], most_characters: int) -> Iterator[list[Piece]]:
    """Yield all of the contents in pieces, a batch of them at a time."""
    most = max(1, min(most_characters, CHARACTERS_OF_BATCH))
    batch: list[Piece] = []
    size = 0
    for piece in pieces_of(contents, most):
        length = len(piece.content.text)
        if batch and size + length > CHARACTERS_OF_BATCH:
            yield batch
            batch, size = [], 0
        batch.append(piece)
        size += length
    if batch:
        yield batch


def pieces_of(contents: Sequence[Content], most: int) -> Iterator[Piece]:
    """Yield all of the contents in pieces of at most so many characters, which overlap."""
    for index, content in enumerate(contents):
        for start, piece in _pieces_of(content, most):
            yield Piece(index, start, piece)


def verdict_of_pieces(
    check: Check, content: Content, pieces: Sequence[tuple[int, Verdict]]
) -> Verdict:
    """Return the verdict on a content of which these are the verdicts on its pieces, with their
    starts.
    """
    if len(pieces) == 1:
        return pieces[0][1]
    found: dict[tuple[object, ...], Finding] = {}
    for start, verdict in pieces:
        for finding in verdict.findings:
            if finding.end:
                placed = msgspec.structs.replace(
                    finding, start=finding.start + start, end=finding.end + start
                )
                key = (placed.category, placed.start, placed.end, placed.source)
            else:
                # What holds for a piece as a whole: the gravest piece tells for all.
                placed = finding
                key = (finding.category, finding.source)
            known = found.get(key)
            if known is None or (placed.severity, placed.score) > (known.severity, known.score):
                found[key] = placed
    version = pieces[0][1].version if pieces else check.version
    findings = tuple(each for each in found.values() if each.end <= len(content.text))
    return Verdict(check.name, version, findings)


def _pieces_of(content: Content, most: int) -> Iterator[tuple[int, Content]]:
    text = content.text
    if len(text) <= most:
        yield 0, content
        return
    step = most - min(_OVERLAP, most // 4)
    start = 0
    while True:
        piece = text[start : start + most]
        look_back = max(0, content.look_back - start)
        yield start, Content(piece, content.direction, look_back, content.sources)
        if start + most >= len(text):
            return
        start += step
