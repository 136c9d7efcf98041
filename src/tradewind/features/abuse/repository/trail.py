"""What was done, and by whom."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from tradewind.core.ids import OrganizationId
from tradewind.features.abuse.tables import abuse_event


def add_event(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(abuse_event).values(values))


def events_of(tx: Connection, subject: str, limit: int) -> Sequence[Row[Any]]:
    """Return the newest first."""
    return tx.execute(
        select(abuse_event)
        .where(abuse_event.c.subject == subject)
        .order_by(abuse_event.c.number.desc())
        .limit(limit)
    ).all()


def events_of_organization(
    tx: Connection, organization_id: OrganizationId, *, before: int | None, limit: int
) -> Sequence[Row[Any]]:
    query = select(abuse_event).where(abuse_event.c.organization_id == organization_id)
    if before is not None:
        query = query.where(abuse_event.c.number < before)
    return tx.execute(query.order_by(abuse_event.c.number.desc()).limit(limit)).all()
