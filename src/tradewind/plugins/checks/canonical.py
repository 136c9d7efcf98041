"""Undoes what changes how a text is written and not how it reads.

A person reads a Cyrillic "а", a mathematical bold "a", an "a" under five accents and an "a" with an
invisible character behind it as the same letter; so does a model. `canonical` makes them one
letter, so that a check needs to know a word once: compatibility forms are folded (NFKC, Unicode
Standard Annex 15), characters that look like ASCII letters become those (the confusables of
Unicode Technical Standard 39), accents and invisible characters go. What
hides a text as a whole (base64, Morse, mirror writing) is undone by `disguises`.

Pure, linear in the text, at most `_MOST_PER_CHARACTER` characters for one, and every character of
the result knows where it came from.
"""

# ruff: noqa: RUF001 RUF002 characters that look like others are what this is about

import unicodedata
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_MOST_PER_CHARACTER = 4
"""A single ligature (U+FDFA) would become 18 characters, and a text of them a hundred times as much
work as its size tells."""


class View(NamedTuple):
    """One way to read a text."""

    text: str
    how: str
    """What was undone to get it: `plain`, `base64`, `rot13+leet`, …"""
    positions: NDArray[np.int32] | None
    """Where each character stood in the original; None where only the whole has a place."""
    start: int
    end: int
    """The part of the original that this is a reading of."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the place in the original of a piece of this view; never empty."""
        if self.positions is None or not len(self.text):
            return self.start, self.end
        first = int(self.positions[min(start, len(self.text) - 1)])
        last = int(self.positions[min(max(end, start + 1), len(self.text)) - 1])
        # Mirror writing runs backwards.
        return min(first, last), max(first, last) + 1


def canonical(text: str) -> View:
    """Return the text as it reads."""
    if text.isascii():
        positions = np.arange(len(text), dtype=np.int32)
        return View(text, "plain", positions, 0, len(text))
    pieces = [_skeleton(char) for char in text]
    folded = "".join(pieces)
    if len(folded) == len(text) and min(map(len, pieces)) == 1:
        positions = np.arange(len(text), dtype=np.int32)
    else:
        lengths = np.fromiter(map(len, pieces), np.int32, len(pieces))
        positions = np.repeat(np.arange(len(text), dtype=np.int32), lengths)
    return View(folded, "plain", positions, 0, len(text))


# Bounded: a text can name every character there is, and the commonest are asked for again.
@lru_cache(maxsize=16_384)
def _skeleton(char: str) -> str:
    """Return what one character reads as; nothing for one that cannot be seen."""
    if char < "\x80":
        return char if char >= " " or char in "\t\n\r" else ""
    look_alike = _LOOK_ALIKES.get(char)
    if look_alike is not None:
        return look_alike
    category = unicodedata.category(char)
    if category in {"Mn", "Me", "Cf", "Cs", "Cc"}:
        return ""
    if category in {"Zs", "Zl", "Zp"}:
        return " "
    # An accent goes where there is a Latin letter below it; elsewhere it is part of the letter.
    whole = unicodedata.normalize("NFKD", char)
    if whole[0] < "\x80":
        whole = "".join(part for part in whole if unicodedata.category(part) not in {"Mn", "Me"})
    else:
        whole = unicodedata.normalize("NFKC", char)
    return "".join(_LOOK_ALIKES.get(part, part) for part in whole[:_MOST_PER_CHARACTER])


# What the confusables lack: letters that only look alike in small, and marks.
_BY_LETTER = {
    "a": "ᴀ∂ɐªα",
    "b": "ʙɓβв",
    "c": "¢ƈ",
    "d": "ᴅɗđ",
    "e": "εᴇǝɛ",
    "f": "ƒꜰ",
    "g": "ɠ",
    "h": "ʜн",
    "i": "ɨ",
    "j": "ᴊʝ",
    "k": "κкᴋƙ",
    "l": "ʟłɭ",
    "m": "мᴍɱ",
    "n": "пηɴɲ",
    "o": "ø",
    "p": "ᴘƥ",
    "q": "ɋ",
    "r": "ʀɾɍ",
    "s": "ʂ",
    "t": "тτᴛƭ",
    "u": "цμ",
    "w": "ωш",
    "x": "χ",
    "z": "ʐ",
    "'": "‘’ʼ′´",
    '"': "“”„″«»",
    "-": "‐‑‒–—―−",
    "/": "⁄∕",
    ".": "۔。",
    ":": "꞉：",
}


def _look_alikes() -> dict[str, str]:
    table: dict[str, str] = {}
    file = files("tradewind.plugins.checks") / "data" / "confusables.txt"
    for line in file.read_text("utf-8").splitlines():
        if not line.startswith("#"):
            table.update(dict.fromkeys(line[2:], line[0]))
    for letter, chars in _BY_LETTER.items():
        table.update(dict.fromkeys(chars, letter))
    for number in range(26):
        letter = chr(ord("a") + number)
        # Negative circled, negative squared and regional letters have no compatibility form.
        for first in (0x1F150, 0x1F170, 0x1F1E6):
            table[chr(first + number)] = letter
    return table


_LOOK_ALIKES = _look_alikes()
