"""Sentences taken apart into what can be compared: words, numbers with units, names, negation.

Pure. Made for English; other languages are compared by their words, numbers and names alone.
"""

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

LONGEST_SENTENCE = 1000
_END = "\u3002\uff01\uff1f"
_SENTENCE = re.compile(
    rf"[^\s.!?\n{_END}](?:[^.!?\n{_END}]|[.!?](?=[\w,])){{0,{LONGEST_SENTENCE - 1}}}+[.!?\u3002]?"
)
_WORD = re.compile(r"[^\W\d_]++(?:['\u2019][^\W\d_]++)?")
_NUMBER = re.compile(
    r"(?<![\w.])([$\u20ac\u00a3\u00a5]?)[ ]?"
    r"((?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,18})(?:\.[0-9]{1,9})?)"
    r"(?![0-9])(?:st|nd|rd|th)?"
    r"(?:\s?(%|(?:/|per |an |a |each )\s?[a-z]{1,12}|[a-z\u00b0\u00b5]{1,14}\b(?:/[a-z]{1,8})?))?",
    re.IGNORECASE,
)
_NAME = r"[\w\u2019']"
_NAMES = re.compile(
    rf"(?<!\w)(?:[A-Z]{_NAME}{{1,30}}|[A-Z]{{2,12}})"
    rf"(?:[ -](?:of |de |van )?[A-Z]{_NAME}{{0,30}}){{0,4}}"
)
_NEGATIONS = frozenset(
    {"not", "no", "never", "none", "neither", "nor", "cannot", "without", "nobody", "nothing"}
)
_SPELLED_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty"
)
_SPELLED = {word: str(value) for value, word in enumerate(_SPELLED_WORDS.split())}
_SPELLED_NUMBER = re.compile(
    rf"(?<![\w-])({'|'.join(sorted(_SPELLED, key=len, reverse=True))})(?![\w-])"
    r"\s?([a-z]{1,14}\b)?",
    re.IGNORECASE,
)
_COMMON = (
    "a about above after again all also am an and any are as at be because been before being "
    "below between both but by can could did do does doing down during each few for from further "
    "had has have having he her here hers him his how i if in into is it its itself just like may "
    "me might more most must my no nor not now of off on once only or other our out over own per "
    "same she should so some such than that the their them then there these they this those "
    "through to too under until up upon very was we were what when where which while who whom why "
    "will with would you your yours it's that's said says according based document text source"
)
COMMON = frozenset(_COMMON.split())
_UNITS = {
    "percent": "%",
    "pct": "%",
    "hours": "hour",
    "hr": "hour",
    "hrs": "hour",
    "h": "hour",
    "minutes": "minute",
    "min": "minute",
    "mins": "minute",
    "seconds": "second",
    "s": "second",
    "sec": "second",
    "days": "day",
    "years": "year",
    "yr": "year",
    "yrs": "year",
    "weeks": "week",
    "months": "month",
    "kilometers": "km",
    "kilometres": "km",
    "miles": "mile",
    "meters": "m",
    "metres": "m",
    "meter": "m",
    "metre": "m",
    "kilograms": "kg",
    "usd": "$",
    "kilogram": "kg",
    "dollars": "$",
    "dollar": "$",
    "bucks": "$",
    "eur": "\u20ac",
    "euros": "\u20ac",
    "euro": "\u20ac",
    "gbp": "\u00a3",
    "pounds": "\u00a3",
    "grams": "g",
    "thousand": "k",
    "million": "M",
    "millions": "M",
    "billion": "B",
    "billions": "B",
}


class Quantity(NamedTuple):
    value: str
    unit: str
    """In one spelling; empty where none is known."""
    start: int
    end: int


class Claim(NamedTuple):
    start: int
    end: int
    words: frozenset[str]
    """Stems of what is not said in every sentence."""
    quantities: tuple[Quantity, ...]
    names: tuple[tuple[str, int, int], ...]
    """In lower case, with where they stand."""
    is_negated: bool
    is_question: bool


def claims(text: str) -> Iterator[Claim]:
    for found in _SENTENCE.finditer(text):
        yield _claim(found[0], found.start())


def _claim(sentence: str, at: int) -> Claim:
    raw = [(word[0].lower(), word.start()) for word in _WORD.finditer(sentence)]
    words = frozenset(stem(word) for word, _ in raw if word not in COMMON and len(word) > 1)
    negated = any(word in _NEGATIONS or word.endswith(("n't", "n\u2019t")) for word, _ in raw)
    names = [
        (found[0].lower(), at + found.start(), at + found.end())
        for found in _NAMES.finditer(sentence)
        # The first word has a capital for another reason.
        if found.start() or " " in found[0] or found[0].isupper()
    ]
    return Claim(
        at,
        at + len(sentence),
        words,
        tuple(_quantities(sentence, at)),
        tuple(names),
        negated,
        sentence.endswith("?"),
    )


def _quantities(sentence: str, at: int) -> Iterator[Quantity]:
    for found in _NUMBER.finditer(sentence):
        currency, digits, unit = found[1], found[2], found[3] or ""
        try:
            value = format(Decimal(digits.replace(",", "")).normalize(), "f")
        except InvalidOperation:
            continue
        # "$12/hour" has two units; that of the money is the less telling one.
        plain = _unit(unit)
        end = found.end() if plain else found.end(2)
        yield Quantity(value, plain or currency, at + found.start(), at + end)
    for found in _SPELLED_NUMBER.finditer(sentence):
        plain = _unit(found[2] or "")
        # "One" alone is more often a word than a number.
        if plain or found[1].lower() not in {"one", "zero"}:
            end = found.end() if plain else found.end(1)
            yield Quantity(_SPELLED[found[1].lower()], plain, at + found.start(), at + end)


def _unit(text: str) -> str:
    text = text.strip().lower()
    for head in ("/", "per ", "an ", "a ", "each "):
        if text.startswith(head):
            rest = text[len(head) :].strip()
            return "/" + _UNITS.get(rest, stem(rest)) if rest else ""
    if text in COMMON or text in {"st", "nd", "rd", "th"}:
        return ""
    return _UNITS.get(text, stem(text))


def stem(word: str) -> str:
    """Cut the commonest endings, so that "opens" and "opened" are one; crude on purpose."""
    word = word.removesuffix("'s").removesuffix("\u2019s")
    for ending in (
        "ations",
        "ation",
        "ings",
        "ing",
        "edly",
        "ies",
        "ed",
        "es",
        "ly",
        "s",
        "e",
        "y",
    ):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
