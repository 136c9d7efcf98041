"""Paying by card: the way to the processor's page, what became of it, and sending it back.

The processor's page is reached by a link and never by a form's redirect, so that forms of the
portal may go nowhere but here, and whoever pays sees what and to whom before. Without a processor
none of these pages is there.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, InvalidInput, TradewindError, Unavailable
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.payments.card_payments import Begun, CardPayments
from tradewind.features.payments.schemas import Clawback, Payment, PaymentKind, PaymentState
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields, FormFields
from tradewind.portal.parts import Portal
from tradewind.portal.wallet_page import (
    amount_of,
    currency_of,
    key_of,
    money,
    text_of,
    wallet_shower,
)

_Id = Annotated[str, Path(max_length=100)]


@dataclass(frozen=True, slots=True)
class PaymentPage:
    payment: Payment
    clawbacks: Sequence[Clawback]
    can_write: bool
    key: str
    amount: str = ""
    errors: FieldErrors = field(default_factory=FieldErrors)

    def money(self, nanos: int) -> str:
        return money(nanos)

    @property
    def may_go_back(self) -> bool:
        """Whether there is something of it that could be sent back."""
        payment = self.payment
        return (
            self.can_write
            and payment.kind is PaymentKind.TOP_UP
            and payment.state is PaymentState.PAID
            and payment.processor != "bank"
            and payment.refunded_nanos < payment.paid_nanos
        )


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    cards = portal.services.card_payments
    if cards is not None:
        _add_beginnings(router, portal, cards)
        _add_payment(router, portal, cards)
    return router


def _add_beginnings(router: APIRouter, portal: Portal, cards: CardPayments) -> None:
    access = portal.access
    may_write = access.allowed(Permission.BILLING_WRITE)
    own_form = [Depends(access.own_form)]
    show = wallet_shower(portal)

    def begin(
        request: Request,
        viewer: Viewer,
        fields: FormFields,
        act: Callable[[], Begun],
        field_name: str = WHOLE_FORM,
    ) -> Response:
        errors = FieldErrors()
        try:
            payment_id = act().payment.payment_id
        except (Conflict, InvalidInput, Unavailable) as error:
            errors.add(field_name if isinstance(error, InvalidInput) else WHOLE_FORM, error)
            return show(request, viewer, fields, errors, HTTPStatus(error.status))
        return RedirectResponse(f"/wallet/payments/{payment_id}", HTTPStatus.SEE_OTHER)

    @router.post("/wallet/card-top-ups", dependencies=own_form)
    def top_up(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        def act() -> Begun:
            nanos, currency = amount_of(fields, "card_amount"), currency_of(fields)
            return cards.top_up(viewer, nanos, currency, key=key_of(fields), by=viewer.name)

        return begin(request, viewer, fields, act, "card_amount")

    @router.post("/wallet/cards", dependencies=own_form)
    def save_card(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        def act() -> Begun:
            currency, key = currency_of(fields), key_of(fields)
            return cards.save_card(viewer, currency, key=key, by=viewer.name)

        return begin(request, viewer, fields, act)

    @router.post("/wallet/invoices/{invoice_id}/pay", dependencies=own_form)
    def pay(
        request: Request,
        invoice_id: _Id,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        def act() -> Begun:
            return cards.pay_invoice(viewer, invoice_id, key=key_of(fields), by=viewer.name)

        return begin(request, viewer, fields, act)

    @router.post("/wallet/cards/remove", dependencies=own_form)
    def remove_card(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        errors = FieldErrors()
        try:
            cards.remove_card(viewer)
        except (Conflict, Unavailable) as error:
            errors.add(WHOLE_FORM, error)
            return show(request, viewer, fields, errors, HTTPStatus(error.status))
        return RedirectResponse("/wallet", HTTPStatus.SEE_OTHER)


def _add_payment(router: APIRouter, portal: Portal, cards: CardPayments) -> None:
    services, access = portal.services, portal.access
    may_read = access.allowed(Permission.BILLING_READ)
    may_write = access.allowed(Permission.BILLING_WRITE)
    own_form = [Depends(access.own_form)]

    def answer(
        request: Request,
        viewer: Viewer,
        payment_id: str,
        sent: str = "",
        error: TradewindError | None = None,
    ) -> Response:
        payment, errors = cards.payment(viewer, payment_id), FieldErrors()
        with services.database.transaction() as tx:
            clawbacks = services.wallets.clawbacks(tx, viewer, [payment])
        if error is not None:
            errors.add("amount" if isinstance(error, InvalidInput) else WHOLE_FORM, error)
        page = PaymentPage(
            payment,
            clawbacks,
            viewer.may(Permission.BILLING_WRITE),
            secrets.token_hex(8),
            sent,
            errors,
        )
        status = HTTPStatus.OK if error is None else HTTPStatus(error.status)
        return portal.shell.page(request, "wallet_payment.html", page, viewer=viewer, status=status)

    @router.get("/wallet/payments/{payment_id}")
    def one(
        request: Request, payment_id: _Id, viewer: Annotated[Viewer, Depends(may_read)]
    ) -> Response:
        return answer(request, viewer, payment_id)

    @router.post("/wallet/payments/{payment_id}/look", dependencies=own_form)
    def look(
        request: Request, payment_id: _Id, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        try:
            cards.look_again(viewer, payment_id)
        except (Conflict, Unavailable) as error:
            return answer(request, viewer, payment_id, error=error)
        return RedirectResponse(f"/wallet/payments/{payment_id}", HTTPStatus.SEE_OTHER)

    @router.post("/wallet/payments/{payment_id}/refund", dependencies=own_form)
    def refund(
        request: Request,
        payment_id: _Id,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        try:
            nanos = amount_of(fields, "amount")
            cards.refund(viewer, payment_id, nanos, key=key_of(fields), by=viewer.name)
        except (Conflict, InvalidInput, Unavailable) as error:
            return answer(request, viewer, payment_id, text_of(fields, "amount"), error)
        return RedirectResponse(f"/wallet/payments/{payment_id}", HTTPStatus.SEE_OTHER)
