"""Invoices and credit notes: what became of them, what was paid, what was taken back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func, insert, select, update

from tradewind.core.ids import CreditNoteId, InvoiceId, OrganizationId
from tradewind.features.billing.drawing import thaw
from tradewind.features.billing.schemas import CreditNoteRow, Frozen, InvoiceRow, InvoiceState
from tradewind.features.billing.tables import (
    credit_note,
    credit_note_line,
    invoice,
    invoice_payment,
)


def find_invoice(tx: Connection, invoice_id: str) -> InvoiceRow | None:
    row = tx.execute(select(invoice).where(invoice.c.id == invoice_id)).first()
    return None if row is None else _row(row)


def list_invoices(
    tx: Connection,
    *,
    organization_id: str | None,
    state: InvoiceState | None,
    before: str | None,
    limit: int,
) -> list[InvoiceRow]:
    """Return invoices, the newest first."""
    found = select(invoice)
    if organization_id is not None:
        found = found.where(invoice.c.organization_id == organization_id)
    if state is not None:
        found = found.where(invoice.c.state == state.value)
    if before is not None:
        found = found.where(invoice.c.id < before)
    return [_row(row) for row in tx.execute(found.order_by(invoice.c.id.desc()).limit(limit))]


def frozen_invoice(tx: Connection, invoice_id: str) -> Frozen | None:
    """Return what was finalized; None for a draft, and for what does not exist."""
    found = select(invoice.c.content, invoice.c.sha256).where(invoice.c.id == invoice_id)
    return _frozen(tx.execute(found).first())


def frozen_credit(tx: Connection, credit_note_id: str) -> Frozen | None:
    found = select(credit_note.c.content, credit_note.c.sha256).where(
        credit_note.c.id == credit_note_id
    )
    return _frozen(tx.execute(found).first())


def lock_invoice(tx: Connection, invoice_id: str) -> InvoiceRow | None:
    row = tx.execute(select(invoice).where(invoice.c.id == invoice_id).with_for_update()).first()
    return None if row is None else _row(row)


def set_state(tx: Connection, invoice_id: str, state: InvoiceState) -> None:
    tx.execute(update(invoice).where(invoice.c.id == invoice_id).values(state=state.value))


# --- payments and credit ---------------------------------------------------------------------


class Payment(NamedTuple):
    key: str
    invoice_id: str
    amount_minor: int
    method: str
    reference: str
    paid_at: datetime


def find_payment(tx: Connection, key: str) -> Payment | None:
    row = tx.execute(select(invoice_payment).where(invoice_payment.c.key == key)).first()
    return None if row is None else Payment(*row)


def paid_by(tx: Connection, invoice_id: str, reference: str) -> int:
    """Return what a payment pays of an invoice, less what was taken back of it."""
    found = select(func.coalesce(func.sum(invoice_payment.c.amount_minor), 0)).where(
        invoice_payment.c.invoice_id == invoice_id, invoice_payment.c.reference == reference
    )
    return int(tx.execute(found).scalar_one())


def add_payment(tx: Connection, payment: Payment, state: InvoiceState) -> None:
    tx.execute(insert(invoice_payment).values(**payment._asdict()))
    tx.execute(
        update(invoice)
        .where(invoice.c.id == payment.invoice_id)
        .values(paid_minor=invoice.c.paid_minor + payment.amount_minor, state=state.value)
    )


class NewCredit(NamedTuple):
    credit_note_id: str
    invoice: InvoiceRow
    key: str
    series: str
    number: str
    reason: str
    is_goodwill: bool
    lines: Mapping[int, int]
    tax_minor: int
    issued_at: datetime
    frozen: Frozen
    state: InvoiceState
    """Of the invoice afterwards."""


def add_credit(tx: Connection, new: NewCredit) -> None:
    net = sum(new.lines.values())
    tx.execute(
        insert(credit_note).values(
            id=new.credit_note_id,
            invoice_id=new.invoice.invoice_id,
            organization_id=new.invoice.organization_id,
            currency=new.invoice.currency,
            key=new.key,
            series=new.series,
            number=new.number,
            reason=new.reason,
            is_goodwill=new.is_goodwill,
            net_minor=net,
            tax_minor=new.tax_minor,
            total_minor=net + new.tax_minor,
            issued_at=new.issued_at,
            content=new.frozen.data.decode(),
            sha256=new.frozen.sha256,
        )
    )
    tx.execute(
        insert(credit_note_line),
        [
            {"credit_note_id": new.credit_note_id, "seq": seq, "minor": minor}
            for seq, minor in new.lines.items()
        ],
    )
    tx.execute(
        update(invoice)
        .where(invoice.c.id == new.invoice.invoice_id)
        .values(
            credited_minor=invoice.c.credited_minor + net + new.tax_minor, state=new.state.value
        )
    )


def find_credit(tx: Connection, key: str) -> CreditNoteRow | None:
    row = tx.execute(select(credit_note).where(credit_note.c.key == key)).first()
    return None if row is None else _credit(row)


def credits_of(tx: Connection, invoice_id: str) -> list[CreditNoteRow]:
    rows = tx.execute(
        select(credit_note).where(credit_note.c.invoice_id == invoice_id).order_by(credit_note.c.id)
    )
    return [_credit(row) for row in rows]


def credited_lines(tx: Connection, invoice_id: str) -> dict[int, int]:
    """Return what was taken back of each line."""
    rows = tx.execute(
        select(credit_note_line.c.seq, func.sum(credit_note_line.c.minor).label("minor"))
        .join(credit_note)
        .where(credit_note.c.invoice_id == invoice_id)
        .group_by(credit_note_line.c.seq)
    )
    return {row.seq: int(row.minor) for row in rows}


# --- rows -------------------------------------------------------------------------------------


def _row(row: Row[Any]) -> InvoiceRow:
    return InvoiceRow(
        invoice_id=InvoiceId(row.id),
        organization_id=OrganizationId(row.organization_id),
        currency=row.currency,
        state=InvoiceState(row.state),
        number=row.number,
        period_start=row.period_start,
        period_end=row.period_end,
        exact_nanos=int(row.exact_nanos),
        net_minor=row.net_minor,
        tax_minor=row.tax_minor,
        total_minor=row.total_minor,
        paid_minor=row.paid_minor,
        credited_minor=row.credited_minor,
        issued_at=row.issued_at,
        due_at=row.due_at,
        created_at=row.created_at,
    )


def _credit(row: Row[Any]) -> CreditNoteRow:
    return CreditNoteRow(
        credit_note_id=CreditNoteId(row.id),
        invoice_id=InvoiceId(row.invoice_id),
        number=row.number,
        currency=row.currency,
        reason=row.reason,
        is_goodwill=row.is_goodwill,
        net_minor=row.net_minor,
        tax_minor=row.tax_minor,
        total_minor=row.total_minor,
        issued_at=row.issued_at,
    )


def _frozen(row: Row[Any, Any] | None) -> Frozen | None:
    if row is None or row.content is None:
        return None
    return thaw(row.content.encode(), bytes(row.sha256))
