"""Terms that somebody does not want to read.

Exact terms are found by one automaton, however many there are; a term that begins or ends with a
letter or digit is found as a whole word only, except in scripts that put no spaces between words.
Case, width, invisible characters, how an accent is
written and letters of another alphabet that look the same do not matter. Regular expressions
are bounded before they run (bounded_expressions), and most of them are tried only where the
automaton met their first characters.

A finding names the list and the id of the term, never the term. In a stream the last 64 characters
wait, so a term of up to 64 characters never goes out; a longer one is still found by looking back,
but its beginning may have gone out by then.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar
from unicodedata import category, normalize

import msgspec

from tradewind.plugins.checks.automaton import Automaton
from tradewind.plugins.checks.base import CheckFailed, Content, Finding, Verdict
from tradewind.plugins.checks.bounded_expressions import Bounded, ExpressionRefused, bound
from tradewind.plugins.checks.canonical import canonical
from tradewind.plugins.checks.folded_text import fold
from tradewind.snapshot.safety import Direction

MOST_TERMS = 10_000
LONGEST_TERM = 128
LONGEST_ID = 64
MOST_EXPRESSIONS = 200
MOST_STEPS = 20_000
"""Of all expressions of a list together, from one place; see bounded_expressions."""
_MAGIC = b"tradewind blocklist 1\n"
_MOST_FINDINGS = 256
_SEVERITY = 6
# Thai, Lao, Burmese, Khmer, kana, Han and what stands between them.
_NO_SPACES = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)


class TermRefused(Exception):
    """Names the term by its id and says why."""


class Term(msgspec.Struct, frozen=True, array_like=True):
    id: str
    text: str
    is_expression: bool = False


def pack(terms: Iterable[Term]) -> bytes:
    """Return a list as the check takes it. The same terms give the same bytes, in whatever order.

    Raises TermRefused.
    """
    ordered = sorted(terms, key=lambda term: term.id)
    _check(ordered)
    return _MAGIC + msgspec.msgpack.encode(ordered)


@dataclass(frozen=True, slots=True)
class _Entry:
    """What the automaton leads to: a whole term, or the beginning of an expression."""

    term_id: str
    length: int
    begins_word: bool
    ends_word: bool
    pattern: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class PreparedList:
    name: str
    automaton: Automaton[tuple[_Entry, ...]]
    anywhere: tuple[tuple[str, re.Pattern[str]], ...]
    """Expressions whose first characters are not known."""


class Blocklist:
    name: ClassVar[str] = "blocklist"
    version: ClassVar[str] = "1"
    categories: ClassVar[frozenset[str]] = frozenset({"blocklist"})
    directions: ClassVar[frozenset[Direction]] = frozenset(Direction)
    most_characters: ClassVar[int] = 100_000
    hold_back: ClassVar[int] = 64

    def prepare(self, name: str, raw: bytes) -> PreparedList:
        if not raw.startswith(_MAGIC):
            raise CheckFailed("a blocklist is not what this version writes")
        try:
            terms = msgspec.msgpack.decode(raw[len(_MAGIC) :], type=list[Term])
            bounded = _check(terms)
        except (msgspec.MsgspecError, TermRefused) as error:
            raise CheckFailed("a blocklist is not what this version writes") from error
        return _prepared(name, terms, bounded)

    def examine(
        self, contents: Sequence[Content], options: Mapping[str, str], data: Sequence[object]
    ) -> list[Verdict]:
        del options
        lists = [each for each in data if isinstance(each, PreparedList)]
        if len(lists) != len(data):
            raise CheckFailed("a blocklist was not prepared")
        return [
            Verdict(self.name, self.version, tuple(_findings(content, lists)))
            for content in contents
        ]


def _findings(content: Content, lists: Sequence[PreparedList]) -> Iterator[Finding]:
    told: set[tuple[str, int, int]] = set()
    for source, start, end in _spans(content.text, lists):
        if end <= content.look_back or (source, start, end) in told:
            continue
        told.add((source, start, end))
        yield Finding("blocklist", _SEVERITY, 1.0, start, end, source)
        if len(told) == _MOST_FINDINGS:
            return


def _spans(text: str, lists: Sequence[PreparedList]) -> Iterator[tuple[str, int, int]]:
    folded = fold(text)
    for each in lists:
        for term_id, start, end in _hits(each, folded.text):
            yield f"{each.name}/{term_id}", *folded.span(start, end)
    if text.isascii():
        return
    # Once more as it reads: letters of other alphabets that look like those of the term.
    seen = canonical(text)
    read = seen.text.lower()
    if read == folded.text or len(read) != len(seen.text):
        return
    for each in lists:
        for term_id, start, end in _hits(each, read):
            first, last = seen.span(start, end)
            if any(map(_is_foreign, text[first:last])):
                yield f"{each.name}/{term_id}", first, last


def _is_foreign(character: str) -> bool:
    """Say whether a character is something else than an ASCII one with an accent: that is another
    letter to whoever wrote the list.
    """
    if character.isascii() or category(character) in {"Mn", "Me", "Cf"}:
        return False
    return not normalize("NFD", character)[0].isascii()


def _hits(prepared: PreparedList, text: str) -> Iterator[tuple[str, int, int]]:
    for last, entries in prepared.automaton.hits(text):
        for entry in entries:
            start, end = last + 1 - entry.length, last + 1
            if entry.pattern is not None:
                found = entry.pattern.match(text, start)
                if found is not None:
                    yield entry.term_id, start, found.end()
            elif not (
                (entry.begins_word and start and _is_word(text[start - 1]))
                or (entry.ends_word and end < len(text) and _is_word(text[end]))
            ):
                yield entry.term_id, start, end
    for term_id, pattern in prepared.anywhere:
        for found in pattern.finditer(text):
            yield term_id, found.start(), found.end()


def _check(terms: Sequence[Term]) -> dict[str, Bounded]:
    """Return the expressions by the ids of their terms."""
    if len(terms) > MOST_TERMS:
        raise TermRefused(f"a list has at most {MOST_TERMS} terms")
    bounded: dict[str, Bounded] = {}
    seen: set[str] = set()
    for term in terms:
        if not term.id or len(term.id) > LONGEST_ID or term.id in seen:
            raise TermRefused("each term has an id of its own of 1 to 64 characters")
        seen.add(term.id)
        if term.is_expression:
            try:
                bounded[term.id] = bound(term.text)
            except ExpressionRefused as error:
                raise TermRefused(f"term '{term.id}': {error}") from error
        elif not 0 < len(term.text) <= LONGEST_TERM or not fold(term.text).text.strip():
            raise TermRefused(f"term '{term.id}': it must have 1 to {LONGEST_TERM} characters")
    if len(bounded) > MOST_EXPRESSIONS:
        raise TermRefused(f"a list has at most {MOST_EXPRESSIONS} regular expressions")
    if sum(each.steps for each in bounded.values()) > MOST_STEPS:
        raise TermRefused("the regular expressions of the list may take too many steps together")
    return bounded


def _prepared(name: str, terms: Sequence[Term], bounded: Mapping[str, Bounded]) -> PreparedList:
    words: dict[str, list[_Entry]] = {}
    anywhere: list[tuple[str, re.Pattern[str]]] = []
    for term in terms:
        expression = bounded.get(term.id)
        if expression is None:
            text = fold(term.text).text.strip()
            entry = _Entry(term.id, len(text), _needs_edge(text[0]), _needs_edge(text[-1]))
            words.setdefault(text, []).append(entry)
            continue
        for prefix in expression.prefixes:
            entry = _Entry(
                term.id, len(prefix), begins_word=False, ends_word=False, pattern=expression.pattern
            )
            words.setdefault(prefix, []).append(entry)
        if not expression.prefixes:
            anywhere.append((term.id, expression.pattern))
    automaton = Automaton({word: tuple(entries) for word, entries in words.items()})
    return PreparedList(name, automaton, tuple(anywhere))


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _needs_edge(character: str) -> bool:
    return _is_word(character) and _NO_SPACES.match(character) is None
