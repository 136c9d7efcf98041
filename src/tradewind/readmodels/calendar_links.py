"""Links to calendars with whose they are, and whether those may act still."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from tradewind.core.ids import CalendarLinkId, OrganizationId, UserId
from tradewind.features.accounts.tables import membership, user_account
from tradewind.features.catalog.tables import calendar_link

_MOST = 1_000


@dataclass(frozen=True, slots=True)
class CalendarLink:
    link_id: CalendarLinkId
    name: str
    user_id: UserId
    user_name: str
    created_at: datetime
    last_read_at: datetime | None


def list_calendar_links(
    tx: Connection, organization_id: OrganizationId, user_id: UserId | None = None
) -> list[CalendarLink]:
    """Return one person's links in an organization, or with None all of it, the newest first."""
    found = (
        select(calendar_link, user_account.c.name.label("user_name"))
        .join(user_account, user_account.c.id == calendar_link.c.user_id)
        .where(calendar_link.c.organization_id == organization_id)
        .order_by(calendar_link.c.id.desc())
        .limit(_MOST)
    )
    if user_id is not None:
        found = found.where(calendar_link.c.user_id == user_id)
    return [
        CalendarLink(
            CalendarLinkId(row.id),
            row.name,
            UserId(row.user_id),
            row.user_name,
            row.created_at,
            row.last_read_at,
        )
        for row in tx.execute(found)
    ]


def is_member(tx: Connection, user_id: UserId, organization_id: OrganizationId) -> bool:
    """Say whether somebody is in an organization, and is not disabled."""
    found = (
        select(user_account.c.id)
        .join(membership, membership.c.user_id == user_account.c.id)
        .where(
            user_account.c.id == user_id,
            user_account.c.disabled_at.is_(None),
            membership.c.organization_id == organization_id,
        )
    )
    return tx.execute(found).first() is not None
