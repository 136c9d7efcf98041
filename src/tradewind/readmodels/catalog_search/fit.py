"""`Fit`: what a model must be to work for a project: where it is answered, and at which price.

The index knows the regions of a model and its lowest price, and not which price is of which region.
Where both are asked for, whoever resolves the condition names the models of which one place meets
both, and no region and price. A price is compared as the search compares prices (three parts of
input and one of output), times the tokens of a *typical chat*.
"""

from bisect import bisect_right

import msgspec

from tradewind.readmodels.catalog_search.facets import UNKNOWN
from tradewind.readmodels.catalog_search.masks import as_mask, first_of
from tradewind.readmodels.catalog_search.packed import Packed
from tradewind.readmodels.catalog_search.query import Sort

_FREE = "free"


class Fit(msgspec.Struct, frozen=True):
    """Conditions that are resolved: equal ones find the same models in one index."""

    regions: frozenset[str] | None = None
    """Of offers; None is anywhere, empty is nowhere."""
    models: frozenset[str] = frozenset()
    """Names ("publisher/slug") that are answered in an allowed region by what runs here or by own
    connections, whatever their offers say."""
    most_nanos: int | None = None
    """Of the price of 1,000,000 tokens, mixed; None is any, also one that nobody tells."""


def fit_mask(packed: Packed, fit: Fit, models: int) -> int:
    """Return what fits; `models` is the mask of `fit.models`."""
    mask = (1 << packed.size) - 1
    if fit.regions is not None:
        known = packed.facets.get("region", {})
        in_regions = models
        for region in fit.regions:
            in_regions |= as_mask(known.get(region, 0), packed.size)
        mask &= in_regions
    if fit.most_nanos is not None:
        mask &= _priced_at_most(packed, fit.most_nanos)
    return mask


def _priced_at_most(packed: Packed, most_nanos: int) -> int:
    bands = packed.facets.get("price", {})
    priced = 0
    for band, members in bands.items():
        if band != UNKNOWN:
            priced |= as_mask(members, packed.size)
    # Of those that have a price, the order by price has the cheapest first.
    count = bisect_right(packed.prices, most_nanos)
    cheapest = first_of(priced, packed.orders[Sort.PRICE].slices, count)
    return cheapest | as_mask(bands.get(_FREE, 0), packed.size)
