"""Offers and subscriptions over the real tables, on a clock that the test turns."""

import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import IntegrityError

from tradewind.core.acting import By
from tradewind.core.errors import Conflict, Forbidden, NotFound
from tradewind.core.ids import ModelId, OrganizationId
from tradewind.core.pricing.charges import PlanTerms
from tradewind.db.change_feed import snapshot_change
from tradewind.features.artifacts.manifest import PlatformSigner, check_signature
from tradewind.features.billing.schemas import BillingAccount, BuyerKind, Mode, Party
from tradewind.features.catalog.tables import model, publisher
from tradewind.features.publishing.publishers import Publishers
from tradewind.features.sales.charged import Charged
from tradewind.features.sales.errors import AlreadySubscribed, NotConfirmed, TermsChanged
from tradewind.features.sales.offers import SaleOffers
from tradewind.features.sales.payers import Payers
from tradewind.features.sales.schemas import Confirmation, NewOffer, NewPrivateOffer, OfferKind
from tradewind.features.sales.service import Sales
from tradewind.features.sales.tables import plan, subscription_event
from tradewind.readmodels.terms import compile_terms

pytestmark = pytest.mark.postgres

NOW = datetime(2030, 1, 1, tzinfo=UTC)
FEE = 31_000_000_000
TERMS = PlanTerms("USD", fee_nanos=FEE)
ANN = By("user_ann", "Ann")
SAID = Confirmation("Some", "31 USD a month", "no cap")


class TurnedClock:
    def __init__(self):
        self.at = NOW

    def now(self):
        return self.at

    def monotonic(self):
        return 0.0


@pytest.fixture
def clock():
    return TurnedClock()


@pytest.fixture
def sales(clock):
    return Sales(clock)


@pytest.fixture
def seller(person, do):
    seller = person()

    def become_publisher(tx):
        tx.execute(
            insert(publisher).values(
                slug="acme",
                name="Acme",
                organization_id=seller.organization_id,
                verified_at=NOW,
                created_at=NOW,
            )
        )
        tx.execute(
            insert(model).values(
                id=ModelId.new(),
                publisher_slug="acme",
                slug="small",
                display_name="Small",
                description="",
                licence="",
                created_at=NOW,
            )
        )

    do(become_publisher)
    return seller


@pytest.fixture
def offers(services, clock):
    def find(tx, name):
        publisher_slug, _, slug = name.partition("/")
        return tx.execute(
            select(model.c.id).where(model.c.publisher_slug == publisher_slug, model.c.slug == slug)
        ).scalar_one_or_none()

    signer = PlatformSigner(secrets.token_bytes(32))
    return SaleOffers(Publishers(services.catalog, clock), find, signer, clock)


@pytest.fixture
def sold(do, offers, seller):
    """A live offer of a model, with its one plan."""
    new = NewOffer("acme", OfferKind.MODEL, "Small for all", model="acme/small")
    offer = do(offers.create, seller, ANN, new)
    made = do(offers.put_plan, seller, ANN, offer.offer_id, "Basic", TERMS)
    return do(offers.publish, seller, offer.offer_id), made


@pytest.fixture
def subscribed(do, sales, person, sold):
    buyer = person()
    return buyer, do(sales.subscribe, buyer, ANN, sold[1].plan_id, SAID)


def private(buyer, **more):
    return NewPrivateOffer(
        **{
            "name": "For you",
            "text": "Only for you.",
            "buyers": (buyer.organization_id,),
            "starts_at": NOW,
            "ends_at": NOW + timedelta(days=7, hours=18),
            "accept_by": NOW + timedelta(days=2),
            "percent": 5_000,
        }
        | more
    )


def charged(do, sales, buyer, clock):
    rows = do(Charged().charges_due, [buyer.organization_id], clock.at + timedelta(seconds=1))
    return [row.nanos for row in rows]


def test_who_subscribes_is_charged_a_fee_of_which_the_platform_keeps_its_part(
    do, sales, subscribed, clock
):
    buyer, row = subscribed
    [charge] = do(Charged().charges_due, [buyer.organization_id], NOW + timedelta(seconds=1))
    assert (charge.nanos, charge.seller, charge.fee_ppm) == (FEE, "acme", 30_000)
    assert (row.state, row.term_end) == ("active", datetime(2030, 2, 1, tzinfo=UTC))
    assert do(Payers(clock).current, buyer).by == "Ann"


def test_nobody_subscribes_twice_or_without_saying_who_pays(do, sales, subscribed, sold, person):
    buyer, _ = subscribed
    with pytest.raises(AlreadySubscribed):
        do(sales.subscribe, buyer, ANN, sold[1].plan_id, SAID)
    with pytest.raises(NotConfirmed):
        do(sales.subscribe, person(), ANN, sold[1].plan_id, SAID._replace(payer=" "))
    with pytest.raises(TermsChanged):
        do(sales.subscribe, person(), ANN, sold[1].plan_id, SAID._replace(terms_hash="0" * 64))


