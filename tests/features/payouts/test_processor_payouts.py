"""Payouts that go by Stripe: once, whatever is lost or killed on the way."""

import pytest

from tests.features.payments.payments_parts import ONE
from tests.features.payouts.payouts_parts import BOB
from tradewind.core.errors import Unavailable
from tradewind.features.ledger.schemas import AccountKind
from tradewind.features.payouts.entries import ON_ITS_WAY
from tradewind.features.payouts.schemas import PayoutState, RunStage
from tradewind.features.payouts.transfers import ProcessorPayouts
from tradewind.plugins.payments.base import ProcessorRefused
from tradewind.plugins.payments.stripe import Stripe
from tradewind.testing.fake_stripe import fake_stripe

pytestmark = pytest.mark.postgres


@pytest.fixture
def stripe():
    with fake_stripe() as fake:
        yield fake


@pytest.fixture
def desk(paying, stripe):
    processor = Stripe("sk_test_x", ("whsec_x",), address=stripe.address)
    return ProcessorPayouts(paying.database, paying.runs, processor)


@pytest.fixture
def earned(paying):
    paying.add_publisher(stripe="acct_acme")
    paying.sell(paying.world.add_buyer(), paying.world.add_price(seller="acme"), 100 * ONE)


def test_an_exported_payout_is_transferred_once(paying, earned, desk, stripe):
    run = paying.prepare()
    assert desk.send_due() == 0
    paying.do(paying.runs.approve, paying.finance, run.run_id, by=BOB)
    assert desk.send_due() == 0
    paying.do(paying.runs.export, paying.finance, run.run_id, by=BOB)
    assert [desk.send_due(), desk.send_due()] == [1, 0]
    [transfer] = stripe.of_kind("transfer")
    assert (transfer["amount"], transfer["destination"]) == (9_700, "acct_acme")
    detail = paying.detail(run)
    [payout] = detail.payouts
    assert (payout.state, payout.processor_id) == (PayoutState.CONFIRMED, transfer["id"])
    assert (detail.run.stage, detail.run.has_file) == (RunStage.DONE, False)
    assert paying.balance(AccountKind.CASH, "stripe") == -97 * ONE
    assert paying.balance(AccountKind.CASH, ON_ITS_WAY) == 0
    assert paying.differences() == []


def test_an_answer_that_was_lost_does_not_send_twice(paying, earned, desk, stripe):
    paying.exported()
    stripe.lose_answers = 10
    with pytest.raises(Unavailable):
        desk.send_due()
    stripe.lose_answers = 0
    assert desk.send_due() == 1
    assert len(stripe.of_kind("transfer")) == 1
    assert paying.differences() == []


def test_one_that_was_killed_before_it_noted_the_transfer_does_not_send_twice(
    paying, earned, desk, stripe
):
    [payout] = paying.exported().payouts

    class Killed(Exception):
        pass

    class Dying:
        def transfer(self, asked):
            Stripe("sk_test_x", ("whsec_x",), address=stripe.address).transfer(asked)
            raise Killed

    with pytest.raises(Killed):
        ProcessorPayouts(paying.database, paying.runs, Dying()).send_due()
    assert desk.send_due() == 1
    assert len(stripe.of_kind("transfer")) == 1
    assert stripe.of_kind("transfer")[0]["transfer_group"] == payout.payout_id


def test_what_the_processor_refuses_is_owed_again(paying, earned, desk, stripe):
    [payout] = paying.exported().payouts

    class Refusing:
        def transfer(self, asked):
            raise ProcessorRefused("Stripe refuses this (balance_insufficient)")

    assert ProcessorPayouts(paying.database, paying.runs, Refusing()).send_due() == 0
    assert paying.owed() == 97 * ONE
    [failed] = paying.detail(payout).payouts
    assert failed.state is PayoutState.FAILED
    assert "balance_insufficient" in failed.note
    assert paying.differences() == []


def test_the_bank_does_not_confirm_what_goes_by_stripe(paying, earned, desk):
    run = paying.exported().run
    paying.do(paying.runs.confirm_all, paying.finance, run.run_id, by=BOB)
    [payout] = paying.detail(run).payouts
    assert payout.state is PayoutState.EXPORTED
