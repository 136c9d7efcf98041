"""Which invoices of which subscriptions are overdue."""

from datetime import datetime

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects import postgresql

from tradewind.features.sales.rules.life import State
from tradewind.features.sales.tables import subscription, subscription_arrears


def note(tx: Connection, subscription_id: str, invoice_id: str, number: str, now: datetime) -> None:
    """Note that an invoice is overdue, also where it was paid and that was taken back."""
    tx.execute(
        postgresql.insert(subscription_arrears)
        .values(subscription_id=subscription_id, invoice_id=invoice_id, number=number, noted_at=now)
        .on_conflict_do_update(
            index_elements=["subscription_id", "invoice_id"],
            set_={"noted_at": now, "cleared_at": None},
        )
    )


def active_ones(tx: Connection, limit: int) -> list[tuple[str, str]]:
    """Return subscriptions that are active in spite of it, each with the number of an invoice."""
    rows = tx.execute(
        select(
            subscription_arrears.c.subscription_id,
            func.min(subscription_arrears.c.number).label("number"),
        )
        .join(subscription, subscription.c.id == subscription_arrears.c.subscription_id)
        .where(
            subscription_arrears.c.cleared_at.is_(None),
            subscription.c.state == State.ACTIVE.value,
        )
        .group_by(subscription_arrears.c.subscription_id)
        .order_by(subscription_arrears.c.subscription_id)
        .limit(limit)
    )
    return [(row.subscription_id, row.number) for row in rows]


def clear(tx: Connection, subscription_id: str, invoice_id: str, now: datetime) -> None:
    tx.execute(
        update(subscription_arrears)
        .where(
            subscription_arrears.c.subscription_id == subscription_id,
            subscription_arrears.c.invoice_id == invoice_id,
        )
        .values(cleared_at=now)
    )


def has_any(tx: Connection, subscription_id: str) -> bool:
    found = tx.execute(
        select(subscription_arrears.c.invoice_id)
        .where(
            subscription_arrears.c.subscription_id == subscription_id,
            subscription_arrears.c.cleared_at.is_(None),
        )
        .limit(1)
    )
    return found.first() is not None
