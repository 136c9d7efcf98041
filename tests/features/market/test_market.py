"""Prices: versions that are never changed, the newest one in force."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DataError, IntegrityError

from tradewind.core.clock import SystemClock
from tradewind.features.catalog.builtin import MINILM, SMOLLM2
from tradewind.features.catalog.service import Catalog
from tradewind.features.market.service import Market
from tradewind.features.market.tables import price
from tradewind.readmodels.prices import price_in_force

pytestmark = pytest.mark.postgres

NANOS = {"input_nanos": 20_000_000, "output_nanos": 60_000_000, "cached_input_nanos": 5_000_000}


LATER = datetime(2030, 2, 1, tzinfo=UTC)


class HandTurnedClock:
    def __init__(self):
        self.at = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)

    def now(self):
        return self.at

    def monotonic(self):
        return self.at.timestamp()


@pytest.fixture
def clock():
    return HandTurnedClock()


@pytest.fixture
def market(clock):
    return Market(clock)


@pytest.fixture
def model_id(database):
    return add_model(database, SMOLLM2)


def add_model(database, entry):
    with database.transaction() as tx:
        added = Catalog(SystemClock()).add_builtin(tx, entry)
    assert added is not None
    return added.model_id


def in_force(database, at=LATER):
    prices = price_in_force(at)
    with database.transaction() as tx:
        rows = tx.execute(select(prices.c.model_id, prices.c.id, prices.c.input_nanos))
        return {row.model_id: (row.id, row.input_nanos) for row in rows}


def test_the_newest_price_is_in_force_and_the_former_ones_stay(database, market, clock, model_id):
    ids = []
    for nanos in (3, 1, 2):
        with database.transaction() as tx:
            ids.append(market.set_price(tx, model_id, "USD", **{**NANOS, "input_nanos": nanos}))
        clock.at += timedelta(microseconds=1)
    assert in_force(database) == {model_id: (ids[-1], 2)}
    with database.transaction() as tx:
        rows = tx.execute(select(price).order_by(price.c.created_at)).all()
    assert [(row.id, row.input_nanos) for row in rows] == list(zip(ids, (3, 1, 2), strict=True))


def test_each_model_has_a_price_of_its_own_in_force(database, market, model_id):
    other_id = add_model(database, MINILM)
    with database.transaction() as tx:
        market.set_price(tx, model_id, "USD", **NANOS)
        market.set_price(tx, other_id, "EUR", **{**NANOS, "input_nanos": 7})
    assert {key: nanos for key, (_, nanos) in in_force(database).items()} == {
        model_id: 20_000_000,
        other_id: 7,
    }


def test_of_prices_set_at_the_same_moment_exactly_one_is_in_force(database, market, model_id):
    with database.transaction() as tx:
        ids = [market.set_price(tx, model_id, "USD", **NANOS) for _ in range(3)]
    assert in_force(database) == {model_id: (max(ids), 20_000_000)}


@pytest.mark.parametrize(
    "change",
    [
        update(price).values(input_nanos=0),
        update(price).where(price.c.id == "price_unknown").values(input_nanos=0),
        delete(price),
        text("TRUNCATE price CASCADE"),
    ],
    ids=["update", "update of none", "delete", "truncate"],
)
def test_a_price_cannot_be_changed_or_removed(database, market, model_id, change):
    with database.transaction() as tx:
        price_id = market.set_price(tx, model_id, "USD", **NANOS)
    with pytest.raises(IntegrityError, match="price is immutable"), database.transaction() as tx:
        tx.execute(change)
    assert in_force(database) == {model_id: (price_id, 20_000_000)}


@pytest.mark.parametrize(
    ("currency", "changes"),
    [
        ("usd", {}),
        ("US", {}),
        ("USD", {"input_nanos": -1}),
        ("USD", {"output_nanos": -1}),
        ("USD", {"cached_input_nanos": -1}),
        ("USD", {"output_nanos": 10**15 + 1}),
    ],
)
def test_the_database_refuses_an_impossible_price(database, market, model_id, currency, changes):
    with pytest.raises(IntegrityError, match="price"), database.transaction() as tx:
        market.set_price(tx, model_id, currency, **{**NANOS, **changes})


def test_a_price_beyond_64_bits_is_refused(database, market, model_id):
    with pytest.raises(DataError), database.transaction() as tx:
        market.set_price(tx, model_id, "USD", **{**NANOS, "input_nanos": 2**63})


def test_the_largest_price_is_kept_exactly(database, market, model_id):
    with database.transaction() as tx:
        market.set_price(tx, model_id, "USD", **{**NANOS, "input_nanos": 10**15})
    assert in_force(database)[model_id][1] == 10**15
