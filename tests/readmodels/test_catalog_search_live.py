"""The search follows the catalog: what is read of it, and what a change of it brings."""

import threading
from datetime import date

import pytest
from catalog_parts import START, CatalogWorld
from sqlalchemy import delete, func, insert, select, update

from tradewind.core.errors import Unavailable
from tradewind.core.ids import ConnectionId, OfferId, OrganizationId
from tradewind.features.accounts.tables import organization
from tradewind.features.catalog.tables import model, model_alias, offer, publisher
from tradewind.features.endpoints.tables import endpoint
from tradewind.features.providers.tables import provider_connection
from tradewind.readmodels.catalog_search.facets import FACETS
from tradewind.readmodels.catalog_search.filling import lock_filling
from tradewind.readmodels.catalog_search.live import CatalogSearch
from tradewind.readmodels.catalog_search.query import CatalogQuery
from tradewind.readmodels.catalog_search.reading import read_batches
from tradewind.readmodels.catalog_search.rows import LowestPrice, Reader
from tradewind.readmodels.catalog_search.tables import catalog_search_change, catalog_search_entry

pytestmark = pytest.mark.postgres
PATIENCE_S = 60


@pytest.fixture
def world(database):
    return CatalogWorld(database)


@pytest.fixture(params=["memory", "postgresql"])
def search(request, database):
    stored_from = {"memory": 1000, "postgresql": 0}[request.param]
    search = CatalogSearch(database, stored_from=stored_from)
    yield search
    search.close()


def add_offer(world, added, upstream="m", **values):
    with world.database.transaction() as tx:
        tx.execute(
            insert(offer).values(
                {
                    "id": OfferId.new(),
                    "model_id": added.model_id,
                    "host": "openai",
                    "upstream_model": upstream,
                    "status": "active",
                    "source": "test",
                    "observed_on": date(2030, 1, 1),
                    "first_seen_at": START,
                    "changed_at": START,
                    **values,
                }
            )
        )


def add_organization(world):
    identifier = OrganizationId.new()
    with world.database.transaction() as tx:
        tx.execute(insert(organization).values(id=identifier, name="Else", created_at=START))
    return identifier


def add_connection(world, owner):
    identifier = ConnectionId.new()
    with world.database.transaction() as tx:
        tx.execute(
            insert(provider_connection).values(
                id=identifier,
                organization_id=owner,
                name="c",
                provider="openai_compatible",
                base_url="https://api.example",
                is_private_network=False,
                options={},
                region="",
                zone="",
                retains_data=False,
                trains_on_data=False,
                credential_version=0,
                credential_hint="",
                revision=1,
                created_at=START,
                updated_at=START,
            )
        )
    return identifier


def rows(world, currency="USD"):
    [found] = world.read(lambda tx: list(read_batches(tx, currency)))
    return {row.slug: row for row in found}


def found(search, text="", reader=None, **facets):
    search.refresh()
    query = CatalogQuery.of(text, {name: [value] for name, value in facets.items()})
    page = search.search(query, reader or Reader())
    return sorted(card.model.slug for card in page.cards)


def test_a_model_is_read_with_its_offers_and_their_lowest_price(world):
    added = world.add_model(artifact="host:gpt")
    add_offer(world, added, "a", input_nanos=400, output_nanos=0, region="eu")
    add_offer(world, added, "b", input_nanos=100, output_nanos=300, region="us")
    add_offer(world, added, "c", input_nanos=1, output_nanos=1, status="vanished", region="ap")
    add_offer(world, added, "d", input_nanos=1, output_nanos=1, currency="EUR")
    add_offer(world, added, "e")

    row = rows(world)["small"]

    assert (row.offers, row.regions) == (4, ("eu", "us"))
    assert row.price == LowestPrice(100, 300)
    assert not row.has_weights
    assert rows(world, "EUR")["small"].price == LowestPrice(1, 1)


def test_a_free_offer_is_found_and_the_price_is_what_others_take(world):
    added = world.add_model(artifact="host:gpt")
    add_offer(world, added, "a", input_nanos=0, output_nanos=0)
    add_offer(world, added, "b", input_nanos=100, output_nanos=300)

    row = rows(world)["small"]

    assert (row.price, row.has_free_offer) == (LowestPrice(100, 300), True)
    assert set(FACETS["price"].of(row)) == {"free", "under-0.1"}


def test_what_was_published_can_be_deployed_only_after_a_run_that_passed(world):
    added = world.add_model()
    assert rows(world)["small"].has_weights
    with world.database.transaction() as tx:
        tx.execute(update(model).where(model.c.id == added.model_id).values(origin="published"))
    assert not rows(world)["small"].has_weights


def test_the_platforms_own_price_and_weights_are_told(world):
    added = world.add_model()
    world.set_price(added, input_nanos=9, output_nanos=9)
    world.set_price(added, input_nanos=5, output_nanos=7)

    row = rows(world)["small"]

    assert (row.price, row.has_weights, row.callable_by) == (LowestPrice(5, 7), True, ())


def test_a_price_of_nothing_known_is_unknown_and_not_free(world):
    add_offer(world, world.add_model("none"), "a")
    add_offer(world, world.add_model("free"), "b", input_nanos=0, output_nanos=0)

    assert rows(world)["none"].price is None
    assert rows(world)["free"].price == LowestPrice(0, 0)


