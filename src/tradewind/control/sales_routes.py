"""The routes of sales: offers, plans and private offers of publishers; subscriptions of buyers."""

from typing import Annotated

from fastapi import Path

from tradewind.control.access import AuthenticatedCall, Call, Routes
from tradewind.control.sales_answers import (
    AcceptanceAnswer,
    AcceptBody,
    CancelBody,
    ChangeBody,
    ConfirmationBody,
    OfferBody,
    PayerAnswer,
    PlanAnswer,
    PlanBody,
    PrivateOfferAnswer,
    PrivateOfferBody,
    PrivateOfferList,
    SaleOfferAnswer,
    SaleOfferList,
    SubscribeBody,
    SubscriptionAnswer,
    SubscriptionEventAnswer,
    SubscriptionEventList,
    SubscriptionList,
    terms_from,
)
from tradewind.control.services import ControlServices
from tradewind.core.permissions import Permission
from tradewind.features.sales.schemas import By

_Id = Annotated[str, Path(max_length=100)]


def add_sales_routes(routes: Routes, services: ControlServices) -> None:
    """Add everything below `/sales` and `/subscriptions`."""
    _add_selling(routes, services)
    _add_private(routes, services)
    _add_buying(routes, services)


def _add_selling(routes: Routes, services: ControlServices) -> None:
    offers, sales = services.sale_offers, services.sales
    reads, writes = Permission.SALES_READ, Permission.SALES_WRITE

    @routes.get("/sales/offers", permission=reads, summary="Own offers for sale")
    def own_offers(call: Call) -> SaleOfferList:
        rows = offers.list_own(call.tx, call.holder)
        return SaleOfferList(
            offers=[
                SaleOfferAnswer.of(row, offers.plans(call.tx, call.holder, row.offer_id))
                for row in rows
            ]
        )

    @routes.post("/sales/offers", permission=writes, summary="Draft an offer")
    def create(call: Call, body: OfferBody) -> SaleOfferAnswer:
        row = offers.create(call.tx, call.holder, _by(services, call), body.to_new())
        return SaleOfferAnswer.of(row, [])

    @routes.post(
        "/sales/offers/{offer_id}:publish", permission=writes, summary="Put an offer up for sale"
    )
    def publish(call: Call, offer_id: _Id) -> SaleOfferAnswer:
        row = offers.publish(call.tx, call.holder, offer_id)
        return SaleOfferAnswer.of(row, offers.plans(call.tx, call.holder, offer_id))

    @routes.post(
        "/sales/offers/{offer_id}:withdraw", permission=writes, summary="Take it from sale"
    )
    def withdraw(call: Call, offer_id: _Id) -> SaleOfferAnswer:
        row = offers.withdraw(call.tx, call.holder, offer_id)
        return SaleOfferAnswer.of(row, offers.plans(call.tx, call.holder, offer_id))

    @routes.post(
        "/sales/offers/{offer_id}/plans",
        permission=writes,
        summary="Add a plan, or the next version of one",
    )
    def put_plan(call: Call, offer_id: _Id, body: PlanBody) -> PlanAnswer:
        row = offers.put_plan(
            call.tx,
            call.holder,
            _by(services, call),
            offer_id,
            body.name,
            terms_from(body.terms),
            text=body.text,
            is_public=body.is_public,
        )
        return PlanAnswer.of(row)

    @routes.get(
        "/sales/offers/{offer_id}/subscriptions", permission=reads, summary="Who subscribed to it"
    )
    def sold(call: Call, offer_id: _Id) -> SubscriptionList:
        rows = sales.list_sold(call.tx, call.holder, offer_id)
        return SubscriptionList(subscriptions=[SubscriptionAnswer.of(row) for row in rows])


def _add_private(routes: Routes, services: ControlServices) -> None:
    offers = services.sale_offers

    @routes.get(
        "/sales/offers/{offer_id}/private-offers",
        permission=Permission.SALES_READ,
        summary="Private offers that were made",
    )
    def made(call: Call, offer_id: _Id) -> PrivateOfferList:
        rows = offers.private_offers(call.tx, call.holder, offer_id)
        return PrivateOfferList(private_offers=[PrivateOfferAnswer.of(row) for row in rows])

    @routes.post(
        "/sales/offers/{offer_id}/private-offers",
        permission=Permission.SALES_WRITE,
        summary="Offer named organizations other terms",
    )
    def offer_privately(call: Call, offer_id: _Id, body: PrivateOfferBody) -> PrivateOfferAnswer:
        by = _by(services, call)
        return PrivateOfferAnswer.of(
            offers.offer_privately(call.tx, call.holder, by, offer_id, body.to_new())
        )

    @routes.post(
        "/sales/private-offers/{private_offer_id}:withdraw",
        permission=Permission.SALES_WRITE,
        summary="Let nobody accept it any more; what was accepted stays",
    )
    def withdraw(call: Call, private_offer_id: _Id) -> None:
        offers.withdraw_private(call.tx, call.holder, private_offer_id)

    @routes.get(
        "/private-offers",
        permission=Permission.BILLING_READ,
        summary="Private offers for this organization",
    )
    def private_for(call: Call) -> PrivateOfferList:
        rows = offers.private_for(call.tx, call.holder)
        return PrivateOfferList(private_offers=[PrivateOfferAnswer.of(row) for row in rows])

    @routes.post(
        "/private-offers/{private_offer_id}:accept",
        permission=Permission.BILLING_WRITE,
        summary="Accept the terms that were read",
    )
    def accept(call: Call, private_offer_id: _Id, body: AcceptBody) -> AcceptanceAnswer:
        by, read_hash = _by(services, call), bytes.fromhex(body.terms_sha256)
        return AcceptanceAnswer.of(
            offers.accept(call.tx, call.holder, by, private_offer_id, read_hash)
        )


