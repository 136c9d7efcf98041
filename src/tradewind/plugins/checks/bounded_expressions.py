r"""Regular expressions of strangers, made safe to run. Pure.

An expression is taken apart and put together again from what is known to be bounded: characters,
classes, groups, alternatives, repeats and `\b`. No look-around, no references, no anchors. `*` and
`+` end at MOST_REPEATS. What is repeated and cannot be taken for what follows is never given back;
where it can, the number of ways to go back is counted. So the most steps that a match from one
place may take are known before it runs, and an expression that may take too many is refused.

Python's own parser takes it apart: one of ours would read some expressions otherwise than the
engine that runs them.
"""

import re
from dataclasses import dataclass
from importlib import import_module
from itertools import product
from typing import Any, NamedTuple

LONGEST_EXPRESSION = 256
MOST_REPEATS = 64
LONGEST_MATCH = 200
MOST_STEPS = 2_000
MOST_STEPS_ANYWHERE = 200
"""Of one that may begin at any character, because it starts with none that are known."""
_MOST_PREFIXES = 64
_LEAST_PREFIX = 2
_LONGEST_PREFIX = 8
_DEEPEST = 12
_FLAGS = re.IGNORECASE
# One bit for each character of ASCII, one for all letters and digits beyond, one for the rest.
_FOREIGN_WORDS = 1 << 128
_FOREIGN_REST = 1 << 129
_FOREIGN = _FOREIGN_WORDS | _FOREIGN_REST
_ALL = (1 << 130) - 1
_CATEGORIES = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
}


class ExpressionRefused(Exception):
    """Says why, never what it was."""


class Bounded(NamedTuple):
    pattern: re.Pattern[str]
    longest: int
    """Characters of the longest match."""
    steps: int
    """The most that a match from one place takes."""
    prefixes: tuple[str, ...]
    """One of these begins each match; empty where there are too many or they are too short."""


@dataclass(slots=True)
class _Part:
    source: str
    least: int
    most: int
    ways: int
    """In how many ways it may match from one place."""
    first: int
    """Bits of the characters that may begin it."""
    prefixes: tuple[str, ...] = ("",)
    is_exact: bool = False
    """Whether `prefixes` are all that it matches."""


def bound(expression: str) -> Bounded:
    """Return the expression as it may be run. Raises ExpressionRefused."""
    if not expression or len(expression) > LONGEST_EXPRESSION:
        raise ExpressionRefused(f"it must have 1 to {LONGEST_EXPRESSION} characters")
    if expression.count("(") > 2 * _DEEPEST:
        raise ExpressionRefused("it has too many groups")
    # Not part of the documented interface: `re` has none for what it has parsed.
    parser: Any = import_module("re._parser")
    try:
        parsed = parser.parse(expression, 0)
    except (re.error, OverflowError, RecursionError) as error:
        raise ExpressionRefused("it is no regular expression") from error
    if parsed.state.flags & ~re.UNICODE.value:
        raise ExpressionRefused("it sets flags")
    part = _sequence(list(parsed), 0, 0)
    if part.least == 0:
        raise ExpressionRefused("it may match nothing at all")
    if part.most > LONGEST_MATCH:
        raise ExpressionRefused(f"it may match more than {LONGEST_MATCH} characters")
    is_known = all(len(prefix) >= _LEAST_PREFIX for prefix in part.prefixes)
    steps = part.ways * part.most
    if steps > (MOST_STEPS if is_known else MOST_STEPS_ANYWHERE):
        raise ExpressionRefused("it may take too many steps: name more of its characters")
    prefixes = tuple(sorted(set(part.prefixes))) if is_known else ()
    return Bounded(re.compile(part.source, _FLAGS), part.most, steps, prefixes)


def _sequence(items: list[Any], follow: int, depth: int) -> _Part:
    """`follow` are the characters that may come behind it."""
    if depth > _DEEPEST:
        raise ExpressionRefused("its groups stand too deep in one another")
    parts: list[_Part] = []
    for operation, argument in reversed(items):
        part = _one(str(operation), argument, follow, depth)
        parts.insert(0, part)
        follow = part.first if part.least else part.first | follow
    whole = _Part("", 0, 0, 1, 0, ("",), is_exact=True)
    is_open = True
    for part in parts:
        if is_open:
            whole.first |= part.first
            is_open = part.least == 0
        if whole.is_exact:
            joined = tuple(a + b for a, b in product(whole.prefixes, part.prefixes))
            fits = len(joined) <= _MOST_PREFIXES
            whole.prefixes = (
                tuple(each[:_LONGEST_PREFIX] for each in joined) if fits else (whole.prefixes)
            )
            is_short = all(len(each) < _LONGEST_PREFIX for each in whole.prefixes)
            whole.is_exact = fits and part.is_exact and is_short
        whole.source += part.source
        whole.least += part.least
        whole.most += part.most
        whole.ways = _bounded(whole.ways * part.ways)
    return whole


