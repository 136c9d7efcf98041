"""Drafts and what becomes of them: stored, drawn up anew, numbered and frozen."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, delete, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tradewind.features.billing.schemas import (
    DraftLine,
    Drawn,
    Evidence,
    Frozen,
    InvoiceState,
    LineKind,
)
from tradewind.features.billing.tables import invoice, invoice_line, invoice_number


def drafts_of(tx: Connection, organization_ids: Sequence[str]) -> dict[tuple[str, str], str]:
    """Return the drafts there are, by organization and currency."""
    rows = tx.execute(
        select(invoice.c.id, invoice.c.organization_id, invoice.c.currency).where(
            invoice.c.organization_id.in_(organization_ids),
            invoice.c.state == InvoiceState.DRAFT.value,
        )
    )
    return {(row.organization_id, row.currency): row.id for row in rows}


def clear_drafts(tx: Connection, invoice_ids: Sequence[str]) -> None:
    """Take the lines of drafts away."""
    if invoice_ids:
        tx.execute(delete(invoice_line).where(invoice_line.c.invoice_id.in_(invoice_ids)))


def write_drafts(
    tx: Connection, drafts: Sequence[tuple[str, Drawn]], known: set[str], now: datetime
) -> None:
    """Store drafts under their ids; those known have no lines, and are written over."""
    if not drafts:
        return
    rows: list[dict[str, Any]] = [
        {
            "id": invoice_id,
            "organization_id": drawn.account.organization_id,
            "currency": drawn.currency,
            "state": InvoiceState.DRAFT.value,
            "period_start": drawn.period_start,
            "period_end": drawn.period_end,
            "up_to": drawn.up_to,
            "after_hour": drawn.after.hour,
            "after_number": drawn.after.number,
            "usage_nanos": drawn.usage_nanos,
            "exact_nanos": drawn.exact_nanos,
            "net_minor": drawn.net_minor,
            "tax_minor": drawn.tax_minor,
            "total_minor": drawn.total_minor,
            "created_at": now,
        }
        for invoice_id, drawn in drafts
    ]
    fresh = [row for row in rows if row["id"] not in known]
    if fresh:
        tx.execute(insert(invoice), fresh)
    for row in rows:
        if row["id"] in known:
            tx.execute(update(invoice).where(invoice.c.id == row["id"]).values(**row))
    lines = [
        _line_values(invoice_id, seq, line, share)
        for invoice_id, drawn in drafts
        for seq, (line, share) in enumerate(zip(drawn.lines, drawn.shares, strict=True), start=1)
    ]
    if lines:
        tx.execute(insert(invoice_line), lines)


def _line_values(invoice_id: str, seq: int, line: DraftLine, share: int) -> dict[str, Any]:
    values = line._asdict()
    values["kind"] = line.kind.value
    values["evidence"] = msgspec.to_builtins(line.evidence)
    return {**values, "invoice_id": invoice_id, "seq": seq, "minor": share}


def lines_of(tx: Connection, invoice_id: str) -> tuple[list[DraftLine], list[int]]:
    """Return the lines and their shares in minor units."""
    rows = tx.execute(
        select(invoice_line)
        .where(invoice_line.c.invoice_id == invoice_id)
        .order_by(invoice_line.c.seq)
    ).all()
    lines = [
        DraftLine(
            kind=LineKind(row.kind),
            description=row.description,
            quantity=row.quantity,
            unit=row.unit,
            exact_nanos=int(row.exact_nanos),
            fee_nanos=int(row.fee_nanos),
            project_id=row.project_id,
            model=row.model,
            operation=row.operation,
            price_id=row.price_id,
            seller=row.seller,
            hour_from=row.hour_from,
            hour_to=row.hour_to,
            source_key=row.source_key,
            evidence=msgspec.convert(row.evidence, Evidence),
        )
        for row in rows
    ]
    return lines, [row.minor for row in rows]


# --- finalizing ------------------------------------------------------------------------------

_FINALIZE = text("""
    UPDATE invoice SET state = :state, series = :series, number = fresh.number,
        issued_at = :issued_at, due_at = fresh.due_at, content = fresh.content,
        sha256 = fresh.sha256, tax_minor = fresh.tax_minor,
        total_minor = invoice.net_minor + fresh.tax_minor
    FROM unnest(CAST(:ids AS text[]), CAST(:numbers AS text[]), CAST(:due_ats AS timestamptz[]),
        CAST(:contents AS text[]), CAST(:hashes AS bytea[]), CAST(:taxes AS bigint[]))
        AS fresh (id, number, due_at, content, sha256, tax_minor)
    WHERE invoice.id = fresh.id
""")


class Finalized(NamedTuple):
    invoice_id: str
    number: str
    due_at: datetime
    frozen: Frozen
    tax_minor: int


def take_numbers(tx: Connection, series: str, count: int) -> int:
    """Return the first of `count` numbers of a series. Whoever takes more waits until this
    transaction ends, so that none is missing where one is rolled back.
    """
    taken = upsert(invoice_number).values(series=series, last=count)
    last = tx.execute(
        taken.on_conflict_do_update(
            index_elements=["series"],
            set_={"last": invoice_number.c.last + taken.excluded.last},
        ).returning(invoice_number.c.last)
    ).scalar_one()
    return last - count + 1


def finalize(
    tx: Connection, finalized: Sequence[Finalized], series: str, issued_at: datetime
) -> None:
    tx.execute(
        _FINALIZE,
        {
            "state": InvoiceState.FINALIZED.value,
            "series": series,
            "issued_at": issued_at,
            "ids": [each.invoice_id for each in finalized],
            "numbers": [each.number for each in finalized],
            "due_ats": [each.due_at for each in finalized],
            "contents": [each.frozen.data.decode() for each in finalized],
            "hashes": [each.frozen.sha256 for each in finalized],
            "taxes": [each.tax_minor for each in finalized],
        },
    )
