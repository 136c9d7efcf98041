"""The search follows the catalog: what is read of it, and what a change of it brings."""

import threading
from datetime import date, timedelta

import pytest
from catalog_parts import START, CatalogWorld
from sqlalchemy import delete, func, insert, select, update

from tradewind.core.errors import Unavailable
from tradewind.core.ids import ConnectionId, OfferId, OrganizationId
from tradewind.features.accounts.tables import organization
from tradewind.features.catalog.tables import model, model_alias, offer, publisher
from tradewind.features.endpoints.tables import endpoint
from tradewind.features.providers.tables import provider_connection
from tradewind.features.publishing.tables import listing, validation_run
from tradewind.readmodels.catalog_search.facets import FACETS
from tradewind.readmodels.catalog_search.filling import lock_filling
from tradewind.readmodels.catalog_search.keeping import Did, Keeper
from tradewind.readmodels.catalog_search.live import CatalogSearch
from tradewind.readmodels.catalog_search.postings import PART
from tradewind.readmodels.catalog_search.query import CatalogQuery
from tradewind.readmodels.catalog_search.reading import BATCH, read_batches
from tradewind.readmodels.catalog_search.rows import LowestPrice, Reader
from tradewind.readmodels.catalog_search.state import read_state
from tradewind.readmodels.catalog_search.tables import (
    catalog_search_card,
    catalog_search_change,
    catalog_search_entry,
    catalog_search_posting,
    catalog_search_state,
)

pytestmark = pytest.mark.postgres
PATIENCE_S = 60


@pytest.fixture
def world(database):
    return CatalogWorld(database)


class Kept(CatalogSearch):
    """A search with its worker beside it: what changes is stored when it is asked for."""

    def __init__(self, database, stored_from):
        super().__init__(database, stored_from=stored_from)
        self.keeper = Keeper(database, stored_from=stored_from)

    def refresh(self):
        self.keeper.keep_up()
        super().refresh()


@pytest.fixture(params=["memory", "postgresql"])
def search(request, database):
    stored_from = {"memory": 1000, "postgresql": 0}[request.param]
    search = Kept(database, stored_from)
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


def add_listing(tx, added, slug="small"):
    tx.execute(
        insert(listing).values(
            id="lst_1",
            organization_id=tx.execute(select(organization.c.id)).scalars().first(),
            publisher_slug="tw",
            slug=slug,
            state="listed",
            content={},
            revision=1,
            model_id=added.model_id,
            version_id=added.version_id,
            created_by="user_1",
            created_by_name="U",
            submitted_by="user_1",
            created_at=START,
            updated_at=START,
        )
    )
    return "lst_1"


def add_run(tx, listing_id):
    running = {"state": "running", "is_scheduled": False, "next_try_at": START}
    values = {"id": "run_1", "listing_id": listing_id, "created_at": START, **running}
    tx.execute(insert(validation_run).values(values))
    return "run_1"


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
    search, keeper = CatalogSearch(database, stored_from=1), Keeper(database, stored_from=1)
    try:
        world.add_model("one")
        assert keeper.keep_up() is Did.IN_MEMORY
        assert found(search, "one") == ["one"]
        world.add_model("two")
        assert found(search, "two") == [], "what was known before answers until it is filled"
        assert search.stamp().startswith("memory-")
        assert keeper.keep_up() is Did.NOTHING
        assert found(search, "two") == ["two"]
        assert search.stamp().startswith("stored-")
        with database.transaction() as tx:
            assert tx.execute(select(func.count()).select_from(catalog_search_entry)).scalar() == 2
            assert tx.execute(select(catalog_search_change)).all() == []
    finally:
        search.close()


def test_two_processes_share_what_is_stored(database, world):
    world.add_model("one")
    keeper = Keeper(database, stored_from=0)
    keeper.keep_up()
    first, second = (CatalogSearch(database, stored_from=0) for _ in range(2))
    try:
        assert found(first) == ["one"]
        world.add_model("two")
        keeper.keep_up()
        assert found(second) == ["one", "two"]
        assert found(first) == ["one", "two"]
        assert first.stamp() == second.stamp()
    finally:
        first.close()
        second.close()


def test_whoever_comes_before_a_large_catalog_is_filled_is_told_how_far_it_is(database, world):
    for slug in ("one", "two", "three"):
        world.add_model(slug)
    keeper = Keeper(database, stored_from=0, part=2)
    search = CatalogSearch(database, stored_from=0)
    try:
        with pytest.raises(Unavailable, match="being built"):
            search.search(CatalogQuery.of(), Reader())
        assert [keeper.step(), keeper.step()] == [Did.SOMETHING] * 2  # begins, and fills a part
        with pytest.raises(Unavailable, match="2 of about 3 models"):
            search.search(CatalogQuery.of(), Reader())
        with database.transaction() as tx:
            assert tx.execute(select(func.count()).select_from(catalog_search_entry)).scalar() == 2

        # As after a restart: another process goes on with it.
        assert Keeper(database, stored_from=0, part=2).keep_up() is Did.NOTHING
        assert search.search(CatalogQuery.of(), Reader()).total == 3
    finally:
        search.close()


