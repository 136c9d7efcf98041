"""Fills the tables of the search, part by part, and brings them up to what has changed.

A whole filling takes many transactions, one for each part: whoever goes on with it, now or after
a restart, begins where the last part ended. Until it is finished, what was filled before answers.
All of this is for whoever holds the lock of its transaction (`lock_filling`), so that any number
of processes may try.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import Connection, text

from tradewind.readmodels.catalog_search.copying import array_of, copy_lines, hex_of, text_of
from tradewind.readmodels.catalog_search.facets import PUBLISHER, values_of
from tradewind.readmodels.catalog_search.packed import LISTED, is_own
from tradewind.readmodels.catalog_search.postings import PART, Postings
from tradewind.readmodels.catalog_search.ranking import rule_key
from tradewind.readmodels.catalog_search.rows import EVERYONE, CatalogRow
from tradewind.readmodels.catalog_search.state import StoredState
from tradewind.readmodels.catalog_search.words import Place, may_be_mistyped, places_of

LISTED_VALUE = ("#listed", "")
OWN, CALLABLE_BY = "#own", "#callable"
"""Facets that are not shown: who may see a model, and which organizations can call it."""

# Any number that nobody else uses as an advisory lock in this database.
_LOCK = 0x7365_6172_6368
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:key)")
_TAKE_TIME = text("SELECT set_config('statement_timeout', '600s', true)")
_EMPTY = text("""
    TRUNCATE catalog_search_entry, catalog_search_card, catalog_search_posting,
        catalog_search_value, catalog_search_word
""")
_BEGIN = text("""
    UPDATE catalog_search_state SET filling_first = :first, filling_next = :first,
        filling_after = '', filling_models = 0, filling_for = :made_for,
        filling_of = (SELECT count(*) FROM model)
""")
_GO_ON = text("""
    UPDATE catalog_search_state SET filling_next = :next, filling_after = :after,
        filling_models = filling_models + :models
""")
_FINISH = text("""
    UPDATE catalog_search_state SET version = version + 1, first_number = filling_first,
        next_number = filling_next, models = filling_models, made_for = filling_for,
        filling_first = NULL,
        rest_first = coalesce(rest_first, CASE WHEN version > 0 THEN first_number END),
        rest_since = now()
    RETURNING version
""")
_GIVE_UP = text("UPDATE catalog_search_state SET filling_first = NULL")
_ANALYZE = text("ANALYZE catalog_search_entry, catalog_search_card, catalog_search_posting")
_FORGET_PART = (
    text("DELETE FROM catalog_search_entry WHERE number >= :first AND number < :next"),
    text("DELETE FROM catalog_search_card WHERE number >= :first AND number < :next"),
    text("DELETE FROM catalog_search_posting WHERE part = :part"),
)
_LESS_RESTS = text("""
    UPDATE catalog_search_state
    SET rest_first = CASE WHEN :next < first_number THEN CAST(:next AS bigint) END
""")
_FORGET_ENTRIES = text("""
    DELETE FROM catalog_search_entry WHERE model_id = ANY(:ids) AND number >= :first
    RETURNING number
""")
# An index that was read before the change asks for the cards of former numbers: it is told the
# present card, and nothing where somebody might not be allowed to see it any more.
_FORGET_CARDS = text("""
    DELETE FROM catalog_search_card AS card
    USING (SELECT name FROM catalog_search_card WHERE number = ANY(:numbers)) AS former
    WHERE card.name = former.name AND card.name <> ALL(:kept)
""")
_RENEW_CARDS = text("""
    UPDATE catalog_search_card AS card SET row = latter.row
    FROM unnest(CAST(:names AS text[]), CAST(:rows AS bytea[])) AS latter (name, row)
    WHERE card.name = latter.name
""")
_CHANGED = text("""
    UPDATE catalog_search_state
    SET version = version + 1, next_number = :next, models = models + :more
    RETURNING version
""")
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
_JOIN_POSTINGS = text("""
    INSERT INTO catalog_search_posting AS former (word, place, part, sparse)
    SELECT word, place, :part, sparse FROM unnest(
        CAST(:words AS text[]), CAST(:places AS text[]), CAST(:sparse AS bytea[])
    ) AS added (word, place, sparse)
    ON CONFLICT (word, place, part) DO UPDATE SET sparse = former.sparse || excluded.sparse
""")
_COPY_ENTRIES = """
    COPY catalog_search_entry
        (number, model_id, facets, offers, released, price, context, name)
    FROM STDIN
