"""The worker settles what is over and closes what is due, by itself."""

import threading
from datetime import timedelta

import pytest

from tests.features.billing.billing_parts import APRIL, MARCH, World, event
from tradewind.features.ledger.schemas import AccountKind
from tradewind.worker.billing import BillingUpkeep

pytestmark = pytest.mark.postgres


@pytest.fixture
def world(database):
    return World.begin(database)


@pytest.fixture
def upkeep(world):
    return BillingUpkeep(world.database, world.billing, world.closing, world.clock, every_s=0.05)


def invoices(world):
    with world.database.transaction() as tx:
        return world.billing.list_invoices(tx)


def test_usage_is_settled_at_once_and_a_month_is_closed_when_it_is_due(world, upkeep):
    acme, price = world.add_buyer(), world.add_price()
    world.use(event(acme, price, MARCH, cost_nanos=1_000_000_000))
    stop = threading.Event()
    world.clock.turn_to(APRIL)
    upkeep.settle(stop)
    upkeep.close(stop)
    assert world.balance(AccountKind.UNBILLED, acme) == 1_000_000_000
    assert invoices(world) == []

    world.clock.turn_to(APRIL + timedelta(hours=48))
    upkeep.close(stop)
    [row] = invoices(world)
    world.use(event(acme, price, MARCH, cost_nanos=1_000_000_000))
    upkeep.settle(stop)
    upkeep.close(stop)

    assert invoices(world) == [row], "a month is closed once; what is late waits for the next"
    assert world.differences() == []


def test_a_close_that_was_left_is_gone_on_with(world, upkeep):
    acme, price = world.add_buyer(), world.add_price()
    world.use(event(acme, price, MARCH, cost_nanos=1_000_000_000))
    world.clock.turn_to(APRIL + timedelta(hours=48))
    with world.database.transaction() as tx:
        world.closing.begin(tx, APRIL)

    upkeep.close(threading.Event())

    assert len(invoices(world)) == 1
