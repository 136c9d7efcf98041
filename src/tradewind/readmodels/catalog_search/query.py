"""`CatalogQuery`: what is asked of the catalog, from and to the parameters of a URL. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from urllib.parse import urlencode

from tradewind.core.errors import InvalidInput
from tradewind.readmodels.catalog_search.facets import FACETS

MAX_TEXT = 200
MAX_VALUE = 120
MAX_CHOSEN = 50
"""Values of one facet."""
MAX_PAGE = 100_000
MAX_PER_PAGE = 100
PER_PAGE = 24
_MAX_NOTES = 20
_TEXT, _SORT, _PAGE, _PER_PAGE = "q", "sort", "page", "per_page"
FITS = "fits"


class Sort(StrEnum):
    RELEVANCE = "relevance"
    NEWEST = "newest"
    PRICE = "price"
    CONTEXT = "context"
    NAME = "name"
    OFFERS = "offers"


@dataclass(frozen=True, slots=True)
class CatalogQuery:
    """One question. Equal questions have equal URLs, so that a URL is the state of a page."""

    text: str = ""
    facets: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Chosen values by facet, both in order; any of a facet's values, in every facet."""
    sort: Sort = Sort.RELEVANCE
    page: int = 1
    per_page: int = PER_PAGE
    fits: bool = False
    """Only what works for the asker's project, which is resolved to a `fit.Fit` when it is asked.
    """

    @classmethod
    def of(
        cls,
        text: str = "",
        facets: Mapping[str, Iterable[str]] | None = None,
        sort: Sort = Sort.RELEVANCE,
        page: int = 1,
        per_page: int = PER_PAGE,
        *,
        fits: bool = False,
    ) -> "CatalogQuery":
        """Return the canonical question. Raises InvalidInput."""
        chosen = {name: tuple(sorted(set(values))) for name, values in (facets or {}).items()}
        for name, values in chosen.items():
            _check_facet(name, values)
        if not (1 <= page <= MAX_PAGE and 1 <= per_page <= MAX_PER_PAGE):
            raise InvalidInput(
                "there is no such page of the catalog",
                hint=f"`page` is 1 to {MAX_PAGE}, `per_page` 1 to {MAX_PER_PAGE}",
            )
        return cls(
            text=_clean_text(text),
            facets=tuple((name, chosen[name]) for name in FACETS if chosen.get(name)),
            sort=sort,
            page=page,
            per_page=per_page,
            fits=fits,
        )

    def values_of(self, facet: str) -> tuple[str, ...]:
        return next((values for name, values in self.facets if name == facet), ())

    def toggled(self, facet: str, value: str) -> "CatalogQuery":
        """Return the first page of the question with this value chosen, or no longer chosen."""
        chosen = {name: set(values) for name, values in self.facets}
        chosen.setdefault(facet, set()).symmetric_difference_update({value})
        return CatalogQuery.of(self.text, chosen, self.sort, 1, self.per_page, fits=self.fits)

    def on_page(self, page: int) -> "CatalogQuery":
        return replace(self, page=page)

    def parameters(self) -> list[tuple[str, str]]:
        """Return the question as parameters, in one order and without what goes without saying."""
        found = [(_TEXT, self.text)] if self.text else []
        found += [(name, value) for name, values in self.facets for value in values]
        if self.fits:
            found.append((FITS, "yes"))
        if self.sort is not Sort.RELEVANCE:
            found.append((_SORT, self.sort.value))
        if self.page != 1:
            found.append((_PAGE, str(self.page)))
        if self.per_page != PER_PAGE:
            found.append((_PER_PAGE, str(self.per_page)))
        return found

    def query_string(self) -> str:
        return urlencode(self.parameters())


@dataclass(frozen=True, slots=True)
class ReadQuery:
    """A question as it was read, and what of it could not be used."""

    query: CatalogQuery
    ignored: tuple[str, ...]
    """Sentences for whoever asked."""


def read_query(parameters: Sequence[tuple[str, str]]) -> CatalogQuery:
    """Read a question strictly, for programs. Raises InvalidInput, which names what is wrong."""
    read = read_loosely(parameters)
    if read.ignored:
        raise InvalidInput(read.ignored[0], hint="see docs/reference/catalog-search.md")
    return read.query


def read_loosely(parameters: Sequence[tuple[str, str]]) -> ReadQuery:
    """Read what can be read of a question, for a page: an old link should still show something."""
    notes: list[str] = []
    chosen: dict[str, set[str]] = {}
    single = {
        FITS: "",
        _TEXT: "",
        _SORT: Sort.RELEVANCE.value,
        _PAGE: "1",
        _PER_PAGE: str(PER_PAGE),
    }
    for name, value in parameters:
        if name in single:
            single[name] = value
        elif name in FACETS:
            _choose(chosen, name, value, notes)
        else:
            notes.append(f"there is no facet '{_shown(name)}'")
    if len(single[_TEXT]) > MAX_TEXT:
        notes.append(f"the text was cut at {MAX_TEXT} characters")
    sort = _sort(single[_SORT], notes)
    page = _number(_PAGE, single[_PAGE], MAX_PAGE, 1, notes)
    per_page = _number(_PER_PAGE, single[_PER_PAGE], MAX_PER_PAGE, PER_PAGE, notes)
    if single[FITS] not in {"", "yes"}:
        notes.append(f"`{FITS}` is `yes`, or left out")
    fits = single[FITS] == "yes"
    query = CatalogQuery.of(single[_TEXT], chosen, sort, page, per_page, fits=fits)
    return ReadQuery(query, tuple(notes[:_MAX_NOTES]))


def _choose(chosen: dict[str, set[str]], name: str, value: str, notes: list[str]) -> None:
    values = chosen.setdefault(name, set())
    known = FACETS[name].values
    if not value:
        return  # an empty choice in a form
    if len(value) > MAX_VALUE or not value.isprintable():
        notes.append(f"a value of '{name}' is too long or not plain text")
    elif known is not None and value not in known:
        notes.append(f"'{_shown(value)}' is no value of '{name}'; known are {', '.join(known)}")
    elif value not in values and len(values) == MAX_CHOSEN:
        notes.append(f"more than {MAX_CHOSEN} values of '{name}' are chosen")
    else:
        values.add(value)


def _check_facet(name: str, values: Sequence[str]) -> None:
    notes: list[str] = []
    chosen: dict[str, set[str]] = {}
    if name not in FACETS:
        raise InvalidInput(
            f"there is no facet '{_shown(name)}'", hint=f"facets are {', '.join(FACETS)}"
        )
    for value in values:
        _choose(chosen, name, value, notes)
    if notes:
        raise InvalidInput(notes[0])


def _sort(text: str, notes: list[str]) -> Sort:
    try:
        return Sort(text)
    except ValueError:
        notes.append(f"'{_shown(text)}' is no sort; known are {', '.join(Sort)}")
        return Sort.RELEVANCE


def _number(name: str, text: str, most: int, default: int, notes: list[str]) -> int:
    # isdecimal() is true for digits of every script, of which int() would read all.
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
    if is_number and 1 <= int(text) <= most:
        return int(text)
    notes.append(f"`{name}` is a number from 1 to {most}")
    return default


def _clean_text(text: str) -> str:
    printable = "".join(c if c.isprintable() else " " for c in text[:MAX_TEXT])
    return " ".join(printable.split())


def _shown(text: str) -> str:
    return "".join(c for c in text[:40] if c.isprintable())
