"""Wallets: what is paid in can be spent once, and nothing more."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.features.billing.billing_parts import APRIL, MARCH, MAY, event
from tests.features.payments.payments_parts import ONE
from tradewind.core.errors import Forbidden, InvalidInput, PreconditionFailed
from tradewind.core.permissions import Role
from tradewind.db.outbox import outbox_message
from tradewind.features.billing.schemas import Mode
from tradewind.features.ledger.schemas import AccountKind, AccountRef
from tradewind.features.payments.errors import PaymentKeyReused, WalletMissing, WalletShort
from tradewind.features.payments.schemas import AutoTopUp, LotKind, WalletSettings

pytestmark = pytest.mark.postgres


@pytest.fixture
def acme(paid):
    return paid.world.add_buyer(mode=Mode.PREPAID)


@pytest.fixture
def price(paid):
    return paid.world.add_price()


def give(paid, organization_id, nanos, *, key="c", expires_at=None):
    return paid.do(
        paid.wallets.give_credit,
        paid.admin(organization_id),
        organization_id,
        nanos,
        "USD",
        key=key,
        memo="welcome",
        expires_at=expires_at,
    )


def look_after(paid):
    assert paid.do(paid.wallets.look_after, "") == ""


def take_out(paid, organization_id, nanos, *, key="r"):
    paid.do(
        paid.wallets.take_out,
        organization_id,
        nanos,
        AccountRef(AccountKind.CASH, "bank", "USD"),
        key=key,
        kind="refund",
        payment_id="pay_1",
    )


def test_what_is_paid_in_is_owed_by_the_ledger_and_may_be_spent_by_gateways(paid, acme):
    assert paid.pay_in(acme, 10 * ONE)
    assert paid.balance(AccountKind.WALLET, acme) == -10 * ONE
    assert paid.balance(AccountKind.CASH, "bank") == 10 * ONE
    assert paid.lease(acme, needed=4 * ONE).granted_nanos == 4 * ONE
    assert paid.lease(acme, needed=40 * ONE, node="h").granted_nanos == 6 * ONE
    assert paid.wallet(acme).left_nanos == 10 * ONE
    assert paid.wallet(acme).held_nanos == 10 * ONE


def test_paying_in_twice_under_one_key_is_once(paid, acme):
    assert [paid.pay_in(acme, ONE), paid.pay_in(acme, ONE)] == [True, False]
    assert paid.wallet(acme).balance_nanos == ONE
    with pytest.raises(PaymentKeyReused):
        paid.pay_in(acme, 2 * ONE)


def test_two_at_once_pay_in_once(paid, acme):
    paid.pay_in(acme, ONE, key="first")
    done = []
    threads = [
        threading.Thread(target=lambda: done.append(paid.pay_in(acme, ONE, key="same")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(done) == [False, False, False, True]
    assert paid.wallet(acme).balance_nanos == 2 * ONE


def test_who_pays_ahead_and_has_nothing_may_spend_nothing(paid, acme):
    look_after(paid)
    assert paid.lease(acme, needed=1).granted_nanos == 0


def test_who_pays_later_is_not_stopped_by_a_wallet(paid):
    later = paid.world.add_buyer(mode=Mode.POSTPAID)
    paid.pay_in(later, ONE)
    assert paid.budget_of(later) is None
    assert paid.wallet(later).left_nanos == ONE


def test_usage_that_is_invoiced_from_the_wallet_is_not_taken_twice(paid, acme, price):
    paid.pay_in(acme, 10 * ONE)
    paid.lease(acme, needed=4 * ONE)
    paid.world.use(event(acme, price, MARCH, cost_nanos=4 * ONE))
    paid.lease(acme, used=4 * ONE)
    assert paid.wallet(acme).left_nanos == 6 * ONE

    row = paid.world.invoice(acme)

    look_after(paid)
    # 19 % of tax left the wallet beside the usage.
    assert row.total_minor == 476
    assert paid.wallet(acme).balance_nanos == paid.wallet(acme).left_nanos == 5_240_000_000
    assert paid.lease(acme, used=4 * ONE, needed=9 * ONE).granted_nanos == 9_240_000_000


def test_usage_that_nobody_charges_costs_the_wallet_nothing(paid, acme):
    shown = paid.world.add_price(is_charged=False)
    paid.world.use(event(acme, shown, MARCH, cost_nanos=7 * ONE))
    paid.pay_in(acme, ONE)
    assert paid.wallet(acme).left_nanos == ONE
    assert paid.lease(acme, needed=9 * ONE).granted_nanos == ONE


def test_usage_of_before_the_first_payment_is_owed(paid, acme, price):
    paid.world.use(event(acme, price, MARCH, cost_nanos=3 * ONE))
    paid.pay_in(acme, 5 * ONE)
    assert paid.wallet(acme).left_nanos == 2 * ONE


def test_members_cannot_change_the_budget_of_a_wallet(paid, acme):
    from tradewind.features.accounts.service import Accounts  # noqa: PLC0415
    from tradewind.features.budgets.errors import WalletBudget  # noqa: PLC0415
    from tradewind.features.budgets.schemas import BudgetChanges  # noqa: PLC0415
    from tradewind.features.budgets.service import Budgets  # noqa: PLC0415
    from tradewind.readmodels.spend import read_spends  # noqa: PLC0415

    paid.pay_in(acme, ONE)
    budgets, admin = (
        Budgets(Accounts(bytes(32), paid.world.clock), paid.world.clock, read_spends),
        paid.admin(acme),
    )
    found = paid.budget_of(acme)
    assert paid.do(budgets.get_budget, admin, found.id).is_wallet
    with pytest.raises(WalletBudget):
        paid.do(budgets.update_budget, admin, found.id, BudgetChanges(amount_nanos=10**18))
    with pytest.raises(WalletBudget):
        paid.do(budgets.delete_budget, admin, found.id)


def test_what_gateways_hold_cannot_be_taken_out(paid, acme):
    paid.pay_in(acme, 10 * ONE)
    paid.lease(acme, needed=7 * ONE)
    with pytest.raises(WalletShort):
        take_out(paid, acme, 4 * ONE)
    take_out(paid, acme, 3 * ONE)
    assert paid.lease(acme, needed=10 * ONE).granted_nanos == 7 * ONE
    assert paid.wallet(acme).balance_nanos == 7 * ONE


def test_credit_is_spent_before_what_was_paid_and_is_never_paid_out(paid, acme):
    paid.pay_in(acme, 5 * ONE)
    give(paid, acme, 3 * ONE)
    paid.lease(acme, needed=4 * ONE)
    paid.lease(acme, used=4 * ONE)
    [lot] = paid.wallet(acme).lots
    assert (lot.kind, lot.left_nanos) == (LotKind.PAID, 4 * ONE)
    with pytest.raises(WalletShort):
        take_out(paid, acme, 5 * ONE)
    take_out(paid, acme, 4 * ONE)
    assert paid.wallet(acme).left_nanos == 0


def test_credit_that_came_after_the_spending_is_whole(paid, acme):
    paid.pay_in(acme, 5 * ONE)
    paid.lease(acme, needed=5 * ONE)
    paid.lease(acme, used=5 * ONE)
    shown = give(paid, acme, 3 * ONE)
    assert [(lot.kind, lot.left_nanos) for lot in shown.lots] == [(LotKind.CREDIT, 3 * ONE)]


def test_credit_expires_as_far_as_it_is_not_spent(paid, acme):
    day = timedelta(days=1)
    paid.pay_in(acme, 5 * ONE)
    give(paid, acme, 3 * ONE, expires_at=APRIL + day)
    paid.lease(acme, needed=ONE)
    paid.lease(acme, used=ONE)
    look_after(paid)
    assert paid.wallet(acme).left_nanos == 7 * ONE
    paid.world.clock.turn_to(APRIL + day)
    look_after(paid)
    look_after(paid)
    assert paid.wallet(acme).left_nanos == 5 * ONE
    assert paid.balance(AccountKind.CREDIT, "promotion") == ONE
    assert paid.balance(AccountKind.WALLET, acme) == -7 * ONE + ONE


def test_credit_that_calls_hold_expires_when_they_gave_it_back(paid, acme):
    give(paid, acme, 3 * ONE, expires_at=MAY)
    paid.lease(acme, needed=2 * ONE)
    paid.world.clock.turn_to(MAY)
    look_after(paid)
    assert paid.wallet(acme).left_nanos == 2 * ONE
    paid.lease(acme, used=ONE)
    look_after(paid)
    assert paid.wallet(acme).left_nanos == 0
    assert paid.balance(AccountKind.WALLET, acme) == -ONE


def test_only_the_platform_gives_credit(paid, acme):
    viewer = paid.admin(acme, Role.DEVELOPER)
    with pytest.raises(Forbidden):
        paid.do(paid.wallets.give_credit, viewer, acme, ONE, "USD", key="c", memo="")
    with pytest.raises(WalletMissing):
        paid.wallet(acme)


def test_a_wallet_has_the_currency_of_its_bills(paid, acme):
    with pytest.raises(InvalidInput):
        paid.pay_in(acme, ONE, currency="EUR")


def test_a_low_wallet_is_told_once_until_it_is_filled(paid, acme):
    admin = paid.admin(acme)
    paid.pay_in(acme, 5 * ONE)
    paid.do(paid.wallets.set_up, admin, WalletSettings(low_nanos=2 * ONE))
    paid.lease(acme, needed=4 * ONE)
    look_after(paid)
    paid.lease(acme, used=4 * ONE)
    look_after(paid)
    look_after(paid)
    with paid.database.transaction() as tx:
        told = tx.execute(
            select(outbox_message.c.payload).where(outbox_message.c.kind == "wallet.low")
        ).all()
    assert [row.payload for row in told] == [{"currency": "USD", "left": "1", "low": "2"}]


def test_automatic_top_up_needs_a_card_and_a_cap_above_its_amount(paid, acme):
    admin = paid.admin(acme)
    paid.pay_in(acme, ONE)
    for auto in (AutoTopUp(ONE, 5 * ONE, 9 * ONE), AutoTopUp(ONE, 5 * ONE, ONE)):
        with pytest.raises(InvalidInput):
            paid.do(paid.wallets.set_up, admin, WalletSettings(auto=auto))


def test_settings_are_not_changed_by_who_saw_others(paid, acme):
    admin = paid.admin(acme)
    paid.pay_in(acme, ONE)
    seen = paid.wallet(acme).revision
    paid.do(paid.wallets.set_up, admin, WalletSettings(low_nanos=1), revision=seen)
    with pytest.raises(PreconditionFailed):
        paid.do(paid.wallets.set_up, admin, WalletSettings(low_nanos=2), revision=seen)
