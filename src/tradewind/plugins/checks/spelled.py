"""Words written letter by letter: with gaps, figures for letters, in Morse, NATO or braille."""

# ruff: noqa: RUF001 dashes of all lengths stand for a dash of Morse

import re
from collections.abc import Iterator

_FEWEST_LETTERS = 8


def joined(text: str) -> Iterator[str]:
    """Read "i g n o r e", "i-g-n-o-r-e" and "ig.no.re" as "ignore"."""
    if _GAPPED.search(text):
        # One gap parts letters, more part words.
        yield _GAPPED.sub(lambda match: _close_gaps(match[0]), text)
    if _is_many(len(_BROKEN.findall(text)), text):
        yield _BROKEN.sub("", text)


def _is_many(count: int, text: str) -> bool:
    """Say whether it is more than the dates, names and paths of plain text."""
    words = max(text.count(" "), len(text) // 8)  # Not every script has spaces.
    return count > 2 and _SHARE * count >= words


_SHARE = 6
"""One word in so many is disguised; in plain prose and code hardly one in ten looks so."""
_GAPPED = re.compile(r"(?<!\w)\w(?:[^\w\n]{1,5}\w(?!\w)){5,}")
_BROKEN = re.compile(r"(?<=[a-zA-Z])[!-&(-/:;<=>?@\[\\\]^_`{|}~](?=[a-zA-Z])")


def _close_gaps(run: str) -> str:
    gaps = re.findall(r"\W+", run)
    shortest = min(map(len, gaps))
    return re.sub(r"\W+", lambda gap: "" if len(gap[0]) <= shortest else " ", run)


def leet(text: str) -> Iterator[str]:
    """Read "1gn0r3" as "ignore", in words that mix letters and figures; 1 is i or l."""
    # There are no more such words than figures, which are found sooner.
    if _is_many(len(_FIGURE.findall(text)), text) and _is_many(len(_MIXED.findall(text)), text):
        for table in (_LEET, _LEET | {ord("1"): "l", ord("|"): "i"}):
            yield _MIXED.sub(lambda match, table=table: match[0].translate(table), text)


# One letter with figures around it is a code; two figures among letters, or a short word, are not.
_MIXED = re.compile(
    r"(?<![\w@$!|+(])(?:[a-zA-Z@$!|+(]{1,20}[0-9@$!|+(]|[0-9@$!|+(]{1,4}[a-zA-Z])"
    r"[a-zA-Z0-9@$!|+(]{0,30}"
)
_FIGURE = re.compile(r"[0-9@$!|+(]")
_LEET = str.maketrans("0134578@$!|+(92", "oieastbasiltcgz")


def spelled_out(text: str) -> Iterator[tuple[str, int, int]]:
    """Read Morse, the NATO alphabet, braille and one equation for each letter."""
    for match in _MORSE.finditer(text):
        words = re.split(r"\s*[/|]\s*|\s{3,}", match[0].translate(_DOTS).strip())
        letters = [[_MORSE_LETTERS.get(code, "") for code in word.split()] for word in words]
        yield from _if_enough(" ".join("".join(word) for word in letters), match)
    for match in _NATO.finditer(text) if _has_nato(text) else ():
        # A space that is spelled out or a gap of two parts words; a single one parts letters.
        words = re.split(r"\s*<space>\s*|\s{2,}", match[0], flags=re.IGNORECASE)
        letters = ["".join(word[0].lower() for word in _NATO_WORD.findall(part)) for part in words]
        yield from _if_enough(" ".join(letters), match)
    for match in _BRAILLE.finditer(text):
        yield from _if_enough("".join(map(_from_braille, match[0])), match)
    equations = list(_EQUATION.finditer(text))
    if len(equations) >= _FEWEST_LETTERS:
        parts: list[str] = []
        for before, after in zip(equations, [*equations[1:], None], strict=True):
            parts.append(before[1])
            if after is not None and text.count("\n", before.end(), after.start()) > 1:
                parts.append(" ")
        yield "".join(parts), equations[0].start(), equations[-1].end()


def _has_nato(text: str) -> bool:
    """Say whether there is any word of the alphabet: the search for eight in a row is far dearer.
    A capital of two characters, or one like it, is looked at closely.
    """
    lowered = text.lower()
    return not text.isascii() or any(word in lowered for word in _NATO_WORDS)


def _if_enough(reading: str, match: re.Match[str]) -> Iterator[tuple[str, int, int]]:
    if sum(map(str.isalpha, reading)) >= _FEWEST_LETTERS:
        yield reading, match.start(), match.end()


_MORSE = re.compile(r"[.\-·•−–_][.\-·•−–_ /|]{18,}[.\-·•−–_]")
_DOTS = str.maketrans("·•−–_", "..---")
_MORSE_CODES = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- "
    ".-- -..- -.-- --.. ----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----."
)
_MORSE_LETTERS: dict[str, str] = dict(
    zip(_MORSE_CODES.split(), "abcdefghijklmnopqrstuvwxyz0123456789", strict=True)
)
_NATO_WORDS = (
    *("alfa", "alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india"),
    *("juliet", "kilo", "lima", "mike", "november", "oscar", "papa", "quebec", "romeo", "sierra"),
    *("tango", "uniform", "victor", "whisk", "x-ray", "xray", "yankee", "zulu"),
)
_NATO_WORD = re.compile(
    r"(?:alfa|alpha|bravo|charlie|delta|echo|foxtrot|golf|hotel|india|juliett?|kilo|lima|mike"
    r"|november|oscar|papa|quebec|romeo|sierra|tango|uniform|victor|whiske?y|x-?ray|yankee|zulu)",
    re.IGNORECASE,
)
_NATO = re.compile(
    rf"\b{_NATO_WORD.pattern}\b(?:(?:\s*<space>|[^a-zA-Z<>]){{1,6}}{_NATO_WORD.pattern}\b){{7,}}",
    re.IGNORECASE,
)
_EQUATION = re.compile(r"^([^\W\d_]|[\w.,?!'])[ ]?=[ ]?\d{1,3}\1\b.{0,80}$", re.MULTILINE)
_BRAILLE = re.compile("[\u2800-\u28ff][\u2800-\u28ff \n]{8,}")
_BRAILLE_LETTERS: dict[str, str] = dict(
    zip(
        "⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵",
        "abcdefghijklmnopqrstuvwxyz",
        strict=True,
    )
)


def _from_braille(char: str) -> str:
    return _BRAILLE_LETTERS.get(char, " " if char in " \n\u2800" else "")
