"""Automatic top-up where nobody sits before it: banks that ask, answers that are lost, failures
that are told.
"""

from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.features.billing.billing_parts import APRIL
from tests.features.payments.card_parts import build_cards
from tests.features.payments.payments_parts import ONE
from tradewind.core.errors import Unavailable
from tradewind.core.permissions import Role
from tradewind.db.outbox import outbox_message
from tradewind.features.ledger.schemas import AccountKind
from tradewind.features.payments.schemas import PaymentState

pytestmark = pytest.mark.postgres


def told(world, kind):
    with world.paid.database.transaction() as tx:
        rows = tx.execute(select(outbox_message.c.payload).where(outbox_message.c.kind == kind))
        return [row.payload for row in rows]


def later(world, **much):
    world.paid.world.clock.turn_to(APRIL + timedelta(**much))


def test_a_bank_that_asks_is_told_with_a_link_and_nothing_is_posted_before(world):
    world.save("pm_asks")
    payment = world.cards.top_up_automatically(world.acme)
    assert (payment.state, world.left) == (PaymentState.PENDING, 0)
    assert payment.action_url.startswith("https://checkout.stripe.com/")
    [message] = told(world, "payment.confirmation_needed")
    assert (message["url"], message["amount"]) == (payment.action_url, "5")

    # No second charge while somebody has to confirm the first; its intent is given up.
    assert world.cards.top_up_automatically(world.acme) is None
    [intent] = world.stripe.of_kind("payment_intent")
    assert intent["status"] == "canceled"
    for kind in ("payment_failed", "canceled"):
        assert world.tell(f"payment_intent.{kind}", intent["id"])
    current = world.cards.payment(world.admin, payment.payment_id)
    assert (current.state, world.left) == (PaymentState.PENDING, 0)

    world.stripe.pay(payment.processor_id)
    for _ in range(2):
        world.tell("checkout.session.completed", payment.processor_id)
    assert world.left == 5 * ONE
    assert world.cards.payment(world.admin, payment.payment_id).action_url == ""


def test_a_page_that_nobody_confirmed_ends_and_the_card_rests(world):
    world.save("pm_asks")
    payment = world.cards.top_up_automatically(world.acme)
    world.stripe.leave(payment.processor_id)
    later(world, hours=25)
    world.cards.look_after()
    assert world.cards.payment(world.admin, payment.payment_id).state is PaymentState.FAILED
    assert world.cards.top_up_automatically(world.acme) is None
    later(world, hours=50)
    assert world.cards.top_up_automatically(world.acme).state is PaymentState.PENDING


def test_where_no_page_can_be_made_it_has_failed_and_is_told(world):
    world.save("pm_asks")
    world.stripe.refuses_pages = True
    payment = world.cards.top_up_automatically(world.acme)
    assert payment.state is PaymentState.FAILED
    assert "confirmed" in told(world, "payment.failed")[0]["why"]


def test_a_card_that_is_declined_is_told_once(world):
    world.save("pm_bad")
    payment = world.cards.top_up_automatically(world.acme)
    [intent] = world.stripe.of_kind("payment_intent")
    for _ in range(2):
        world.tell("payment_intent.payment_failed", intent["id"])
    assert payment.state is PaymentState.FAILED
    [message] = told(world, "payment.failed")
    assert (message["payment_id"], message["amount"]) == (payment.payment_id, "5")
    assert "card_declined" in message["why"]


def test_a_charge_that_stripe_made_and_could_not_tell_is_posted_by_its_message(world):
    world.save()
    world.stripe.break_down = 1
    with pytest.raises(Unavailable):
        world.cards.top_up_automatically(world.acme)
    # Stripe keeps the error for the key, so that trying again tells nothing more.
    later(world, minutes=3)
    world.cards.look_after()
    assert world.left == 0
    [intent] = world.stripe.of_kind("payment_intent")
    for _ in range(2):
        assert world.tell("payment_intent.succeeded", intent["id"])
    assert world.left == 5 * ONE
    world.cards.look_after()
    assert len(world.stripe.of_kind("payment_intent")) == 1


