"""`Packed`: a whole catalog as masks, without its words and cards. Pure and immutable."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tradewind.readmodels.catalog_search.facets import CALLABLE, DEPLOYABILITY
from tradewind.readmodels.catalog_search.masks import Members, Order, as_mask
from tradewind.readmodels.catalog_search.query import Sort
from tradewind.readmodels.catalog_search.rows import EVERYONE, CatalogRow, Reader

LISTED = "listed"
_NONE: Mapping[str, Members] = {}


@dataclass(frozen=True)
class Packed:
    size: int
    """Numbers are below it. Not every one need be a model's."""
    listed: int
    """What everybody may see."""
    own: Mapping[str, Members]
    """By organization: what only it may see among results."""
    callable_by: Mapping[str, Members]
    """By organization: what it alone can call, beside what all can."""
    facets: Mapping[str, Mapping[str, Members]]
    labels: Mapping[tuple[str, str], str]
    """Of (facet, value) where the facet itself knows none."""
    orders: Mapping[Sort, Order]
    prices: Sequence[int] = ()
    """Of all that have one, mixed, ascending: as many as the order by price begins with."""

    def visible(self, reader: Reader) -> int:
        if reader.organization_id is None:
            return self.listed
        return self.listed | as_mask(self.own.get(reader.organization_id, 0), self.size)

    def values(self, facet: str, reader: Reader) -> Mapping[str, Members]:
        """Return the values of a facet as they are for a reader."""
        values = self.facets.get(facet, _NONE)
        own = self.callable_by.get(reader.organization_id or EVERYONE)
        if facet != DEPLOYABILITY or own is None:
            return values
        for_all = as_mask(values.get(CALLABLE, 0), self.size)
        return {**values, CALLABLE: for_all | as_mask(own, self.size)}


def is_own(row: CatalogRow) -> bool:
    """Say whether only its organization finds a model: it is private, or known by its name only."""
    return row.visibility != LISTED


def is_callable(row: CatalogRow, reader: Reader) -> bool:
    return EVERYONE in row.callable_by or reader.organization_id in row.callable_by
