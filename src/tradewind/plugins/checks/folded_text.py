"""Texts as blocklists compare them, with the way back to where each character came from. Pure.

Case, width and ligatures do not matter, nor how an accent is written, nor what cannot be seen: a
zero-width space within a word would hide it otherwise. An accent itself does matter (Spanish "año"
is no "ano").
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple
from unicodedata import combining, is_normalized, normalize

_UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff"
)
_UNSEEN_ONE = re.compile(f"[{_UNSEEN}]")
_FOREIGN = re.compile(r"[^\x00-\x7f]++")
_BLANKS = {ord(blank): " " for blank in "\t\n\v\f\r\u0085\u00a0\u2028\u2029"}
_MOST_MARKS = 8
"""Marks that are composed with their letter; a tower of hundreds is not worth the time."""


class Folded(NamedTuple):
    text: str
    origins: Sequence[int] | None
    """Index in the original of each character, and its length last; None where they are equal."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return where a span of the folded text stands in the original."""
        if self.origins is None:
            return start, end
        # Up to where the next one begins: marks belong to their letter.
        last = self.origins[end - 1]
        return self.origins[start], max(last + 1, self.origins[end])


def fold(text: str) -> Folded:
    if text.isascii():
        return Folded(text.lower().translate(_BLANKS), None)
    if _UNSEEN_ONE.search(text) is not None:
        return _without_unseen(text)
    folded = text.casefold()
    # What is written as most people write it keeps its length, so nothing has to be counted.
    if len(folded) == len(text) and is_normalized("NFKC", text):
        return Folded(folded.translate(_BLANKS), None)
    return _folded_slowly(text)


def _without_unseen(text: str) -> Folded:
    parts: list[str] = []
    kept: list[int] = []
    done = 0
    for unseen in _UNSEEN_ONE.finditer(text):
        parts.append(text[done : unseen.start()])
        kept += range(done, unseen.start())
        done = unseen.end()
    parts.append(text[done:])
    kept += range(done, len(text))
    kept.append(len(text))
    seen = fold("".join(parts))
    if seen.origins is None:
        return Folded(seen.text, kept)
    return Folded(seen.text, [kept[at] for at in seen.origins])


def _folded_slowly(text: str) -> Folded:
    parts: list[str] = []
    origins: list[int] = []
    done = 0
    for found in _FOREIGN.finditer(text):
        start = found.start()
        # A mark belongs to the letter before it, which may be plain.
        while start > done and combining(text[found.start()]) and start == found.start():
            start -= 1
        parts.append(text[done:start].lower())
        origins += range(done, start)
        at = start
        while at < found.end():
            stop = at + 1
            while stop < found.end() and stop - at <= _MOST_MARKS and combining(text[stop]):
                stop += 1
            plain = _plain(text[at:stop])
            parts.append(plain)
            origins += [at] * len(plain)
            at = stop
        done = found.end()
    parts.append(text[done:].lower())
    origins += range(done, len(text))
    origins.append(len(text))
    return Folded("".join(parts).translate(_BLANKS), origins)


# Bounded: a text can name every character there is, and the commonest are asked for again.
@lru_cache(maxsize=16_384)
def _plain(cluster: str) -> str:
    """Return what a letter and its marks are compared as; at most a few characters."""
    return normalize("NFKC", normalize("NFKC", cluster).casefold())
