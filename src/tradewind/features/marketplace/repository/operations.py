"""Apps, and the operations that their publishers are told of."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from tradewind.core.ids import OperationId, SaleOfferId, SubscriptionId
from tradewind.features.marketplace.schemas import (
    Action,
    AppRow,
    OperationRow,
    OperationStatus,
    Source,
)
from tradewind.features.marketplace.tables import (
    fulfilment_app,
    fulfilment_mark,
    fulfilment_operation,
)
from tradewind.features.sales.schemas import Confirmation

_operation = fulfilment_operation
_RUNNING = _operation.c.status == OperationStatus.IN_PROGRESS.value


# --- apps --------------------------------------------------------------------------------------


def find_app(tx: Connection, offer_id: str, *, locks: bool = False) -> Row[Any] | None:
    query = select(fulfilment_app).where(fulfilment_app.c.offer_id == offer_id)
    return tx.execute(query.with_for_update() if locks else query).first()


def put_app(tx: Connection, values: Mapping[str, Any], *, kept: Sequence[str] = ()) -> None:
    """Write an app; of one that is there, `kept` stays as it is."""
    stored = dict(values)
    changed = {name: value for name, value in stored.items() if name not in {"offer_id", *kept}}
    tx.execute(
        insert(fulfilment_app)
        .values(stored)
        .on_conflict_do_update(index_elements=["offer_id"], set_=changed)
    )


def change_app(tx: Connection, offer_id: str, values: Mapping[str, Any]) -> None:
    tx.execute(
        update(fulfilment_app).where(fulfilment_app.c.offer_id == offer_id).values(dict(values))
    )


def app_row(row: Row[Any]) -> AppRow:
    return AppRow(
        SaleOfferId(row.offer_id),
        row.landing_url,
        row.webhook_url,
        row.is_private_network,
        row.created_at,
        row.updated_at,
    )


def raise_mark(tx: Connection, subscription_id: str, seq: int) -> None:
    """Note up to which move a seller is told. It never falls."""
    tx.execute(
        insert(fulfilment_mark)
        .values(subscription_id=subscription_id, seq=seq)
        .on_conflict_do_update(
            index_elements=["subscription_id"],
            set_={"seq": seq},
            where=fulfilment_mark.c.seq < seq,
        )
    )


# --- operations --------------------------------------------------------------------------------


def add(tx: Connection, values: Mapping[str, Any]) -> bool:
    """Add an operation; False where its move has one, or another change is running."""
    added = insert(_operation).values(dict(values)).on_conflict_do_nothing()
    return tx.execute(added.returning(_operation.c.id)).first() is not None


def change(tx: Connection, operation_id: str, values: Mapping[str, Any]) -> None:
    tx.execute(update(_operation).where(_operation.c.id == operation_id).values(dict(values)))


def find(
    tx: Connection, operation_id: str, subscription_id: str | None = None, *, locks: bool = False
) -> OperationRow | None:
    query = select(_operation).where(_operation.c.id == operation_id)
    if subscription_id is not None:
        query = query.where(_operation.c.subscription_id == subscription_id)
    row = tx.execute(query.with_for_update() if locks else query).first()
    return None if row is None else _operation_row(row)


def running(tx: Connection, subscription_id: str, limit: int) -> list[OperationRow]:
    """Return operations that wait for their publisher, the oldest first."""
    rows = tx.execute(
        select(_operation)
        .where(_operation.c.subscription_id == subscription_id, _RUNNING)
        .order_by(_operation.c.id)
        .limit(limit)
    )
    return [_operation_row(row) for row in rows]


def of_subscription(tx: Connection, subscription_id: str, limit: int) -> list[OperationRow]:
    """Return its operations, the newest first."""
    rows = tx.execute(
        select(_operation)
        .where(_operation.c.subscription_id == subscription_id)
        .order_by(_operation.c.id.desc())
        .limit(limit)
    )
    return [_operation_row(row) for row in rows]


def due(tx: Connection, now: datetime, limit: int) -> Sequence[tuple[str, str]]:
    """Return (subscription, operation) of those that nobody refused in time."""
    rows = tx.execute(
        select(_operation.c.subscription_id, _operation.c.id)
        .where(_RUNNING, _operation.c.decide_by <= now)
        .order_by(_operation.c.decide_by)
        .limit(limit)
    )
    return [(row.subscription_id, row.id) for row in rows]


# --- deliveries --------------------------------------------------------------------------------


def claim(tx: Connection, now: datetime, *, until: datetime, limit: int) -> Sequence[Row[Any]]:
    """Take operations whose webhook is to be called now; others leave them alone until then.

    Of a subscription, one at a time and in their order: who hears of an end before a stop would
    take it for served again.
    """
    before = _operation.alias("before")
    last = 2**31 - 1
    is_before = (before.c.created_at < _operation.c.created_at) | (
        (before.c.created_at == _operation.c.created_at)
        & (func.coalesce(before.c.seq, last) < func.coalesce(_operation.c.seq, last))
    )
    waits = exists().where(
        before.c.subscription_id == _operation.c.subscription_id,
        before.c.next_try_at.is_not(None),
        is_before,
    )
    taken = (
        select(_operation.c.id)
        .where(_operation.c.next_try_at <= now, ~waits)
        .order_by(_operation.c.next_try_at, _operation.c.id)
        .limit(limit)
        .with_for_update(of=_operation, skip_locked=True)
        .cte("taken")
    )
    return tx.execute(
        update(_operation)
        .where(_operation.c.id == taken.c.id, fulfilment_app.c.offer_id == _operation.c.offer_id)
        .values(attempts=_operation.c.attempts + 1, next_try_at=until)
        .returning(
            _operation.c.id.label("operation_id"),
            _operation.c.attempts,
            _operation.c.body,
            fulfilment_app,
        )
    ).all()


def delivery_of(tx: Connection, operation_id: str) -> Row[Any] | None:
    """Return an operation as its delivery sees it, locked."""
    return tx.execute(
        select(_operation).where(_operation.c.id == operation_id).with_for_update()
    ).first()


def _operation_row(row: Row[Any]) -> OperationRow:
    return OperationRow(
        operation_id=OperationId(row.id),
        subscription_id=SubscriptionId(row.subscription_id),
        offer_id=SaleOfferId(row.offer_id),
        publisher_slug=row.publisher_slug,
        action=Action(row.action),
        status=OperationStatus(row.status),
        source=Source(row.source),
        plan_id=row.plan_id,
        plan_name=row.plan_name,
        quantity=row.quantity,
        changes_plan=row.changes_plan,
        changes_quantity=row.changes_quantity,
        by_id=row.by_id,
        by_name=row.by_name,
        confirmation=msgspec.convert(row.confirmation, Confirmation),
        error=row.error,
        created_at=row.created_at,
        decide_by=row.decide_by,
        ended_at=row.ended_at,
    )
