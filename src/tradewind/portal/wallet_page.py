"""What the page of the wallet shows, and how its forms are answered."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol

from fastapi import Request
from starlette.responses import Response

from tradewind.core.creditor_references import printed
from tradewind.core.errors import InvalidInput
from tradewind.core.money import format_nanos
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.billing.drawing import amount as printed_minor
from tradewind.features.billing.schemas import InvoiceRow, InvoiceState
from tradewind.features.payments.schemas import Clawback, Payment, Wallet
from tradewind.portal.amounts import amount
from tradewind.portal.field_errors import FieldErrors
from tradewind.portal.form_fields import FormFields
from tradewind.portal.parts import Portal

_SHOWN = 50
_LONGEST = 100
_PROCESSORS = {"stripe": "card", "bank": "bank transfer"}


@dataclass(frozen=True, slots=True)
class WalletPage:
    wallet: Wallet | None
    payments: Sequence[Payment]
    clawbacks: Mapping[str, Sequence[Clawback]]
    """By payment."""
    open_invoices: Sequence[InvoiceRow]
    can_write: bool
    has_cards: bool
    key: str
    """Sent with each form, so that one that is sent twice asks once."""
    typed: Mapping[str, str]
    """What stands in the fields."""
    errors: FieldErrors = field(default_factory=FieldErrors)

    def money(self, nanos: int) -> str:
        return money(nanos)

    def minor(self, row: InvoiceRow) -> str:
        return f"{printed_minor(row.open_minor, row.currency)} {row.currency}"

    def printed(self, reference: str) -> str:
        return printed(reference)

    def way(self, payment: Payment) -> str:
        return _PROCESSORS.get(payment.processor, payment.processor)


class ShowWallet(Protocol):
    def __call__(
        self,
        request: Request,
        viewer: Viewer,
        fields: FormFields | None = None,
        errors: FieldErrors | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response: ...


def wallet_shower(portal: Portal) -> ShowWallet:
    """Return what answers with the page, with a form as it was sent and what is wrong with it."""
    services = portal.services

    def show(
        request: Request,
        viewer: Viewer,
        fields: FormFields | None = None,
        errors: FieldErrors | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        has_cards = services.card_payments is not None
        with services.database.transaction() as tx:
            found = services.wallets.wallet(tx, viewer)
            payments = services.wallets.payments(tx, viewer, limit=_SHOWN)
            clawbacks = services.wallets.clawbacks(tx, viewer, payments)
            invoices: list[InvoiceRow] = []
            if has_cards and viewer.may(Permission.BILLING_WRITE):
                finalized = InvoiceState.FINALIZED
                invoices = services.office.own_invoices(tx, viewer, state=finalized, limit=_SHOWN)
        page = WalletPage(
            wallet=found,
            payments=payments,
            clawbacks=by_payment(clawbacks),
            open_invoices=[row for row in invoices if row.open_minor > 0],
            can_write=viewer.may(Permission.BILLING_WRITE),
            has_cards=has_cards,
            key=secrets.token_hex(8),
            typed=_typed(found, fields),
            errors=errors or FieldErrors(),
        )
        return portal.shell.page(request, "wallet.html", page, viewer=viewer, status=status)

    return show


def by_payment(clawbacks: Sequence[Clawback]) -> dict[str, list[Clawback]]:
    found: dict[str, list[Clawback]] = {}
    for each in clawbacks:
        found.setdefault(each.payment_id, []).append(each)
    return found


def money(nanos: int) -> str:
    return format_nanos(nanos, digits=2)


def text_of(fields: FormFields, name: str) -> str:
    return fields.text(name)[:_LONGEST]


def currency_of(fields: FormFields) -> str:
    return text_of(fields, "currency").strip().upper()


def amount_of(fields: FormFields, name: str) -> int:
    """Return the amount that has to be there. Raises InvalidInput."""
    nanos = amount(text_of(fields, name), "the amount")
    if nanos is None:
        raise InvalidInput("there is no amount", hint="write it like 250")
    return nanos


def key_of(fields: FormFields) -> str:
    return text_of(fields, "key") or secrets.token_hex(8)


def _typed(wallet: Wallet | None, fields: FormFields | None) -> dict[str, str]:
    auto = None if wallet is None else wallet.auto
    stored = {
        "amount": "",
        "card_amount": "",
        "currency": "USD" if wallet is None else wallet.currency,
        "low": "" if wallet is None or not wallet.low_nanos else format_nanos(wallet.low_nanos),
        "below": "" if auto is None else format_nanos(auto.below_nanos),
        "auto_amount": "" if auto is None else format_nanos(auto.amount_nanos),
        "cap": "" if auto is None else format_nanos(auto.month_cap_nanos),
    }
    if fields is None:
        return stored
    return stored | {name: text for name in stored if (text := text_of(fields, name))}
