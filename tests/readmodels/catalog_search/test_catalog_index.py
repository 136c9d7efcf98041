"""The search in memory: what is found, counted and shown, and in which order."""

from datetime import date

import msgspec
import pytest
from catalog_rows import OURS, THEIRS, a_row, catalogs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tradewind.readmodels.catalog_search.facets import FACETS, values_of
from tradewind.readmodels.catalog_search.memory import CatalogIndex
from tradewind.readmodels.catalog_search.packed import is_callable
from tradewind.readmodels.catalog_search.query import CatalogQuery, Sort
from tradewind.readmodels.catalog_search.ranking import sort_key
from tradewind.readmodels.catalog_search.rows import LowestPrice, Reader

NOBODY = Reader()


def search(rows, text="", reader=NOBODY, **options):
    return CatalogIndex.build(rows).search(CatalogQuery.of(text, **options), reader)


def names(page):
    return [card.model.slug for card in page.cards]


def counts(page, facet):
    found = next(one for one in page.facets if one.name == facet)
    return {value.value: value.count for value in found.values}


NAMED = [
    a_row("meta/llama-3.3-70b-instruct", family="llama"),
    a_row("meta/llama-3.1-8b", family="llama"),
    a_row("openai/gpt-5.6"),
    a_row("openai/gpt-4o-mini"),
    a_row("qwen/qwen3-vl-235b-a22b"),
    a_row("mistralai/mistral-large-2", publisher_name="Mistral AI", aliases=("big-mist",)),
    a_row("moritz/elan", display_name="Élan Vital", description="A model for poems"),
]


@pytest.mark.parametrize(
    ("text", "slugs"),
    [
        ("llama3.3 70b", ["llama-3.3-70b-instruct"]),
        ("llama 3.1", ["llama-3.1-8b"]),
        ("gpt 5.6", ["gpt-5.6"]),
        ("GPT-5", ["gpt-5.6"]),
        ("gpt4o", ["gpt-4o-mini"]),
        ("qwen3-vl", ["qwen3-vl-235b-a22b"]),
        ("qwen 3", ["qwen3-vl-235b-a22b"]),
        ("mistral ai", ["mistral-large-2"]),
        ("big mist", ["mistral-large-2"]),
        ("elan", ["elan"]),
        ("ÉLAN", ["elan"]),
        ("poems", ["elan"]),
        ("inst llam", ["llama-3.3-70b-instruct"]),
        ("openai/gpt-5.6", ["gpt-5.6"]),
        ("llama gpt", []),
        ("8b 70b", []),
    ],
)
def test_names_are_found_as_people_write_them(text, slugs):
    assert names(search(NAMED, text)) == slugs


@pytest.mark.parametrize(
    ("text", "slug", "corrected"),
    [
        ("mistrall", "mistral-large-2", "mistral"),
        ("mitsral large", "mistral-large-2", "mistral large"),
        ("lama3.3", "llama-3.3-70b-instruct", "llama3.3"),
        ("instrukt", "llama-3.3-70b-instruct", "instruct"),
    ],
)
def test_typing_errors_are_forgiven_and_told(text, slug, corrected):
    page = search(NAMED, text)

    assert names(page) == [slug]
    assert page.corrected_text == corrected


@pytest.mark.parametrize("text", ["gpt-5.7", "71b", "mixtrail", "xyzzy", "p"])
def test_digits_and_other_words_are_not_forgiven(text):
    page = search([row for row in NAMED if row.slug != "mistral-large-2"], text)

    assert page.total == 0
    assert page.corrected_text is None


def test_a_text_without_words_finds_everything():
    assert search(NAMED, " -- !").total == len(NAMED)


def test_a_whole_word_of_the_name_comes_before_its_beginning_and_before_a_family():
    rows = [
        a_row("a/other", family="llama", offers=9),
        a_row("a/llamafile", offers=5),
        a_row("a/big-llama", offers=1),
        a_row("a/poet", description="not a llama at all", offers=30),
    ]

    assert names(search(rows, "llama")) == ["big-llama", "other", "llamafile", "poet"]


