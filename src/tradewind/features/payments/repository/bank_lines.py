"""SQL of the bookings of bank statements."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tradewind.features.payments.schemas import (
    BankLine,
    BankLineRow,
    LineState,
)
from tradewind.features.payments.tables import bank_line


def add_bank_line(tx: Connection, values: Mapping[str, Any]) -> bool:
    """False when it was imported before."""
    added = tx.execute(
        upsert(bank_line)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["fingerprint"])
        .returning(bank_line.c.id)
    )
    return added.first() is not None


def lock_bank_line(tx: Connection, line_id: str) -> BankLineRow | None:
    row = tx.execute(select(bank_line).where(bank_line.c.id == line_id).with_for_update()).first()
    return None if row is None else _bank_line(row)


def list_bank_lines(
    tx: Connection, *, state: LineState | None, before: str | None, limit: int
) -> list[BankLineRow]:
    """Return lines, the newest first."""
    found = select(bank_line)
    if state is not None:
        found = found.where(bank_line.c.state == state.value)
    if before is not None:
        found = found.where(bank_line.c.id < before)
    rows = tx.execute(found.order_by(bank_line.c.id.desc()).limit(limit))
    return [_bank_line(row) for row in rows]


def update_bank_line(tx: Connection, line_id: str, values: Mapping[str, Any]) -> None:
    tx.execute(update(bank_line).where(bank_line.c.id == line_id).values(**values))


def _bank_line(row: Row[Any]) -> BankLineRow:
    return BankLineRow(
        line_id=row.id,
        line=BankLine(
            account=row.account,
            booked_on=row.booked_on,
            nanos=row.nanos,
            currency=row.currency,
            reference=row.reference,
            remittance=row.remittance,
            payer=row.payer,
            bank_reference=row.bank_reference,
            is_reversal=row.is_reversal,
        ),
        state=LineState(row.state),
        organization_id=row.organization_id,
        invoice_id=row.invoice_id,
        note=row.note,
        by=row.by,
        imported_at=row.imported_at,
    )
