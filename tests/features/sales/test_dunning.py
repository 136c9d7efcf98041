"""What becomes of subscriptions whose invoices are not paid, on a clock that the test turns, with
billing's own invoices.
"""

import secrets
from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.features.billing.billing_parts import HOUR, World
from tests.features.sales.sales_parts import ANN, SAID, add_publisher, sell
from tradewind.db.outbox import outbox_message
from tradewind.features.artifacts.manifest import PlatformSigner
from tradewind.features.publishing.publishers import Publishers
from tradewind.features.sales.charged import Charged
from tradewind.features.sales.dunning import Dunning
from tradewind.features.sales.offers import SaleOffers
from tradewind.features.sales.service import Sales
from tradewind.readmodels.overdue import OverdueInvoices
from tradewind.readmodels.prices import find_model
from tradewind.readmodels.terms import compile_terms
from tradewind.serve.selling import SoldSubscriptions
from tradewind.worker.sales import advance_once, dun_once

pytestmark = pytest.mark.postgres


class Platform:
    """Sales and billing together, with one subscription whose first fee is on an invoice."""

    def __init__(self, database, services, person):
        self.database, self.world = database, World.begin(database, SoldSubscriptions(Charged()))
        self.clock = self.world.clock
        self.sales = Sales(self.clock)
        self.dunning = Dunning(self.sales, OverdueInvoices(), self.clock, overdue_days=2)
        self.seller = person()
        signer = PlatformSigner(secrets.token_bytes(32))
        self.offers = SaleOffers(
            Publishers(services.catalog, self.clock), find_model, signer, self.clock
        )
        self.buyer = person(of=_Of(self.world.add_buyer()))
        with database.transaction() as tx:
            add_publisher(tx, self.seller.organization_id)
            self.offer, plan = sell(tx, self.offers, self.seller)
            self.subscription_id = self.sales.subscribe(
                tx, self.buyer, ANN, plan.plan_id, SAID
            ).subscription_id
        self.clock.turn_to(self.clock.now() + HOUR)
        [drafted] = self.world.draft(self.buyer.organization_id, self.clock.now())
        self.invoice = self.world.finalize(drafted)

    def turn(self, **by):
        """Turn the clock, and let the worker do all there is to do."""
        self.clock.turn_to(self.clock.now() + timedelta(**by))
        while advance_once(self.database, self.sales, self.clock) + dun_once(
            self.database, self.dunning
        ):
            pass

    def pay(self):
        with self.database.transaction() as tx:
            self.world.billing.record_payment(
                tx, self.invoice.invoice_id, self.invoice.total_minor, "bank", "RF", "key-1"
            )

    @property
    def row(self):
        with self.database.transaction() as tx:
            return self.sales.get(tx, self.buyer, self.subscription_id)

    def may_call(self):
        with self.database.transaction() as tx:
            found = list(compile_terms(tx, [str(self.buyer.organization_id)]))
        return any(self.offer.offer_id in terms.licences for terms in found)

    def moves(self):
        with self.database.transaction() as tx:
            events = self.sales.events(tx, self.buyer, self.subscription_id)
        return [(event.move, event.reason) for event in reversed(events)]


class _Of:
    def __init__(self, organization_id):
        self.organization_id = organization_id


@pytest.fixture
def platform(database, services, person):
    return Platform(database, services, person)


def test_an_invoice_that_is_due_is_not_overdue_before_its_days_are_over(platform):
    platform.turn(days=15, hours=23)
    assert platform.row.state == "active"
    platform.turn(hours=2)
    assert platform.row.state == "past_due"
    assert platform.may_call(), "calls go on until it is suspended"


def test_what_is_never_paid_is_suspended_and_then_cancelled(platform):
    for _ in range(62):
        platform.turn(days=1)
    assert platform.row.state == "cancelled"
    assert not platform.may_call()
    number = platform.invoice.number
    wanted = [
        ("activated", ""),
        ("past_due", f"invoice {number} is not paid"),
        *[("reminded", "")] * 3,
        ("reminded", ""),
        ("suspended", "unpaid"),
        ("cancelled", "unpaid"),
    ]
    assert [move for move in platform.moves() if move[0] != "renewed"] == wanted


def test_paying_reinstates_what_was_suspended(platform):
    platform.turn(days=17)
    platform.turn(days=14)
    assert (platform.row.state, platform.may_call()) == ("suspended", False)
    platform.pay()
    platform.turn(hours=1)
    assert (platform.row.state, platform.may_call()) == ("active", True)
    assert platform.row.past_due_since is None
    platform.turn(days=1)
    assert [move for move, _ in platform.moves()].count("past_due") == 1


def test_a_credit_note_over_all_of_it_is_as_good_as_paying(platform):
    platform.turn(days=17)
    with platform.database.transaction() as tx:
        platform.world.billing.credit(
            tx, platform.invoice.invoice_id, reason="a mistake", key="credit-1"
        )
    platform.turn(minutes=1)
    assert platform.row.state == "active"


def test_what_somebody_else_says_of_payment_is_left_alone(platform):
    with platform.database.transaction() as tx:
        platform.sales.note_unpaid(tx, platform.subscription_id, "the seller's own invoice")
    platform.turn(days=1)
    assert platform.row.state == "past_due"
    platform.pay()
    platform.turn(days=1)
    assert platform.row.state == "past_due", "nothing of ours was noted, so nothing is taken back"


def test_one_that_was_paused_is_past_due_when_it_goes_on(platform):
    with platform.database.transaction() as tx:
        platform.sales.pause(tx, platform.buyer, ANN, platform.subscription_id)
    platform.turn(days=20)
    assert platform.row.state == "paused"
    with platform.database.transaction() as tx:
        platform.sales.resume(tx, platform.buyer, ANN, platform.subscription_id)
    platform.turn(minutes=1)
    assert platform.row.state == "past_due"


def test_both_sides_are_told_once_of_each_move_in_their_order(platform):
    platform.turn(days=17)
    platform.turn(days=14)
    platform.pay()
    platform.turn(hours=1)
    with platform.database.transaction() as tx:
        rows = tx.execute(
            select(outbox_message)
            .where(outbox_message.c.kind.startswith("subscription."))
            .order_by(outbox_message.c.number)
        ).all()
    for side in (platform.buyer, platform.seller):
        told = [row for row in rows if row.organization_id == side.organization_id]
        seqs = [row.payload["seq"] for row in told]
        assert seqs == list(range(1, len(seqs) + 1))
        assert [row.kind for row in told if row.kind != "subscription.renewed"] == [
            "subscription.activated",
            *["subscription.past_due"] * 5,
            "subscription.suspended",
            "subscription.reinstated",
        ]
    assert rows[0].payload["buyer"] == platform.buyer.organization_id
