"""What nobody said a price for, what providers take, and what was used: read across features."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from catalog_parts import CatalogWorld
from sqlalchemy import insert, text, update

from tests.features.market.price_parts import ADMIN
from tradewind.core.ids import OrganizationId
from tradewind.core.pricing.charges import MeterCharge, PerUnit, PlanTerms
from tradewind.db.outbox import outbox_message
from tradewind.db.sealing import Secret
from tradewind.features.endpoints.tables import endpoint, endpoint_target
from tradewind.features.ledger.service import Ledger
from tradewind.features.market.ports import PriceReaders
from tradewind.features.market.schemas import PriceTerms
from tradewind.features.market.service import Market
from tradewind.features.market.services import build_prices
from tradewind.features.market.simulator import simulated
from tradewind.features.metering.tables import usage_event, usage_hour
from tradewind.features.providers.schemas import NewConnection
from tradewind.features.providers.tables import provider_connection
from tradewind.readmodels.exchange_rates import StoredRates
from tradewind.readmodels.past_usage import past_use
from tradewind.readmodels.prices import model_ids, publishers_of
from tradewind.readmodels.provider_costs import provider_costs
from tradewind.readmodels.unpriced import Gap, alarmed_today, unpriced
from tradewind.worker.prices import PriceUpkeep

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 6, 10, 12, 30, tzinfo=UTC)
HOUR = datetime(2026, 6, 10, 11, tzinfo=UTC)
PLATFORM = OrganizationId("org_platform")


class StandingClock:
    def now(self):
        return NOW

    def monotonic(self):
        return 0.0


class GapWorld(CatalogWorld):
    def add_priced(self, slug="small", **nanos):
        added = self.add_model(slug)
        price_id = self.set_price(added, **nanos) if nanos else None
        self.deploy(added)
        return added, price_id

    def free(self, added):
        with self.database.transaction() as tx:
            return self.market.set_price(
                tx,
                added.model_id,
                "USD",
                input_nanos=0,
                output_nanos=0,
                cached_input_nanos=0,
                is_free=True,
            )

    def use(self, price_id, *, organization="org_a", hour=HOUR, cost=0, requests=3):
        with self.database.transaction() as tx:
            tx.execute(
                insert(usage_hour).values(
                    organization_id=organization,
                    hour=hour,
                    project_id="p",
                    key_id="k",
                    model="whatever",
                    operation="chat",
                    price_id=price_id,
                    currency="USD",
                    requests=requests,
                    failed=0,
                    cancelled=0,
                    orphaned=0,
                    input_tokens=100,
                    cached_input_tokens=30,
                    cache_write_tokens=20,
                    output_tokens=7,
                    cost_nanos=cost,
                    first_token_count=0,
                    first_token_us_total=0,
                    duration_us_total=0,
                )
            )

    def use_meters(self, price_id, meters):
        with self.database.transaction() as tx:
            tx.execute(
                text(
                    "CREATE TABLE IF NOT EXISTS usage_event_d PARTITION OF usage_event"
                    " FOR VALUES FROM ('2026-06-10') TO ('2026-06-11')"
                )
            )
            tx.execute(
                insert(usage_event).values(
                    event_id=uuid4(),
                    at=HOUR,
                    organization_id="org_a",
                    project_id="p",
                    key_id="k",
                    operation="chat",
                    model="m",
                    deployment_id="d",
                    price_id=price_id,
                    currency="USD",
                    is_stream=False,
                    outcome="completed",
                    http_status=200,
                    input_tokens=1,
                    cached_input_tokens=0,
                    output_tokens=1,
                    meters=meters,
                    usage_source="upstream",
                    cost_nanos=0,
                    duration_us=1,
                )
            )

    def gaps(self):
        with self.database.transaction() as tx:
            return [
                (gap.model, gap.gap, gap.meters, gap.calls, gap.organizations)
                for gap in unpriced(tx, NOW)
            ]


@pytest.fixture
def world(database):
    return GapWorld(database)


def test_what_has_a_price_is_no_gap(world):
    _, price_id = world.add_priced(input_nanos=1)
    world.use(price_id)
    assert world.gaps() == []


def test_a_served_model_without_a_price_is_a_gap(world):
    world.add_priced()
    assert world.gaps() == [("tw/small", Gap.MISSING, (), 0, 0)]


def test_a_zero_is_a_gap_unless_it_was_said_to_be_free(world):
    zero = {"input_nanos": 0, "output_nanos": 0, "cached_input_nanos": 0}
    added, price_id = world.add_priced(**zero)
    world.use(price_id)
    world.use(price_id, organization="org_b")
    world.use(price_id, hour=NOW - timedelta(days=8))
    assert world.gaps() == [("tw/small", Gap.ZERO, (), 6, 2)]
    world.free(added)
    assert world.gaps() == []


def test_a_meter_that_was_used_and_has_no_price_is_a_gap(world):
    _, price_id = world.add_priced(input_nanos=1)
    world.use_meters(price_id, {"images": 2, "pages": 1, "reasoning_tokens": 5})
    assert world.gaps() == [("tw/small", Gap.METER, ("images", "pages"), 1, 1)]


def test_the_alarm_is_raised_once_a_day_and_only_of_what_was_called(world, database):
    zero = {"input_nanos": 0, "output_nanos": 0, "cached_input_nanos": 0}
    _, price_id = world.add_priced(**zero)
    world.add_priced("idle", **zero)
    world.use(price_id)
    clock = StandingClock()
    market = Market(clock)
    prices = build_prices(
        market,
        clock,
        PriceReaders(model_ids, provider_costs, StoredRates(Ledger(clock))),
        past_use,
        publishers_of,
    )
    with database.transaction() as tx:
        tx.execute(
            text("INSERT INTO organization (id, name, created_at) VALUES (:id, 'P', :now)"),
            {"id": PLATFORM, "now": NOW},
        )
    world.market._clock = clock
    upkeep = PriceUpkeep(database, market, prices.margins, clock, platform=lambda _tx: PLATFORM)

    first, second = upkeep.raise_alarms(), upkeep.raise_alarms()

    assert [gap.model for gap in first] == ["tw/small"]
    assert second == []
    with database.transaction() as tx:
        [message] = tx.execute(outbox_message.select()).all()
        assert alarmed_today(tx, NOW) == 1
        assert alarmed_today(tx, NOW + timedelta(days=2)) == 0
    assert (message.kind, message.organization_id) == ("price.missing", PLATFORM)
    assert (message.payload["model"], message.payload["gap"]) == ("tw/small", "zero")


def test_past_use_counts_each_token_once(world, database):
    _, price_id = world.add_priced(input_nanos=1)
    world.use(price_id, cost=50)
    world.use(price_id, organization="org_b", cost=5)
    with database.transaction() as tx:
        since, until = HOUR - timedelta(hours=1), HOUR + timedelta(hours=1)
        found = past_use(tx, OrganizationId("org_a"), ["tw/small"], since, until, 10)
        everybody = past_use(tx, None, [], since, until, 10)
        assert past_use(tx, None, ["tw/none"], since, until, 10) == []
    [use] = found
    assert (use.model, use.cost_nanos, use.currency) == ("tw/small", 50, "USD")
    assert use.quantities == {
        "requests": 3,
        "input_tokens": 50,
        "cached_input_tokens": 30,
        "cache_write_tokens": 20,
        "output_tokens": 7,
    }
    assert len(everybody) == 2


def test_a_plan_is_rated_for_each_buyer_beside_what_was_paid(world, database):
    _, price_id = world.add_priced(input_nanos=1)
    world.use(price_id, cost=50)
    world.use(price_id, organization="org_b", cost=5)
    since, until = HOUR - timedelta(days=29), HOUR + timedelta(days=1)
    terms = PlanTerms(
        "EUR", (MeterCharge("requests", PerUnit(2_000_000), included=1),), fee_nanos=100
    )
    with database.transaction() as tx:
        used = past_use(tx, None, [], since, until, 10)
    found = simulated(terms, used, since, until)
    [row] = found.models
    # Each buyer: a fee of 100, and two requests beyond the one that it pays for, at 2.
    assert (row.buyers, row.nanos, found.nanos) == (2, 208, 208)
    assert (found.currency, found.present_nanos) == ("EUR", {"USD": 55})
    half = simulated(terms, used, until - timedelta(days=15), until)
    assert half.nanos == 2 * (50 + 4)


def test_models_without_a_provider_have_no_cost(world, database):
    world.add_priced(input_nanos=1)
    with database.transaction() as tx:
        assert provider_costs(tx) == []


def over_own_account(world):
    """A model that one organization calls over an account of its own, and nothing else."""
    added, _ = world.add_priced()
    with world.database.transaction() as tx:
        tx.execute(
            text("INSERT INTO organization (id, name, created_at) VALUES (:id, 'A', :now)"),
            {"id": ADMIN.organization_id, "now": NOW},
        )
        new = NewConnection(host="groq", credential=Secret("gsk-0123456789-abcdefgh-wxyz"))
        connection = world.providers.add_connection(tx, ADMIN, new)
        whose = {"organization_id": ADMIN.organization_id}
        tx.execute(update(provider_connection).values(whose))
        tx.execute(update(endpoint).values(whose))
        tx.execute(
            update(endpoint_target).values(
                deployment_id=None, connection_id=connection.id, upstream_model="small"
            )
        )
    return added


def show_price(world, added):
    with world.database.transaction() as tx:
        whose = ADMIN.organization_id
        world.market.show_price(tx, added.model_id, whose, PriceTerms("USD", {"input_tokens": 1}))
        return world.market.shown_price_of(tx, added.model_id, whose).price_id


def test_what_is_called_over_own_accounts_at_an_own_price_is_no_gap(world):
    added = over_own_account(world)
    assert world.gaps() == [("tw/small", Gap.MISSING, (), 0, 0)]
    show_price(world, added)
    assert world.gaps() == []


def test_an_own_price_fills_no_gap_where_an_account_of_the_platforms_answers(world, database):
    show_price(world, over_own_account(world))
    with database.transaction() as tx:
        tx.execute(update(provider_connection).values(organization_id=None))
    assert world.gaps() == [("tw/small", Gap.MISSING, (), 0, 0)]


def test_everybodys_price_has_no_gap_by_what_is_counted_at_an_own_one(world):
    added = over_own_account(world)
    world.set_price(added, input_nanos=0, output_nanos=0, cached_input_nanos=0)
    assert world.gaps() == [("tw/small", Gap.ZERO, (), 0, 0)]
    own = show_price(world, added)
    assert world.gaps() == []
    world.set_price(added)
    world.use_meters(own, {"images": 2})
    assert world.gaps() == []