def test_equal_matches_are_ordered_by_offers_then_release_then_name():
    rows = [
        a_row("a/llama-c", offers=1),
        a_row("a/llama-b", offers=1),
        a_row("a/llama-d", offers=1, released_on=date(2025, 1, 1)),
        a_row("a/llama-a", offers=2),
    ]

    assert names(search(rows, "llama")) == ["llama-a", "llama-d", "llama-b", "llama-c"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(catalogs(), st.sampled_from(["", "llama", "3.3 70b", "mini", "chat", "mistrl"]), st.data())
def test_who_publishes_or_sells_a_model_does_not_move_it(rows, text, data):
    """Publishers are handed around, and where models run and what else is theirs to sell."""
    places = data.draw(st.permutations(range(len(rows))))
    swapped = [
        msgspec.structs.replace(
            row,
            publisher=rows[place].publisher,
            publisher_name=rows[place].publisher_name,
            has_weights=rows[place].has_weights,
            callable_by=rows[place].callable_by,
            regions=rows[place].regions,
        )
        for row, place in zip(rows, places, strict=True)
    ]

    for sort in Sort:
        query = CatalogQuery.of(text, sort=sort, per_page=100)
        before = CatalogIndex.build(rows).search(query, NOBODY)
        after = CatalogIndex.build(swapped).search(query, NOBODY)
        assert names(before) == names(after)


def test_a_facet_is_any_of_its_values_and_its_counts_ignore_its_own_choice():
    rows = [
        a_row("acme/a", licence="MIT", context_tokens=4_000),
        a_row("acme/b", licence="MIT", context_tokens=200_000),
        a_row("zeta/c", licence="Apache-2.0", context_tokens=200_000),
        a_row("zeta/d"),
    ]

    page = search(rows, facets={"licence": ["MIT", "Apache-2.0"], "context": ["128k"]})

    assert sorted(names(page)) == ["b", "c"]
    assert counts(page, "licence") == {"MIT": 1, "Apache-2.0": 1}
    assert counts(page, "context") == {"under-8k": 1, "128k": 2}
    assert counts(page, "publisher") == {"acme": 1, "zeta": 1}


def test_a_chosen_value_that_nothing_has_stays_to_be_taken_back():
    page = search([a_row()], facets={"publisher": ["nobody"]})

    assert page.total == 0
    assert counts(page, "publisher") == {"acme": 1, "nobody": 0}


def test_free_and_unknown_prices_are_told_apart():
    rows = [
        a_row("a/free", price=LowestPrice(0, 0)),
        a_row("a/unknown"),
        a_row("a/cheap", price=LowestPrice(50_000_000, None)),
    ]

    page = search(rows, sort=Sort.PRICE)

    assert counts(page, "price") == {"free": 1, "under-0.1": 1, "unknown": 1}
    assert names(page) == ["free", "cheap", "unknown"]
    assert [card.sort_value for card in page.cards] == [0, 50_000_000, None]


def test_what_a_reader_may_not_see_is_neither_found_nor_counted_nor_corrected_to():
    rows = [
        a_row("acme/open"),
        a_row("acme/secretive", visibility="private", organization_id=OURS),
        a_row("acme/hidden", visibility="unlisted"),
    ]

    assert counts(search(rows), "publisher") == {"acme": 1}
    assert search(rows, "secretive").total == 0
    assert search(rows, "secretve", Reader(THEIRS)).corrected_text is None
    assert names(search(rows, "secretve", Reader(OURS))) == ["secretive"]
    assert counts(search(rows, reader=Reader(OURS)), "publisher") == {"acme": 2}


def test_a_name_opens_what_is_unlisted_and_nothing_private_of_others():
    rows = [
        a_row("acme/secret", visibility="private", organization_id=OURS),
        a_row("acme/hidden", visibility="unlisted"),
    ]
    index = CatalogIndex.build(rows)
    asked = ["acme/secret", "acme/none", "acme/hidden"]

    assert [card.model.slug for card in index.find(asked, NOBODY)] == ["hidden"]
    assert [card.model.slug for card in index.find(asked, Reader(OURS))] == ["secret", "hidden"]


def test_what_an_organization_can_call_counts_for_it_alone():
    rows = [a_row("a/all", callable_by=("",)), a_row("a/own", callable_by=(OURS,))]

    def found(reader):
        return names(search(rows, reader=reader, facets={"deployability": ["callable"]}))

    assert found(NOBODY) == found(Reader(THEIRS)) == ["all"]
    assert found(Reader(OURS)) == ["all", "own"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(catalogs(), st.sampled_from(Sort), st.sampled_from([None, OURS, THEIRS]), st.integers(1, 7))
def test_pages_follow_each_other_in_the_order_that_is_published(rows, sort, owner, per_page):
    reader = Reader(owner)
    index = CatalogIndex.build(rows)
    expected = sorted(
        (row for row in rows if row.visibility == "listed" or owner == row.organization_id),
        key=lambda row: sort_key(row, sort),
    )

    found = []
    for page in range(1, 2 + len(rows) // per_page):
        query = CatalogQuery.of(sort=sort, page=page, per_page=per_page)
        answered = index.search(query, reader)
        assert answered.total == len(expected)
        found += [card.model for card in answered.cards]

    assert found == expected


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(catalogs(), st.data())
def test_counts_are_what_choosing_the_value_gives(rows, data):
    """Against the definition, model by model."""
    query = data.draw(queries(rows))
    reader = Reader(data.draw(st.sampled_from([None, OURS])))
    chosen = dict(query.facets)

    def has(row, facet, value):
        if (facet, value) == ("deployability", "callable"):
            return is_callable(row, reader)
        return (facet, value) in values_of(row)

    def passes(row, but=None):
        seen = row.visibility == "listed" or row.organization_id == reader.organization_id
        return seen and all(
            any(has(row, facet, value) for value in values)
            for facet, values in chosen.items()
            if facet != but
        )

    page = CatalogIndex.build(rows).search(query, reader)

    assert page.total == sum(passes(row) for row in rows)
    for facet in FACETS:
        shown = counts(page, facet)
        every = {value for row in rows for name, value in values_of(row) if name == facet}
        every |= set(shown) | ({"callable"} if facet == "deployability" else set())
        for value in every:
            expected = sum(passes(row, facet) and has(row, facet, value) for row in rows)
            assert shown.get(value, 0) == expected


@st.composite
def queries(draw, rows):
    known = sorted({pair for row in rows for pair in values_of(row)})
    pairs = draw(st.lists(st.sampled_from(known), max_size=4)) if known else []
    chosen = {}
    for facet, value in pairs:
        chosen.setdefault(facet, []).append(value)
    return CatalogQuery.of(facets=chosen, per_page=100)