def test_a_message_that_comes_after_we_gave_up_still_posts(world):
    world.save()
    world.stripe.break_down = 1
    with pytest.raises(Unavailable):
        world.cards.top_up_automatically(world.acme)
    later(world, hours=26)
    world.cards.look_after()
    [payment] = [each for each in world.payments() if each.is_automatic]
    assert payment.state is PaymentState.FAILED
    [intent] = world.stripe.of_kind("payment_intent")
    world.tell("payment_intent.succeeded", intent["id"])
    assert world.left == 5 * ONE
    assert world.paid.balance(AccountKind.CASH, "stripe") == 5 * ONE


# --- removing a card -------------------------------------------------------------------------


def test_a_removed_card_is_charged_no_more(world):
    world.save()
    world.cards.remove_card(world.admin)
    world.cards.remove_card(world.admin)
    wallet = world.paid.wallet(world.acme)
    assert (wallet.card, wallet.auto) == ("", None)
    assert world.stripe.objects["pm_good"]["customer"] is None
    assert world.cards.top_up_automatically(world.acme) is None


def test_a_card_that_cannot_be_removed_at_the_processor_is_still_there(world):
    world.save()
    world.stripe.is_away = True
    with pytest.raises(Unavailable):
        world.cards.remove_card(world.admin)
    assert world.paid.wallet(world.acme).card


def test_only_who_may_write_bills_uses_cards(world):
    from tradewind.core.errors import Forbidden, NotFound  # noqa: PLC0415

    payment = world.top_up()
    weak = world.paid.admin(world.acme, Role.DEVELOPER)
    for act in (
        lambda: world.cards.top_up(weak, ONE, "USD", key="x"),
        lambda: world.cards.save_card(weak, "USD", key="x"),
        lambda: world.cards.remove_card(weak),
        lambda: world.cards.pay_invoice(weak, "inv_1", key="x"),
        lambda: world.cards.refund(weak, payment.payment_id, ONE, key="x"),
        lambda: world.cards.look_again(weak, payment.payment_id),
    ):
        with pytest.raises(Forbidden):
            act()
    stranger = world.paid.admin(world.paid.world.add_buyer())
    for act in (
        lambda: world.cards.payment(stranger, payment.payment_id),
        lambda: world.cards.look_again(stranger, payment.payment_id),
        lambda: world.cards.refund(stranger, payment.payment_id, ONE, key="x"),
    ):
        with pytest.raises(NotFound):
            act()


# --- hostile messages ------------------------------------------------------------------------

KINDS = (
    "checkout.session.completed",
    "checkout.session.expired",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.requires_action",
    "payment_intent.canceled",
    "charge.refunded",
    "charge.refund.updated",
    "refund.created",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.closed",
    "setup_intent.succeeded",
)


@pytest.mark.parametrize("is_paid", [False, True])
def test_no_message_of_any_kind_changes_more_than_stripe_says(world, is_paid):
    """Each kind about each object, lying about what it is, twice and in both orders."""
    payment, _ = world.cards.top_up(world.admin, 25 * ONE, "USD", key="k")
    refund = None
    if is_paid:
        world.stripe.pay(payment.processor_id)
        world.tell("checkout.session.completed", payment.processor_id)
        intent = world.stripe.of_kind("payment_intent")[0]["id"]
        refund = world.cards.refund(world.admin, payment.payment_id, 5 * ONE, key="r")
        named = [
            payment.processor_id,
            intent,
            world.stripe.objects[intent]["latest_charge"],
            refund.processor_id,
            world.stripe.dispute(intent, status="warning_needs_response"),
        ]
    else:
        named = [payment.processor_id]
    wanted = 20 * ONE if is_paid else 0
    bodies = [world.stripe.event(kind, object_id) for kind in KINDS for object_id in named]
    for body in [*bodies, *reversed(bodies)]:
        world.redeliver(body)
    assert world.left == wanted
    assert world.paid.balance(AccountKind.CASH, "stripe") == wanted
    assert world.paid.world.differences() == []


def test_another_platform_on_the_same_account_posts_nothing_here(world, paid):
    """Its metadata names payments that are not here, or ours by chance of another processor."""
    bank = world.paid.do(world.paid.bank.announce, world.admin, 5 * ONE, "USD", key="k").payment_id
    for ours in ("pay_unknown", bank):
        made = world.stripe.add_foreign_payment(500)
        world.stripe.objects[made]["metadata"] = {"tradewind_payment": ours}
        assert not world.tell("payment_intent.succeeded", made)
    cards = build_cards(paid, world.stripe.address)
    cards.look_after()
    assert world.left == 0
