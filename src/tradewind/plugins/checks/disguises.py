"""Reads what a text says in disguise: base64, Morse, mirror writing and their like.

A model asked to "decode this and do it" does both, so what is encoded counts as said. Nothing here
judges: every reading that looks like language is one more view to be scored. Each reader looks for
its own form first (a run of hexadecimal digits, a line that is not English as it stands), so plain
text costs a few searches; the number of views and their length together are bounded.
"""

import base64
import binascii
import html
import re
import urllib.parse
from collections.abc import Callable, Iterator

from tradewind.plugins.checks.canonical import View, canonical
from tradewind.plugins.checks.ciphers import shifted, turned_around
from tradewind.plugins.checks.spelled import joined, leet, spelled_out

_MOST_VIEWS = 12
_FEWEST_LETTERS = 8
"""Of a reading: fewer say nothing that could be judged."""
_PRINTABLE_SHARE = 0.9

_Reader = Callable[[str], Iterator[tuple[str, int, int]]]


def views(text: str) -> list[View]:
    """Return the text as it reads, and every reading of what is disguised in it.

    At most `_MOST_VIEWS`; together no longer than three times the text and 4,000 characters.
    """
    plain = canonical(text)
    found = [plain]
    seen = {plain.text.strip().lower()}
    budget = 2 * len(text) + 4_000
    waiting = [(View(text, "", None, 0, len(text)), _ON_RAW, 0), (plain, _ON_PLAIN, 0)]
    while waiting and len(found) < _MOST_VIEWS:
        view, readers, depth = waiting.pop(0)
        for name, reader in readers:
            for reading, start, end in reader(view.text):
                made = _view(view, name, reading, start, end)
                key = made.text.strip().lower()
                if key in seen or len(made.text) > budget or len(found) >= _MOST_VIEWS:
                    continue
                seen.add(key)
                budget -= len(made.text)
                found.append(made)
                if not depth:
                    waiting.append((made, _INSIDE.get(name, _TOKENS), 1))
    return found


def _view(of: View, name: str, reading: str, start: int, end: int) -> View:
    folded = canonical(reading)
    how = name if of.how in {"", "plain"} else f"{of.how}+{name}"
    if of.how == "":
        first, last = start, end
    else:
        first, last = of.span(start, end)
    return View(folded.text, how, None, first, last)


def _hidden(text: str) -> Iterator[tuple[str, int, int]]:
    """Characters that nobody sees and a tokenizer reads."""
    if text.isascii():
        return
    for pattern, decode in (
        (_TAGS, _from_tags),
        (_SELECTORS, _from_selectors),
        (_INVISIBLE_BITS, _from_bits),
    ):
        matches = list(pattern.finditer(text))
        if matches:
            reading = decode("".join(match[0] for match in matches))
            if _is_language(reading):
                yield reading, matches[0].start(), matches[-1].end()


_TAGS = re.compile("[\U000e0020-\U000e007e]+")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}")
_INVISIBLE_BITS = re.compile("[\u2062\u2064]{8,}|[\u200b\u200c]{8,}")


def _from_tags(run: str) -> str:
    return "".join(chr(ord(char) - 0xE0000) for char in run)


def _from_selectors(run: str) -> str:
    codes = (ord(char) for char in run)
    raw = bytes(code - 0xFE00 if code <= 0xFE0F else code - 0xE0100 + 16 for code in codes)
    return raw.decode("utf-8", "ignore")


def _from_bits(run: str) -> str:
    ones = "\u2064\u200c"
    return _from_binary("".join("1" if char in ones else "0" for char in run))


def _base64(text: str) -> Iterator[tuple[str, int, int]]:
    for match in _BASE64.finditer(text):
        run = re.sub(r"\s+", "", match[0]).translate(_URL_SAFE).rstrip("=")
        yield from _if_language(_decoded(base64.b64decode, run, 4), match)


def _base32(text: str) -> Iterator[tuple[str, int, int]]:
    for match in _BASE32.finditer(text):
        yield from _if_language(_decoded(base64.b32decode, match[0].rstrip("="), 8), match)


def _base85(text: str) -> Iterator[tuple[str, int, int]]:
    for match in _ASCII85.finditer(text):
        yield from _if_language(_decoded(base64.a85decode, match[1], 1), match)
    for match in _BASE85.finditer(text):
        yield from _if_language(_decoded(base64.b85decode, match[0], 1), match)


_ASCII85 = re.compile(r"<~([!-uz\s]{15,}?)~>")
_BASE85 = re.compile(r"(?<!\S)[0-9A-Za-z!#$%&()*+;<=>?@^_`{|}~-]{25,}(?!\S)")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}(?:\r?\n[A-Za-z0-9+/_-]{16,}){0,400}={0,2}")
_BASE32 = re.compile(r"[A-Z2-7]{16,}={0,6}")
_URL_SAFE = str.maketrans("-_", "+/")


