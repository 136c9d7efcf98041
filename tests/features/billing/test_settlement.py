"""Settlement: what hours of usage differ by, once, and in the ledger."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from tests.features.billing.billing_parts import APRIL, HOUR, MARCH, event
from tradewind.features.billing.schemas import Mode
from tradewind.features.billing.tables import settlement, settlement_due, settlement_line
from tradewind.features.ledger.schemas import AccountKind

pytestmark = pytest.mark.postgres


def lines(world):
    with world.database.transaction() as tx:
        return tx.execute(select(settlement_line).order_by(settlement_line.c.number)).all()


def test_an_hour_of_usage_is_owed_and_earned(world):
    acme, price = world.add_buyer(), world.add_price()
    world.use(event(acme, price, MARCH), event(acme, price, MARCH + HOUR / 2))

    assert world.settle() == 1

    [line] = lines(world)
    assert (line.hour, line.requests, line.input_tokens, line.cost_nanos) == (
        MARCH,
        2,
        2_000,
        10_000_000,
    )
    assert world.balance(AccountKind.UNBILLED, acme) == 10_000_000
    assert world.balance(AccountKind.REVENUE, "usage") == -10_000_000
    assert world.differences() == []


def test_what_a_publisher_sells_is_theirs_less_the_fee(world):
    acme, price = world.add_buyer(), world.add_price(seller="mistral")
    world.use(event(acme, price, MARCH, cost_nanos=1_000_000_001))

    world.settle()

    assert world.balance(AccountKind.UNBILLED, acme) == 1_000_000_001
    assert world.balance(AccountKind.FEE) == -30_000_000
    assert world.balance(AccountKind.PAYABLE, "mistral") == -970_000_001
    assert world.differences() == []


def test_settling_again_changes_nothing_and_late_events_are_a_line_of_their_own_hour(world):
    acme, price = world.add_buyer(), world.add_price()
    world.use(event(acme, price, MARCH))
    world.settle()

    assert world.settle() == 0
    world.use(event(acme, price, MARCH + HOUR / 3))
    assert world.settle() == 1
    world.use(
        event(acme, price, MARCH, cost_nanos=-5_000_000, input_tokens=-1_000, output_tokens=-500)
    )
    assert world.settle() == 1

    assert [(line.hour, line.cost_nanos) for line in lines(world)] == [
        (MARCH, 5_000_000),
        (MARCH, 5_000_000),
        (MARCH, -5_000_000),
    ]
    assert world.balance(AccountKind.UNBILLED, acme) == 5_000_000
    assert world.differences() == []


def test_an_hour_that_is_not_over_waits(world):
    acme, price = world.add_buyer(), world.add_price()
    world.clock.turn_to(APRIL + timedelta(minutes=64))
    world.use(event(acme, price, APRIL))

    assert world.settle() == 0
    world.clock.turn_to(APRIL + timedelta(minutes=65))
    assert world.settle() == 1


def test_only_who_has_an_account_and_what_has_a_charged_price_is_settled(world):
    stranger, off = world.add_buyer(mode=None), world.add_buyer(mode=Mode.NONE)
    acme, price = world.add_buyer(billed_from=MARCH + HOUR), world.add_price()
    shown = world.add_price(is_charged=False)
    world.use(
        event(stranger, price, MARCH),
        event(off, price, MARCH),
        event(acme, price, MARCH),
        event(acme, shown, MARCH + HOUR),
    )

    assert world.settle() == 0
    assert world.differences() == []
    with world.database.transaction() as tx:
        assert tx.execute(select(settlement_due)).all() == []


def test_an_account_that_is_opened_later_is_charged_from_the_hour_it_names(world):
    acme, price = world.add_buyer(mode=Mode.NONE, billed_from=MARCH), world.add_price()
    world.use(event(acme, price, MARCH), event(acme, price, MARCH + 5 * HOUR))
    world.settle()

    with world.database.transaction() as tx:
        account = world.billing.account(tx, acme)
        from dataclasses import replace  # noqa: PLC0415

        changed = replace(account, mode=Mode.POSTPAID, billed_from=MARCH + 5 * HOUR)
        assert world.billing.set_account(tx, changed) is not None

    assert world.settle() == 1
    assert world.differences() == []


def test_many_hours_are_settled_some_at_a_time(world):
    acme, price = world.add_buyer(), world.add_price()
    world.use(*(event(acme, price, MARCH + at * HOUR) for at in range(25)))

    assert world.settle(most=10) == 25

    with world.database.transaction() as tx:
        assert tx.execute(select(settlement.c.lines).order_by(settlement.c.number)).scalars().all()[
            :3
        ] == [10, 10, 5]
    assert world.differences() == []


def test_only_one_settles_at_a_time(world):
    acme, price = world.add_buyer(), world.add_price()
    world.use(event(acme, price, MARCH))

    with world.database.transaction() as first:
        assert world.billing.settle(first).lines == 1
        with world.database.transaction() as second:
            assert world.billing.settle(second) is None


def test_what_a_writer_adds_while_its_hour_is_settled_is_settled_next(world):
    acme, price = world.add_buyer(), world.add_price()
    world.use(event(acme, price, MARCH))
    with world.database.connect_raw() as writer:
        from tradewind.features.metering.repository import store_events  # noqa: PLC0415

        store_events(writer, [event(acme, price, MARCH)])
        assert world.settle() == 0, "the writer holds the hour"
        writer.commit()

    assert world.settle() == 1
    assert world.balance(AccountKind.UNBILLED, acme) == 10_000_000
    assert world.differences() == []


def test_a_line_is_never_changed(world):
    acme, price = world.add_buyer(), world.add_price()
    world.use(event(acme, price, MARCH))
    world.settle()

    for statement in (
        settlement_line.update().values(cost_nanos=1),
        settlement_line.delete(),
    ):
        with pytest.raises(DBAPIError), world.database.transaction() as tx:
            tx.execute(statement)
