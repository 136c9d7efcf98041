"""Fills the tables of the search, and brings them up to what has changed in the catalog.

Whoever fills holds an advisory lock for its transaction, so several processes may try.
"""

from collections.abc import Iterable, Sequence
from typing import Any, LiteralString, cast

import msgspec
import psycopg
from sqlalchemy import Connection, text

from tradewind.readmodels.catalog_search.facets import PUBLISHER, values_of
from tradewind.readmodels.catalog_search.packed import LISTED, is_own
from tradewind.readmodels.catalog_search.ranking import RuleKey, rule_key
from tradewind.readmodels.catalog_search.reading import BATCH, read_rows
from tradewind.readmodels.catalog_search.rows import EVERYONE, CatalogRow
from tradewind.readmodels.catalog_search.words import Place, may_be_mistyped, places_of

LISTED_VALUE = ("#listed", "")
OWN, CALLABLE_BY = "#own", "#callable"
"""Facets that are not shown: who may see a model, and which organizations can call it."""

# Any number that nobody else uses as an advisory lock in this database.
_LOCK = 0x7365_6172_6368
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:key)")
_TAKE_CHANGES = text("""
    DELETE FROM catalog_search_change
    WHERE id IN (SELECT id FROM catalog_search_change ORDER BY id LIMIT :most)
    RETURNING model_id
""")
_EMPTY = text("""
    TRUNCATE catalog_search_entry, catalog_search_card, catalog_search_value, catalog_search_word
""")
_NEXT_NUMBER = text("SELECT coalesce(max(number) + 1, 0) FROM catalog_search_entry")
_NUMBERS = text("""
    SELECT model_id, number FROM catalog_search_entry WHERE model_id = ANY(:ids)
""")
_FORGET_ENTRIES = text("DELETE FROM catalog_search_entry WHERE number = ANY(:numbers)")
_FORGET_CARDS = text("DELETE FROM catalog_search_card WHERE number = ANY(:numbers)")
_NEW_VERSION = text("UPDATE catalog_search_state SET version = version + 1 RETURNING version")
_VALUES = text("SELECT id, facet, value, label FROM catalog_search_value")
_ADD_VALUES = text("""
    INSERT INTO catalog_search_value (facet, value, label)
    SELECT * FROM unnest(
        CAST(:facets AS text[]), CAST(:values AS text[]), CAST(:labels AS text[])
    )
    ON CONFLICT (facet, value) DO UPDATE SET label = excluded.label
    RETURNING id, facet, value, label
""")
_ADD_WORDS = text("""
    INSERT INTO catalog_search_word (word)
    SELECT unnest(CAST(:words AS text[])) ON CONFLICT DO NOTHING
""")
_COPY_ENTRIES = """
    COPY catalog_search_entry
        (number, model_id, lexemes, facets, offers, released, price, context, name)
    FROM STDIN
"""
_COPY_CARDS = "COPY catalog_search_card (number, name, row) FROM STDIN"
_MAY_INDEX_TRIGRAMS = text("""
    SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm')
        AND has_database_privilege(current_database(), 'CREATE')
""")
_HAS_TRIGRAMS = text("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm')")
_INDEX_TRIGRAMS = (
    text("CREATE EXTENSION IF NOT EXISTS pg_trgm"),
    text("""
        CREATE INDEX IF NOT EXISTS catalog_search_word_trigrams
        ON catalog_search_word USING gin (word gin_trgm_ops)
    """),
)
_encode = msgspec.msgpack.Encoder().encode


def lock_filling(tx: Connection) -> bool:
    """Take the right to fill until the end of `tx`. False when somebody else has it."""
    return bool(tx.execute(_TRY_LOCK, {"key": _LOCK}).scalar())


def fill_anew(tx: Connection, batches: Iterable[Sequence[CatalogRow]]) -> int:
    """Fill the tables with a whole catalog and nothing else; return the new version.

    `batches` are read as they are filled in, in the same transaction.
    """
    # What changes from here on is read by the next call of `fill_changes`; all before is read now.
    while tx.execute(_TAKE_CHANGES, {"most": 100_000}).rowcount:
        pass
    tx.execute(_EMPTY)
    _prepare_trigrams(tx)
    filler = _Filler(tx)
    for rows in batches:
        filler.add(rows)
    return tx.execute(_NEW_VERSION).scalar_one()