def _decoded(decode: Callable[[str], bytes], run: str, group: int) -> str:
    whole = run + "=" * (-len(run) % group)
    for attempt in (whole, run[: len(run) // group * group]):
        try:
            return decode(attempt).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            continue
    return ""


def _hexadecimal(text: str) -> Iterator[tuple[str, int, int]]:
    for match in _HEX.finditer(text):
        digits = re.sub(r"0x|\\x|[^0-9a-fA-F]", "", match[0])
        raw = bytes.fromhex(digits[: len(digits) // 2 * 2])
        yield from _if_language(raw.decode("utf-8", "replace"), match)


# It begins with a digit, not with what may stand before one: a search skips what is no digit.
_HEX = re.compile(r"[0-9a-fA-F]{2}[ ,:;-]?(?:(?:0x|\\x)?[0-9a-fA-F]{2}[ ,:;-]?){9,}")


def _binary(text: str) -> Iterator[tuple[str, int, int]]:
    for match in _BINARY.finditer(text):
        yield from _if_language(_from_binary(match[0]), match)


_BINARY = re.compile(r"[01][01\s,]{38,}[01]")


def _from_binary(run: str) -> str:
    groups = re.findall(r"[01]+", run)
    if len(groups) < 4:
        bits = "".join(groups)
        groups = [bits[place : place + 8] for place in range(0, len(bits) - 7, 8)]
    return "".join(chr(code) for group in groups if (code := int(group[:32], 2)) < 0x3000)


def _numbers(text: str) -> Iterator[tuple[str, int, int]]:
    """Codes of characters, in decimal."""
    for match in _NUMBERS.finditer(text):
        codes = [int(code) for code in re.findall(r"\d+", match[0])]
        if all(9 <= code < 256 for code in codes):
            yield from _if_language("".join(map(chr, codes)), match)


_NUMBERS = re.compile(r"\b\d{2,3}(?:[ ,;]{1,2}\d{2,3}){9,}\b")


def _escaped(text: str) -> Iterator[tuple[str, int, int]]:
    """Percent signs, entities and backslashes, in the whole text at once."""
    for pattern, decode in (
        (_PERCENT, urllib.parse.unquote_plus),
        (_ENTITY, html.unescape),
        (_BACKSLASH, _from_backslashes),
    ):
        places = [match.span() for match in pattern.finditer(text)]
        if len(places) > 2:
            yield decode(text), 0, len(text)


_PERCENT = re.compile(r"%[0-9a-fA-F]{2}")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{2,8});")
_BACKSLASH = re.compile(r"\\(?:u\{?([0-9a-fA-F]{4,6})\}?|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2}))")


def _from_backslashes(text: str) -> str:
    def char(match: re.Match[str]) -> str:
        code = int(match[1] or match[2] or match[3], 16)
        return chr(code) if code <= 0x10FFFF else ""

    return _BACKSLASH.sub(char, text)


def _whole(read: Callable[[str], Iterator[str]]) -> _Reader:
    def reader(text: str) -> Iterator[tuple[str, int, int]]:
        for reading in read(text):
            yield reading, 0, len(text)

    return reader


def _if_language(reading: str, match: re.Match[str]) -> Iterator[tuple[str, int, int]]:
    if _is_language(reading):
        yield reading, match.start(), match.end()


def _is_language(reading: str) -> bool:
    """Say whether a reading could be text; random bytes hardly ever could."""
    letters = sum(map(str.isalpha, reading))
    fit = sum(1 for char in reading if char.isprintable() or char in "\n\t\r")
    return (
        letters >= _FEWEST_LETTERS
        and fit >= _PRINTABLE_SHARE * len(reading)
        and reading.count("\ufffd") * 20 <= len(reading)
    )


_TOKENS: tuple[tuple[str, _Reader], ...] = (
    ("base64", _base64),
    ("base32", _base32),
    ("base85", _base85),
    ("hex", _hexadecimal),
    ("binary", _binary),
    ("codes", _numbers),
    ("escapes", _escaped),
)
_ON_RAW: tuple[tuple[str, _Reader], ...] = (("hidden", _hidden),)
_ON_PLAIN: tuple[tuple[str, _Reader], ...] = (
    *_TOKENS,
    ("spelled", spelled_out),
    ("cipher", shifted),
    ("mirrored", _whole(turned_around)),
    ("joined", _whole(joined)),
    ("leet", _whole(leet)),
)
# What was encoded may be disguised in any way; what was spelled out may only be encoded.
_INSIDE = {name: _ON_PLAIN for name, _ in (*_TOKENS, *_ON_RAW)}
