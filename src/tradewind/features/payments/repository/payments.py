"""SQL of payments and refunds."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tradewind.features.payments.schemas import (
    Payment,
    PaymentKind,
    PaymentState,
    Refund,
)
from tradewind.features.payments.tables import payment, refund


def add_payment(tx: Connection, values: Mapping[str, Any]) -> bool:
    """False when there is one of this key."""
    added = tx.execute(
        upsert(payment)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["key"])
        .returning(payment.c.id)
    )
    return added.first() is not None


def find_payment(tx: Connection, payment_id: str, *, locks: bool = False) -> Payment | None:
    statement = select(payment).where(payment.c.id == payment_id)
    row = tx.execute(statement.with_for_update() if locks else statement).first()
    return None if row is None else _payment(row)


def payment_of_key(tx: Connection, key: str) -> Payment | None:
    row = tx.execute(select(payment).where(payment.c.key == key)).first()
    return None if row is None else _payment(row)


def payment_of_processor(tx: Connection, processor: str, processor_id: str) -> Payment | None:
    row = tx.execute(
        select(payment).where(
            payment.c.processor == processor,
            payment.c.processor_id == processor_id,
            payment.c.processor_id != "",
        )
    ).first()
    return None if row is None else _payment(row)


def payment_of_reference(tx: Connection, reference: str) -> Payment | None:
    row = tx.execute(
        select(payment)
        .where(payment.c.reference == reference, payment.c.reference != "")
        .with_for_update()
    ).first()
    return None if row is None else _payment(row)


def payment_of_intent(tx: Connection, processor: str, intent_id: str) -> Payment | None:
    """Return the payment that money of an intent came by."""
    row = tx.execute(
        select(payment).where(
            payment.c.processor == processor,
            payment.c.intent_id == intent_id,
            payment.c.intent_id != "",
        )
    ).first()
    return None if row is None else _payment(row)


def list_payments(
    tx: Connection, organization_id: str, *, before: str | None, limit: int
) -> list[Payment]:
    """Return payments, the newest first."""
    found = select(payment).where(payment.c.organization_id == organization_id)
    if before is not None:
        found = found.where(payment.c.id < before)
    return [_payment(row) for row in tx.execute(found.order_by(payment.c.id.desc()).limit(limit))]


def pending_payments(tx: Connection, processor: str, before: datetime, limit: int) -> list[Payment]:
    rows = tx.execute(
        select(payment)
        .where(
            payment.c.state == PaymentState.PENDING.value,
            payment.c.processor == processor,
            payment.c.updated_at < before,
        )
        .order_by(payment.c.updated_at)
        .limit(limit)
    )
    return [_payment(row) for row in rows]


def update_payment(tx: Connection, payment_id: str, values: Mapping[str, Any]) -> None:
    tx.execute(update(payment).where(payment.c.id == payment_id).values(**values))


def charged_automatically(tx: Connection, organization_id: str, since: datetime) -> tuple[int, int]:
    """Return what was charged, or may still be, without being asked since then; and how many of
    these are under way.
    """
    row = tx.execute(
        select(
            func.coalesce(func.sum(payment.c.amount_nanos), 0).label("total"),
            func.count().filter(payment.c.state == PaymentState.PENDING.value).label("pending"),
        ).where(
            payment.c.organization_id == organization_id,
            payment.c.is_automatic,
            payment.c.state != PaymentState.FAILED.value,
            payment.c.created_at >= since,
        )
    ).one()
    return int(row.total), row.pending


def last_automatic_failure(tx: Connection, organization_id: str) -> datetime | None:
    return tx.execute(
        select(func.max(payment.c.updated_at)).where(
            payment.c.organization_id == organization_id,
            payment.c.is_automatic,
            payment.c.state == PaymentState.FAILED.value,
        )
    ).scalar()


def _payment(row: Row[Any]) -> Payment:
    return Payment(
        payment_id=row.id,
        organization_id=row.organization_id,
        processor=row.processor,
        processor_id=row.processor_id,
        intent_id=row.intent_id,
        kind=PaymentKind(row.kind),
        invoice_id=row.invoice_id,
        amount_nanos=row.amount_nanos,
        paid_nanos=row.paid_nanos,
        refunded_nanos=row.refunded_nanos,
        currency=row.currency,
        state=PaymentState(row.state),
        reference=row.reference,
        is_automatic=row.is_automatic,
        note=row.note,
        action_url=row.action_url,
        created_at=row.created_at,
        paid_at=row.paid_at,
    )


def add_refund(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(upsert(refund).values(**values))


def refund_of_key(tx: Connection, key: str) -> Refund | None:
    row = tx.execute(select(refund).where(refund.c.key == key)).first()
    return None if row is None else _refund(row)


def lock_refund(tx: Connection, refund_id: str) -> Refund | None:
    row = tx.execute(select(refund).where(refund.c.id == refund_id).with_for_update()).first()
    return None if row is None else _refund(row)


def pending_refunds(tx: Connection, limit: int) -> list[Refund]:
    rows = tx.execute(
        select(refund)
        .where(refund.c.state == PaymentState.PENDING.value)
        .order_by(refund.c.id)
        .limit(limit)
    )
    return [_refund(row) for row in rows]


def update_refund(tx: Connection, refund_id: str, values: Mapping[str, Any]) -> None:
    tx.execute(update(refund).where(refund.c.id == refund_id).values(**values))


def find_refund(tx: Connection, refund_id: str) -> Refund | None:
    row = tx.execute(select(refund).where(refund.c.id == refund_id)).first()
    return None if row is None else _refund(row)


def _refund(row: Row[Any]) -> Refund:
    return Refund(
        row.id,
        row.payment_id,
        row.amount_nanos,
        PaymentState(row.state),
        row.processor_id,
        row.created_at,
    )
