"""Invoices of who pays ahead: the wallet pays at once as far as it goes, the rest when it can."""

import pytest

from tests.features.billing.billing_parts import MARCH, event
from tests.features.payments.payments_parts import ONE
from tradewind.features.billing.schemas import InvoiceState, Mode
from tradewind.features.ledger.schemas import AccountKind
from tradewind.features.payments.open_invoices import OpenInvoices

pytestmark = pytest.mark.postgres


@pytest.fixture
def acme(paid):
    """Paid 4 ahead and used all of it; with 19 % of tax the invoice is over 4.76."""
    acme = paid.world.add_buyer(mode=Mode.PREPAID)
    paid.pay_in(acme, 4 * ONE)
    paid.lease(acme, needed=4 * ONE)
    paid.world.use(event(acme, paid.world.add_price(), MARCH, cost_nanos=4 * ONE))
    paid.lease(acme, used=4 * ONE)
    return acme


@pytest.fixture
def pay_all(paid):
    open_invoices = OpenInvoices(paid.world.clock, paid.world.ledger, paid.wallets, paid.bills)

    def pay_all(times=1):
        for _ in range(times):
            open_invoices.pay_all(paid.database)

    return pay_all


def current(paid, row):
    return paid.do(paid.world.billing.invoice, row.invoice_id)


def test_a_wallet_that_is_too_small_pays_a_part_when_the_invoice_is_finalized(paid, acme, pay_all):
    row = paid.world.invoice(acme)
    assert (row.state, row.total_minor, row.open_minor) == (InvoiceState.FINALIZED, 476, 76)
    pay_all()
    assert current(paid, row).open_minor == 76
    assert paid.wallet(acme).balance_nanos == 0
    assert paid.world.differences() == []


def test_what_is_open_is_paid_before_calls_spend_what_comes_in(paid, acme, pay_all):
    row = paid.world.invoice(acme)
    paid.pay_in(acme, ONE // 2, key="half")
    pay_all(2)
    assert current(paid, row).open_minor == 26
    paid.pay_in(acme, 5 * ONE, key="more")
    pay_all(2)
    assert current(paid, row).state is InvoiceState.PAID
    wallet = paid.wallet(acme)
    assert wallet.balance_nanos == wallet.left_nanos == 5 * ONE - 260_000_000
    granted = paid.lease(acme, used=4 * ONE, needed=20 * ONE).granted_nanos
    assert granted == 4 * ONE + wallet.left_nanos
    assert paid.balance(AccountKind.RECEIVABLE, acme) == 0
    assert paid.balance(AccountKind.CASH, "wallet") == 0
    assert paid.world.differences() == []


def test_what_calls_hold_pays_no_invoice(paid, acme, pay_all):
    row = paid.world.invoice(acme)
    paid.pay_in(acme, ONE // 2, key="half")
    paid.lease(acme, used=4 * ONE, needed=ONE // 2)
    pay_all()
    assert current(paid, row).open_minor == 76
    paid.lease(acme, used=4 * ONE)
    pay_all()
    assert current(paid, row).open_minor == 26


def test_who_pays_later_keeps_a_wallet_as_it_is(paid, pay_all):
    later = paid.world.add_buyer(mode=Mode.POSTPAID)
    paid.world.use(event(later, paid.world.add_price(), MARCH, cost_nanos=ONE))
    row = paid.world.invoice(later)
    paid.pay_in(later, 5 * ONE)
    pay_all()
    assert current(paid, row).open_minor == 119
    assert paid.wallet(later).balance_nanos == 5 * ONE
