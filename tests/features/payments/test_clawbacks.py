"""Disputes, and refunds made at the processor: what went back leaves the books once, and comes
back to the nano when a dispute is won.
"""

from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.features.billing.billing_parts import APRIL, MARCH, event
from tests.features.payments.payments_parts import ONE
from tradewind.core.errors import InvalidInput, Unavailable
from tradewind.db.outbox import outbox_message
from tradewind.features.billing.errors import BillingKeyReused
from tradewind.features.billing.schemas import Mode
from tradewind.features.ledger.schemas import AccountKind
from tradewind.features.payments.errors import WalletShort
from tradewind.features.payments.schemas import PaymentState

pytestmark = pytest.mark.postgres


@pytest.fixture
def books(world):
    """Return what lies where: at the processor, in the wallet, written off for disputes."""

    def books(owner="disputes"):
        paid = world.paid
        return (
            paid.balance(AccountKind.CASH, "stripe") / ONE,
            -paid.balance(AccountKind.WALLET, world.acme) / ONE,
            paid.balance(AccountKind.WRITE_OFF, owner) / ONE,
        )

    return books


def told(world, kind):
    with world.paid.database.transaction() as tx:
        rows = tx.execute(
            select(outbox_message.c.payload)
            .where(outbox_message.c.kind == kind)
            .order_by(outbox_message.c.id)
        )
        return [row.payload for row in rows]


def test_a_disputed_top_up_leaves_the_wallet_and_comes_back_when_it_is_won(world, books):
    payment = world.top_up()
    dispute = world.stripe.dispute(payment.intent_id)
    for kind in ("created", "funds_withdrawn", "updated"):
        assert world.tell(f"charge.dispute.{kind}", dispute)
    assert (books(), world.left) == ((0, 0, 0), 0)
    assert world.paid.lease(world.acme, needed=ONE).granted_nanos == 0

    world.stripe.close_dispute(dispute, "won")
    for kind in ("funds_reinstated", "closed"):
        assert world.tell(f"charge.dispute.{kind}", dispute)
    assert (books(), world.left) == ((25, 25, 0), 25 * ONE)
    assert [each["state"] for each in told(world, "payment.disputed")] == ["open", "won"]
    assert world.paid.world.differences() == []


def test_what_was_spent_of_a_disputed_top_up_is_taken_of_the_next_one(world, books):
    payment = world.top_up()
    world.spend(20 * ONE)
    dispute = world.stripe.dispute(payment.intent_id)
    world.tell("charge.dispute.created", dispute)
    assert (books(), world.left) == ((0, 20, 20), 0)
    world.stripe.close_dispute(dispute, "lost")
    world.tell("charge.dispute.closed", dispute)

    world.top_up(30 * ONE, key="other")
    for _ in range(2):
        world.cards.look_after()

    assert (books(), world.left) == ((30, 30, 0), 10 * ONE)


def test_what_calls_hold_of_a_disputed_top_up_is_taken_when_they_end(world, books):
    payment = world.top_up()
    world.paid.lease(world.acme, needed=10 * ONE)
    world.tell("charge.dispute.created", world.stripe.dispute(payment.intent_id))
    assert books() == (0, 10, 10)
    world.paid.lease(world.acme, used=4 * ONE)
    world.cards.look_after()
    assert (books(), world.left) == ((0, 4, 4), 0)


def test_credit_that_was_given_is_not_taken_for_a_dispute(world, books):
    payment = world.top_up()
    paid = world.paid
    paid.do(
        paid.wallets.give_credit, world.admin, world.acme, 5 * ONE, "USD", key="c", memo="welcome"
    )
    world.spend(7 * ONE)
    world.tell("charge.dispute.created", world.stripe.dispute(payment.intent_id))
    assert books() == (0, 7, 2)
    paid.do(
        paid.wallets.give_credit, world.admin, world.acme, 5 * ONE, "USD", key="d", memo="sorry"
    )
    world.cards.look_after()
    assert (books()[2], world.left) == (2, 5 * ONE)


