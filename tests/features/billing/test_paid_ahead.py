"""What is paid ahead is owed back until its time has passed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.features.billing.billing_parts import APRIL, MARCH, World
from tradewind.features.billing.ports import NoSubscriptions, TermCharge
from tradewind.features.billing.rules.deferral import is_paid_ahead, month_ends, part, taken_back
from tradewind.features.billing.schemas import InvoiceState
from tradewind.features.ledger.schemas import AccountKind

pytestmark = pytest.mark.postgres
YEAR = 1_200_000_000_000
SINCE = datetime(2030, 3, 11, tzinfo=UTC)
UNTIL = datetime(2031, 3, 11, tzinfo=UTC)


class Yearly(NoSubscriptions):
    organization_id = ""
    seller = "acme"

    def charges_due(self, tx, organization_ids, until):
        return [
            TermCharge(
                f"fee:{self.organization_id}",
                self.organization_id,
                "sub_1",
                "USD",
                "A year of Acme One",
                YEAR,
                SINCE,
                UNTIL,
                self.seller,
                30_000 if self.seller else 0,
            )
        ]


@pytest.fixture
def world(database):
    plans = Yearly()
    world = World.begin(database, plans)
    plans.organization_id = world.add_buyer()
    return world


def earn(world):
    with world.database.transaction() as tx:
        return world.billing.earn(tx)


def balances(world, owner):
    deferred = world.balance(AccountKind.DEFERRED, owner)
    return deferred, world.balance(AccountKind.PAYABLE, "acme"), world.balance(AccountKind.FEE)


def test_a_year_is_earned_month_by_month_and_comes_out_to_the_nano(world):
    acme = world.subscriptions.organization_id

    row = world.invoice(acme)

    assert (row.net_minor, row.exact_nanos) == (120_000, YEAR)
    assert balances(world, acme) == (-YEAR, 0, 0)
    earn(world)
    of_march = YEAR * 21 // 365
    fee = YEAR * 3 // 100 * 21 // 365
    assert balances(world, acme) == (-YEAR + of_march, -(of_march - fee), -fee)
    assert earn(world) == 0, "March is earned once"
    assert world.differences() == []
    world.clock.turn_to(UNTIL)
    assert earn(world) == 1
    assert balances(world, acme) == (0, -YEAR * 97 // 100, -YEAR * 3 // 100)
    assert earn(world) == 0
    assert world.differences() == []


def test_what_is_taken_back_comes_out_of_what_nobody_earned_yet(world):
    acme = world.subscriptions.organization_id
    row = world.invoice(acme)
    earn(world)
    _, earned, fee = balances(world, acme)

    with world.database.transaction() as tx:
        world.billing.credit(tx, row.invoice_id, reason="left", key="k", lines={1: 100_000})

    left = YEAR - YEAR * 21 // 365 - 1_000_000_000_000
    assert balances(world, acme) == (-left, earned, fee)
    assert world.differences() == []
    with world.database.transaction() as tx:
        world.billing.credit(tx, row.invoice_id, reason="all", key="l")
        assert world.billing.invoice(tx, row.invoice_id).state is InvoiceState.VOID
    assert balances(world, acme)[0] == 0, "all of it, and then of what was earned"
    assert world.balance(AccountKind.PAYABLE, "acme") + world.balance(AccountKind.FEE) == 0
    world.clock.turn_to(UNTIL)
    earn(world)
    assert world.balance(AccountKind.DEFERRED, acme) == 0
    assert world.differences() == []


def test_goodwill_is_the_platforms_and_the_rest_goes_on_being_earned(world):
    acme = world.subscriptions.organization_id
    row = world.invoice(acme)

    with world.database.transaction() as tx:
        world.billing.credit(tx, row.invoice_id, reason="sorry", key="k", is_goodwill=True)
    world.clock.turn_to(UNTIL)
    earn(world)

    assert balances(world, acme) == (0, -YEAR * 97 // 100, -YEAR * 3 // 100)
    assert world.balance(AccountKind.CREDIT) == YEAR
    assert world.differences() == []


@given(
    left=st.integers(-(10**18), 10**18),
    hours=st.integers(0, 30_000),
    days=st.integers(32, 1_100),
    late=st.integers(0, 1_500),
)
def test_parts_add_up_and_never_change_their_sign(left, hours, days, late):
    since = MARCH + timedelta(hours=hours)
    until, now = since + timedelta(days=days), since + timedelta(days=late)
    rest, at = left, since
    for to in month_ends(since, until, now):
        earned = part(rest, at, until, to)
        assert 0 <= earned * (1 if left >= 0 else -1) <= abs(rest)
        rest, at = rest - earned, to

    assert (rest == 0) or until > now
    assert at <= now or at == since


def test_only_what_is_longer_than_a_month_and_not_over_is_paid_ahead():
    assert is_paid_ahead(MARCH, MARCH + timedelta(days=32), APRIL)
    assert not is_paid_ahead(MARCH, MARCH + timedelta(days=31), MARCH)
    assert not is_paid_ahead(MARCH, MARCH + timedelta(days=90), MARCH + timedelta(days=90))


@pytest.mark.parametrize(
    ("left", "fee", "nanos", "taken"),
    [(100, 3, 50, (50, 1)), (100, 3, 200, (100, 3)), (-100, -3, -50, (-50, -1)), (0, 0, 5, (0, 0))],
)
def test_a_credit_takes_the_fee_with_it(left, fee, nanos, taken):
    assert taken_back(left, fee, nanos) == taken
