"""Card payments against the small Stripe: what is posted is what was read back, once."""

import time
from datetime import timedelta

import pytest

from tests.features.billing.billing_parts import APRIL, MARCH, MAY, event
from tests.features.payments.card_parts import OLDER, notice, state_of
from tests.features.payments.payments_parts import ONE
from tradewind.core.errors import Conflict, InvalidInput, NotFound, Unavailable
from tradewind.features.billing.schemas import InvoiceState, Mode
from tradewind.features.ledger.schemas import AccountKind
from tradewind.features.payments.errors import WalletShort
from tradewind.features.payments.schemas import PaymentState
from tradewind.plugins.payments.base import NoticeRefused

pytestmark = pytest.mark.postgres


@pytest.fixture
def cards(world):
    return world.cards


@pytest.fixture
def acme(world):
    return world.acme


@pytest.fixture
def admin(world):
    return world.admin


def test_a_paid_page_fills_the_wallet_once_however_often_it_is_told(
    paid, acme, admin, stripe, cards
):
    payment, url = cards.top_up(admin, 25 * ONE, "USD", key="k")
    assert url.startswith("https://checkout.stripe.com/")
    told = notice(payment.processor_id)
    # Before it is paid a message changes nothing, whatever it says.
    assert cards.take_notice(*told)
    assert paid.wallet(acme).balance_nanos == 0
    stripe.pay(payment.processor_id)
    for _ in range(3):
        assert cards.take_notice(*told)
    assert cards.take_notice(*notice(payment.processor_id, kind="checkout.session.expired"))
    assert paid.wallet(acme).balance_nanos == 25 * ONE
    assert paid.balance(AccountKind.CASH, "stripe") == 25 * ONE
    assert state_of(paid, admin, payment.payment_id).state is PaymentState.PAID


def test_what_is_posted_is_what_came_and_not_what_was_asked_for(paid, acme, admin, stripe, cards):
    payment, _ = cards.top_up(admin, 25 * ONE, "USD", key="k")
    stripe.pay(payment.processor_id, received=1000)
    cards.take_notice(*notice(payment.processor_id))
    assert paid.wallet(acme).balance_nanos == 10 * ONE


def test_a_forged_or_old_message_is_refused(paid, acme, admin, stripe, cards):
    payment, _ = cards.top_up(admin, 25 * ONE, "USD", key="k")
    stripe.pay(payment.processor_id)
    body, header = notice(payment.processor_id)
    stale = notice(payment.processor_id, at=int(time.time()) - 301)
    forged = notice(payment.processor_id, secret="whsec_other")
    for refused in ((body + b" ", header), (body, ""), (body, "t=1"), (b"\xff", header)):
        with pytest.raises(NoticeRefused):
            cards.take_notice(*refused)
    for refused in (stale, forged):
        with pytest.raises(NoticeRefused):
            cards.take_notice(*refused)
    assert paid.wallet(acme).balance_nanos == 0
    assert cards.take_notice(*notice(payment.processor_id, secret=OLDER))
    assert paid.wallet(acme).balance_nanos == 25 * ONE


def test_a_message_about_nothing_of_ours_changes_nothing(paid, acme, admin, cards):
    cards.top_up(admin, 25 * ONE, "USD", key="k")
    assert not cards.take_notice(*notice("cs_other"))
    assert paid.wallet(acme).balance_nanos == 0


def test_a_message_while_stripe_is_away_is_sent_again(paid, acme, admin, stripe, cards):
    payment, _ = cards.top_up(admin, 25 * ONE, "USD", key="k")
    stripe.pay(payment.processor_id)
    stripe.is_away = True
    with pytest.raises(Unavailable):
        cards.take_notice(*notice(payment.processor_id))
    stripe.is_away = False
    # No message ever came through: the upkeep finds it.
    paid.world.clock.turn_to(APRIL + timedelta(minutes=3))
    cards.look_after()
    assert paid.wallet(acme).balance_nanos == 25 * ONE


def test_one_key_is_one_page(admin, stripe, cards):
    first = cards.top_up(admin, 25 * ONE, "USD", key="k")
    assert cards.top_up(admin, 25 * ONE, "USD", key="k").url == first.url
    assert len(stripe.of_kind("checkout.session")) == 1
    with pytest.raises(Conflict):
        cards.top_up(admin, 26 * ONE, "USD", key="k")


def test_an_answer_that_is_lost_makes_no_second_page(admin, stripe, cards):
    stripe.lose_answers = 1
    cards.top_up(admin, 25 * ONE, "USD", key="k")
    assert len(stripe.of_kind("checkout.session")) == 1


def test_a_page_that_was_left_has_failed(paid, admin, stripe, cards):
    payment, _ = cards.top_up(admin, 25 * ONE, "USD", key="k")
    stripe.leave(payment.processor_id)
    cards.take_notice(*notice(payment.processor_id, kind="checkout.session.expired"))
    assert state_of(paid, admin, payment.payment_id).state is PaymentState.FAILED


