"""`StoredIndex`: the search over a large catalog. Words and cards lie in PostgreSQL; the masks of
facets and orders are read from there once for each version.
"""

import sys
import threading
from array import array
from collections import OrderedDict, defaultdict
from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, text

from tradewind.readmodels.catalog_search.answer import answer
from tradewind.readmodels.catalog_search.cards import card_of, may_open, page_of
from tradewind.readmodels.catalog_search.filling import (
    CALLABLE_BY,
    LISTED_VALUE,
    OWN,
    has_trigrams,
)
from tradewind.readmodels.catalog_search.masks import Members, Order, as_mask, mask_of, members_of
from tradewind.readmodels.catalog_search.packed import Packed
from tradewind.readmodels.catalog_search.query import CatalogQuery, Sort
from tradewind.readmodels.catalog_search.rows import Card, CatalogPage, CatalogRow, Reader
from tradewind.readmodels.catalog_search.text import Matching
from tradewind.readmodels.catalog_search.typos import MOST_CANDIDATES, least_similarity
from tradewind.readmodels.catalog_search.words import Place

_MOST_REMEMBERED_BYTES = 64 * 1024 * 1024
_RULE = 'offers DESC, released DESC, name COLLATE "C", model_id COLLATE "C"'
_ORDERS = {
    Sort.RELEVANCE: _RULE,
    Sort.NEWEST: f"released DESC, {_RULE}",
    Sort.PRICE: f"price NULLS LAST, {_RULE}",
    Sort.CONTEXT: f"context DESC, {_RULE}",
    Sort.NAME: f'name COLLATE "C", {_RULE}',
}
# Numbers come as four bytes each: a million of them as rows would take seconds to read.
_ORDER = """
    SELECT string_agg(int4send(number), ''::bytea ORDER BY {order}) FROM catalog_search_entry
"""
_TAKE_TIME = text("SELECT set_config('statement_timeout', '120s', true)")
_SIZE = text("SELECT coalesce(max(number) + 1, 0) FROM catalog_search_entry")
_SETS = text("""
    SELECT known.facet, known.value, known.label, string_agg(int4send(had.number), ''::bytea)
    FROM (SELECT number, unnest(facets) AS value_id FROM catalog_search_entry) AS had
    JOIN catalog_search_value AS known ON known.id = had.value_id
    GROUP BY known.id, known.facet, known.value, known.label
""")
_MATCHING = text("""
    SELECT 'n', string_agg(int4send(number), ''::bytea)
    FROM catalog_search_entry WHERE lexemes @@ CAST(:n AS tsquery)
    UNION ALL
    SELECT 'g', string_agg(int4send(number), ''::bytea)
    FROM catalog_search_entry WHERE lexemes @@ CAST(:g AS tsquery)
    UNION ALL
    SELECT 't', string_agg(int4send(number), ''::bytea)
    FROM catalog_search_entry WHERE lexemes @@ CAST(:t AS tsquery)
""")
_SIMILAR = text("""
    SELECT word FROM catalog_search_word
    WHERE word % :word AND similarity(word, :word) >= :least
    ORDER BY similarity(word, :word) DESC, word COLLATE "C" LIMIT :most
""")
# With words that half of the catalog has, the planner would rather look at every row than ask the
# index: 1.5 s instead of 0.2 with a million models.
_ASK_INDEXES = text("""
    SELECT set_config('enable_seqscan', 'off', true),
        set_config('pg_trgm.similarity_threshold', :least, true)
""")
_CARDS = text("SELECT number, row FROM catalog_search_card WHERE number = ANY(:numbers)")
_CARDS_BY_NAME = text("SELECT name, row FROM catalog_search_card WHERE name = ANY(:names)")
_decode = msgspec.msgpack.Decoder(CatalogRow).decode


class StoredIndex:
    """One version of what is stored. Ask it from any thread, each with a transaction."""

    def __init__(self, packed: Packed, currency: str, version: int, *, forgives: bool) -> None:
        self._packed = packed
        self._currency = currency
        self._forgives = forgives
        self._remembered = _Remembered()
        self.version = version
        self.stamp = f"stored-{version}"

    @classmethod
    def load(cls, tx: Connection, *, currency: str, version: int) -> "StoredIndex":
        """Read the masks: some seconds for a million models."""
        tx.execute(_TAKE_TIME)
        return cls(_load(tx), currency, version, forgives=has_trigrams(tx))

    def search(self, tx: Connection, query: CatalogQuery, reader: Reader) -> CatalogPage:
        words = _StoredWords(tx, self._packed.size, self._remembered, forgives=self._forgives)
        found = answer(self._packed, words, query, reader)
        rows: dict[int, CatalogRow] = {}
        if found.numbers:
            stored = tx.execute(_CARDS, {"numbers": list(found.numbers)})
            rows = {row.number: _decode(row.row) for row in stored}
        # One that went away since this version was read is left out.
        ordered = [rows[number] for number in found.numbers if number in rows]
        return page_of(found, ordered, query, reader, self._currency, self.stamp)

    def find(self, tx: Connection, names: Sequence[str], reader: Reader) -> list[Card]:
        """See `CatalogIndex.find`."""
        rows = {
            row.name: _decode(row.row) for row in tx.execute(_CARDS_BY_NAME, {"names": list(names)})
        }
        found = [rows[name] for name in names if name in rows]
        return [card_of(row, reader, self._currency) for row in found if may_open(row, reader)]


