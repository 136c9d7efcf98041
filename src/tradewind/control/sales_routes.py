"""The routes of sellers: offers, plans, private offers, and what became of subscriptions."""

from typing import Annotated

from fastapi import Path

from tradewind.control.access import Call, Routes
from tradewind.control.acting import acting
from tradewind.control.sales_answers import (
    AcceptanceAnswer,
    AcceptBody,
    FeeBody,
    MadePrivateOfferAnswer,
    MadePrivateOfferList,
    OfferBody,
    PlanAnswer,
    PlanBody,
    PrivateOfferAnswer,
    PrivateOfferBody,
    PrivateOfferList,
    SaleOfferAnswer,
    SaleOfferList,
    SellerCancelBody,
    SubscriptionAnswer,
    SubscriptionList,
    SuspendBody,
    terms_from,
)
from tradewind.control.sales_buying_routes import add_buying_routes
from tradewind.control.services import ControlServices
from tradewind.core.permissions import Permission

_Id = Annotated[str, Path(max_length=100)]


def add_sales_routes(routes: Routes, services: ControlServices) -> None:
    """Add everything below `/sales` and `/subscriptions`."""
    _add_selling(routes, services)
    _add_sold(routes, services)
    _add_private(routes, services)
    add_buying_routes(routes, services)


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
        row = offers.create(call.tx, call.holder, acting(services, call), body.to_new())
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
            acting(services, call),
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

    @routes.put(
        "/sales/offers/{offer_id}/fee",
        permission=Permission.FINANCE_WRITE,
        summary="Say what the platform keeps of what an offer sells; null is its usual fee",
    )
    def set_fee(call: Call, offer_id: _Id, body: FeeBody) -> SaleOfferAnswer:
        return SaleOfferAnswer.of(offers.set_fee(call.tx, call.holder, offer_id, body.to_ppm()), [])


def _add_sold(routes: Routes, services: ControlServices) -> None:
    sales, writes = services.sales, Permission.SALES_WRITE

    @routes.post(
        "/sales/subscriptions/{subscription_id}:activate",
        permission=writes,
        summary="Begin what was set up for a buyer",
    )
    def activate(call: Call, subscription_id: _Id) -> SubscriptionAnswer:
        by = acting(services, call)
        return SubscriptionAnswer.of(sales.activate(call.tx, call.holder, by, subscription_id))

    @routes.post(
        "/sales/subscriptions/{subscription_id}:suspend",
        permission=writes,
        summary="Stop a buyer's calls, for a reason that the buyer reads",
    )
    def suspend(call: Call, subscription_id: _Id, body: SuspendBody) -> SubscriptionAnswer:
        by = acting(services, call)
        return SubscriptionAnswer.of(
            sales.suspend_sold(call.tx, call.holder, by, subscription_id, body.reason)
        )

    @routes.post(
        "/sales/subscriptions/{subscription_id}:reinstate",
        permission=writes,
        summary="Let a buyer's calls go on",
    )
    def reinstate(call: Call, subscription_id: _Id) -> SubscriptionAnswer:
        by = acting(services, call)
        return SubscriptionAnswer.of(
            sales.reinstate_sold(call.tx, call.holder, by, subscription_id)
        )

    @routes.post(
        "/sales/subscriptions/{subscription_id}:cancel",
        permission=writes,
        summary="Cancel a buyer's subscription at the end of its term, or now with the rest back",
    )
    def cancel(call: Call, subscription_id: _Id, body: SellerCancelBody) -> SubscriptionAnswer:
        by = acting(services, call)
        return SubscriptionAnswer.of(
            sales.cancel_sold(
                call.tx, call.holder, by, subscription_id, is_now=body.now, reason=body.reason
            )
        )


def _add_private(routes: Routes, services: ControlServices) -> None:
    private = services.sale_offers.private

    @routes.get(
        "/sales/offers/{offer_id}/private-offers",
        permission=Permission.SALES_READ,
        summary="Private offers that were made",
    )
    def made(call: Call, offer_id: _Id) -> MadePrivateOfferList:
        rows = private.list_own(call.tx, call.holder, offer_id)
        accepted = private.acceptances(call.tx, call.holder, offer_id)
        return MadePrivateOfferList(
            private_offers=[
                MadePrivateOfferAnswer.made(row, accepted.get(row.private_offer_id, ()))
                for row in rows
            ]
        )

    @routes.post(
        "/sales/offers/{offer_id}/private-offers",
        permission=Permission.SALES_WRITE,
        summary="Offer named organizations other terms",
    )
    def offer_privately(call: Call, offer_id: _Id, body: PrivateOfferBody) -> PrivateOfferAnswer:
        by = acting(services, call)
        return PrivateOfferAnswer.of(
            private.offer(call.tx, call.holder, by, offer_id, body.to_new())
        )

    @routes.post(
        "/sales/private-offers/{private_offer_id}:withdraw",
        permission=Permission.SALES_WRITE,
        summary="Let nobody accept it any more; what was accepted stays",
    )
    def withdraw(call: Call, private_offer_id: _Id) -> None:
        private.withdraw(call.tx, call.holder, private_offer_id)

    @routes.get(
        "/private-offers",
        permission=Permission.BILLING_READ,
        summary="Private offers for this organization",
    )
    def private_for(call: Call) -> PrivateOfferList:
        rows = private.list_for(call.tx, call.holder)
        return PrivateOfferList(private_offers=[PrivateOfferAnswer.of(row) for row in rows])

    @routes.post(
        "/private-offers/{private_offer_id}:accept",
        permission=Permission.BILLING_WRITE,
        summary="Accept the terms that were read",
    )
    def accept(call: Call, private_offer_id: _Id, body: AcceptBody) -> AcceptanceAnswer:
        by, read_hash = acting(services, call), bytes.fromhex(body.terms_sha256)
        return AcceptanceAnswer.of(
            private.accept(call.tx, call.holder, by, private_offer_id, read_hash)
        )
