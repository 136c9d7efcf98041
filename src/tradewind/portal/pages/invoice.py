"""One invoice: its lines, each with its usage, what became of it, and its papers."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from tradewind.core.money import format_nanos
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.billing.drawing import amount
from tradewind.features.billing.papers.formats import PaperFormat, paper
from tradewind.features.billing.schemas import CreditNoteRow, DraftLine, InvoiceRow
from tradewind.portal.parts import Portal
from tradewind.readmodels.invoice_evidence import events_csv, settlement_csv

_PAPERS = (
    (PaperFormat.PDF, "PDF"),
    (PaperFormat.HTML, "Web page"),
    (PaperFormat.UBL, "E-invoice (UBL)"),
    (PaperFormat.CSV, "Lines as CSV"),
    (PaperFormat.FOCUS, "FOCUS"),
    (PaperFormat.JSON, "JSON"),
    (PaperFormat.SETTLEMENT, "Settlement lines"),
    (PaperFormat.EVENTS, "Calls"),
)

_OF_CONTENT = 6
"""So many of these are made from what a document says; a credit note has no others."""


@dataclass(frozen=True, slots=True)
class InvoicePage:
    row: InvoiceRow
    lines: Sequence[tuple[DraftLine, int]]
    credit_notes: Sequence[CreditNoteRow]
    pay_key: str = ""
    """Sent with the form that pays it by card, so that one that is sent twice asks once; empty
    where it cannot be paid here."""
    papers: Sequence[tuple[PaperFormat, str]] = _PAPERS
    credit_papers: Sequence[tuple[PaperFormat, str]] = _PAPERS[:_OF_CONTENT]

    def money(self, minor: int) -> str:
        return f"{amount(minor, self.row.currency)} {self.row.currency}"

    @staticmethod
    def exact(nanos: int) -> str:
        return format_nanos(nanos)


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    may_read = access.allowed(Permission.BILLING_READ)

    @router.get("/invoices/{invoice_id}")
    def one(
        request: Request,
        viewer: Annotated[Viewer, Depends(may_read)],
        invoice_id: Annotated[str, Path(max_length=100)],
    ) -> Response:
        with services.database.transaction() as tx:
            row, lines, credit_notes = services.office.invoice(tx, viewer, invoice_id)
        is_own = row.organization_id == viewer.organization_id
        is_owed = row.number is not None and row.open_minor > 0
        may_pay = viewer.may(Permission.BILLING_WRITE) and services.card_payments is not None
        key = secrets.token_hex(8) if is_own and is_owed and may_pay else ""
        page = InvoicePage(row, lines, credit_notes, key)
        return portal.shell.page(request, "invoice.html", page, viewer=viewer)

    @router.get("/invoices/{invoice_id}/paper")
    def file(
        viewer: Annotated[Viewer, Depends(may_read)],
        invoice_id: Annotated[str, Path(max_length=100)],
        form: Annotated[PaperFormat, Query(alias="format")] = PaperFormat.PDF,
    ) -> Response:
        with services.database.transaction() as tx:
            frozen = services.office.frozen(tx, viewer, invoice_id)
            match form:
                case PaperFormat.SETTLEMENT:
                    lines = services.office.evidence(tx, viewer, invoice_id)
                    data = settlement_csv(lines).encode()
                case PaperFormat.EVENTS:
                    data = events_csv(tx, invoice_id).encode()
                case _:
                    data = paper(frozen, form)
        return _file(frozen.content.number, form, data)

    @router.get("/credit-notes/{credit_note_id}/paper")
    def credit_file(
        viewer: Annotated[Viewer, Depends(may_read)],
        credit_note_id: Annotated[str, Path(max_length=100)],
        form: Annotated[PaperFormat, Query(alias="format")] = PaperFormat.PDF,
    ) -> Response:
        with services.database.transaction() as tx:
            frozen = services.office.frozen_credit(tx, viewer, credit_note_id)
        return _file(frozen.content.number, form, paper(frozen, form))

    return router


def _file(number: str, form: PaperFormat, data: bytes) -> Response:
    return Response(
        data,
        media_type=form.media_type,
        headers={"content-disposition": f'attachment; filename="{number}.{form.suffix}"'},
    )
