"""The routes of card payments. None of them is there on a platform without a processor."""

from typing import Annotated

from fastapi import Path, Request
from pydantic import BaseModel, Field, StringConstraints
from starlette.concurrency import run_in_threadpool

from tradewind.control.access import PUBLIC, Call, Routes
from tradewind.control.acting import acting
from tradewind.control.bodies import Body, nanos_of
from tradewind.control.payment_answers import PaymentAnswer
from tradewind.control.services import ControlServices
from tradewind.core.permissions import Permission
from tradewind.features.payments.card_payments import Begun
from tradewind.features.payments.schemas import PaymentState, Refund

_Id = Annotated[str, Path(max_length=100)]
_Amount = Annotated[str, StringConstraints(max_length=24, pattern=r"^[0-9]{1,10}(\.[0-9]{1,9})?$")]
_Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
_Key = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class TopUpBody(Body):
    amount: _Amount
    currency: _Currency
    key: _Key


class CardBody(Body):
    currency: _Currency
    key: _Key


class PayBody(Body):
    key: _Key


class RefundBody(Body):
    amount: _Amount
    key: _Key


class BegunAnswer(BaseModel):
    payment: PaymentAnswer
    url: str = Field(description="The processor's page, where somebody pays.")

    @classmethod
    def of(cls, begun: Begun) -> "BegunAnswer":
        return cls(payment=PaymentAnswer.of(begun.payment), url=begun.url)


class RefundAnswer(BaseModel):
    id: str
    state: PaymentState

    @classmethod
    def of(cls, refund: Refund) -> "RefundAnswer":
        return cls(id=refund.refund_id, state=refund.state)


class Taken(BaseModel):
    is_ours: bool


def add_card_routes(routes: Routes, services: ControlServices) -> None:
    """Add what a processor needs; nothing without one."""
    cards = services.card_payments
    if cards is None:
        return
    writes = Permission.BILLING_WRITE

    @routes.post("/wallet/top-ups", permission=writes, summary="Fill the wallet by card")
    def top_up(call: Call, body: TopUpBody) -> BegunAnswer:
        nanos, by = nanos_of(body.amount), acting(services, call).name
        begun = cards.top_up(call.holder, nanos, body.currency, key=body.key, by=by)
        return BegunAnswer.of(begun)

    @routes.post("/wallet/cards", permission=writes, summary="Save a card for automatic top-up")
    def save_card(call: Call, body: CardBody) -> BegunAnswer:
        by = acting(services, call).name
        return BegunAnswer.of(cards.save_card(call.holder, body.currency, key=body.key, by=by))

    @routes.delete(
        "/wallet/cards",
        permission=writes,
        summary="Forget the saved card, and end automatic top-up",
    )
    def remove_card(call: Call) -> None:
        cards.remove_card(call.holder)

    @routes.post(
        "/wallet/payments/{payment_id}:look",
        permission=writes,
        summary="Ask the processor how a payment stands, without waiting for its message",
    )
    def look(call: Call, payment_id: _Id) -> PaymentAnswer:
        return PaymentAnswer.of(cards.look_again(call.holder, payment_id))

    @routes.post(
        "/wallet/invoices/{invoice_id}:pay", permission=writes, summary="Pay an invoice by card"
    )
    def pay(call: Call, invoice_id: _Id, body: PayBody) -> BegunAnswer:
        by = acting(services, call).name
        return BegunAnswer.of(cards.pay_invoice(call.holder, invoice_id, key=body.key, by=by))

    @routes.post(
        "/wallet/payments/{payment_id}:refund",
        permission=writes,
        summary="Send back what is not spent of a top-up",
    )
    def refund(call: Call, payment_id: _Id, body: RefundBody) -> RefundAnswer:
        nanos, by = nanos_of(body.amount), acting(services, call).name
        return RefundAnswer.of(cards.refund(call.holder, payment_id, nanos, key=body.key, by=by))

    path = "/payments/stripe/events"
    routes.permissions["POST", path] = PUBLIC

    # Its signature lets it in, over the very bytes: nothing may be parsed before.
    @routes.router.post(path, summary="Messages of Stripe")
    async def take_event(request: Request) -> Taken:
        body = await request.body()
        signatures = request.headers.getlist("stripe-signature")
        signature = signatures[0] if len(signatures) == 1 else ""
        return Taken(is_ours=await run_in_threadpool(cards.take_notice, body, signature))