def _one(operation: str, argument: Any, follow: int, depth: int) -> _Part:
    match operation:
        case "LITERAL":
            folded = chr(argument).casefold()
            length = len(folded)
            bits = _bits(re.escape(folded[0]))
            return _Part(re.escape(folded), length, length, 1, bits, (folded,), is_exact=True)
        case "NOT_LITERAL":
            return _class(f"[^{re.escape(chr(argument))}]")
        case "ANY":
            return _class(".")
        case "IN":
            return _class(_class_source(argument))
        case "AT" if str(argument) == "AT_BOUNDARY":
            # Letters and digits that stand before it cannot be given back: no word ends there.
            return _Part(r"\b", 0, 0, 1, _ALL & ~_WORDS, ("",), is_exact=True)
        case "SUBPATTERN":
            _group, added, removed, inner = argument
            if added or removed:
                raise ExpressionRefused("it sets flags")
            part = _sequence(list(inner), follow, depth + 1)
            part.source = f"(?:{part.source})"
            return part
        case "BRANCH":
            return _branch([_sequence(list(each), follow, depth + 1) for each in argument[1]])
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            return _repeat(operation, argument, follow, depth)
        case _:
            raise ExpressionRefused("it holds more than characters, groups, repeats and \\b")


def _branch(parts: list[_Part]) -> _Part:
    first = 0
    for part in parts:
        first |= part.first
    prefixes = tuple(prefix for part in parts for prefix in part.prefixes)
    fits = len(prefixes) <= _MOST_PREFIXES
    return _Part(
        "(?:" + "|".join(part.source for part in parts) + ")",
        min(part.least for part in parts),
        max(part.most for part in parts),
        _bounded(sum(part.ways for part in parts)),
        first,
        prefixes if fits else ("",),
        is_exact=fits and all(part.is_exact for part in parts),
    )


def _repeat(operation: str, argument: Any, follow: int, depth: int) -> _Part:
    least, most, inner = int(argument[0]), min(int(argument[1]), MOST_REPEATS), list(argument[2])
    if least > most:
        raise ExpressionRefused(f"it repeats more than {MOST_REPEATS} times")
    body = _sequence(inner, _ALL, depth + 1)
    if body.least == 0 and body.most == 0:
        raise ExpressionRefused("it repeats nothing")
    is_single = body.least == body.most == 1 and body.ways == 1
    if operation == "MIN_REPEAT":
        mark, is_kept = "?", False
    else:
        is_kept = operation == "POSSESSIVE_REPEAT" or (is_single and not body.first & follow)
        mark = "+" if is_kept else ""
    ways = 1 if is_kept and is_single else _ways_of_repeat(body.ways, least, most)
    return _Part(
        f"(?:{body.source}){{{least},{most}}}{mark}",
        body.least * least,
        body.most * most,
        ways,
        body.first,
        body.prefixes if least else ("",),
        is_exact=least == most == 1 and body.is_exact,
    )


def _ways_of_repeat(ways: int, least: int, most: int) -> int:
    total, power = 0, 1
    for count in range(most + 1):
        if count >= least:
            total = _bounded(total + power)
        power = _bounded(power * ways)
    return total


def _bounded(number: int) -> int:
    return min(number, 1 << 32)


def _class(source: str) -> _Part:
    bits = _bits(source)
    shown = [chr(at) for at in range(128) if bits >> at & 1] if bits < _FOREIGN else []
    folded = tuple(sorted({each.casefold() for each in shown}))
    is_small = 0 < len(folded) <= _LONGEST_PREFIX
    return _Part(source, 1, 1, 1, bits, folded if is_small else ("",), is_exact=is_small)


def _class_source(items: list[Any]) -> str:
    source = ""
    for operation, argument in items:
        match str(operation):
            case "NEGATE":
                source += "^"
            case "LITERAL":
                source += re.escape(chr(argument))
            case "RANGE":
                source += f"{re.escape(chr(argument[0]))}-{re.escape(chr(argument[1]))}"
            case "CATEGORY":
                source += _CATEGORIES[str(argument)]
            case _:
                raise ExpressionRefused("it holds a class that is not known")
    return f"[{source}]"


def _bits(source: str) -> int:
    one = re.compile(source, _FLAGS)
    bits = sum(1 << at for at in range(128) if one.fullmatch(chr(at)))
    for classes, foreign in ((r"\w\d", _FOREIGN_WORDS), (r"\s\W", _FOREIGN_REST)):
        if source.strip("[]") in {classes[:2], classes[2:]}:
            return bits | foreign
    is_plain = source.isascii() and not re.search(r"\[\^|\\[DSWdswux]|^\.$", source)
    return bits if is_plain else bits | _FOREIGN


_WORDS = _bits(r"\w")
