"""Words: how names and questions are taken apart. Pure, and the same for every store.

Names of models are not prose: "Llama-3.3-70B" is asked for as "llama3.3 70b" and "gpt-5.6" as
"gpt 5.6". So a point between digits belongs to a word, a word is also kept in its *parts* where
letters turn into digits, and neighbours of a name are also kept joined.
"""

import re
import unicodedata
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from tradewind.readmodels.catalog_search.rows import CatalogRow

MAX_TERMS = 8
MAX_WORD = 40
_MAX_WORDS = 200
"""Of one model in one place."""
_WORD = re.compile(r"[^\W_]+(?:(?<=\d)\.(?=\d)[^\W_]+)*")
_PART = re.compile(r"[^\W\d_]+|\d[^\W_]*(?:\.\d[^\W_]*)*")
_VERSION = re.compile(r"[a-z]?\d")
_PLAIN = re.compile(r"[a-z]{4,24}")


class Place(StrEnum):
    """Where a word stands; the value begins the lexemes of the place."""

    NAME = "n"
    """The model's name, display name or an alias."""
    GROUP = "g"
    """Its family or publisher."""
    TEXT = "t"
    """Its description, and what it does."""


class Term(NamedTuple):
    """One word of a question."""

    whole: str
    parts: tuple[str, ...]
    """More than one, or empty."""


def terms_of(text: str) -> tuple[Term, ...]:
    """Return the words of a question, each once; those after MAX_TERMS are left out."""
    words = list(dict.fromkeys(words_of(text)))[:MAX_TERMS]
    return tuple(Term(word, _parts(word)) for word in words)


def words_of(text: str) -> list[str]:
    """Return the words of a text in order, without case and accents."""
    return [word[:MAX_WORD] for word in _WORD.findall(fold(text))]


def fold(text: str) -> str:
    """Return a text without case and accents."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(c for c in apart if not unicodedata.combining(c))
    return unicodedata.normalize("NFC", plain).casefold()


def places_of(row: CatalogRow) -> dict[Place, list[str]]:
    """Return the words of a model by where they stand; one word only in the best place."""
    slug, shown = words_of(row.slug), words_of(row.display_name)
    name = _with_variants(slug)
    if shown != slug:
        name += _with_variants(shown)
    for alias in row.aliases:
        name += _with_variants(words_of(alias))
    group = [
        word
        for text in dict.fromkeys((row.family, row.publisher, row.publisher_name.lower()))
        for word in _group_words(text)
    ]
    prose = words_of(" ".join((row.description, row.operation, *row.capabilities)))
    taken: set[str] = set()
    found: dict[Place, list[str]] = {}
    for place, words in ((Place.NAME, name), (Place.GROUP, group), (Place.TEXT, prose)):
        found[place] = [word for word in dict.fromkeys(words) if word not in taken][:_MAX_WORDS]
        taken.update(found[place])
    return found


def may_be_mistyped(word: str) -> bool:
    """Say whether typing errors are looked for in a word: one digit off is another model."""
    return _PLAIN.fullmatch(word) is not None


@lru_cache(4096)
def _group_words(text: str) -> tuple[str, ...]:
    """Many models share a family or a publisher."""
    return tuple(_with_variants(words_of(text)))


def _with_variants(words: list[str]) -> list[str]:
    """Return the words of a name, and what else they may be asked for as."""
    parts = [part for word in words if not word.isalpha() for part in _parts(word)]
    # "5" finds 5.6; as a mere beginning it would find 50b as well.
    heads = [word.partition(".")[0] for word in words + parts if "." in word]
    # Only before versions, where people leave the dash out: "mistrallarge" would make the
    # beginning of a word out of every "mistrall".
    joined = [(one + other)[:MAX_WORD] for one, other in pairwise(words) if _VERSION.match(other)]
    return words + parts + heads + joined


@lru_cache(4096)
def _parts(word: str) -> tuple[str, ...]:
    parts = tuple(_PART.findall(word))
    return parts if len(parts) > 1 else ()