@pytest.mark.parametrize("status", ["warning_needs_response", "warning_closed", "prevented"])
def test_a_question_of_a_bank_takes_nothing(world, books, status):
    payment = world.top_up()
    dispute = world.stripe.dispute(payment.intent_id, status=status)
    assert world.tell("charge.dispute.created", dispute)
    assert (books(), told(world, "payment.disputed")) == ((25, 25, 0), [])


def test_messages_in_any_order_end_where_stripe_ends(world, books):
    payment = world.top_up()
    dispute = world.stripe.dispute(payment.intent_id)
    created = world.stripe.event("charge.dispute.created", dispute)
    world.stripe.close_dispute(dispute, "won")
    world.tell("charge.dispute.closed", dispute)
    world.redeliver(created)
    assert books() == (25, 25, 0)
    assert [each["state"] for each in told(world, "payment.disputed")] == ["won"]
    # Networks open a case again: it is taken again, and lost for good.
    world.stripe.close_dispute(dispute, "appeal_under_review")
    world.tell("charge.dispute.updated", dispute)
    assert books() == (0, 0, 0)
    world.stripe.close_dispute(dispute, "won")
    world.redeliver(created)
    world.stripe.close_dispute(dispute, "lost")
    world.redeliver(created)
    world.redeliver(created)
    assert books() == (0, 0, 0)
    assert world.paid.world.differences() == []


def test_a_dispute_that_nobody_told_the_end_of_is_looked_at_again(world, books):
    payment = world.top_up()
    dispute = world.stripe.dispute(payment.intent_id)
    world.tell("charge.dispute.created", dispute)
    world.stripe.close_dispute(dispute, "won")
    world.paid.world.clock.turn_to(APRIL + timedelta(hours=2))
    world.cards.look_after()
    assert books() == (25, 25, 0)


def test_a_part_is_disputed_and_the_amount_changes(world, books):
    payment = world.top_up()
    dispute = world.stripe.dispute(payment.intent_id, 1000)
    world.tell("charge.dispute.created", dispute)
    assert books() == (15, 15, 0)
    world.stripe.objects[dispute]["amount"] = 600
    world.tell("charge.dispute.updated", dispute)
    assert books() == (19, 19, 0)
    assert world.paid.world.differences() == []


def test_who_denies_a_charge_is_not_charged_again_without_being_asked(world):
    payment = world.top_up()
    world.save()
    world.tell("charge.dispute.created", world.stripe.dispute(payment.intent_id))
    assert world.paid.wallet(world.acme).auto is None
    assert world.cards.top_up_automatically(world.acme) is None


def test_what_is_disputed_is_not_refunded_as_well(world):
    payment = world.top_up()
    world.tell("charge.dispute.created", world.stripe.dispute(payment.intent_id, 2000))
    with pytest.raises(WalletShort):
        world.cards.refund(world.admin, payment.payment_id, 6 * ONE, key="r")


def test_a_dispute_in_another_currency_is_nobodys_and_is_told_again(world, books):
    payment = world.top_up()
    dispute = world.stripe.dispute(payment.intent_id)
    world.stripe.objects[dispute]["currency"] = "eur"
    with pytest.raises(Unavailable):
        world.tell("charge.dispute.created", dispute)
    assert books() == (25, 25, 0)


@pytest.fixture
def charged(world):
    """Return an invoice of 1 USD that was paid by card, and its payment at the processor."""
    paid = world.paid
    later = paid.world.add_buyer(mode=Mode.POSTPAID)
    paid.world.use(event(later, paid.world.add_price(), MARCH, cost_nanos=ONE))
    invoice = paid.world.invoice(later)
    payment, _ = world.cards.pay_invoice(paid.admin(later), invoice.invoice_id, key="k")
    world.stripe.pay(payment.processor_id)
    world.tell("checkout.session.completed", payment.processor_id)
    [intent] = world.stripe.of_kind("payment_intent")
    return Charged(world, invoice, intent["id"], intent["amount"])