"""
_COPY_CARDS = "COPY catalog_search_card (number, name, row) FROM STDIN"
_COPY_POSTINGS = "COPY catalog_search_posting (word, place, part, sparse, dense) FROM STDIN"
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


def begin_filling(tx: Connection, state: StoredState, made_for: str) -> None:
    """Begin a whole new filling, behind what answers."""
    first = state.free
    if not state.version:
        tx.execute(_EMPTY)
        first = 0
    _prepare_trigrams(tx)
    tx.execute(_BEGIN, {"first": first, "made_for": made_for})


def fill_part(tx: Connection, state: StoredState, batches: Iterable[Sequence[CatalogRow]]) -> int:
    """Fill the next part with at most PART models: those behind the last one, by their ids. Return
    how many they were; a filling is at its end when there were none.
    """
    assert state.filling is not None, "a part belongs to a filling"
    number = state.filling.next
    after, models = _Filler(tx).fill(number, batches)
    if models:
        tx.execute(_GO_ON, {"next": number + PART, "after": after, "models": models})
    return models


def finish_filling(tx: Connection) -> int:
    """Let what was filled answer; return its version."""
    tx.execute(_TAKE_TIME)
    tx.execute(_ANALYZE)
    return tx.execute(_FINISH).scalar_one()


def give_up_filling(tx: Connection, state: StoredState) -> None:
    """Drop a filling that is of no use any more, with what it filled."""
    assert state.filling is not None, "there is nothing to give up"
    for number in range(state.filling.first, state.filling.next, PART):
        _forget_part(tx, number)
    tx.execute(_GIVE_UP)


def forget_rest(tx: Connection, state: StoredState) -> None:
    """Drop one part of what answered before what answers now."""
    assert state.rest_first is not None, "nothing is left over"
    _forget_part(tx, state.rest_first)
    tx.execute(_LESS_RESTS, {"next": state.rest_first + PART})


def apply_changes(
    tx: Connection, state: StoredState, ids: Sequence[str], rows: Sequence[CatalogRow]
) -> int:
    """Bring these models up to date: `rows` of those that there still are. Return the new version.

    Each gets a new number. What former numbers had stays where it is and is never seen, because
    nobody may see a number without an entry; a whole filling clears it away.
    """
    found = tx.execute(_FORGET_ENTRIES, {"ids": list(ids), "first": state.first})
    numbers = list(found.scalars())
    open_rows = [row for row in rows if row.visibility == LISTED]
    kept = [row.name for row in open_rows]
    tx.execute(_FORGET_CARDS, {"numbers": numbers, "kept": kept})
    tx.execute(_RENEW_CARDS, {"names": kept, "rows": [_encode(row) for row in open_rows]})
    _Filler(tx).join(state.next, rows)
    after = {"next": state.next + len(rows), "more": len(rows) - len(numbers)}
    return tx.execute(_CHANGED, after).scalar_one()


def has_trigrams(tx: Connection) -> bool:
    return bool(tx.execute(_HAS_TRIGRAMS).scalar())


def _prepare_trigrams(tx: Connection) -> None:
    """Make what typing errors are found with, where the server lets us: not every foreign
    PostgreSQL has the extension, and the search is of use without it.
    """
    if has_trigrams(tx) or tx.execute(_MAY_INDEX_TRIGRAMS).scalar():
        for statement in _INDEX_TRIGRAMS:
            tx.execute(statement)


def _forget_part(tx: Connection, first: int) -> None:
    part = {"first": first, "next": first + PART, "part": first // PART}
    for statement in _FORGET_PART:
        tx.execute(statement, part)


class _Filler:
    """Writes models, numbered one after another."""

    def __init__(self, tx: Connection) -> None:
        self._tx = tx
        self._values = {(row.facet, row.value): (row.id, row.label) for row in tx.execute(_VALUES)}

    def fill(self, number: int, batches: Iterable[Sequence[CatalogRow]]) -> tuple[str, int]:
        """Write models of a part that is empty, numbered from `number`, its beginning. Return the
        last one's id, and how many they were.
        """
        assert number % PART == 0, "a part is filled from its beginning"
        part, models, after = number // PART, 0, ""
        postings: defaultdict[int, Postings] = defaultdict(Postings)
        # Batch by batch, because a whole part of models would take a hundred megabytes.
        for rows in batches:
            self._write(number + models, rows, postings)
            models += len(rows)
            after = rows[-1].model_id
        assert models <= PART, "numbers behind the part belong to the next one"
        lines = (
            (
                one.word,
                one.place.value,
                str(part),
                hex_of(one.sparse),
                text_of(None) if one.dense is None else hex_of(one.dense),
            )
            for one in postings[part].packed()
        )
        copy_lines(self._tx, _COPY_POSTINGS, lines)
        return after, models

    def join(self, number: int, rows: Sequence[CatalogRow]) -> None:
        """Write models beside those that there are."""
        postings: defaultdict[int, Postings] = defaultdict(Postings)
        self._write(number, rows, postings)
        for part, added_there in postings.items():
            joined = list(added_there.joinable())
            added = {
                "part": part,
                "words": [one.word for one in joined],
                "places": [one.place.value for one in joined],
                "sparse": [one.sparse for one in joined],
            }
            self._tx.execute(_JOIN_POSTINGS, added)

    def _write(
        self,
        first: int,
        rows: Sequence[CatalogRow],
        postings: defaultdict[int, Postings],
    ) -> None:
        """Write all but the postings, and add these by part."""
        values = [_all_values(row) for row in rows]
        self._learn_values(values)
        entries: list[tuple[str, ...]] = []
        cards: list[tuple[str, ...]] = []
        words: set[str] = set()
        for number, (row, own) in enumerate(zip(rows, values, strict=True), first):
            places = places_of(row)
            postings[number // PART].add(number % PART, places)
            words.update(places[Place.NAME], places[Place.GROUP])
            entries.append(self._entry(number, row, own))
            cards.append((str(number), text_of(row.name), hex_of(_encode(row))))
        copy_lines(self._tx, _COPY_ENTRIES, entries)
        copy_lines(self._tx, _COPY_CARDS, cards)
        self._tx.execute(_ADD_WORDS, {"words": sorted(filter(may_be_mistyped, words))})

    def _entry(
        self, number: int, row: CatalogRow, values: Iterable[tuple[str, str, str]]
    ) -> tuple[str, ...]:
        # What a rule's key counts down, SQL is told to sort so.
        offers, released, name, _ = rule_key(row)
        return (
            str(number),
            text_of(row.model_id),
            array_of(self._values[facet, value][0] for facet, value, _ in values),
            str(-offers),
            str(-released),
            text_of(None) if row.price is None else str(row.price.mixed_nanos),
            str(row.context_tokens or 0),
            text_of(name),
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
