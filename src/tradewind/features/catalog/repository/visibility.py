"""Who may see a model: the one condition that every reader of the catalog uses."""

from typing import Any

from sqlalchemy import ColumnElement, and_, or_

from tradewind.core.ids import OrganizationId
from tradewind.features.catalog.schemas import Visibility
from tradewind.features.catalog.tables import model


def may_see(organization_id: OrganizationId | None, table: Any = model) -> ColumnElement[bool]:
    """Return the condition for a model that was asked for by its name; None is an anonymous
    reader. `table` is `model`, or an alias of it.
    """
    is_open = table.c.visibility != Visibility.PRIVATE
    if organization_id is None:
        return is_open
    return or_(is_open, table.c.organization_id == organization_id)


def is_listed_for(
    organization_id: OrganizationId | None, table: Any = model
) -> ColumnElement[bool]:
    """Return the condition for a model in a list: what is unlisted is there for its owner only."""
    is_listed = table.c.visibility == Visibility.LISTED
    if organization_id is None:
        return is_listed
    return and_(
        may_see(organization_id, table),
        or_(is_listed, table.c.organization_id == organization_id),
    )
