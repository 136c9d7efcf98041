"""Closing a month: all organizations, once, whatever is killed in between."""

import threading
from datetime import timedelta

import pytest

from tests.features.billing.billing_parts import APRIL, HOUR, MARCH, MAY, buyer, event
from tradewind.features.billing.closing import Step
from tradewind.features.billing.errors import CloseRunning, PeriodOpen
from tradewind.features.billing.schemas import BuyerKind, CloseState

pytestmark = pytest.mark.postgres
READY = APRIL + timedelta(hours=48)


@pytest.fixture
def buyers(world):
    world.clock.turn_to(READY)
    price = world.add_price()
    made = sorted(world.add_buyer() for _ in range(5))
    world.use(*(event(each, price, MARCH, cost_nanos=1_000_000_000) for each in made[:4]))
    return made


def invoices(world):
    with world.database.transaction() as tx:
        return world.billing.list_invoices(tx)


def test_a_month_is_closed_once_for_everybody_who_used_something(world, buyers):
    seen = []
    close = world.closing.close_period(world.database, APRIL, seen.append)

    assert (close.state, close.total, close.done, close.invoices) == (CloseState.DONE, 5, 5, 4)
    assert {str(row.organization_id) for row in invoices(world)} == set(buyers[:4])
    assert sorted(row.number for row in invoices(world)) == [
        f"INV-2030-{number:06d}" for number in range(1, 5)
    ]
    assert len(seen) >= 3
    again = world.closing.close_period(world.database, APRIL, seen.append)
    assert (again.invoices, len(invoices(world))) == (0, 4)
    assert world.differences() == []


def test_a_close_goes_on_where_it_was_left(world, buyers):
    with world.database.transaction() as tx:
        close = world.closing.begin(tx, APRIL)
    with world.database.transaction() as tx:
        assert world.closing.step(tx, close.close_id).step is Step.SETTLED
    with world.database.transaction() as tx:
        taken = world.closing.step(tx, close.close_id, at_once=2)
    assert (taken.step, taken.close.done) == (Step.ISSUED, 2)
    stopped = threading.Event()
    stopped.set()
    left = world.closing.close_period(world.database, APRIL, lambda _: None, stopped)
    assert left.close_id == close.close_id

    ended = world.closing.close_period(world.database, APRIL, lambda _: None)

    assert (ended.close_id, ended.done, ended.invoices) == (close.close_id, 5, 4)
    assert world.differences() == []


def test_a_step_that_fails_leaves_nothing(world, buyers):
    with world.database.transaction() as tx:
        close = world.closing.begin(tx, APRIL)
    world.settle()

    def step_and_fail():
        with world.database.transaction() as tx:
            assert world.closing.step(tx, close.close_id).step is Step.ISSUED
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        step_and_fail()
    assert invoices(world) == []

    ended = world.closing.close_period(world.database, APRIL, lambda _: None)

    assert ended.invoices == 4
    assert min(row.number for row in invoices(world)) == "INV-2030-000001"
    assert world.differences() == []


def test_one_close_runs_at_a_time_and_can_be_cancelled(world, buyers):
    world.clock.turn_to(MAY + timedelta(hours=48))
    with world.database.transaction() as tx:
        close = world.closing.begin(tx, APRIL)
        with pytest.raises(CloseRunning):
            world.closing.begin(tx, MAY)
        assert world.closing.cancel(tx, close.close_id).state is CloseState.CANCELLED
        assert world.closing.step(tx, close.close_id).step is Step.ENDED
        assert world.closing.begin(tx, MAY).period_end == MAY


def test_a_month_is_closed_after_its_time_of_grace(world):
    for now, until in (
        (READY - timedelta(seconds=1), APRIL),
        (READY, MAY),
        (READY, APRIL + HOUR),
    ):
        world.clock.turn_to(now)
        with pytest.raises(PeriodOpen), world.database.transaction() as tx:
            world.closing.begin(tx, until)


def test_who_cannot_be_invoiced_is_named_and_holds_up_nobody(world, buyers):
    nowhere = world.add_buyer(party=buyer(country="BR"), buyer_kind=BuyerKind.CONSUMER)
    world.use(event(nowhere, world.add_price(), MARCH, cost_nanos=1_000_000_000))

    close = world.closing.close_period(world.database, APRIL, lambda _: None)

    assert (close.invoices, close.problem_count) == (4, 1)
    [(organization_id, why)] = close.problems
    assert organization_id == nowhere
    assert "BR" in why
