"""The organization that runs the platform: on whose behalf whoever holds the data folder acts."""

from sqlalchemy import Connection, select

from tradewind.core.errors import NotFound
from tradewind.core.ids import OrganizationId
from tradewind.features.accounts.tables import organization


def first_organization(tx: Connection) -> OrganizationId:
    """Raises NotFound before the first run."""
    found = find_first_organization(tx)
    if found is None:
        raise NotFound("there is no organization yet", hint="start the platform once")
    return found


def find_first_organization(tx: Connection) -> OrganizationId | None:
    """Return None before the first run."""
    found = tx.execute(select(organization.c.id).where(organization.c.is_platform)).scalar()
    return None if found is None else OrganizationId(found)