def fill_changes(tx: Connection, currency: str) -> int | None:
    """Bring a batch of changed models up to date; return the new version, None without changes."""
    changed = {row.model_id for row in tx.execute(_TAKE_CHANGES, {"most": BATCH})}
    if not changed:
        return None
    ids = sorted(changed)
    numbers = {row.model_id: row.number for row in tx.execute(_NUMBERS, {"ids": ids})}
    filler = _Filler(tx)
    rows = read_rows(tx, ids, currency)
    tx.execute(_FORGET_ENTRIES, {"numbers": list(numbers.values())})
    tx.execute(_FORGET_CARDS, {"numbers": list(numbers.values())})
    filler.add(rows, numbers)
    return tx.execute(_NEW_VERSION).scalar_one()


def has_trigrams(tx: Connection) -> bool:
    return bool(tx.execute(_HAS_TRIGRAMS).scalar())


def _prepare_trigrams(tx: Connection) -> None:
    """Make what typing errors are found with, where the server lets us: not every foreign
    PostgreSQL has the extension, and the search is of use without it.
    """
    if has_trigrams(tx) or tx.execute(_MAY_INDEX_TRIGRAMS).scalar():
        for statement in _INDEX_TRIGRAMS:
            tx.execute(statement)


class _Filler:
    """Adds rows, and remembers the ids of values on the way."""

    def __init__(self, tx: Connection) -> None:
        self._tx = tx
        self._next: int = tx.execute(_NEXT_NUMBER).scalar_one()
        self._values = {(row.facet, row.value): (row.id, row.label) for row in tx.execute(_VALUES)}
        self._words: set[str] = set()

    def add(self, rows: Sequence[CatalogRow], numbers: dict[str, int] | None = None) -> None:
        """Add models that are not there (any more), under the numbers they had."""
        known = numbers or {}
        values = [_all_values(row) for row in rows]
        self._learn_values(values)
        entries: list[tuple[Any, ...]] = []
        cards: list[tuple[Any, ...]] = []
        words: set[str] = set()
        for row, own in zip(rows, values, strict=True):
            number = known.get(row.model_id)
            if number is None:
                number = self._next
                self._next += 1
            places = places_of(row)
            for place in (Place.NAME, Place.GROUP):
                words.update(word for word in places[place] if may_be_mistyped(word))
            entries.append(self._entry(number, row, places, own))
            cards.append((number, row.name, _encode(row)))
        connection = cast("psycopg.Connection", self._tx.connection.driver_connection)
        _copy(connection, _COPY_ENTRIES, entries)
        _copy(connection, _COPY_CARDS, cards)
        new = sorted(words - self._words)
        if new:
            self._tx.execute(_ADD_WORDS, {"words": new})
            self._words.update(new)

    def _entry(
        self,
        number: int,
        row: CatalogRow,
        places: dict[Place, list[str]],
        values: Iterable[tuple[str, str, str]],
    ) -> tuple[Any, ...]:
        offers, released, name, _ = _columns(rule_key(row))
        # A word is letters, digits and points, so quotes are all that a lexeme needs.
        lexemes = " ".join(f"'{place}{word}'" for place, words in places.items() for word in words)
        return (
            number,
            row.model_id,
            lexemes,
            [self._values[facet, value][0] for facet, value, _ in values],
            offers,
            released,
            None if row.price is None else row.price.mixed_nanos,
            row.context_tokens or 0,
            name,
        )

    def _learn_values(self, values: Iterable[Iterable[tuple[str, str, str]]]) -> None:
        wanted = {(facet, value): label for row in values for facet, value, label in row}
        new = [
            (facet, value, label)
            for (facet, value), label in wanted.items()
            if self._values.get((facet, value), (0, None))[1] != label
        ]
        if not new:
            return
        facets, names, labels = zip(*new, strict=True)
        found = self._tx.execute(
            _ADD_VALUES, {"facets": list(facets), "values": list(names), "labels": list(labels)}
        )
        self._values.update({(row.facet, row.value): (row.id, row.label) for row in found})


def _columns(key: RuleKey) -> RuleKey:
    """Return the parts of a rule's key as they are stored: the highest first is SQL's to say."""
    offers, released, name, model_id = key
    return -offers, -released, name, model_id


def _all_values(row: CatalogRow) -> list[tuple[str, str, str]]:
    """Return (facet, value, label) of a model, with those that are not shown."""
    found = [
        (facet, value, row.publisher_name if facet == PUBLISHER else "")
        for facet, value in values_of(row)
    ]
    if row.visibility == LISTED:
        found.append((*LISTED_VALUE, ""))
    elif is_own(row) and row.organization_id is not None:
        found.append((OWN, row.organization_id, ""))
    found += [(CALLABLE_BY, owner, "") for owner in row.callable_by if owner != EVERYONE]
    return found


def _copy(
    connection: psycopg.Connection, statement: LiteralString, rows: list[tuple[Any, ...]]
) -> None:
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
