"""What fits a project: in memory and stored alike, counted and paged like everything else."""

import pytest
from catalog_rows import OURS, a_row, catalogs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_catalog_stores import both, shown

from tradewind.readmodels.catalog_search.fit import Fit
from tradewind.readmodels.catalog_search.memory import CatalogIndex
from tradewind.readmodels.catalog_search.query import CatalogQuery, Sort
from tradewind.readmodels.catalog_search.rows import LowestPrice, Reader

ROWS = [
    a_row("acme/eu-cheap", regions=("eu",), price=LowestPrice(100, 100)),
    a_row("acme/eu-dear", regions=("eu", "us"), price=LowestPrice(900, 900)),
    a_row("acme/us-cheap", regions=("us",), price=LowestPrice(100, 100)),
    a_row("acme/nowhere", price=LowestPrice(100, 100)),
    a_row("acme/eu-unknown", regions=("eu",)),
    a_row("acme/eu-free", regions=("eu",), price=LowestPrice(800, 800), has_free_offer=True),
]


def slugs(fit, query=None):
    page = CatalogIndex.build(ROWS).search(query or CatalogQuery.of(), Reader(), fit)
    return {card.model.slug for card in page.cards}


@pytest.mark.parametrize(
    ("fit", "found"),
    [
        (Fit(), {"eu-cheap", "eu-dear", "us-cheap", "nowhere", "eu-unknown", "eu-free"}),
        (Fit(frozenset({"eu"})), {"eu-cheap", "eu-dear", "eu-unknown", "eu-free"}),
        (Fit(frozenset({"us"})), {"eu-dear", "us-cheap"}),
        (Fit(frozenset()), set()),
        (Fit(frozenset({"mars"})), set()),
        (
            Fit(frozenset({"us"}), frozenset({"acme/nowhere", "acme/no-such"})),
            {"eu-dear", "us-cheap", "nowhere"},
        ),
        (Fit(most_nanos=100), {"eu-cheap", "us-cheap", "nowhere", "eu-free"}),
        (Fit(most_nanos=99), {"eu-free"}),
        (Fit(most_nanos=0), {"eu-free"}),
        (Fit(most_nanos=10**18), {"eu-cheap", "eu-dear", "us-cheap", "nowhere", "eu-free"}),
        (Fit(frozenset({"eu"}), most_nanos=100), {"eu-cheap", "eu-free"}),
    ],
)
def test_what_fits_is_in_a_region_and_within_a_price(fit, found):
    assert slugs(fit) == found


def test_counts_are_of_what_fits():
    page = CatalogIndex.build(ROWS).search(
        CatalogQuery.of(), Reader(), Fit(frozenset({"eu"}), most_nanos=100)
    )

    assert page.total == 2
    regions = next(facet for facet in page.facets if facet.name == "region")
    assert {value.value: value.count for value in regions.values} == {"eu": 2}


@pytest.mark.postgres
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(catalogs(), st.data())
def test_both_stores_find_the_same_fits(database, rows, data):
    from_memory, from_stored = both(database, rows)
    names = [row.name for row in rows]
    for text in ("", "llama", "acme"):
        fit = Fit(
            data.draw(st.none() | st.frozensets(st.sampled_from(["eu", "us", "mars"]))),
            data.draw(st.frozensets(st.sampled_from([*names, "acme/none"]), max_size=3)),
            data.draw(st.none() | st.sampled_from([0, 1, 10**8, 2 * 10**9, 10**12])),
        )
        query = CatalogQuery.of(text, sort=data.draw(st.sampled_from(Sort)))
        reader = Reader(data.draw(st.sampled_from([None, OURS])))

        assert shown(from_memory(query, reader, fit)) == shown(from_stored(query, reader, fit))
