"""Saved views of the catalog as lists show them, with the names of those who share them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, or_, select

from tradewind.core.ids import OrganizationId, UserId
from tradewind.features.accounts.tables import user_account
from tradewind.features.catalog.saved_views import MOST_SHARED, MOST_VIEWS
from tradewind.features.catalog.tables import saved_view


@dataclass(frozen=True, slots=True)
class ListedView:
    view_id: str
    name: str
    query: str
    is_shared: bool
    is_own: bool
    owner: str
    """The name of whose it is."""
    updated_at: datetime


def list_saved_views(
    tx: Connection, organization_id: OrganizationId, user_id: UserId | None
) -> list[ListedView]:
    """Return somebody's own views by name, then those that others share; None sees these alone."""
    is_own = saved_view.c.user_id == (user_id or "")
    rows = tx.execute(
        select(saved_view, user_account.c.name.label("owner"))
        .join(user_account, user_account.c.id == saved_view.c.user_id)
        .where(saved_view.c.organization_id == organization_id, or_(is_own, saved_view.c.is_shared))
        .order_by(is_own.desc(), saved_view.c.name, saved_view.c.id)
        .limit(MOST_VIEWS + MOST_SHARED)
    )
    return [
        ListedView(
            row.id,
            row.name,
            row.query,
            row.is_shared,
            row.user_id == user_id,
            row.owner,
            row.updated_at,
        )
        for row in rows
    ]
