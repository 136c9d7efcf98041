"""One suite for both stores: memory and PostgreSQL give the same answers to the same questions."""

import pytest
from catalog_rows import OURS, THEIRS, a_row, catalogs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tradewind.readmodels.catalog_search.facets import values_of
from tradewind.readmodels.catalog_search.filling import fill_anew, has_trigrams
from tradewind.readmodels.catalog_search.memory import CatalogIndex
from tradewind.readmodels.catalog_search.query import CatalogQuery, Sort
from tradewind.readmodels.catalog_search.rows import Reader
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


def both(database, rows):
    """Return the two ways to search the same rows."""
    memory = CatalogIndex.build(rows)
    with database.transaction() as tx:
        version = fill_anew(tx, [rows[:7], rows[7:]])
        stored = StoredIndex.load(tx, currency="USD", version=version)

    def search_stored(query, reader):
        with database.transaction() as tx:
            return stored.search(tx, query, reader)

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
        stored = StoredIndex.load(tx, currency="USD", version=fill_anew(tx, [rows]))
        for reader in (Reader(), Reader(OURS), Reader(THEIRS)):
            asked = ["acme/c", "acme/none", "acme/b", "acme/a"]
            assert memory.find(asked, reader) == stored.find(tx, asked, reader)


def test_without_trigrams_the_stored_search_works_and_forgives_nothing(database):
    rows = [a_row("meta/llama-3")]
    with database.transaction() as tx:
        version = fill_anew(tx, [rows])
        assert has_trigrams(tx)
        tx.execute(text("DROP EXTENSION pg_trgm CASCADE"))
        stored = StoredIndex.load(tx, currency="USD", version=version)

        assert stored.search(tx, CatalogQuery.of("llama"), Reader()).total == 1
        assert stored.search(tx, CatalogQuery.of("lama"), Reader()).total == 0
