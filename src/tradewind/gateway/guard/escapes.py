r"""JSON that is text, the arguments of a call, read as the client will read it. Pure.

A model can write `\u0040` for `@` there, and some hosts write everything beyond ASCII so; checks
are to see what is meant. Spans they find are told in what they saw, so the way back is kept.
Format: RFC 8259, section 7.
"""

import re
from bisect import bisect_right
from typing import NamedTuple

_find = re.compile(
    r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|.)",
    re.DOTALL,
).finditer
_find_unended = re.compile(
    r"\\(?:u[0-9a-fA-F]{0,3}|u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,3})?)?)?\Z"
).search
LONGEST = 12


class Unescaped(NamedTuple):
    """A text as it is meant. The lists go along each other: one entry for each escape."""

    text: str
    ends: list[int]
    """Where what an escape means ends in `text`."""
    more: list[int]
    """By how much the written text is longer, up to there."""

    def written_at(self, at: int) -> int:
        """Return where in the written text that stands which stands in `text` at `at`."""
        found = bisect_right(self.ends, at)
        return at + self.more[found - 1] if found else at

    def meant_at(self, at: int) -> int:
        """The other way round, of a place that is not within an escape."""
        low, high = 0, len(self.ends)
        while low < high:
            middle = (low + high) // 2
            if self.ends[middle] + self.more[middle] <= at:
                low = middle + 1
            else:
                high = middle
        return at - (self.more[low - 1] if low else 0)


def unescaped(text: str) -> Unescaped | None:
    r"""Return what is meant; None where nothing is written as `\u…`."""
    if "\\u" not in text:
        return None
    parts: list[str] = []
    ends: list[int] = []
    more: list[int] = []
    at = length = saved = 0
    for found in _find(text):
        high, low, single = found.groups()
        if high is not None:
            meant = chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00)
        elif single is not None:
            meant = chr(int(single, 16))
        else:
            continue
        before = text[at : found.start()]
        parts += (before, meant)
        length += len(before) + 1
        at = found.end()
        saved += at - found.start() - 1
        ends.append(length)
        more.append(saved)
    return Unescaped("".join([*parts, text[at:]]), ends, more)


def before_escape(text: str, start: int, at: int) -> int:
    """Return `at`, or where the escape begins that reaches over it, or has not ended there.

    `start` is no place within an escape.
    """
    for found in _find(text, start, min(len(text), at + LONGEST)):
        if found.start() >= at:
            break
        if found.end() > at:
            return found.start()
    unended = _find_unended(text, max(start, at - LONGEST), at)
    return at if unended is None or at < len(text) else unended.start()