def test_what_answered_goes_on_answering_while_it_is_filled_anew(database, world):
    world.add_model("one")
    Keeper(database, stored_from=0).keep_up()
    search = CatalogSearch(database, currency="EUR", stored_from=0)
    in_euro = Keeper(database, currency="EUR", stored_from=0)
    try:
        assert found(search, "one") == ["one"]
        before = search.stamp()
        assert [in_euro.step(), in_euro.step()] == [Did.SOMETHING] * 2
        world.add_model("late")
        assert (found(search), search.stamp()) == (["one"], before)
        assert len(search.find(["tw/late", "tw/one"], Reader())) == 1

        in_euro.keep_up()

        assert found(search) == ["late", "one"]
        assert len(search.find(["tw/late", "tw/one"], Reader())) == 2
    finally:
        search.close()


def test_a_filling_for_another_currency_is_given_up(database, world):
    world.add_model("one")
    in_dollars = Keeper(database, stored_from=0)
    assert [in_dollars.step(), in_dollars.step()] == [Did.SOMETHING] * 2

    Keeper(database, currency="EUR", stored_from=0).keep_up()

    with database.transaction() as tx:
        assert read_state(tx).made_for.endswith(" EUR")
        for table in (catalog_search_entry, catalog_search_card):
            assert tx.execute(select(func.count()).select_from(table)).scalar() == 1


def test_what_answered_before_is_cleared_away_in_time(database, world):
    world.add_model("one")
    Keeper(database, stored_from=0).keep_up()
    keeper = Keeper(database, currency="EUR", stored_from=0)
    keeper.keep_up()

    def numbers():
        with database.transaction() as tx:
            return tx.execute(select(catalog_search_card.c.number)).scalars().all()

    assert sorted(numbers()) == [0, PART], "somebody may still answer from it"
    with database.transaction() as tx:
        long_ago = func.now() - timedelta(minutes=6)
        tx.execute(update(catalog_search_state).values(rest_since=long_ago))
    assert keeper.keep_up() is Did.NOTHING
    assert numbers() == [PART]
    with database.transaction() as tx:
        assert set(tx.execute(select(catalog_search_posting.c.part)).scalars()) == {1}
        assert read_state(tx).rest_first is None


def test_whoever_may_not_fill_leaves_it_to_others(database, world):
    world.add_model("one")
    follower = Keeper(database, stored_from=0, may_fill=False)
    assert follower.keep_up() is Did.NOT_ALLOWED
    Keeper(database, stored_from=0).keep_up()
    world.add_model("two")
    assert follower.step() is Did.SOMETHING
    assert follower.keep_up() is Did.NOTHING


def test_one_process_at_a_time_keeps_what_is_stored(database, world):
    world.add_model("one")
    with database.transaction() as tx:
        assert lock_filling(tx)
        assert Keeper(database, stored_from=0).step() is Did.ELSEWHERE


def test_a_filling_that_is_ended_is_as_far_as_its_last_part(database, world):
    for slug in ("one", "two", "three"):
        world.add_model(slug)
    ends = []
    keeper = Keeper(database, stored_from=0, part=2, is_over=lambda: bool(ends))
    assert [keeper.step(), keeper.step()] == [Did.SOMETHING] * 2
    ends.append("now")

    with pytest.raises(Unavailable, match="the process ends"):
        keeper.step()

    with database.transaction() as tx:
        filling = read_state(tx).filling
    assert filling is not None
    assert filling.models == 2


def test_when_much_has_changed_all_is_filled_anew(database, world):
    world.add_model("one")
    keeper = Keeper(database, stored_from=0)
    keeper.keep_up()
    with database.transaction() as tx:
        many = [{"model_id": "model_gone", "xact": 1} for _ in range(2 * BATCH)]
        tx.execute(insert(catalog_search_change), many)

    keeper.keep_up()

    with database.transaction() as tx:
        assert read_state(tx).first == PART


def test_a_run_that_ends_is_found_at_once(world, search):
    """What a publisher listed can be deployed when its last run passed."""
    added = world.add_model()
    add_organization(world)
    with world.database.transaction() as tx:
        tx.execute(update(model).values(origin="published"))
        listed = add_listing(tx, added)
    assert found(search, deployability="here") == []

    with world.database.transaction() as tx:
        run = add_run(tx, listed)
    assert found(search, deployability="here") == []
    with world.database.transaction() as tx:
        ended = update(validation_run).where(validation_run.c.id == run)
        tx.execute(ended.values(state="passed", next_try_at=None, ended_at=START))
    assert found(search, deployability="here") == ["small"]

    stamp = search.stamp()
    with world.database.transaction() as tx:
        tx.execute(update(validation_run).values(stage="tidying"))
    search.refresh()
    assert search.stamp() == stamp, "a stage of a run shows nowhere"
    with world.database.transaction() as tx:
        tx.execute(update(listing).values(state="delisted"))
    search.refresh()
    assert search.stamp() != stamp


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
