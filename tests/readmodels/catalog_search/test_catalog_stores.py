"""One suite for both stores: memory and PostgreSQL give the same answers to the same questions."""

import msgspec
import pytest
from catalog_rows import OURS, THEIRS, a_row, catalogs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tradewind.readmodels.catalog_search.facets import values_of
from tradewind.readmodels.catalog_search.filling import (
    apply_changes,
    begin_filling,
    fill_part,
    finish_filling,
    has_trigrams,
)
from tradewind.readmodels.catalog_search.memory import CatalogIndex
from tradewind.readmodels.catalog_search.query import CatalogQuery, Sort
from tradewind.readmodels.catalog_search.rows import Reader
from tradewind.readmodels.catalog_search.state import made_for, read_state
from tradewind.readmodels.catalog_search.stored import StoredIndex

pytestmark = pytest.mark.postgres

TEXTS = [
    "",
    "llama",
    "llama3.3 70b",
    "qwen3-vl",
    "gpt 5",
    "mistrl",
    "gema",
    "instrukt",
    "ÉLAN",
    "möritz chat",
    "lama3.3",
    "7",
    "ac",
    "xyzzy",
    "writes code",
    "'); DROP TABLE model; --",
    "a:* & !b | (c <-> d)",
]


FOR_DOLLARS = made_for("USD")


def fill(tx, batches):
    """Fill all anew, a part with each batch, and return the index."""
    begin_filling(tx, read_state(tx), FOR_DOLLARS)
    for rows in batches:
        fill_part(tx, read_state(tx), [rows] if rows else [])
    finish_filling(tx)
    return StoredIndex.load(tx, read_state(tx))


def both(database, rows):
    """Return the two ways to search the same rows."""
    memory = CatalogIndex.build(rows)
    with database.transaction() as tx:
        stored = fill(tx, [rows[:7], rows[7:]])

    def search_stored(query, reader, fit=None):
        with database.transaction() as tx:
            return stored.search(tx, query, reader, fit)

    return memory.search, search_stored


def shown(page):
    return page.total, page.pages, page.cards, page.facets, page.corrected_text


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(catalogs(), st.data())
def test_both_stores_give_the_same_page(database, rows, data):
    from_memory, from_stored = both(database, rows)
    known = sorted({pair for row in rows for pair in values_of(row)})
    for asked in TEXTS:
        pairs = data.draw(st.lists(st.sampled_from(known), max_size=3)) if known else []
        chosen = {}
        for facet, value in pairs:
            chosen.setdefault(facet, []).append(value)
        sort = data.draw(st.sampled_from(Sort))
        page = data.draw(st.integers(1, 3))
        query = CatalogQuery.of(asked, chosen, sort, page, data.draw(st.integers(1, 20)))
        reader = Reader(data.draw(st.sampled_from([None, OURS, THEIRS])))

        assert shown(from_memory(query, reader)) == shown(from_stored(query, reader))


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(catalogs(), catalogs(), st.data())
def test_what_has_changed_is_found_as_if_all_were_filled_anew(database, before, after, data):
    """Models with the same id are changed, those that are missing later are gone, others new."""
    memory = CatalogIndex.build(after)
    rows = {row.model_id: row for row in after}
    ids = sorted({row.model_id for row in before} | set(rows))
    with database.transaction() as tx:
        fill(tx, [before[:7], before[7:]])
        cut = data.draw(st.integers(0, len(ids)))
        for some in (ids[:cut], ids[cut:]):
            there = [rows[one] for one in some if one in rows]
            apply_changes(tx, read_state(tx), some, there)
        state = read_state(tx)
        assert state.models == len(after)
        stored = StoredIndex.load(tx, state)
        for asked in TEXTS:
            query = CatalogQuery.of(asked, sort=data.draw(st.sampled_from(Sort)))
            reader = Reader(data.draw(st.sampled_from([None, OURS, THEIRS])))
            assert shown(memory.search(query, reader)) == shown(stored.search(tx, query, reader))
        names = [row.name for row in (*before, *after)]
        assert memory.find(names, Reader(OURS)) == stored.find(tx, names, Reader(OURS))


def test_an_index_of_before_shows_cards_of_now_and_none_that_became_private(database):
    row = a_row("acme/a", offers=1)
    hidden = a_row("acme/b")
    with database.transaction() as tx:
        old = fill(tx, [[row, hidden]])
        changed = [
            msgspec.structs.replace(row, offers=2),
            msgspec.structs.replace(hidden, visibility="private", organization_id=OURS),
        ]
        apply_changes(tx, read_state(tx), [one.model_id for one in changed], changed)

        cards = old.search(tx, CatalogQuery.of(), Reader()).cards

    assert [(card.model.slug, card.model.offers) for card in cards] == [("a", 2)]


def test_the_same_typing_errors_are_forgiven_among_many_words(database):
    """More words look alike than are looked at, so both have to look at the same ones."""
    rows = [a_row(f"acme/{a}{b}{c}ama") for a in "lgmpqz" for b in "lrnaeo" for c in "lmbdst"]
    from_memory, from_stored = both(database, rows)

    for asked in ("llamma", "lrxama", "plsama", "zzzama", "glalama"):
        query = CatalogQuery.of(asked, per_page=100)
        found = from_memory(query, Reader())
        assert shown(found) == shown(from_stored(query, Reader()))
    assert from_memory(CatalogQuery.of("lrxama"), Reader()).total > 0


def test_names_open_the_same_cards_in_both(database):
    rows = [
        a_row("acme/a"),
        a_row("acme/b", visibility="private", organization_id=OURS),
        a_row("acme/c", visibility="unlisted"),
    ]
    memory = CatalogIndex.build(rows)
    with database.transaction() as tx:
        stored = fill(tx, [rows])
        for reader in (Reader(), Reader(OURS), Reader(THEIRS)):
            asked = ["acme/c", "acme/none", "acme/b", "acme/a"]
            assert memory.find(asked, reader) == stored.find(tx, asked, reader)


def test_without_trigrams_the_stored_search_works_and_forgives_nothing(database):
    rows = [a_row("meta/llama-3")]
    with database.transaction() as tx:
        fill(tx, [rows])
        assert has_trigrams(tx)
        tx.execute(text("DROP EXTENSION pg_trgm CASCADE"))
        stored = StoredIndex.load(tx, read_state(tx))

        assert stored.search(tx, CatalogQuery.of("llama"), Reader()).total == 1
        assert stored.search(tx, CatalogQuery.of("lama"), Reader()).total == 0
