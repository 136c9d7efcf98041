"""Blocklists and their terms."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tradewind.features.safety.tables import safety_blocklist, safety_blocklist_item


def list_blocklists(tx: Connection, organization_id: str, limit: int) -> Sequence[Row[Any]]:
    return tx.execute(
        select(safety_blocklist)
        .where(safety_blocklist.c.organization_id == organization_id)
        .order_by(safety_blocklist.c.name)
        .limit(limit)
    ).all()


def find_blocklist(
    tx: Connection, organization_id: str, blocklist_id: str, *, locks: bool = False
) -> Row[Any] | None:
    statement = select(safety_blocklist).where(
        safety_blocklist.c.organization_id == organization_id,
        safety_blocklist.c.id == blocklist_id,
    )
    return tx.execute(statement.with_for_update() if locks else statement).first()


def find_by_name(tx: Connection, organization_id: str, name: str) -> Row[Any] | None:
    return tx.execute(
        select(safety_blocklist).where(
            safety_blocklist.c.organization_id == organization_id, safety_blocklist.c.name == name
        )
    ).first()


def count_blocklists(tx: Connection, organization_id: str) -> int:
    return tx.execute(
        select(func.count())
        .select_from(safety_blocklist)
        .where(safety_blocklist.c.organization_id == organization_id)
    ).scalar_one()


def add_blocklist(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(safety_blocklist).values(**values))


def update_blocklist(tx: Connection, blocklist_id: str, values: Mapping[str, Any]) -> None:
    tx.execute(
        update(safety_blocklist)
        .where(safety_blocklist.c.id == blocklist_id)
        .values(**values, revision=safety_blocklist.c.revision + 1)
    )


def delete_blocklist(tx: Connection, blocklist_id: str) -> None:
    tx.execute(delete(safety_blocklist).where(safety_blocklist.c.id == blocklist_id))


def list_items(
    tx: Connection, blocklist_id: str, *, after: str | None = None, offset: int = 0, limit: int
) -> Sequence[Row[Any]]:
    """Return terms in the order in which they came."""
    statement = select(safety_blocklist_item).where(
        safety_blocklist_item.c.blocklist_id == blocklist_id
    )
    if after is not None:
        statement = statement.where(safety_blocklist_item.c.id > after)
    return tx.execute(
        statement.order_by(safety_blocklist_item.c.id).offset(offset).limit(limit)
    ).all()


def find_item(tx: Connection, blocklist_id: str, item_id: str) -> Row[Any] | None:
    return tx.execute(
        select(safety_blocklist_item).where(
            safety_blocklist_item.c.blocklist_id == blocklist_id,
            safety_blocklist_item.c.id == item_id,
        )
    ).first()


def put_items(
    tx: Connection, blocklist_id: str, items: Sequence[Mapping[str, Any]], now: datetime
) -> Sequence[Row[Any]]:
    """Add terms; one that is there already keeps its id and takes the new description."""
    statement = upsert(safety_blocklist_item).values(
        [{**item, "blocklist_id": blocklist_id, "created_at": now} for item in items]
    )
    statement = statement.on_conflict_do_update(
        index_elements=["blocklist_id", "text", "is_regex"],
        set_={"description": statement.excluded.description},
    )
    return tx.execute(statement.returning(safety_blocklist_item)).all()


def delete_items(tx: Connection, blocklist_id: str, ids: Collection[str]) -> int:
    """Return how many there were."""
    return tx.execute(
        delete(safety_blocklist_item).where(
            safety_blocklist_item.c.blocklist_id == blocklist_id,
            safety_blocklist_item.c.id.in_(ids),
        )
    ).rowcount


def count_items(tx: Connection, blocklist_id: str) -> int:
    return tx.execute(
        select(func.count())
        .select_from(safety_blocklist_item)
        .where(safety_blocklist_item.c.blocklist_id == blocklist_id)
    ).scalar_one()
