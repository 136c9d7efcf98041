"""What works for a project: one place must be in an allowed region and within the budget."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update
from test_portal_catalog import add_model, add_offer

from tradewind.core.clock import SystemClock
from tradewind.features.budgets.schemas import NewTerms
from tradewind.features.endpoints.tables import endpoint_target
from tradewind.features.providers.tables import provider_connection
from tradewind.readmodels.catalog_fit import resolve_fit
from tradewind.readmodels.catalog_search.query import CatalogQuery
from tradewind.readmodels.catalog_search.rows import Reader
from tradewind.snapshot.contents import Conditions

CHEAP: dict[str, Any] = {"input_nanos": 100_000_000, "output_nanos": 100_000_000}
DEAR: dict[str, Any] = {"input_nanos": 90_000_000_000, "output_nanos": 90_000_000_000}
LITTLE = {"amount_nanos": 10_000_000}
"""A typical chat of 1,300 tokens may cost 0.01: 7.69 for 1,000,000 of them."""


@pytest.fixture
def viewer(signed_in):
    return signed_in.viewer


@pytest.fixture
def in_europe(world, viewer):
    terms = replace(NewTerms(), conditions=Conditions(frozenset({"eu"}), frozenset(), False, False))
    with world.database.transaction() as tx:
        world.budgets.put_terms(tx, viewer, viewer.organization_id, terms)


def fitting(world, viewer):
    with world.database.transaction() as tx:
        told = resolve_fit(tx, world.budgets, viewer, currency="USD", now=SystemClock().now())
    reader = Reader(viewer.organization_id)
    page = world.services.catalog_search.search(CatalogQuery.of(), reader, fit=told.fit)
    return {card.model.slug for card in page.cards}


def test_cheap_elsewhere_and_dear_in_the_region_is_no_fit(world, viewer, in_europe):
    world.add_budget(viewer, **LITTLE)
    torn = add_model(world, "kestrel/torn")
    add_offer(world, torn, upstream_model="torn", region="us", **CHEAP)
    add_offer(world, torn, upstream_model="torn", region="eu", **DEAR)
    fits = add_model(world, "kestrel/fits")
    add_offer(world, fits, upstream_model="fits", region="eu", **CHEAP)
    add_offer(world, fits, upstream_model="fits", region="us", **DEAR)
    add_offer(
        world,
        add_model(world, "kestrel/unknown"),
        upstream_model="unknown",
        region="eu",
        input_nanos=None,
        output_nanos=None,
    )
    add_offer(
        world,
        add_model(world, "kestrel/euros"),
        upstream_model="euros",
        region="eu",
        currency="EUR",
        **CHEAP,
    )
    add_offer(
        world,
        add_model(world, "kestrel/gone"),
        upstream_model="gone",
        region="eu",
        status="vanished",
        **CHEAP,
    )

    assert fitting(world, viewer) == {"fits"}


def test_without_a_budget_the_region_alone_counts(world, viewer, in_europe):
    torn = add_model(world, "kestrel/torn")
    add_offer(world, torn, upstream_model="torn", region="us", **CHEAP)
    add_offer(world, torn, upstream_model="torn", region="eu", **DEAR)
    add_offer(
        world, add_model(world, "kestrel/abroad"), upstream_model="abroad", region="us", **CHEAP
    )

    assert fitting(world, viewer) == {"torn"}


def test_without_regions_the_lowest_price_counts(world, viewer):
    world.add_budget(viewer, **LITTLE)
    torn = add_model(world, "kestrel/torn")
    add_offer(world, torn, upstream_model="torn", region="us", **CHEAP)
    add_offer(world, torn, upstream_model="torn", region="eu", **DEAR)

    assert fitting(world, viewer) == {"torn"}


def test_an_own_connection_counts_with_the_price_of_its_calls(world, viewer, in_europe):
    connection = world.connect(viewer, "openai")
    world.add_hosted(viewer, connection, "gpt-4o", "gpt-4o-mini")
    with world.database.transaction() as tx:
        tx.execute(update(endpoint_target).values(region=None))
        tx.execute(update(provider_connection).values(region="eu"))
    assert {"gpt-4o", "gpt-4o-mini"} <= fitting(world, viewer)

    world.add_budget(viewer, amount_nanos=1_300_000)

    # A typical chat may cost 1 for 1,000,000 tokens: the small one is below, the large one above.
    assert fitting(world, viewer) == {"gpt-4o-mini"}
