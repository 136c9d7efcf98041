"""SQL of clawbacks."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tradewind.features.payments.schemas import Clawback, ClawbackKind, ClawbackState, LotKind
from tradewind.features.payments.tables import clawback, payment, wallet_lot


def add(tx: Connection, values: Mapping[str, Any]) -> None:
    """Add one, unless it is there."""
    tx.execute(
        upsert(clawback)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["processor", "processor_id"])
    )


def lock(tx: Connection, processor: str, processor_id: str) -> Clawback | None:
    row = tx.execute(
        select(clawback)
        .where(clawback.c.processor == processor, clawback.c.processor_id == processor_id)
        .with_for_update()
    ).first()
    return None if row is None else _clawback(row)


def change(tx: Connection, clawback_id: str, values: Mapping[str, Any]) -> None:
    tx.execute(update(clawback).where(clawback.c.id == clawback_id).values(**values))


def of_payments(tx: Connection, payment_ids: Sequence[str]) -> list[Clawback]:
    rows = tx.execute(
        select(clawback).where(clawback.c.payment_id.in_(payment_ids)).order_by(clawback.c.id)
    )
    return [_clawback(row) for row in rows]


def revisions(tx: Connection, payment_id: str) -> int:
    """Return a number that grows with every change of what was taken back of a payment."""
    found = select(func.coalesce(func.sum(clawback.c.revision), 0))
    return int(tx.execute(found.where(clawback.c.payment_id == payment_id)).scalar_one())


def gone_nanos(tx: Connection, payment_id: str) -> int:
    """Return how much of a payment is with whoever paid it, by no refund of ours."""
    found = select(func.coalesce(func.sum(clawback.c.amount_nanos), 0))
    return int(
        tx.execute(
            found.where(clawback.c.payment_id == payment_id, clawback.c.entry_id != "")
        ).scalar_one()
    )


def undecided(tx: Connection, processor: str, before: datetime, limit: int) -> list[Clawback]:
    """Return disputes that nothing was heard of for a while."""
    rows = tx.execute(
        select(clawback)
        .where(
            clawback.c.state == ClawbackState.OPEN.value,
            clawback.c.processor == processor,
            clawback.c.updated_at < before,
        )
        .order_by(clawback.c.updated_at)
        .limit(limit)
    )
    return [_clawback(row) for row in rows]


def touch(tx: Connection, clawback_id: str, now: datetime) -> None:
    change(tx, clawback_id, {"updated_at": now})


def collectable(tx: Connection, limit: int) -> list[Clawback]:
    """Return those that a wallet may have something for: what was sent back is taken of the
    payment's own money alone, what is disputed of all that was paid.
    """
    lot = wallet_lot
    has_some = exists().where(
        lot.c.organization_id == payment.c.organization_id,
        lot.c.left_nanos > 0,
        lot.c.kind == LotKind.PAID.value,
        or_(
            lot.c.payment_id == clawback.c.payment_id,
            clawback.c.kind == ClawbackKind.DISPUTE.value,
        ),
    )
    rows = tx.execute(
        select(clawback)
        .join(payment, payment.c.id == clawback.c.payment_id)
        .where(
            and_(clawback.c.entry_id != "", clawback.c.taken_nanos < clawback.c.amount_nanos),
            has_some,
        )
        .order_by(clawback.c.id)
        .limit(limit)
    )
    return [_clawback(row) for row in rows]


def _clawback(row: Row[Any]) -> Clawback:
    return Clawback(
        clawback_id=row.id,
        payment_id=row.payment_id,
        processor_id=row.processor_id,
        kind=ClawbackKind(row.kind),
        amount_nanos=row.amount_nanos,
        taken_nanos=row.taken_nanos,
        invoice_nanos=row.invoice_nanos,
        currency=row.currency,
        state=ClawbackState(row.state),
        reason=row.reason,
        entry_id=row.entry_id,
        moves=row.moves,
        revision=row.revision,
        created_at=row.created_at,
    )
