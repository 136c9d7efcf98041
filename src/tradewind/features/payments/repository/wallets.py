"""SQL of wallets and their lots."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg.errors import ForeignKeyViolation
from sqlalchemy import Connection, Row, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from tradewind.core.errors import NotFound
from tradewind.features.payments.schemas import (
    Lot,
    LotKind,
)
from tradewind.features.payments.tables import wallet, wallet_lot

NO_AUTOMATIC_TOP_UP: Mapping[str, None] = dict.fromkeys(
    ("auto_below_nanos", "auto_amount_nanos", "auto_month_cap_nanos")
)


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
            card_label="",
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


def forget_card(tx: Connection, organization_id: str, now: datetime) -> None:
    """Forget a card, and what it was to be charged for."""
    forgotten = {"card": "", "card_label": "", "updated_at": now}
    update_wallet(tx, organization_id, {**forgotten, **NO_AUTOMATIC_TOP_UP})


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
