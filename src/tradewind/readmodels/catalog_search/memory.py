"""`CatalogIndex`: the search over a small catalog, wholly in memory. Immutable."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from tradewind.readmodels.catalog_search.answer import answer
from tradewind.readmodels.catalog_search.cards import card_of, may_open, page_of
from tradewind.readmodels.catalog_search.facets import PUBLISHER, values_of
from tradewind.readmodels.catalog_search.fit import Fit, fit_mask
from tradewind.readmodels.catalog_search.masks import Members, Order, mask_of, members_of
from tradewind.readmodels.catalog_search.packed import Packed, is_own
from tradewind.readmodels.catalog_search.query import CatalogQuery, Sort
from tradewind.readmodels.catalog_search.ranking import sort_key
from tradewind.readmodels.catalog_search.rows import (
    EVERYONE,
    Card,
    CatalogPage,
    CatalogRow,
    Reader,
)
from tradewind.readmodels.catalog_search.text import Matching
from tradewind.readmodels.catalog_search.typos import Vocabulary
from tradewind.readmodels.catalog_search.words import Place, may_be_mistyped, places_of

_AFTER_ALL = "\U0010ffff"


class CatalogIndex:
    """Build it with `build`; ask it from any thread."""

    def __init__(
        self,
        rows: tuple[CatalogRow, ...],
        packed: Packed,
        words: "_Words",
        currency: str,
        stamp: str,
    ) -> None:
        self._rows = rows
        self._packed = packed
        self._words = words
        self._currency = currency
        self._by_name = {row.name: number for number, row in enumerate(rows)}
        self.stamp = stamp

    @classmethod
    def build(
        cls, rows: Iterable[CatalogRow], *, currency: str = "USD", stamp: str = ""
    ) -> "CatalogIndex":
        """`currency` is what the rows' prices are in. About 0.1 ms a model."""
        listed = tuple(rows)
        return cls(listed, _pack(listed), _Words(listed), currency, stamp)

    def __len__(self) -> int:
        return len(self._rows)

    def search(self, query: CatalogQuery, reader: Reader, fit: Fit | None = None) -> CatalogPage:
        within = None if fit is None else fit_mask(self._packed, fit, self._mask_of(fit.models))
        found = answer(self._packed, self._words, query, reader, within)
        rows = [self._rows[number] for number in found.numbers]
        return page_of(found, rows, query, reader, self._currency, self.stamp)

    def find(self, names: Sequence[str], reader: Reader) -> list[Card]:
        """Return the cards of these "publisher/slug", in this order and without those that there
        are not. A model that is not listed is found by its name.
        """
        found = [self._rows[self._by_name[name]] for name in names if name in self._by_name]
        return [card_of(row, reader, self._currency) for row in found if may_open(row, reader)]

    def _mask_of(self, names: Iterable[str]) -> int:
        numbers = [self._by_name[name] for name in names if name in self._by_name]
        return mask_of(numbers, len(self._rows))


def _pack(rows: Sequence[CatalogRow]) -> Packed:
    size = len(rows)
    facets: defaultdict[str, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    own: defaultdict[str, list[int]] = defaultdict(list)
    callable_by: defaultdict[str, list[int]] = defaultdict(list)
    labels: dict[tuple[str, str], str] = {}
    listed: list[int] = []
    for number, row in enumerate(rows):
        if not is_own(row):
            listed.append(number)
        elif row.organization_id is not None:
            own[row.organization_id].append(number)
        for organization in set(row.callable_by) - {EVERYONE}:
            callable_by[organization].append(number)
        for facet, value in values_of(row):
            facets[facet][value].append(number)
        labels[PUBLISHER, row.publisher] = row.publisher_name
    return Packed(
        size=size,
        listed=mask_of(listed, size),
        own=_packed_sets(own, size),
        callable_by=_packed_sets(callable_by, size),
        facets={facet: _packed_sets(values, size) for facet, values in facets.items()},
        labels=labels,
        orders={
            sort: Order(sorted(range(size), key=lambda n: sort_key(rows[n], sort)), size)
            for sort in Sort
        },
        prices=sorted(row.price.mixed_nanos for row in rows if row.price is not None),
    )


def _packed_sets(sets: Mapping[str, list[int]], size: int) -> dict[str, Members]:
    return {key: members_of(numbers, size) for key, numbers in sets.items()}


class _Words:
    """Words to masks, and all words in order, so that those with one beginning lie together."""

    def __init__(self, rows: Sequence[CatalogRow]) -> None:
        size = len(rows)
        found: defaultdict[Place, defaultdict[str, list[int]]] = defaultdict(
            lambda: defaultdict(list)
        )
        for number, row in enumerate(rows):
            for place, words in places_of(row).items():
                for word in words:
                    found[place][word].append(number)
        self._masks = {
            place: {word: mask_of(numbers, size) for word, numbers in words.items()}
            for place, words in found.items()
        }
        self._sorted = {place: sorted(words) for place, words in self._masks.items()}
        names = (*found[Place.NAME], *found[Place.GROUP])
        self._vocabulary = Vocabulary(word for word in names if may_be_mistyped(word))

    def whole(self, word: str) -> Matching:
        return Matching(*(self._masks.get(place, {}).get(word, 0) for place in Place))

    def beginning(self, word: str) -> Matching:
        return Matching(*(self._beginning(place, word) for place in Place))

    def similar(self, word: str) -> Sequence[str]:
        return self._vocabulary.similar(word)

    def _beginning(self, place: Place, word: str) -> int:
        words = self._sorted.get(place, [])
        masks = self._masks.get(place, {})
        mask = 0
        for at in range(bisect_left(words, word), bisect_left(words, word + _AFTER_ALL)):
            mask |= masks[words[at]]
        return mask
