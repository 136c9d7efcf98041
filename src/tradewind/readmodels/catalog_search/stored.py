"""`StoredIndex`: the search over a large catalog. Words and cards lie in PostgreSQL; the masks of
facets and orders are read from there once for each version.
"""

import sys
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import Connection, text

from tradewind.readmodels.catalog_search.answer import answer
from tradewind.readmodels.catalog_search.cards import card_of, may_open, page_of
from tradewind.readmodels.catalog_search.filling import has_trigrams
from tradewind.readmodels.catalog_search.fit import Fit, fit_mask
from tradewind.readmodels.catalog_search.loading import load_masks, read_binary
from tradewind.readmodels.catalog_search.masks import mask_of
from tradewind.readmodels.catalog_search.packed import Packed
from tradewind.readmodels.catalog_search.postings import PART, MaskBuilder
from tradewind.readmodels.catalog_search.query import CatalogQuery
from tradewind.readmodels.catalog_search.rows import Card, CatalogPage, CatalogRow, Reader
from tradewind.readmodels.catalog_search.state import StoredState
from tradewind.readmodels.catalog_search.text import Matching
from tradewind.readmodels.catalog_search.typos import MOST_CANDIDATES, least_similarity
from tradewind.readmodels.catalog_search.words import Place

_MOST_REMEMBERED_BYTES = 64 * 1024 * 1024
_AFTER_ALL = "\U0010ffff"
# What a word has is read along with what only begins with it: it is among the same rows.
_MATCHING = """
    SELECT word = %(word)s, place, part, string_agg(sparse, ''::bytea),
        array_agg(dense) FILTER (WHERE dense IS NOT NULL)
    FROM catalog_search_posting
    WHERE word >= %(word)s AND word <= %(last)s AND part >= %(first)s AND part < %(end)s
    GROUP BY 1, 2, 3
"""
_SIMILAR = text("""
    SELECT word FROM catalog_search_word
    WHERE word % :word AND similarity(word, :word) >= :least
    ORDER BY similarity(word, :word) DESC, word COLLATE "C" LIMIT :most
""")
_SET_SIMILARITY = text("""
    SELECT set_config('enable_seqscan', 'off', true),
        set_config('pg_trgm.similarity_threshold', :least, true)
""")
_CARDS = "SELECT number, row FROM catalog_search_card WHERE number = ANY(%(numbers)s)"
# As they are now: a card without an entry is one that was, and others may be of a filling that
# does not answer yet, or does not any more.
_CARDS_BY_NAME = """
    SELECT card.name, card.row FROM catalog_search_card AS card
    JOIN catalog_search_entry AS entry ON entry.number = card.number
    CROSS JOIN catalog_search_state AS state
    WHERE card.name = ANY(%(names)s)
        AND card.number >= state.first_number AND card.number < state.next_number
"""
_NUMBERS_BY_NAME = """
    SELECT number FROM catalog_search_card
    WHERE name = ANY(%(names)s) AND number >= %(first)s AND number < %(next)s
"""
_decode = msgspec.msgpack.Decoder(CatalogRow).decode


class StoredIndex:
    """One version of what is stored. Ask it from any thread, each with a transaction."""

    def __init__(self, packed: Packed, state: StoredState, *, forgives: bool) -> None:
        self._packed = packed
        self._currency = state.currency
        self._state = state
        self._forgives = forgives
        self._remembered = _Remembered()
        self.version = state.version
        self.stamp = f"stored-{state.made_for}-{state.first}-{state.version}"

    @classmethod
    def load(cls, tx: Connection, state: StoredState) -> "StoredIndex":
        """Read the masks: some seconds for a million models."""
        return cls(load_masks(tx, state), state, forgives=has_trigrams(tx))

    def search(
        self, tx: Connection, query: CatalogQuery, reader: Reader, fit: Fit | None = None
    ) -> CatalogPage:
        within = None if fit is None else fit_mask(self._packed, fit, self._mask_of(tx, fit.models))
        words = _StoredWords(tx, self._state, self._remembered, forgives=self._forgives)
        found = answer(self._packed, words, query, reader, within)
        rows: dict[int, CatalogRow] = {}
        first = self._state.first
        if found.numbers:
            asked = {"numbers": [first + number for number in found.numbers]}
            rows = {number: _decode(row) for number, row in read_binary(tx, _CARDS, asked)}
        # One that went away since this version was read is left out.
        ordered = [rows[first + number] for number in found.numbers if first + number in rows]
        return page_of(found, ordered, query, reader, self._currency, self.stamp)

    def find(self, tx: Connection, names: Sequence[str], reader: Reader) -> list[Card]:
        """See `CatalogIndex.find`."""
        asked = {"names": list(names)}
        rows = {name: _decode(row) for name, row in read_binary(tx, _CARDS_BY_NAME, asked)}
        found = [rows[name] for name in names if name in rows]
        return [card_of(row, reader, self._currency) for row in found if may_open(row, reader)]

    def _mask_of(self, tx: Connection, names: Iterable[str]) -> int:
        asked = {"names": list(names), "first": self._state.first, "next": self._state.next}
        found = read_binary(tx, _NUMBERS_BY_NAME, asked) if asked["names"] else []
        return mask_of([number - self._state.first for (number,) in found], self._packed.size)


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
        self, tx: Connection, state: StoredState, remembered: _Remembered, *, forgives: bool
    ) -> None:
        self._tx = tx
        self._state = state
        self._remembered = remembered
        self._forgives = forgives

    def whole(self, word: str) -> Matching:
        found = self._remembered.get(word, is_beginning=False)
        return self._read(word, word)[0] if found is None else found

    def beginning(self, word: str) -> Matching:
        found = self._remembered.get(word, is_beginning=True)
        return self._read(word, word + _AFTER_ALL)[1] if found is None else found

    def similar(self, word: str) -> Sequence[str]:
        if not self._forgives:
            return ()
        least = least_similarity(word)
        self._tx.execute(_SET_SIMILARITY, {"least": str(least)})
        asked = {"word": word, "least": least, "most": MOST_CANDIDATES}
        return self._tx.execute(_SIMILAR, asked).scalars().all()

    def _read(self, word: str, last: str) -> tuple[Matching, Matching]:
        """Return what has the word, and what has one from there to the last; remember both."""
        first, size = self._state.first // PART, self._state.next - self._state.first
        whole = {place: MaskBuilder(size) for place in Place}
        longer = {place: MaskBuilder(size) for place in Place}
        asked = {"word": word, "last": last, "first": first, "end": -(-self._state.next // PART)}
        for is_whole, place, part, sparse, dense in read_binary(self._tx, _MATCHING, asked):
            builders = whole if is_whole else longer
            builders[Place(place)].add(part - first, sparse, dense or ())
        found = Matching(*(whole[place].mask() for place in Place))
        self._remembered.put(word, found, is_beginning=False)
        begins = found
        if last != word:
            rest = Matching(*(longer[place].mask() for place in Place))
            begins = Matching(*(one | other for one, other in zip(found, rest, strict=True)))
            self._remembered.put(word, begins, is_beginning=True)
        return found, begins


def _bytes_of(matching: Matching) -> int:
    return sum(map(sys.getsizeof, matching)) + 200
