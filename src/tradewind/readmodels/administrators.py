"""People who run the platform, for commands whose trail has to name one."""

from typing import NamedTuple

from sqlalchemy import Connection, select

from tradewind.core.permissions import Role
from tradewind.features.accounts.tables import membership, user_account
from tradewind.readmodels.first_organization import first_organization


class Administrator(NamedTuple):
    user_id: str
    name: str


def find_administrator(tx: Connection, email: str) -> Administrator | None:
    """Return an administrator of the organization that runs the platform."""
    row = tx.execute(
        select(user_account.c.id, user_account.c.name)
        .join(membership, membership.c.user_id == user_account.c.id)
        .where(
            user_account.c.email == email.strip().lower(),
            user_account.c.disabled_at.is_(None),
            membership.c.organization_id == first_organization(tx),
            membership.c.role == Role.ADMIN.value,
        )
    ).first()
    return None if row is None else Administrator(row.id, row.name)
