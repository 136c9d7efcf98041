"""From a question to numbers and counts, with masks alone. Pure."""

import heapq
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tradewind.readmodels.catalog_search.facets import FACETS, Facet
from tradewind.readmodels.catalog_search.masks import (
    Counted,
    Members,
    as_mask,
    first_of,
    numbers_in,
)
from tradewind.readmodels.catalog_search.packed import Packed
from tradewind.readmodels.catalog_search.query import CatalogQuery, Sort
from tradewind.readmodels.catalog_search.rows import FacetCounts, Reader, ValueCount
from tradewind.readmodels.catalog_search.text import TextMatch, Words, match_text

MOST_VALUES = 100
"""Shown of one facet, beside the chosen ones."""


class Answer(NamedTuple):
    total: int
    numbers: tuple[int, ...]
    """Of the page, in order."""
    facets: tuple[FacetCounts, ...]
    corrected_text: str | None


def answer(
    packed: Packed,
    words: Words,
    query: CatalogQuery,
    reader: Reader,
    within: int | None = None,
) -> Answer:
    """`within` is a mask outside of which nothing is found or counted."""
    visible = packed.visible(reader)
    if within is not None:
        visible &= within
    text = match_text(query.text, words, visible)
    base = visible if text is None else text.mask
    by_facet = {name: packed.values(name, reader) for name in FACETS}
    chosen = {name: _any_of(by_facet[name], values, packed.size) for name, values in query.facets}
    matching = base
    for mask in chosen.values():
        matching &= mask
    counted = Counted(matching, packed.size)
    facets: list[FacetCounts] = []
    for name, facet in FACETS.items():
        among = counted
        if name in chosen:
            # A facet's own choice is left out: its counts say what another choice would give.
            mask = base
            for other, others in chosen.items():
                mask = mask & others if other != name else mask
            among = Counted(mask, packed.size)
        facets.append(_counts(facet, by_facet[name], among, query.values_of(name), packed))
    return Answer(
        total=matching.bit_count(),
        numbers=_page(packed, text, matching, query),
        facets=tuple(facets),
        corrected_text=None if text is None else text.corrected,
    )


def _any_of(values: Mapping[str, Members], chosen: tuple[str, ...], size: int) -> int:
    mask = 0
    for value in chosen:
        mask |= as_mask(values.get(value, 0), size)
    return mask


def _page(
    packed: Packed, text: TextMatch | None, matching: int, query: CatalogQuery
) -> tuple[int, ...]:
    order = packed.orders[query.sort]
    # Few are on a page, so that each one's digits can be asked for.
    digits = text.score_slices if text is not None and query.sort is Sort.RELEVANCE else ()
    slices = digits + order.slices
    before = first_of(matching, slices, (query.page - 1) * query.per_page)
    numbers = numbers_in(first_of(matching & ~before, slices, query.per_page))
    numbers.sort(key=lambda n: ([digit >> n & 1 for digit in digits], order.rank(n)))
    return tuple(numbers)


def _counts(
    facet: Facet,
    values: Mapping[str, Members],
    among: Counted,
    chosen: tuple[str, ...],
    packed: Packed,
) -> FacetCounts:
    found = {value: count for value, members in values.items() if (count := among.count(members))}
    # What is chosen stays to be seen, and can be taken back, when nothing has it.
    wanted = {**found, **dict.fromkeys(chosen)}
    shown = [
        ValueCount(
            value=value,
            label=_label(facet, value, packed),
            count=found.get(value, 0),
            is_chosen=value in chosen,
        )
        for value in (wanted if facet.values is not None else _most_common(found, chosen))
    ]
    if facet.values is not None:
        places = {value: place for place, value in enumerate(facet.values)}
        shown.sort(key=lambda one: places.get(one.value, len(places)))
        return FacetCounts(facet.name, facet.label, tuple(shown))
    shown.sort(key=lambda one: (-one.count, one.label, one.value))
    kept = [one for place, one in enumerate(shown) if place < MOST_VALUES or one.is_chosen]
    return FacetCounts(facet.name, facet.label, tuple(kept), hidden=len(wanted) - len(kept))


def _most_common(found: Mapping[str, int], chosen: tuple[str, ...]) -> Iterable[str]:
    """Return all values that may be among the MOST_VALUES first, and the chosen ones. There can be
    ten thousand publishers, and to put them all in order would take as long as all the rest.
    """
    least = min(heapq.nlargest(MOST_VALUES, found.values()), default=0)
    common = [value for value, count in found.items() if count >= least]
    return dict.fromkeys([*common, *chosen])


def _label(facet: Facet, value: str, packed: Packed) -> str:
    if facet.labels is not None:
        return facet.labels.get(value, value)
    if value == "unknown":
        return "Unknown"
    return packed.labels.get((facet.name, value), value)