def _add_buying(routes: Routes, services: ControlServices) -> None:
    offers, sales = services.sale_offers, services.sales
    reads, writes = Permission.BILLING_READ, Permission.BILLING_WRITE

    @routes.get(
        "/offers-for-sale", permission=Permission.CATALOG_READ, summary="What can be subscribed to"
    )
    def on_sale(call: Call) -> SaleOfferList:
        found = offers.on_sale(call.tx, call.holder)
        return SaleOfferList(offers=[SaleOfferAnswer.of(row, plans) for row, plans in found])

    @routes.get("/subscriptions", permission=reads, summary="Subscriptions of this organization")
    def subscriptions(call: Call) -> SubscriptionList:
        rows = sales.list_own(call.tx, call.holder)
        return SubscriptionList(subscriptions=[SubscriptionAnswer.of(row) for row in rows])

    @routes.post("/subscriptions", permission=writes, summary="Subscribe, and confirm who pays")
    def subscribe(call: Call, body: SubscribeBody) -> SubscriptionAnswer:
        row = sales.subscribe(
            call.tx,
            call.holder,
            _by(services, call),
            body.plan,
            body.confirmation.to_confirmation(),
            quantity=body.quantity,
            private_offer_id=body.private_offer,
            beneficiary=body.beneficiary,
        )
        return SubscriptionAnswer.of(row)

    @routes.get("/subscriptions/{subscription_id}", permission=reads, summary="A subscription")
    def subscription(call: Call, subscription_id: _Id) -> SubscriptionAnswer:
        return SubscriptionAnswer.of(sales.get(call.tx, call.holder, subscription_id))

    @routes.get("/subscriptions/{subscription_id}/events", permission=reads, summary="Its trail")
    def events(call: Call, subscription_id: _Id) -> SubscriptionEventList:
        rows = sales.events(call.tx, call.holder, subscription_id)
        return SubscriptionEventList(events=[SubscriptionEventAnswer.of(row) for row in rows])

    @routes.post(
        "/subscriptions/{subscription_id}:change",
        permission=writes,
        summary="Take another plan or quantity, charged by the exact rest of the term",
    )
    def change(call: Call, subscription_id: _Id, body: ChangeBody) -> SubscriptionAnswer:
        row = sales.change_plan(
            call.tx,
            call.holder,
            _by(services, call),
            subscription_id,
            plan_id=body.plan,
            quantity=body.quantity,
            confirmation=body.confirmation.to_confirmation(),
            revision=body.revision,
        )
        return SubscriptionAnswer.of(row)

    @routes.post(
        "/subscriptions/{subscription_id}:pause", permission=writes, summary="Stop for a while"
    )
    def pause(call: Call, subscription_id: _Id) -> SubscriptionAnswer:
        by = _by(services, call)
        return SubscriptionAnswer.of(sales.pause(call.tx, call.holder, by, subscription_id))

    @routes.post(
        "/subscriptions/{subscription_id}:resume",
        permission=writes,
        summary="Go on with what is left of the term",
    )
    def resume(call: Call, subscription_id: _Id) -> SubscriptionAnswer:
        by = _by(services, call)
        return SubscriptionAnswer.of(sales.resume(call.tx, call.holder, by, subscription_id))

    @routes.post(
        "/subscriptions/{subscription_id}:renew",
        permission=writes,
        summary="Take back that it ends with its term",
    )
    def renew(call: Call, subscription_id: _Id) -> SubscriptionAnswer:
        by = _by(services, call)
        return SubscriptionAnswer.of(sales.renew(call.tx, call.holder, by, subscription_id))

    @routes.post(
        "/subscriptions/{subscription_id}:cancel",
        permission=writes,
        summary="Cancel at the end of the term, or now",
    )
    def cancel(call: Call, subscription_id: _Id, body: CancelBody) -> SubscriptionAnswer:
        by = _by(services, call)
        return SubscriptionAnswer.of(
            sales.cancel(call.tx, call.holder, by, subscription_id, is_now=body.now)
        )

    @routes.get("/billing/payer", permission=reads, summary="Who confirmed that they know who pays")
    def payer(call: Call) -> PayerAnswer:
        return PayerAnswer.of(sales.payer(call.tx, call.holder))

    @routes.put("/billing/payer", permission=writes, summary="Confirm who pays for charged calls")
    def confirm(call: Call, body: ConfirmationBody) -> PayerAnswer:
        by = _by(services, call)
        return PayerAnswer.of(sales.confirm_payer(call.tx, call.holder, by, body.to_confirmation()))


def _by(services: ControlServices, call: AuthenticatedCall) -> By:
    """Return the person who made the key, and which key it was."""
    key = services.accounts.get_key(call.tx, call.holder, call.holder.key_id)
    person = key.created_by_name or "somebody"
    return By(key.created_by or key.key_id, f"{person[:80]} (the key {key.name[:80]})")