class Charged:
    def __init__(self, world, invoice, intent_id, minor):
        self.world, self.invoice, self.intent_id, self.minor = world, invoice, intent_id, minor
        assert self.standing() == ("paid", 0, 0, 0)

    def standing(self):
        """Return its state, what is open, what is owed by the books, what is written off."""
        paid, row = self.world.paid, self.row()
        receivable = paid.balance(AccountKind.RECEIVABLE, row.organization_id)
        lost = sum(paid.balance(AccountKind.WRITE_OFF, each) for each in ("disputes", "refunds"))
        assert paid.world.differences() == []
        return row.state.value, row.open_minor, receivable // (ONE // 100), lost

    def row(self):
        return self.world.paid.do(self.world.paid.world.billing.invoice, self.invoice.invoice_id)


def test_an_invoice_is_owed_again_when_its_payment_is_denied_and_paid_when_that_is_won(
    world, charged
):
    total = charged.minor
    dispute = world.stripe.dispute(charged.intent_id)
    for _ in range(2):
        world.tell("charge.dispute.created", dispute)
    assert charged.standing() == ("finalized", total, total, 0)
    world.stripe.close_dispute(dispute, "won")
    for _ in range(2):
        world.tell("charge.dispute.closed", dispute)
    assert charged.standing() == ("paid", 0, 0, 0)
    # Networks open a case again.
    world.stripe.close_dispute(dispute, "lost")
    world.tell("charge.dispute.closed", dispute)
    assert charged.standing() == ("finalized", total, total, 0)
    assert world.paid.balance(AccountKind.CASH, "stripe") == 0


def test_a_part_of_an_invoice_is_owed_again_when_a_part_is_sent_back_by_hand(world, charged):
    refund = world.stripe.refund_by_hand(charged.intent_id, 40)
    for _ in range(2):
        world.tell("refund.created", refund)
    assert charged.standing() == ("finalized", 40, 40, 0)
    assert world.dunning.disputed == [(charged.invoice.invoice_id, True)]
    dispute = world.stripe.dispute(charged.intent_id, charged.minor - 40)
    world.tell("charge.dispute.created", dispute)
    assert charged.standing() == ("finalized", charged.minor, charged.minor, 0)


def test_what_a_credit_note_gave_back_is_sent_back_and_nothing_is_owed(world, charged):
    billing = world.paid.world.billing
    world.paid.do(billing.credit, charged.invoice.invoice_id, reason="not used", key="c")
    assert charged.standing() == ("void", -charged.minor, -charged.minor, 0)
    world.tell("refund.created", world.stripe.refund_by_hand(charged.intent_id, charged.minor))
    assert charged.standing() == ("void", 0, 0, 0)
    assert world.dunning.disputed == [(charged.invoice.invoice_id, False)]