def test_a_private_offer_is_not_there_for_who_is_not_named(do, offers, seller, sold, person):
    buyer, other = person(), person()
    row = do(offers.private.offer, seller, ANN, sold[0].offer_id, private(buyer))
    assert do(offers.private.list_for, other) == []
    with pytest.raises(NotFound):
        do(offers.private.get, other, row.private_offer_id)
    with pytest.raises(NotFound):
        do(offers.private.accept, other, ANN, row.private_offer_id, row.terms_hash)
    assert do(offers.private.list_for, buyer) == [row]


def test_a_private_offer_that_was_withdrawn_is_accepted_by_nobody(do, offers, seller, sold, person):
    buyer, other = person(), person()
    row = do(offers.private.offer, seller, ANN, sold[0].offer_id, private(buyer))
    with pytest.raises((NotFound, Forbidden)):
        do(offers.private.withdraw, other, row.private_offer_id)
    do(offers.private.withdraw, seller, row.private_offer_id)
    assert do(offers.private.list_for, buyer) == []
    with pytest.raises(NotFound):
        do(offers.private.accept, buyer, ANN, row.private_offer_id, row.terms_hash)


def test_a_private_offer_is_accepted_by_the_hash_of_what_was_read_and_in_time(  # noqa: PLR0917  fixtures
    do, offers, seller, sold, person, clock
):
    buyer = person()
    row = do(offers.private.offer, seller, ANN, sold[0].offer_id, private(buyer))
    with pytest.raises(TermsChanged):
        do(offers.private.accept, buyer, ANN, row.private_offer_id, bytes(32))
    clock.at += timedelta(days=2, seconds=1)
    with pytest.raises(Conflict):
        do(offers.private.accept, buyer, ANN, row.private_offer_id, row.terms_hash)
    clock.at = NOW
    accepted = do(offers.private.accept, buyer, ANN, row.private_offer_id, row.terms_hash)
    check_signature(accepted.statement, accepted.public_key, accepted.signature)
    assert json.loads(accepted.statement)["terms_sha256"] == row.terms_hash.hex()


