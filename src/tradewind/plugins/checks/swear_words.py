"""The shipped list of swear words and slurs."""

from functools import cache
from importlib.resources import files
from typing import NamedTuple

SLUR = "slur"
"""A kind of term."""


class Term(NamedTuple):
    text: str
    grade: float
    """From 1 to 3, as the list says."""
    kind: str


@cache
def terms() -> tuple[Term, ...]:
    """Return the shipped list."""
    raw = (files("tradewind.plugins.checks") / "data" / "profanity.tsv").read_text("utf-8")
    rows = (line.split("\t") for line in raw.splitlines() if line and not line.startswith("#"))
    return tuple(Term(text, float(grade), kind) for text, grade, kind in rows)