def test_an_amount_finer_than_cents_is_refused(admin, cards):
    with pytest.raises(InvalidInput):
        cards.top_up(admin, ONE + 1, "USD", key="k")


def test_an_invoice_is_paid_and_what_is_too_much_is_in_the_wallet(paid, stripe, cards):
    later = paid.world.add_buyer(mode=Mode.POSTPAID)
    paid.world.use(event(later, paid.world.add_price(), MARCH, cost_nanos=ONE))
    invoice = paid.world.invoice(later)
    admin = paid.admin(later)
    payment, _ = cards.pay_invoice(admin, invoice.invoice_id, key="k")
    paid.do(paid.world.billing.record_payment, invoice.invoice_id, 100, "bank", "r", "other")
    stripe.pay(payment.processor_id)
    cards.take_notice(*notice(payment.processor_id))
    row = paid.do(paid.world.billing.invoice, invoice.invoice_id)
    assert row.state is InvoiceState.PAID
    assert paid.wallet(later).balance_nanos == ONE
    with pytest.raises(NotFound):
        cards.pay_invoice(paid.admin(paid.world.add_buyer()), invoice.invoice_id, key="k")


@pytest.fixture
def topped_up(world):
    return world.top_up()


def test_what_is_not_spent_is_sent_back_once(paid, acme, admin, stripe, cards, topped_up):  # noqa: PLR0917
    paid.lease(acme, needed=5 * ONE)
    paid.lease(acme, used=5 * ONE)
    for _ in range(2):
        refund = cards.refund(admin, topped_up.payment_id, 20 * ONE, key="r")
        assert refund.state is PaymentState.PAID
    assert len(stripe.of_kind("refund")) == 1
    assert paid.wallet(acme).left_nanos == 0
    assert paid.balance(AccountKind.CASH, "stripe") == 5 * ONE
    with pytest.raises(WalletShort):
        cards.refund(admin, topped_up.payment_id, ONE, key="other")


def test_a_refund_that_was_cut_off_is_ended(paid, acme, admin, stripe, cards, topped_up):  # noqa: PLR0917
    stripe.is_away = True
    with pytest.raises(Unavailable):
        cards.refund(admin, topped_up.payment_id, 20 * ONE, key="r")
    assert paid.wallet(acme).left_nanos == 5 * ONE
    stripe.is_away = False
    cards.look_after()
    cards.look_after()
    assert len(stripe.of_kind("refund")) == 1
    assert cards.refund(admin, topped_up.payment_id, 20 * ONE, key="r").state is PaymentState.PAID


# --- saved cards -----------------------------------------------------------------------------


@pytest.fixture
def save(world):
    return world.save


def test_a_low_wallet_is_topped_up_within_the_cap_of_the_month(paid, acme, save, cards, stripe):
    save()
    for minute in range(4):
        paid.world.clock.turn_to(APRIL + timedelta(minutes=minute))
        cards.top_up_automatically(acme)
        if paid.wallet(acme).left_nanos:
            used = paid.wallet(acme).balance_nanos
            paid.lease(acme, used=0, needed=used)
            paid.lease(acme, used=used)
    assert paid.balance(AccountKind.CASH, "stripe") == 10 * ONE
    paid.world.clock.turn_to(MAY)
    assert cards.top_up_automatically(acme).state is PaymentState.PAID
    assert cards.top_up_automatically(acme) is None
    assert paid.wallet(acme).left_nanos == 5 * ONE
    assert sum(each["amount_received"] for each in stripe.of_kind("payment_intent")) == 1500


def test_a_card_that_is_declined_rests_for_a_day(paid, acme, save, cards):
    save("pm_bad")
    failed = cards.top_up_automatically(acme)
    assert (failed.state, failed.note) == (
        PaymentState.FAILED,
        "the card was refused (card_declined)",
    )
    assert cards.top_up_automatically(acme) is None
    paid.world.clock.turn_to(APRIL + timedelta(hours=25))
    assert cards.top_up_automatically(acme).state is PaymentState.FAILED


def test_a_charge_whose_answer_was_lost_is_made_once(paid, acme, save, cards, stripe):
    save()
    stripe.is_away = True
    with pytest.raises(Unavailable):
        cards.top_up_automatically(acme)
    # One that is under way keeps a second one from beginning.
    assert cards.top_up_automatically(acme) is None
    stripe.is_away = False
    paid.world.clock.turn_to(APRIL + timedelta(minutes=3))
    cards.look_after()
    cards.look_after()
    assert paid.wallet(acme).balance_nanos == 5 * ONE
    assert len(stripe.of_kind("payment_intent")) == 1
