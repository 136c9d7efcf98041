"""What callers thought of answers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert as upsert

from tradewind.core.ids import OrganizationId
from tradewind.features.abuse.tables import feedback

_CHANGED = ("rating", "flags", "comment", "at")


def put_feedback(tx: Connection, values: Mapping[str, Any]) -> None:
    """Write it; what the same key said before of the call is replaced."""
    new = upsert(feedback).values(values)
    tx.execute(
        new.on_conflict_do_update(
            index_elements=["event_id", "key_id"],
            set_={name: new.excluded[name] for name in _CHANGED},
        )
    )


def list_feedback(
    tx: Connection,
    organization_id: OrganizationId,
    *,
    event_id: UUID | None,
    model: str | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Return the newest first."""
    query = select(feedback).where(feedback.c.organization_id == organization_id)
    if event_id is not None:
        query = query.where(feedback.c.event_id == event_id)
    if model is not None:
        query = query.where(feedback.c.model == model)
    return tx.execute(
        query.order_by(feedback.c.at.desc(), feedback.c.event_id, feedback.c.key_id).limit(limit)
    ).all()


def sum_ratings(tx: Connection, model: str | None, limit: int) -> Sequence[Row[Any, Any, int]]:
    """Return how many ratings each model has, of each kind."""
    calls = func.count().label("calls")
    query = select(feedback.c.model, feedback.c.rating, calls)
    if model is not None:
        query = query.where(feedback.c.model == model)
    return tx.execute(
        query.group_by(feedback.c.model, feedback.c.rating)
        .order_by(feedback.c.model, feedback.c.rating)
        .limit(limit)
    ).all()


def sum_flags(tx: Connection, model: str | None, limit: int) -> Sequence[Row[Any, Any, int]]:
    flag = func.unnest(feedback.c.flags).label("flag")
    query = select(feedback.c.model, flag)
    if model is not None:
        query = query.where(feedback.c.model == model)
    each = query.subquery()
    return tx.execute(
        select(each.c.model, each.c.flag, func.count().label("calls"))
        .group_by(each.c.model, each.c.flag)
        .order_by(each.c.model, each.c.flag)
        .limit(limit)
    ).all()


def forget_older(tx: Connection, than: datetime, limit: int) -> int:
    keys = (feedback.c.event_id, feedback.c.key_id)
    old = select(*keys).where(feedback.c.at < than).limit(limit)
    return tx.execute(delete(feedback).where(tuple_(*keys).in_(old))).rowcount
