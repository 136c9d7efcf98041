"""Links to calendars."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, case, delete, func, insert, or_, select, update

from tradewind.core.ids import CalendarLinkId, OrganizationId, UserId
from tradewind.features.catalog.tables import calendar_link


def lock_links(tx: Connection, organization_id: OrganizationId, user_id: UserId) -> None:
    """Let one request at a time add links of a person."""
    key = f"calendar-link:{organization_id}:{user_id}"
    tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))))


def count_links(tx: Connection, organization_id: OrganizationId, user_id: UserId) -> int:
    return tx.execute(
        select(func.count()).where(
            calendar_link.c.organization_id == organization_id, calendar_link.c.user_id == user_id
        )
    ).scalar_one()


def add_link(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(calendar_link).values(**values))


def delete_link(
    tx: Connection,
    organization_id: OrganizationId,
    link_id: CalendarLinkId,
    user_id: UserId | None,
) -> bool:
    """Return whether there was one; None is anybody's of the organization."""
    statement = delete(calendar_link).where(
        calendar_link.c.id == link_id, calendar_link.c.organization_id == organization_id
    )
    if user_id is not None:
        statement = statement.where(calendar_link.c.user_id == user_id)
    return tx.execute(statement).rowcount > 0


def find_link(tx: Connection, digest: bytes) -> Row[Any] | None:
    return tx.execute(select(calendar_link).where(calendar_link.c.digest == digest)).first()


def count_read(
    tx: Connection, link_id: str, now: datetime, window_start: datetime, at_most: int
) -> bool:
    """Count one more reading, unless there were `at_most` in the window; return whether it was.

    In one statement: the window of a link holds over all processes that answer for it.
    """
    is_over = or_(calendar_link.c.window_at.is_(None), calendar_link.c.window_at <= window_start)
    counted = tx.execute(
        update(calendar_link)
        .where(
            calendar_link.c.id == link_id,
            or_(is_over, calendar_link.c.window_reads < at_most),
        )
        .values(
            window_at=case((is_over, now), else_=calendar_link.c.window_at),
            window_reads=case((is_over, 1), else_=calendar_link.c.window_reads + 1),
            last_read_at=now,
        )
    )
    return counted.rowcount > 0
