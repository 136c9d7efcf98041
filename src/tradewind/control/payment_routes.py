"""The routes of wallets for members, and of credit and bank statements for the platform."""

from typing import Annotated

from fastapi import Path, Response

from tradewind.control.access import Call, Routes
from tradewind.control.acting import acting
from tradewind.control.bodies import nanos_of
from tradewind.control.pages import After, Limit
from tradewind.control.payment_answers import (
    AssignBody,
    BankLineAnswer,
    BankLinePage,
    BankTopUpBody,
    CreditBody,
    ImportedAnswer,
    PaymentAnswer,
    PaymentPage,
    SetAsideBody,
    StatementBody,
    WalletAnswer,
    WalletSettingsBody,
    WalletShown,
)
from tradewind.control.services import ControlServices
from tradewind.control.versions import IfMatch, etag, revision_of
from tradewind.core.permissions import Permission
from tradewind.features.payments.schemas import LineState

_LineId = Annotated[str, Path(max_length=100)]


def add_payment_routes(routes: Routes, services: ControlServices) -> None:
    """Add everything below `/wallet` and `/bank`."""
    _add_wallet_routes(routes, services)
    _add_bank_routes(routes, services)


def _add_wallet_routes(routes: Routes, services: ControlServices) -> None:
    wallets, bank = services.wallets, services.bank_transfers
    reads, writes = Permission.BILLING_READ, Permission.BILLING_WRITE

    @routes.get("/wallet", permission=reads, summary="What the organization holds")
    def wallet(call: Call, response: Response) -> WalletShown:
        found = wallets.wallet(call.tx, call.holder)
        if found is None:
            return WalletShown(wallet=None)
        response.headers["etag"] = etag(found.revision)
        return WalletShown(wallet=WalletAnswer.of(found))

    @routes.put(
        "/wallet/settings", permission=writes, summary="When to be told, and when to top up"
    )
    def set_up(
        call: Call, body: WalletSettingsBody, response: Response, if_match: IfMatch = None
    ) -> WalletAnswer:
        found = wallets.set_up(
            call.tx, call.holder, body.to_settings(), revision=revision_of(if_match)
        )
        response.headers["etag"] = etag(found.revision)
        return WalletAnswer.of(found)

    @routes.get("/wallet/payments", permission=reads, summary="What was paid, or tried to be")
    def payments(call: Call, limit: Limit = 100, after: After = None) -> PaymentPage:
        rows = wallets.payments(call.tx, call.holder, before=after, limit=limit + 1)
        shown = rows[:limit]
        return PaymentPage(
            payments=[PaymentAnswer.of(row) for row in shown],
            next=shown[-1].payment_id if len(rows) > limit else None,
        )

    @routes.post(
        "/wallet/bank-top-ups",
        permission=writes,
        summary="A reference for a bank transfer that fills the wallet",
    )
    def announce(call: Call, body: BankTopUpBody) -> PaymentAnswer:
        made = bank.announce(
            call.tx,
            call.holder,
            nanos_of(body.amount),
            body.currency,
            key=body.key,
            by=acting(services, call).name,
        )
        return PaymentAnswer.of(made)

    @routes.post(
        "/wallet/credits",
        permission=Permission.FINANCE_WRITE,
        summary="Give an organization credit, which may expire",
    )
    def credit(call: Call, body: CreditBody) -> WalletAnswer:
        found = wallets.give_credit(
            call.tx,
            call.holder,
            body.organization,
            nanos_of(body.amount),
            body.currency,
            key=body.key,
            memo=body.memo,
            expires_at=body.expires_at,
            by=acting(services, call).name,
        )
        return WalletAnswer.of(found)


def _add_bank_routes(routes: Routes, services: ControlServices) -> None:
    bank = services.bank_transfers
    reads, writes = Permission.FINANCE_READ, Permission.FINANCE_WRITE

    @routes.get("/bank/lines", permission=reads, summary="Bookings of bank statements")
    def lines(
        call: Call, state: LineState | None = None, limit: Limit = 100, after: After = None
    ) -> BankLinePage:
        rows = bank.lines(call.tx, call.holder, state=state, before=after, limit=limit + 1)
        shown = rows[:limit]
        return BankLinePage(
            lines=[BankLineAnswer.of(row) for row in shown],
            next=shown[-1].line_id if len(rows) > limit else None,
        )

    @routes.post("/bank/statements", permission=writes, summary="Take a camt.053 file in")
    def take(call: Call, body: StatementBody) -> ImportedAnswer:
        return ImportedAnswer.of(bank.take_statement(call.tx, call.holder, body.content.encode()))

    @routes.post(
        "/bank/lines/{line_id}:assign", permission=writes, summary="Say what a booking is for"
    )
    def assign(call: Call, line_id: _LineId, body: AssignBody) -> BankLineAnswer:
        row = bank.assign(call.tx, call.holder, line_id, body.to, by=acting(services, call).name)
        return BankLineAnswer.of(row)

    @routes.post(
        "/bank/lines/{line_id}:set-aside",
        permission=writes,
        summary="Say that a booking is none of ours",
    )
    def set_aside(call: Call, line_id: _LineId, body: SetAsideBody) -> BankLineAnswer:
        row = bank.set_aside(
            call.tx, call.holder, line_id, body.note, by=acting(services, call).name
        )
        return BankLineAnswer.of(row)
