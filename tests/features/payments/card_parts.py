"""What tests of card payments share: the small Stripe, its messages, and a saved card."""

import json
import time

from stripe import WebhookSignature

from tests.features.payments.payments_parts import ONE
from tradewind.features.payments.card_payments import CardPayments
from tradewind.features.payments.schemas import AutoTopUp, WalletSettings
from tradewind.plugins.payments.stripe import Stripe
from tradewind.testing.fake_stripe import SECRET_KEY

SECRET, OLDER = "whsec_new", "whsec_old"
BACK = "https://tradewind.example/wallet"


class Told:
    """A dunning that notes what it was told."""

    def __init__(self):
        self.disputed = []

    def note_disputed(self, tx, invoice_id, *, is_unpaid):
        self.disputed.append((invoice_id, is_unpaid))


def build_cards(paid, address, dunning=None, *, wrap=lambda each: each, database=None):
    return CardPayments(
        database or paid.database,
        paid.world.clock,
        paid.world.ledger,
        paid.wallets,
        paid.bills,
        dunning or Told(),
        wrap(Stripe(SECRET_KEY, (SECRET, OLDER), address=address)),
        back_url=lambda: BACK,
    )


def notice(object_id, *, secret=SECRET, at=None, kind="checkout.session.completed", of=None):
    """Return a message as Stripe signs it: its body and its signature."""
    about = {"id": object_id, "object": kind.rpartition(".")[0] if of is None else of}
    body = json.dumps({"id": "evt_1", "type": kind, "data": {"object": about}})
    moment = int(time.time()) if at is None else at
    header = WebhookSignature.generate_signature_header(body, secret, moment)
    return body.encode(), header


def state_of(paid, admin, payment_id):
    rows = paid.do(paid.wallets.payments, admin)
    return next(row for row in rows if row.payment_id == payment_id)


class CardWorld:
    """An organization that pays ahead, its administrator, and cards at the small Stripe."""

    def __init__(self, paid, acme, stripe, cards, dunning):
        self.paid, self.acme, self.stripe, self.cards = paid, acme, stripe, cards
        self.dunning = dunning
        self.admin = paid.admin(acme)

    def tell(self, kind, object_id):
        """Deliver a message of Stripe, whole and signed."""
        return self.redeliver(self.stripe.event(kind, object_id))

    def redeliver(self, body):
        header = WebhookSignature.generate_signature_header(body.decode(), SECRET, int(time.time()))
        return self.cards.take_notice(body, header)

    def top_up(self, nanos=25 * ONE, key="k"):
        """Pay in by a page; return the payment as it is then."""
        payment, _ = self.cards.top_up(self.admin, nanos, "USD", key=key)
        self.stripe.pay(payment.processor_id)
        self.tell("checkout.session.completed", payment.processor_id)
        return self.cards.payment(self.admin, payment.payment_id)

    def save(self, card="pm_good", key="c"):
        """Save a card, and ask for top-ups of 5 below 2, at most 10 a month."""
        payment, _ = self.cards.save_card(self.admin, "USD", key=key)
        self.stripe.save_card(payment.processor_id, card)
        self.tell("checkout.session.completed", payment.processor_id)
        auto = AutoTopUp(2 * ONE, 5 * ONE, 10 * ONE)
        self.paid.do(self.paid.wallets.set_up, self.admin, WalletSettings(auto=auto))

    def spend(self, nanos):
        """Spend, as a gateway does."""
        self.paid.lease(self.acme, needed=nanos)
        self.paid.lease(self.acme, used=nanos)

    def payments(self):
        return self.paid.do(self.paid.wallets.payments, self.admin)

    @property
    def left(self):
        return self.paid.wallet(self.acme).left_nanos