def test_after_a_private_price_ends_the_list_price_is_charged_from_that_second(  # noqa: PLR0917  fixtures
    do, sales, offers, seller, sold, person, clock
):
    buyer, (offer, basic) = person(), sold
    row = do(offers.private.offer, seller, ANN, offer.offer_id, private(buyer))
    with pytest.raises(Conflict):
        do(sales.subscribe, buyer, ANN, basic.plan_id, SAID, private_offer_id=row.private_offer_id)
    do(offers.private.accept, buyer, ANN, row.private_offer_id, row.terms_hash)
    do(sales.subscribe, buyer, ANN, basic.plan_id, SAID, private_offer_id=row.private_offer_id)
    assert charged(do, sales, buyer, clock) == [FEE // 2]

    clock.at = NOW + timedelta(days=9)
    [told] = do(sales.advance, clock.at)
    assert (told.move, told.at) == ("private_price_ended", row.ends_at)
    # Three quarters of the term are left.
    assert charged(do, sales, buyer, clock) == [FEE // 2, -FEE // 2 * 3 // 4, FEE * 3 // 4]
    before, after = do(Charged().terms_of, [buyer.organization_id], NOW, clock.at)
    assert (before.until, after.since) == (row.ends_at, row.ends_at)
    assert (before.terms.fee_nanos, after.terms.fee_nanos) == (FEE // 8, FEE * 3 // 4)


def test_two_workers_make_each_move_once(do, sales, subscribed, clock, database):
    buyer, row = subscribed
    clock.at = NOW + timedelta(days=100)

    def work(_):
        with database.transaction() as tx:
            return len(sales.advance(tx, clock.at))

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(work, range(4))) == 3
    assert charged(do, sales, buyer, clock) == [FEE] * 4
    events = do(sales.events, buyer, row.subscription_id)
    assert [(event.seq, event.move) for event in events[:2]] == [(4, "renewed"), (3, "renewed")]


def test_a_worse_version_binds_after_its_notice_and_a_better_one_at_once(  # noqa: PLR0917  fixtures
    do, sales, offers, seller, sold, subscribed, clock
):
    buyer, row = subscribed
    clock.at = NOW + timedelta(days=20)
    dearer = PlanTerms("USD", fee_nanos=2 * FEE)
    do(offers.put_plan, seller, ANN, sold[0].offer_id, "Basic", dearer)
    clock.at = NOW + timedelta(days=60)
    do(sales.advance, clock.at)
    # The notice of 30 days was over before the third term, not before the second.
    assert charged(do, sales, buyer, clock) == [FEE, FEE, 2 * FEE]
    do(offers.put_plan, seller, ANN, sold[0].offer_id, "Basic", PlanTerms("USD", fee_nanos=5))
    clock.at = NOW + timedelta(days=100)
    do(sales.advance, clock.at)
    assert charged(do, sales, buyer, clock)[-1] == 5
    assert do(sales.get, buyer, row.subscription_id).plan_version == 3


def test_only_who_is_subscribed_or_sells_it_may_call(  # noqa: PLR0917  fixtures
    do, sales, subscribed, seller, sold, person
):
    buyer, row = subscribed
    stranger, offer_id = person(), sold[0].offer_id
    ids = [each.organization_id for each in (buyer, seller, stranger)]

    def may():
        return {
            terms.id
            for terms in do(lambda tx: list(compile_terms(tx, ids)))
            if offer_id in terms.licences
        }

    assert may() == {buyer.organization_id, seller.organization_id}
    do(sales.suspend, row.subscription_id, "abuse")
    assert may() == {seller.organization_id}
    do(sales.reinstate, row.subscription_id)
    assert may() == {buyer.organization_id, seller.organization_id}


def test_another_organizations_subscription_is_not_there(do, sales, subscribed, person):
    _, row = subscribed
    other = person()
    for act in (sales.pause, sales.renew, sales.resume):
        with pytest.raises(NotFound):
            do(act, other, ANN, row.subscription_id)


def test_plans_and_trails_are_never_changed(database, subscribed):
    for statement in (
        update(plan).values(terms={}),
        update(subscription_event).values(reason="other"),
        text("DELETE FROM subscription_charge"),
        text("TRUNCATE payment_confirmation"),
    ):
        with pytest.raises(IntegrityError), database.transaction() as tx:
            tx.execute(statement)


def charge(tx, billing, buyer, mode=Mode.POSTPAID, revision=0):
    """Open, or change, the billing account of a buyer."""
    account = BillingAccount(
        buyer.organization_id,
        mode,
        "USD",
        Party("Buyer", "DE"),
        BuyerKind.BUSINESS,
        "",
        14,
        NOW,
        revision,
    )
    assert billing.set_account(tx, account) is not None


def waits(do, buyer):
    found = do(lambda tx: list(compile_terms(tx, [str(buyer.organization_id)])))
    return any(terms.needs_payer for terms in found)


def test_who_is_charged_waits_until_somebody_confirmed_who_pays(do, clock, services, person):
    buyer, other = person(), person()
    assert not waits(do, buyer), "nobody is charged"
    do(charge, services.billing, buyer)
    assert waits(do, buyer)
    assert not waits(do, other)
    everybody = do(lambda tx: {terms.id for terms in compile_terms(tx, None) if terms.needs_payer})
    assert everybody == {buyer.organization_id}
    payers = Payers(clock)
    with pytest.raises(NotConfirmed):
        do(payers.confirm, buyer, ANN, SAID._replace(payer=" "))
    assert do(payers.confirm, buyer, ANN, SAID).by == "Ann"
    assert not waits(do, buyer)
    do(charge, services.billing, buyer, Mode.NONE, 1)
    assert not waits(do, buyer)


def test_gateways_learn_of_a_billing_account_and_of_a_confirmation(do, clock, services, person):
    buyer = person()
    for act in (
        lambda tx: charge(tx, services.billing, buyer),
        lambda tx: Payers(clock).confirm(tx, buyer, ANN, SAID),
    ):
        do(lambda tx: tx.execute(snapshot_change.delete()))
        do(act)
        told = do(lambda tx: tx.execute(select(snapshot_change)).all())
        assert [(row.kind, row.subject) for row in told] == [("terms", buyer.organization_id)]


def test_finance_keeps_what_was_agreed_in_a_contract(do, clock, services, person):
    buyer, finance = person(), person()
    do(charge, services.billing, buyer)
    payers = Payers(clock)
    with pytest.raises(Forbidden):
        do(payers.confirm_for, person(is_operator=False), ANN, buyer.organization_id, SAID)
    with pytest.raises(NotFound):
        do(payers.confirm_for, finance, ANN, OrganizationId.new(), SAID)
    do(payers.confirm_for, finance, ANN, buyer.organization_id, SAID)
    assert not waits(do, buyer)
    assert do(payers.current, buyer).by == "Ann"


def test_who_subscribes_has_confirmed_who_pays(do, services, subscribed):
    buyer, _ = subscribed
    do(charge, services.billing, buyer)
    assert not waits(do, buyer)
