"""What sellers do with what they sold, and what the platform keeps of it."""

import secrets
from datetime import timedelta

import pytest

from tests.features.billing.billing_parts import TurnedClock
from tests.features.sales.sales_parts import ANN, FEE, NOW, SAID, TERMS, add_publisher, sell
from tradewind.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from tradewind.core.permissions import Role
from tradewind.core.pricing.charges import PlanTerms
from tradewind.features.artifacts.manifest import PlatformSigner
from tradewind.features.publishing.publishers import Publishers
from tradewind.features.sales.charged import Charged
from tradewind.features.sales.errors import MoveRefused
from tradewind.features.sales.notices import KINDS
from tradewind.features.sales.offers import SaleOffers
from tradewind.features.sales.rules.life import UNPAID, Move
from tradewind.features.sales.schemas import Licensing, NewOffer, NewPrivateOffer, OfferKind
from tradewind.features.sales.service import Sales
from tradewind.features.webhooks.schemas import EventKind
from tradewind.readmodels.prices import find_model

pytestmark = pytest.mark.postgres


@pytest.fixture
def clock():
    return TurnedClock(NOW)


@pytest.fixture
def sales(clock):
    return Sales(clock)


@pytest.fixture
def seller(person, do):
    seller = person()
    seller_model = do(add_publisher, seller.organization_id)
    assert seller_model
    return seller


@pytest.fixture
def offers(services, clock):
    signer = PlatformSigner(secrets.token_bytes(32))
    return SaleOffers(Publishers(services.catalog, clock), find_model, signer, clock)


@pytest.fixture
def buyer(person):
    return person()


@pytest.fixture
def sold(do, offers, seller):
    return do(sell, offers, seller)


@pytest.fixture
def subscription_id(do, sales, sold, buyer):
    return do(sales.subscribe, buyer, ANN, sold[1].plan_id, SAID).subscription_id


def charged(do, buyer, until):
    return [row.nanos for row in do(Charged().charges_due, [buyer.organization_id], until)]


def test_only_the_seller_moves_what_was_sold(  # noqa: PLR0917  fixtures
    do, sales, subscription_id, buyer, person, seller
):
    for other in (buyer, person()):
        for act in (sales.activate, sales.reinstate_sold, sales.cancel_sold):
            with pytest.raises(NotFound):
                do(act, other, ANN, subscription_id)
        with pytest.raises(NotFound):
            do(sales.suspend_sold, other, ANN, subscription_id, "why")
    with pytest.raises(Forbidden):
        do(sales.cancel_sold, person(Role.VIEWER, of=seller), ANN, subscription_id)


def test_a_seller_suspends_and_reinstates(do, sales, subscription_id, seller, buyer):
    do(sales.suspend_sold, seller, ANN, subscription_id, UNPAID)
    assert do(sales.get, buyer, subscription_id).suspended_for == f"the seller: {UNPAID}"
    # Paying an invoice does not end what the seller has begun.
    do(sales.note_paid, subscription_id)
    assert do(sales.get, buyer, subscription_id).state == "suspended"
    assert do(sales.reinstate_sold, seller, ANN, subscription_id).state == "active"


def test_a_seller_does_not_reinstate_what_is_not_paid(do, sales, subscription_id, seller, clock):
    do(sales.note_unpaid, subscription_id, "invoice INV-1")
    clock.turn_to(NOW + timedelta(days=15))
    do(sales.advance, clock.now())
    with pytest.raises(MoveRefused, match="not paid"):
        do(sales.reinstate_sold, seller, ANN, subscription_id)


