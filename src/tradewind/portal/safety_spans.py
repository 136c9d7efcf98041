"""A text in pieces, by what was found in it: for showing findings where they stand. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tradewind.features.safety.schemas import TriedFinding


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text; those that lie in findings say which, by their numbers from 1."""

    text: str
    numbers: tuple[int, ...] = ()


def pieces_of(text: str, findings: Sequence[TriedFinding]) -> list[Piece]:
    """Cut at each beginning and end of a span. Findings about the whole mark nothing."""
    spans = [
        (max(0, found.start), min(len(text), found.end), number)
        for number, found in enumerate(findings, 1)
        if found.end > found.start
    ]
    cuts = sorted({0, len(text), *(place for span in spans for place in span[:2])})
    # What begins and ends at each cut, so that many findings in a long text stay linear.
    begins: dict[int, list[int]] = {}
    ends: dict[int, list[int]] = {}
    for start, end, number in spans:
        begins.setdefault(start, []).append(number)
        ends.setdefault(end, []).append(number)
    pieces: list[Piece] = []
    open_now: dict[int, None] = {}
    for start, end in pairwise(cuts):
        for number in ends.get(start, ()):
            open_now.pop(number, None)
        for number in begins.get(start, ()):
            open_now[number] = None
        pieces.append(Piece(text[start:end], tuple(open_now)))
    return pieces