def test_a_won_dispute_fills_the_wallet_where_the_invoice_was_paid_meanwhile(world, charged):
    paid, invoice_id = world.paid, charged.invoice.invoice_id
    dispute = world.stripe.dispute(charged.intent_id)
    world.tell("charge.dispute.created", dispute)
    billing = paid.world.billing
    paid.do(billing.record_payment, invoice_id, charged.minor, "bank", "", "by bank")
    world.stripe.close_dispute(dispute, "won")
    world.tell("charge.dispute.closed", dispute)
    assert charged.standing() == ("paid", 0, 0, 0)
    wallet = -paid.balance(AccountKind.WALLET, charged.row().organization_id)
    assert wallet == charged.minor * (ONE // 100)
    # What the bank transfer paid stays paid, and the wallet gives it back.
    world.stripe.close_dispute(dispute, "lost")
    world.tell("charge.dispute.closed", dispute)
    assert charged.standing() == ("paid", 0, 0, 0)
    assert paid.balance(AccountKind.WALLET, charged.row().organization_id) == 0


def test_no_more_of_a_payment_is_taken_back_than_it_paid(world, charged):
    take_back = world.paid.world.billing.take_back_payment
    asked = (charged.invoice.invoice_id, charged.minor, "disputes", charged.intent_id, "x")
    for _ in range(2):
        world.paid.do(take_back, *asked)
    for amount, key, refused in (
        (charged.minor, "y", InvalidInput),
        (0, "z", InvalidInput),
        (charged.minor - 1, "x", BillingKeyReused),
    ):
        with pytest.raises(refused):
            world.paid.do(take_back, asked[0], amount, "disputes", charged.intent_id, key)


def test_subscriptions_hear_that_the_payment_of_an_invoice_is_denied(world):
    paid = world.paid
    later = paid.world.add_buyer(mode=Mode.POSTPAID)
    paid.world.use(event(later, paid.world.add_price(), MARCH, cost_nanos=ONE))
    invoice = paid.world.invoice(later)
    payment, _ = world.cards.pay_invoice(paid.admin(later), invoice.invoice_id, key="k")
    world.stripe.pay(payment.processor_id)
    world.tell("checkout.session.completed", payment.processor_id)
    [intent] = world.stripe.of_kind("payment_intent")
    dispute = world.stripe.dispute(intent["id"])
    world.tell("charge.dispute.created", dispute)
    world.stripe.close_dispute(dispute, "won")
    world.tell("charge.dispute.closed", dispute)
    assert world.dunning.disputed == [(invoice.invoice_id, True), (invoice.invoice_id, False)]
    assert paid.balance(AccountKind.WRITE_OFF, "disputes") == 0
    assert paid.world.differences() == []


# --- refunds at the processor ----------------------------------------------------------------


def test_a_refund_by_hand_is_taken_of_its_own_money_once(world, books):
    payment = world.top_up()
    other = world.top_up(10 * ONE, key="other")
    world.spend(20 * ONE)
    charge = world.stripe.objects[payment.intent_id]["latest_charge"]
    refund = world.stripe.refund_by_hand(payment.intent_id, 2500)
    for kind, named in (
        ("charge.refunded", charge),
        ("refund.created", refund),
        ("charge.refund.updated", refund),
    ):
        assert world.tell(kind, named)
    # Of 35 that were paid 20 are spent, and those were of the first; 5 of it are left to be taken.
    assert (books("refunds"), world.left) == ((10, 30, 20), 10 * ONE)
    with pytest.raises(WalletShort):
        world.cards.refund(world.admin, payment.payment_id, ONE, key="r")
    assert other.state is PaymentState.PAID
    assert world.paid.world.differences() == []


def test_a_refund_of_ours_is_no_second_one_when_stripe_tells_of_it(world, books):
    payment = world.top_up()
    refund = world.cards.refund(world.admin, payment.payment_id, 5 * ONE, key="r")
    charge = world.stripe.objects[payment.intent_id]["latest_charge"]
    world.tell("refund.created", refund.processor_id)
    world.tell("charge.refunded", charge)
    assert books("refunds") == (20, 20, 0)


def test_a_refund_that_comes_back_after_days_is_in_the_wallet_again(world, books):
    payment = world.top_up()
    refund = world.cards.refund(world.admin, payment.payment_id, 5 * ONE, key="r")
    world.stripe.objects[refund.processor_id]["status"] = "failed"
    for _ in range(2):
        world.tell("refund.failed", refund.processor_id)
    assert (books("refunds"), world.left) == ((25, 25, 0), 25 * ONE)
    again = world.cards.refund(world.admin, payment.payment_id, 25 * ONE, key="s")
    assert again.state is PaymentState.PAID
    assert books("refunds") == (0, 0, 0)


def test_a_charge_that_is_no_payment_of_ours_is_left_alone(world):
    made = world.stripe.add_foreign_payment(500)
    assert not world.tell("payment_intent.succeeded", made)
    refund = world.stripe.refund_by_hand(made, 500)
    assert not world.tell("refund.created", refund)
    assert not world.tell("charge.dispute.created", world.stripe.dispute(made))
    assert not world.tell("charge.dispute.created", "du_nobody")
    assert not world.tell("customer.created", "cus_1")
