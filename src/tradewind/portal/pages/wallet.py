"""Wallet: what the organization holds, and how to fill it. Bank: what came in and is nobody's."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, InvalidInput, NotFound
from tradewind.core.money import format_nanos
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.payments.rules.references import printed
from tradewind.features.payments.schemas import (
    BankLineRow,
    LineState,
    Payment,
    Wallet,
    WalletSettings,
)
from tradewind.portal.amounts import amount
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields, FormFields
from tradewind.portal.parts import Portal

_SHOWN = 50
_LONGEST = 100


@dataclass(frozen=True, slots=True)
class WalletPage:
    wallet: Wallet | None
    payments: Sequence[Payment]
    can_write: bool
    key: str
    """Sent with the form, so that a form that is sent twice asks once."""
    amount: str = ""
    currency: str = "USD"
    low: str = ""
    errors: FieldErrors = field(default_factory=FieldErrors)

    def money(self, nanos: int) -> str:
        return format_nanos(nanos, digits=2)

    def printed(self, reference: str) -> str:
        return printed(reference)


@dataclass(frozen=True, slots=True)
class BankPage:
    lines: Sequence[BankLineRow]
    can_write: bool
    line_id: str = ""
    """The one whose form was sent."""
    to: str = ""
    errors: FieldErrors = field(default_factory=FieldErrors)

    def money(self, nanos: int) -> str:
        return format_nanos(nanos, digits=2)


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    _add_wallet(router, portal)
    _add_bank(router, portal)
    return router


def _add_wallet(router: APIRouter, portal: Portal) -> None:
    services, access = portal.services, portal.access
    database, wallets, bank = services.database, services.wallets, services.bank_transfers
    may_read = access.allowed(Permission.BILLING_READ)
    may_write = access.allowed(Permission.BILLING_WRITE)
    own_form = [Depends(access.own_form)]

    def answer(
        request: Request,
        viewer: Viewer,
        fields: FormFields | None = None,
        errors: FieldErrors | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        with database.transaction() as tx:
            found = wallets.wallet(tx, viewer)
            payments = wallets.payments(tx, viewer, limit=_SHOWN)
        low = "" if found is None or not found.low_nanos else format_nanos(found.low_nanos)
        currency = "USD" if found is None else found.currency
        page = WalletPage(
            wallet=found,
            payments=payments,
            can_write=viewer.may(Permission.BILLING_WRITE),
            key=_text(fields, "key") or secrets.token_hex(8),
            amount=_text(fields, "amount"),
            currency=_text(fields, "currency") or currency,
            low=_text(fields, "low") or low,
            errors=errors or FieldErrors(),
        )
        return portal.shell.page(request, "wallet.html", page, viewer=viewer, status=status)

    @router.get("/wallet")
    def wallet(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        return answer(request, viewer)

    @router.post("/wallet/bank-top-ups", dependencies=own_form)
    def top_up(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        errors = FieldErrors()
        try:
            nanos = amount(_text(fields, "amount"), "the amount")
            if nanos is None:
                raise InvalidInput("there is no amount", hint="write it like 250")  # noqa: TRY301
            currency = _text(fields, "currency").strip().upper()
            key = _text(fields, "key") or secrets.token_hex(8)
            with database.transaction() as tx:
                bank.announce(tx, viewer, nanos, currency, key=key, by=viewer.name)
        except (Conflict, InvalidInput) as error:
            errors.add("amount", error)
            return answer(request, viewer, fields, errors, HTTPStatus.UNPROCESSABLE_ENTITY)
        return RedirectResponse("/wallet#payments", HTTPStatus.SEE_OTHER)

    @router.post("/wallet/settings", dependencies=own_form)
    def set_up(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        errors = FieldErrors()
        try:
            low = amount(_text(fields, "low"), "the amount") or 0
            with database.transaction() as tx:
                former = wallets.wallet(tx, viewer)
                auto = None if former is None else former.auto
                wallets.set_up(tx, viewer, WalletSettings(low, auto))
        except (InvalidInput, NotFound) as error:
            errors.add("low", error)
            return answer(request, viewer, fields, errors, HTTPStatus.UNPROCESSABLE_ENTITY)
        return RedirectResponse("/wallet", HTTPStatus.SEE_OTHER)


def _add_bank(router: APIRouter, portal: Portal) -> None:
    services, access = portal.services, portal.access
    database, bank = services.database, services.bank_transfers
    may_read = access.allowed(Permission.FINANCE_READ)
    may_write = access.allowed(Permission.FINANCE_WRITE)
    own_form = [Depends(access.own_form)]

    def answer(
        request: Request,
        viewer: Viewer,
        sent: tuple[str, str] = ("", ""),
        errors: FieldErrors | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        with database.transaction() as tx:
            lines = bank.lines(tx, viewer, state=LineState.UNMATCHED, limit=_SHOWN)
        can_write = viewer.may(Permission.FINANCE_WRITE)
        page = BankPage(lines, can_write, sent[0], sent[1], errors or FieldErrors())
        return portal.shell.page(request, "bank.html", page, viewer=viewer, status=status)

    @router.get("/bank")
    def unmatched(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        return answer(request, viewer)

    @router.post("/bank/{line_id}", dependencies=own_form)
    def assign(
        request: Request,
        line_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        to, errors = _text(fields, "to").strip(), FieldErrors()
        try:
            with database.transaction() as tx:
                if fields.is_checked("set_aside"):
                    bank.set_aside(tx, viewer, line_id, "set aside", by=viewer.name)
                else:
                    bank.assign(tx, viewer, line_id, to, by=viewer.name)
        except (Conflict, InvalidInput, NotFound) as error:
            errors.add(WHOLE_FORM, error)
            status = HTTPStatus(error.status)
            return answer(request, viewer, (line_id, to), errors, status)
        return RedirectResponse("/bank", HTTPStatus.SEE_OTHER)


def _text(fields: FormFields | None, name: str) -> str:
    return "" if fields is None else fields.text(name)[:_LONGEST]
