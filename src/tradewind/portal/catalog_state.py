"""The state of the catalog's pages, which is their address: a search, how it is shown, and the
models put aside to compare. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from urllib.parse import urlencode

from tradewind.readmodels.catalog_search.query import CatalogQuery, read_loosely

MOST_COMPARED = 4
LONGEST_NAME = 200
VIEW, BASKET = "view", "m"


class View(StrEnum):
    CARDS = "cards"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class CatalogState:
    query: CatalogQuery
    view: View
    basket: tuple[str, ...]
    """Names of models, at most MOST_COMPARED, in the order they were chosen in."""
    notes: tuple[str, ...] = ()
    """Sentences on what of the address could not be used."""
    is_view_told: bool = False
    """Whether the address names the view, which is then remembered."""

    def url(self) -> str:
        """Return the address of this state."""
        return _address("/models", self._parameters())

    def with_query(self, query: CatalogQuery) -> "CatalogState":
        return replace(self, query=query)

    def without(self, facet: str, value: str) -> "CatalogState":
        """Return the state with a chosen value taken back."""
        return self.with_query(self.query.toggled(facet, value))

    def on_page(self, page: int) -> "CatalogState":
        return self.with_query(self.query.on_page(page))

    def cleared(self) -> "CatalogState":
        """Return the state with nothing searched and nothing chosen, in the same order."""
        return self.with_query(CatalogQuery.of(sort=self.query.sort))

    def searching(self, text: str) -> "CatalogState":
        query = self.query
        return self.with_query(CatalogQuery.of(text, dict(query.facets), query.sort))

    def without_compared(self, name: str) -> "CatalogState":
        return replace(self, basket=tuple(one for one in self.basket if one != name))

    @property
    def compare_url(self) -> str:
        return compare_url(self.basket)

    def _parameters(self) -> list[tuple[str, str]]:
        parameters = self.query.parameters()
        if self.view is View.TABLE:
            parameters.append((VIEW, self.view.value))
        return parameters + [(BASKET, name) for name in self.basket]


def compare_url(names: Sequence[str], more: Sequence[tuple[str, str]] = ()) -> str:
    """`more` is what else the page's address says."""
    return _address("/compare", [(BASKET, name) for name in names] + list(more))


def read_state(parameters: Sequence[tuple[str, str]], remembered: str | None) -> CatalogState:
    """Read an address. What cannot be read is left out and said; an old link still shows something.

    `remembered` is the view that was chosen last.
    """
    own = {VIEW, BASKET}
    read = read_loosely([pair for pair in parameters if pair[0] not in own])
    views = [value for name, value in parameters if name == VIEW]
    told = _view(views[-1]) if views else None
    basket, left_out = read_names(parameters)
    return CatalogState(
        query=read.query,
        view=told or _view(remembered or "") or View.CARDS,
        basket=basket,
        notes=(*read.ignored, *left_out),
        is_view_told=told is not None,
    )


def read_names(parameters: Sequence[tuple[str, str]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the models put aside, and what to say of those that are too many."""
    names = [value for name, value in parameters if name == BASKET and is_name(value)]
    unique = tuple(dict.fromkeys(names))
    if len(unique) <= MOST_COMPARED:
        return unique, ()
    return unique[:MOST_COMPARED], (f"at most {MOST_COMPARED} models can be compared",)


def is_name(text: str) -> bool:
    """Say whether this could be a model's "publisher/slug"."""
    publisher, _, slug = text.partition("/")
    return bool(publisher and slug) and len(text) <= LONGEST_NAME and text.isprintable()


def _view(text: str) -> View | None:
    return View(text) if text in set(View) else None


def _address(path: str, parameters: Sequence[tuple[str, str]]) -> str:
    return f"{path}?{urlencode(parameters)}" if parameters else path
