"""The routes of buyers: what is for sale, subscriptions, and who pays."""

from typing import Annotated

from fastapi import Path, Query

from tradewind.control.access import Call, Routes
from tradewind.control.acting import acting
from tradewind.control.sales_answers import (
    CancelBody,
    ChangeBody,
    ChangePreviewAnswer,
    ConfirmationBody,
    PayerAnswer,
    SaleOfferAnswer,
    SaleOfferList,
    SubscribeBody,
    SubscriptionAnswer,
    SubscriptionEventAnswer,
    SubscriptionEventList,
    SubscriptionList,
)
from tradewind.control.services import ControlServices
from tradewind.core.ids import OrganizationId
from tradewind.core.permissions import Permission

_Id = Annotated[str, Path(max_length=100)]


def add_buying_routes(routes: Routes, services: ControlServices) -> None:
    """Add `/offers-for-sale`, everything below `/subscriptions`, and who pays."""
    _add_subscriptions(routes, services)
    _add_payers(routes, services)


def _add_subscriptions(routes: Routes, services: ControlServices) -> None:
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
            acting(services, call),
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

    @routes.get(
        "/subscriptions/{subscription_id}/change-preview",
        permission=reads,
        summary="What another plan or quantity would charge now",
    )
    def preview(
        call: Call,
        subscription_id: _Id,
        plan: Annotated[str | None, Query(max_length=100)] = None,
        quantity: Annotated[int | None, Query(ge=1, le=100_000)] = None,
    ) -> ChangePreviewAnswer:
        found = sales.preview_change(
            call.tx, call.holder, subscription_id, plan_id=plan, quantity=quantity
        )
        return ChangePreviewAnswer.of(found)

    @routes.post(
        "/subscriptions/{subscription_id}:change",
        permission=writes,
        summary="Take another plan or quantity, charged by the exact rest of the term",
    )
    def change(call: Call, subscription_id: _Id, body: ChangeBody) -> SubscriptionAnswer:
        confirmation = body.confirmation.to_confirmation()
        by, fulfilment = acting(services, call), services.marketplace.fulfilment
        if fulfilment.is_asked_first(call.tx, call.holder, subscription_id):
            # The publisher of an app has ten seconds to refuse: it is not changed yet.
            fulfilment.ask_change(
                call.tx,
                call.holder,
                by,
                subscription_id,
                body.plan,
                body.quantity,
                confirmation,
            )
            return SubscriptionAnswer.of(sales.get(call.tx, call.holder, subscription_id))
        row = sales.change_plan(
            call.tx,
            call.holder,
            by,
            subscription_id,
            plan_id=body.plan,
            quantity=body.quantity,
            confirmation=confirmation,
            revision=body.revision,
        )
        return SubscriptionAnswer.of(row)

    @routes.post(
        "/subscriptions/{subscription_id}:pause", permission=writes, summary="Stop for a while"
    )
    def pause(call: Call, subscription_id: _Id) -> SubscriptionAnswer:
        by = acting(services, call)
        return SubscriptionAnswer.of(sales.pause(call.tx, call.holder, by, subscription_id))

    @routes.post(
        "/subscriptions/{subscription_id}:resume",
        permission=writes,
        summary="Go on with what is left of the term",
    )
    def resume(call: Call, subscription_id: _Id) -> SubscriptionAnswer:
        by = acting(services, call)
        return SubscriptionAnswer.of(sales.resume(call.tx, call.holder, by, subscription_id))

    @routes.post(
        "/subscriptions/{subscription_id}:renew",
        permission=writes,
        summary="Take back that it ends with its term",
    )
    def renew(call: Call, subscription_id: _Id) -> SubscriptionAnswer:
        by = acting(services, call)
        return SubscriptionAnswer.of(sales.renew(call.tx, call.holder, by, subscription_id))

    @routes.post(
        "/subscriptions/{subscription_id}:cancel",
        permission=writes,
        summary="Cancel at the end of the term, or now",
    )
    def cancel(call: Call, subscription_id: _Id, body: CancelBody) -> SubscriptionAnswer:
        by = acting(services, call)
        return SubscriptionAnswer.of(
            sales.cancel(call.tx, call.holder, by, subscription_id, is_now=body.now)
        )


def _add_payers(routes: Routes, services: ControlServices) -> None:
    payers = services.payers

    @routes.get(
        "/billing/payer",
        permission=Permission.BILLING_READ,
        summary="Who confirmed that they know who pays",
    )
    def payer(call: Call) -> PayerAnswer:
        return PayerAnswer.of(payers.current(call.tx, call.holder))

    @routes.put(
        "/billing/payer",
        permission=Permission.BILLING_WRITE,
        summary="Confirm who pays for charged calls",
    )
    def confirm(call: Call, body: ConfirmationBody) -> PayerAnswer:
        by = acting(services, call)
        return PayerAnswer.of(payers.confirm(call.tx, call.holder, by, body.to_confirmation()))

    @routes.put(
        "/billing/accounts/{organization_id}/payer",
        permission=Permission.FINANCE_WRITE,
        summary="Keep what an organization confirmed in another way, such as a contract",
    )
    def confirm_for(call: Call, organization_id: _Id, body: ConfirmationBody) -> PayerAnswer:
        by = acting(services, call)
        said = body.to_confirmation()
        subject = OrganizationId(organization_id)
        return PayerAnswer.of(payers.confirm_for(call.tx, call.holder, by, subject, said))