class _Remembered:
    """What words matched, the last used first to stay; bounded by bytes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: OrderedDict[tuple[str, bool], Matching] = OrderedDict()
        self._bytes = 0

    def get(self, word: str, *, is_beginning: bool) -> Matching | None:
        with self._lock:
            found = self._found.get((word, is_beginning))
            if found is not None:
                self._found.move_to_end((word, is_beginning))
            return found

    def put(self, word: str, found: Matching, *, is_beginning: bool) -> None:
        with self._lock:
            if (word, is_beginning) in self._found:
                return
            self._found[word, is_beginning] = found
            self._bytes += _bytes_of(found)
            while self._bytes > _MOST_REMEMBERED_BYTES:
                _, oldest = self._found.popitem(last=False)
                self._bytes -= _bytes_of(oldest)


class _StoredWords:
    """The words of one version, asked for in one transaction."""

    def __init__(
        self, tx: Connection, size: int, remembered: _Remembered, *, forgives: bool
    ) -> None:
        self._tx = tx
        self._size = size
        self._remembered = remembered
        self._forgives = forgives
        self._asks_indexes = False

    def whole(self, word: str) -> Matching:
        return self._matching(word, is_beginning=False)

    def beginning(self, word: str) -> Matching:
        return self._matching(word, is_beginning=True)

    def similar(self, word: str) -> Sequence[str]:
        if not self._forgives:
            return ()
        least = least_similarity(word)
        self._ask_indexes(least)
        return (
            self._tx.execute(_SIMILAR, {"word": word, "least": least, "most": MOST_CANDIDATES})
            .scalars()
            .all()
        )

    def _matching(self, word: str, *, is_beginning: bool) -> Matching:
        found = self._remembered.get(word, is_beginning=is_beginning)
        if found is not None:
            return found
        if not self._asks_indexes:
            self._ask_indexes(1.0)
        suffix = ":*" if is_beginning else ""
        queries = {place.value: f"'{place}{word}'{suffix}" for place in Place}
        masks = {
            Place(place): mask_of(_numbers(numbers, self._size), self._size)
            for place, numbers in self._tx.execute(_MATCHING, queries)
        }
        found = Matching(*(masks[place] for place in Place))
        self._remembered.put(word, found, is_beginning=is_beginning)
        return found

    def _ask_indexes(self, least: float) -> None:
        self._tx.execute(_ASK_INDEXES, {"least": str(least)})
        self._asks_indexes = True


def _load(tx: Connection) -> Packed:
    size: int = tx.execute(_SIZE).scalar_one()
    facets: defaultdict[str, dict[str, Members]] = defaultdict(dict)
    labels: dict[tuple[str, str], str] = {}
    for facet, value, label, numbers in tx.execute(_SETS):
        facets[facet][value] = members_of(sorted(_numbers(numbers, size)), size)
        if label:
            labels[facet, value] = label
    listed = facets.pop(LISTED_VALUE[0], {}).get(LISTED_VALUE[1], 0)
    orders = {
        sort: Order(_numbers(tx.execute(text(_ORDER.format(order=order))).scalar(), size), size)
        for sort, order in _ORDERS.items()
    }
    return Packed(
        size=size,
        listed=as_mask(listed, size),
        own=facets.pop(OWN, {}),
        callable_by=facets.pop(CALLABLE_BY, {}),
        facets=facets,
        labels=labels,
        # The rule itself begins with the number of offers.
        orders={**orders, Sort.OFFERS: orders[Sort.RELEVANCE]},
    )


def _numbers(packed: bytes | None, size: int) -> "array[int]":
    """Read numbers of four bytes. Those beyond `size` came after the version was read."""
    numbers = array("I", packed or b"")
    if sys.byteorder == "little":
        numbers.byteswap()
    if numbers and max(numbers) >= size:
        return array("I", [number for number in numbers if number < size])
    return numbers


def _bytes_of(matching: Matching) -> int:
    return sum(map(sys.getsizeof, matching)) + 200
