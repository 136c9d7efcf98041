"""Wallet: what the organization holds, how to fill it by bank, and when to be told."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, InvalidInput, NotFound
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.payments.schemas import AutoTopUp, WalletSettings
from tradewind.portal.amounts import amount
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields, FormFields
from tradewind.portal.parts import Portal
from tradewind.portal.wallet_page import amount_of, currency_of, key_of, text_of, wallet_shower


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, wallets, bank = services.database, services.wallets, services.bank_transfers
    may_read = access.allowed(Permission.BILLING_READ)
    may_write = access.allowed(Permission.BILLING_WRITE)
    own_form = [Depends(access.own_form)]
    show = wallet_shower(portal)

    @router.get("/wallet")
    def wallet(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        return show(request, viewer)

    @router.post("/wallet/bank-top-ups", dependencies=own_form)
    def top_up(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        errors = FieldErrors()
        try:
            nanos, currency = amount_of(fields, "amount"), currency_of(fields)
            with database.transaction() as tx:
                bank.announce(tx, viewer, nanos, currency, key=key_of(fields), by=viewer.name)
        except (Conflict, InvalidInput) as error:
            errors.add("amount", error)
            return show(request, viewer, fields, errors, HTTPStatus.UNPROCESSABLE_ENTITY)
        return RedirectResponse("/wallet#payments", HTTPStatus.SEE_OTHER)

    @router.post("/wallet/settings", dependencies=own_form)
    def set_up(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        errors = FieldErrors()
        with errors.at("low"):
            low = amount(text_of(fields, "low"), "the amount") or 0
            try:
                with database.transaction() as tx:
                    former = wallets.wallet(tx, viewer)
                    auto = None if former is None else former.auto
                    wallets.set_up(tx, viewer, WalletSettings(low, auto))
            except NotFound as error:
                errors.add(WHOLE_FORM, error)
        return _done(request, viewer, fields, errors)

    @router.post("/wallet/automatic", dependencies=own_form)
    def set_automatic(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        """Empty fields are: never."""
        errors = FieldErrors()
        auto = _read_auto(fields, errors)
        if not errors:
            try:
                with database.transaction() as tx:
                    former = wallets.wallet(tx, viewer)
                    low = 0 if former is None else former.low_nanos
                    wallets.set_up(tx, viewer, WalletSettings(low, auto))
            except InvalidInput as error:
                errors.add("auto_amount", error)
            except NotFound as error:
                errors.add(WHOLE_FORM, error)
        return _done(request, viewer, fields, errors)

    def _done(
        request: Request, viewer: Viewer, fields: FormFields, errors: FieldErrors
    ) -> Response:
        if errors:
            return show(request, viewer, fields, errors, HTTPStatus.UNPROCESSABLE_ENTITY)
        return RedirectResponse("/wallet", HTTPStatus.SEE_OTHER)

    return router


def _read_auto(fields: FormFields, errors: FieldErrors) -> AutoTopUp | None:
    read: dict[str, int | None] = {}
    for name in ("below", "auto_amount", "cap"):
        with errors.at(name):
            read[name] = amount(text_of(fields, name), "the amount")
    given = {name: nanos for name, nanos in read.items() if nanos is not None}
    if errors or not given:
        return None
    for name in read:
        if name not in given:
            errors.say(name, "there is no amount", "fill all three, or none")
    return None if errors else AutoTopUp(given["below"], given["auto_amount"], given["cap"])
