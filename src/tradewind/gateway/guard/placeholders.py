"""Placeholders that stand for what was redacted in one call, and the way back.

They live in the memory of the call alone: nobody who reads a log, a trace or the journal can tell
what `<EMAIL_1>` stood for.
"""

import re
from collections.abc import Iterator

MOST_PLACEHOLDERS = 10_000
LONGEST = 48
"""Characters of a placeholder, so that a stream knows how much to hold back."""

_LABEL = re.compile(r"[^A-Z0-9_]+")
_find = re.compile(r"<[A-Z][A-Z0-9_]{0,38}_[0-9]{1,5}>").finditer
_open_end = re.compile(rf"<(?:[A-Z][A-Z0-9_]{{0,{LONGEST - 3}}})?\Z").search


class Placeholders:
    """Those of one call. The same value of one kind has the same placeholder all through it."""

    __slots__ = ("_counts", "_of_value", "_returns", "_value_of")

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._of_value: dict[tuple[str, str], str] = {}
        self._value_of: dict[str, str] = {}
        self._returns: set[str] = set()

    def of_prompt(self, label: str, value: str) -> str:
        """Return the placeholder of something in the prompt: in answers it is turned back."""
        placeholder = self._placeholder(label, value)
        if placeholder in self._value_of:
            self._returns.add(placeholder)
        return placeholder

    def of_answer(self, label: str, value: str) -> str:
        """Return the placeholder of something the model wrote, which the client is not to see."""
        return self._placeholder(label, value)

    @property
    def may_return(self) -> bool:
        """Whether an answer can hold any that is to be turned back."""
        return bool(self._returns)

    def found_in(self, text: str, start: int, end: int) -> Iterator[tuple[int, int, str]]:
        """Yield the prompt's placeholders within `text[start:end]`, and what they stand for."""
        for found in _find(text, start, end):
            if found[0] in self._returns:
                yield found.start(), found.end(), self._value_of[found[0]]

    def open_end(self, text: str, start: int, end: int) -> int:
        """Return where in `text[start:end]` one may have begun that has not ended; `end` where none
        has.
        """
        if not self._returns:
            return end
        found = _open_end(text[max(start, end - LONGEST) : end])
        return end if found is None else end - (found.end() - found.start())

    def _placeholder(self, label: str, value: str) -> str:
        label = _LABEL.sub("_", label.upper()).strip("_0123456789")[:32] or "REDACTED"
        key = label, value
        known = self._of_value.get(key)
        if known is not None:
            return known
        if len(self._of_value) >= MOST_PLACEHOLDERS:
            # Without a number it stands for nothing in particular, and is never turned back.
            return f"<{label}>"
        number = self._counts[label] = self._counts.get(label, 0) + 1
        placeholder = self._of_value[key] = f"<{label}_{number}>"
        self._value_of[placeholder] = value
        return placeholder