def test_who_is_cancelled_by_the_seller_gets_the_rest_back(  # noqa: PLR0917  fixtures
    do, sales, subscription_id, seller, buyer, clock
):
    clock.turn_to(NOW + timedelta(days=7, hours=18))
    row = do(sales.cancel_sold, seller, ANN, subscription_id, reason="closed")
    assert row.state == "cancelled"
    # A quarter of the 31 days is over.
    assert charged(do, buyer, clock.now() + timedelta(seconds=1)) == [FEE, -FEE * 3 // 4]
    assert do(sales.events, buyer, subscription_id)[0].reason == "the seller: closed"


def test_an_app_waits_for_its_seller(do, sales, offers, seller, buyer):
    new = NewOffer("acme", OfferKind.APP, "App", scopes=("read mail",))
    offer = do(offers.create, seller, ANN, new)
    plan = do(offers.put_plan, seller, ANN, offer.offer_id, "Basic", TERMS)
    do(offers.publish, seller, offer.offer_id)
    row = do(sales.subscribe, buyer, ANN, plan.plan_id, SAID)
    assert row.state == "pending"
    assert do(sales.activate, seller, ANN, row.subscription_id).state == "active"


def test_a_preview_is_what_the_change_then_charges(  # noqa: PLR0917  fixtures
    do, sales, offers, sold, subscription_id, seller, buyer, clock
):
    dear = do(
        offers.put_plan, seller, ANN, sold[0].offer_id, "Dear", PlanTerms("USD", fee_nanos=2 * FEE)
    )
    clock.turn_to(NOW + timedelta(days=7, hours=18))
    shown = do(sales.preview_change, buyer, subscription_id, plan_id=dear.plan_id, quantity=2)
    assert [charge.nanos for charge in shown.charges] == [-FEE * 3 // 4, 3 * FEE]
    assert shown.nanos == 3 * FEE - FEE * 3 // 4
    soon = clock.now() + timedelta(seconds=1)
    assert charged(do, buyer, soon) == [FEE], "a preview charges nothing"
    do(
        sales.change_plan,
        buyer,
        ANN,
        subscription_id,
        plan_id=dear.plan_id,
        quantity=2,
        confirmation=SAID,
    )
    assert sum(charged(do, buyer, soon)) == FEE + shown.nanos


def test_a_preview_sees_what_is_due_before(do, sales, subscription_id, buyer, clock):
    clock.turn_to(NOW + timedelta(days=40))
    shown = do(sales.preview_change, buyer, subscription_id, quantity=2)
    assert shown.term_end == NOW.replace(month=3)
    with pytest.raises(NotFound):
        do(sales.preview_change, buyer, "sub_x", quantity=2)


def test_the_platform_keeps_what_was_agreed_for_the_offer(  # noqa: PLR0917  fixtures
    do, offers, sold, seller, buyer, person
):
    models = [sold[0].model_id]
    assert do(Charged(25_000).fees, models) == {sold[0].model_id: 25_000}
    do(offers.set_fee, seller, sold[0].offer_id, 5_000)
    assert do(Charged(25_000).fees, models) == {sold[0].model_id: 5_000}
    do(offers.withdraw, seller, sold[0].offer_id)
    assert do(Charged(25_000).fees, models) == {sold[0].model_id: 5_000}, "it goes on for buyers"
    do(offers.set_fee, seller, sold[0].offer_id, None)
    assert do(Charged(25_000).fees, models) == {sold[0].model_id: 25_000}
    with pytest.raises(InvalidInput):
        do(offers.set_fee, seller, sold[0].offer_id, 1_000_001)
    with pytest.raises(Forbidden):
        do(offers.set_fee, person(Role.VIEWER), sold[0].offer_id, 0)


@pytest.mark.parametrize("licensing", [Licensing.OWN_LICENCE, Licensing.DIRECT])
def test_nothing_is_kept_of_what_is_not_paid_through_the_platform(do, offers, seller, licensing):
    offer, _ = do(sell, offers, seller, licensing=licensing)
    do(offers.set_fee, seller, offer.offer_id, 90_000)
    assert do(Charged().fees, [offer.model_id]) == {offer.model_id: 0}


def test_a_private_offer_says_nothing_of_its_offer_to_outsiders(do, offers, seller, sold, person):
    new = NewPrivateOffer(
        "For you",
        "",
        (person().organization_id,),
        NOW,
        NOW + timedelta(days=9),
        NOW + timedelta(days=2),
        percent=5_000,
    )
    row = do(offers.private.offer, seller, ANN, sold[0].offer_id, new)
    with pytest.raises(NotFound) as caught:
        do(offers.private.withdraw, person(), row.private_offer_id)
    assert sold[0].offer_id not in str(caught.value)


def test_two_offers_never_sell_one_model(do, offers, seller, sold):
    with pytest.raises(Conflict):
        do(sell, offers, seller)


def test_every_move_is_told_as_an_event_that_can_be_asked_for():
    assert set(KINDS) == set(Move)
    assert set(KINDS.values()) <= {kind.value for kind in EventKind}