def test_offers_through_an_organizations_own_connection_are_its_own_business(world):
    added = world.add_model()
    host = add_connection(world, add_organization(world))
    add_offer(world, added, host=host, input_nanos=1, output_nanos=1, region="secret")

    row = rows(world)["small"]

    assert (row.offers, row.regions, row.price) == (0, (), None)


def test_what_is_deployed_can_be_called_until_its_endpoint_is_closed(world, search):
    world.add_served()
    assert found(search, deployability="callable") == ["small"]

    with world.database.transaction() as tx:
        tx.execute(update(endpoint).values(is_enabled=False))
    assert found(search, deployability="callable") == []


def test_every_change_of_what_a_card_shows_is_found_after_it(world, search):
    assert found(search) == []
    added = world.add_model("first", display_name="First")
    assert found(search) == ["first"]
    stamp = search.stamp()

    add_offer(world, added, region="eu")
    assert found(search, region="eu") == ["first"]
    assert search.stamp() != stamp

    with world.database.transaction() as tx:
        tx.execute(insert(model_alias).values(alias="other-name", model_id=added.model_id))
    assert found(search, "other-name") == ["first"]

    with world.database.transaction() as tx:
        tx.execute(update(publisher).values(name="Renamed Ltd"))
    assert found(search, "renamed") == ["first"]
    page = search.search(CatalogQuery.of(), Reader())
    [publishers] = [facet for facet in page.facets if facet.name == "publisher"]
    assert [value.label for value in publishers.values] == ["Renamed Ltd"]

    with world.database.transaction() as tx:
        tx.execute(delete(offer))
    assert found(search, region="eu") == []


def test_a_model_that_becomes_private_is_gone_for_all_but_its_owner(world, search):
    world.add_model("open")
    world.add_model("secretive")
    owner = add_organization(world)
    assert found(search, "secretive") == ["secretive"]

    with world.database.transaction() as tx:
        hidden = update(model).where(model.c.slug == "secretive")
        tx.execute(hidden.values(visibility="private", organization_id=owner))

    assert found(search) == ["open"]
    assert found(search, reader=Reader(owner)) == ["open", "secretive"]
    assert search.find(["tw/secretive"], Reader()) == []
    assert len(search.find(["tw/secretive"], Reader(owner))) == 1


def test_nothing_is_built_anew_while_nothing_changes(world, search):
    world.add_model()
    search.refresh()
    stamp = search.stamp()

    search.refresh()

    assert search.stamp() == stamp


def test_whoever_asks_after_a_while_does_not_get_what_was_known_then(world, database):
    """As after the first start, when the whole catalog came while nobody looked."""
    now = 0.0
    search = CatalogSearch(database, monotonic=lambda: now, moment_s=PATIENCE_S)

    def known():
        return [card.model.slug for card in search.search(CatalogQuery.of(""), Reader()).cards]

    try:
        assert known() == []
        world.add_model("late")
        assert known() == [], "a moment ago there was none"
        now = 60.0
        assert known() == ["late"]
    finally:
        search.close()


def test_a_change_that_commits_late_is_not_passed_over(world, search):
    """Its number is lower than that of a change which was seen before it."""
    early = world.add_model("early")
    late = world.database.connect_raw()
    with late:
        late.execute("UPDATE model SET display_name = 'Latecomer' WHERE id = %s", [early.model_id])
        world.add_model("quick")
        assert found(search) == ["early", "quick"]
    assert found(search, "latecomer") == ["early"]


def test_a_catalog_that_outgrows_memory_moves_to_the_database(database, world):
    search = CatalogSearch(database, stored_from=1)
    try:
        world.add_model("one")
        assert found(search, "one") == ["one"]
        in_memory = search.stamp()
        world.add_model("two")
        assert found(search, "two") == ["two"]
        assert in_memory.startswith("memory-")
        assert search.stamp().startswith("stored-")
        with database.transaction() as tx:
            assert tx.execute(select(func.count()).select_from(catalog_search_entry)).scalar() == 2
            assert tx.execute(select(catalog_search_change)).all() == []
    finally:
        search.close()


def test_two_processes_share_what_is_stored(database, world):
    world.add_model("one")
    first, second = (CatalogSearch(database, stored_from=0) for _ in range(2))
    try:
        assert found(first) == ["one"]
        world.add_model("two")
        assert found(second) == ["one", "two"]
        assert found(first) == ["one", "two"]
        assert first.stamp() == second.stamp()
    finally:
        first.close()
        second.close()


def test_whoever_comes_while_another_fills_is_asked_to_come_again(database, world):
    world.add_model("one")
    search = CatalogSearch(database, stored_from=0)
    try:
        with database.transaction() as tx:
            assert lock_filling(tx)
            with pytest.raises(Unavailable, match="another process"):
                search.search(CatalogQuery.of(), Reader())
        assert search.search(CatalogQuery.of(), Reader()).total == 1
    finally:
        search.close()


def test_an_index_is_built_once_however_many_ask(database, world):
    world.add_model("one")
    search = CatalogSearch(database)
    stamps = []

    def ask():
        stamps.append(search.search(CatalogQuery.of(), Reader()).stamp)

    askers = [threading.Thread(target=ask) for _ in range(8)]
    try:
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join(PATIENCE_S)
    finally:
        search.close()

    assert len(stamps) == 8
    assert len(set(stamps)) == 1


def test_a_search_that_is_closed_reads_no_further(database, world):
    world.add_model("one")
    search = CatalogSearch(database)
    search.close()

    with pytest.raises(Unavailable, match="the process ends"):
        search.refresh()
