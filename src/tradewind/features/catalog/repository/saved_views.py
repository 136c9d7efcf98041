"""Views of the catalog that somebody keeps."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, func, select
from sqlalchemy import delete as deleting
from sqlalchemy import update as updating
from sqlalchemy.dialects.postgresql import insert

from tradewind.core.ids import OrganizationId, SavedViewId, UserId
from tradewind.features.catalog.tables import saved_view


def lock(tx: Connection, organization_id: OrganizationId) -> None:
    """Let one request at a time add or share views of an organization."""
    key = f"saved-view:{organization_id}"
    tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))))


def count_own(tx: Connection, organization_id: OrganizationId, user_id: UserId) -> int:
    return tx.execute(
        select(func.count()).where(
            saved_view.c.organization_id == organization_id, saved_view.c.user_id == user_id
        )
    ).scalar_one()


def count_shared(tx: Connection, organization_id: OrganizationId) -> int:
    return tx.execute(
        select(func.count()).where(
            saved_view.c.organization_id == organization_id, saved_view.c.is_shared
        )
    ).scalar_one()


def add(tx: Connection, values: Mapping[str, Any]) -> bool:
    """Returns False when its owner has one of this name."""
    statement = insert(saved_view).values(**values).on_conflict_do_nothing()
    return tx.execute(statement.returning(saved_view.c.id)).first() is not None


def find(tx: Connection, organization_id: OrganizationId, view_id: SavedViewId) -> Row[Any] | None:
    return tx.execute(
        select(saved_view).where(
            saved_view.c.id == view_id, saved_view.c.organization_id == organization_id
        )
    ).first()


def find_named(
    tx: Connection, organization_id: OrganizationId, user_id: str, name: str
) -> str | None:
    """Return the id of somebody's view of this name, however it is written."""
    return tx.execute(
        select(saved_view.c.id).where(
            saved_view.c.organization_id == organization_id,
            saved_view.c.user_id == user_id,
            func.lower(saved_view.c.name) == func.lower(name),
        )
    ).scalar()


def update(tx: Connection, view_id: str, values: Mapping[str, Any]) -> None:
    tx.execute(updating(saved_view).where(saved_view.c.id == view_id).values(**values))


def delete(tx: Connection, view_id: str) -> None:
    tx.execute(deleting(saved_view).where(saved_view.c.id == view_id))
