"""SQL of wallets, lots, payments, refunds and bank lines."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg.errors import ForeignKeyViolation
from sqlalchemy import Connection, Row, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from tradewind.core.errors import NotFound
from tradewind.features.payments.schemas import (
    BankLine,
    BankLineRow,
    LineState,
    Lot,
    LotKind,
    Payment,
    PaymentKind,
    PaymentState,
    Refund,
)
from tradewind.features.payments.tables import bank_line, payment, refund, wallet, wallet_lot

# --- wallets ---------------------------------------------------------------------------------


def add_wallet(tx: Connection, organization_id: str, currency: str, now: datetime) -> None:
    """Add a wallet, unless there is one. Raises NotFound where there is no such organization."""
    added = (
        upsert(wallet)
        .values(
            organization_id=organization_id,
            currency=currency,
            low_nanos=0,
            is_low=False,
            customer="",
            card="",
            revision=1,
            created_at=now,
            updated_at=now,
        )
        .on_conflict_do_nothing()
    )
    try:
        with tx.begin_nested():
            tx.execute(added)
    except IntegrityError as error:
        if isinstance(error.orig, ForeignKeyViolation):
            raise NotFound(f"there is no organization {organization_id[:64]!r}") from None
        raise


def lock_wallet(tx: Connection, organization_id: str) -> Row[Any] | None:
    """Return a wallet; whoever else changes it waits until this transaction has ended."""
    return tx.execute(
        select(wallet).where(wallet.c.organization_id == organization_id).with_for_update()
    ).first()


def find_wallet(tx: Connection, organization_id: str) -> Row[Any] | None:
    return tx.execute(select(wallet).where(wallet.c.organization_id == organization_id)).first()


def wallets_after(tx: Connection, organization_id: str, limit: int) -> Sequence[str]:
    return (
        tx.execute(
            select(wallet.c.organization_id)
            .where(wallet.c.organization_id > organization_id)
            .order_by(wallet.c.organization_id)
            .limit(limit)
        )
        .scalars()
        .all()
    )


def automatic_wallets_after(tx: Connection, organization_id: str, limit: int) -> Sequence[str]:
    """Return wallets that are topped up without being asked; whether they are low is not known."""
    return (
        tx.execute(
            select(wallet.c.organization_id)
            .where(
                wallet.c.organization_id > organization_id,
                wallet.c.auto_amount_nanos.is_not(None),
                wallet.c.card != "",
            )
            .order_by(wallet.c.organization_id)
            .limit(limit)
        )
        .scalars()
        .all()
    )


def update_wallet(tx: Connection, organization_id: str, values: Mapping[str, Any]) -> None:
    tx.execute(update(wallet).where(wallet.c.organization_id == organization_id).values(**values))


def add_lot(tx: Connection, values: Mapping[str, Any]) -> bool:
    """False when there is one of this key."""
    added = tx.execute(
        upsert(wallet_lot)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["key"])
        .returning(wallet_lot.c.id)
    )
    return added.first() is not None


def find_lot(tx: Connection, key: str) -> Row[Any] | None:
    return tx.execute(select(wallet_lot).where(wallet_lot.c.key == key)).first()


def lots_of(tx: Connection, organization_id: str) -> list[Lot]:
    """Return the lots of which something is left."""
    rows = tx.execute(
        select(wallet_lot)
        .where(wallet_lot.c.organization_id == organization_id, wallet_lot.c.left_nanos > 0)
        .order_by(wallet_lot.c.id)
    )
    return [
        Lot(
            lot_id=row.id,
            kind=LotKind(row.kind),
            amount_nanos=row.amount_nanos,
            left_nanos=row.left_nanos,
            expires_at=row.expires_at,
            payment_id=row.payment_id,
            memo=row.memo,
            created_at=row.created_at,
        )
        for row in rows
    ]


def set_left(tx: Connection, lot_id: str, left_nanos: int) -> None:
    tx.execute(update(wallet_lot).where(wallet_lot.c.id == lot_id).values(left_nanos=left_nanos))


# --- payments --------------------------------------------------------------------------------


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
        created_at=row.created_at,
        paid_at=row.paid_at,
    )


# --- refunds ---------------------------------------------------------------------------------


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


def _refund(row: Row[Any]) -> Refund:
    return Refund(
        row.id,
        row.payment_id,
        row.amount_nanos,
        PaymentState(row.state),
        row.processor_id,
        row.created_at,
    )


# --- bank lines ------------------------------------------------------------------------------


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
