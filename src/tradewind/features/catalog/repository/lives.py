"""Where models are in their lives, by date."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, and_, case, or_, select

from tradewind.core.ids import OrganizationId
from tradewind.features.catalog.repository.visibility import may_see
from tradewind.features.catalog.tables import model


def ending(tx: Connection, limit: int) -> Sequence[Row[Any]]:
    """Return the models with a day ahead, the next one first, locked: deprecated ones, and those
    whose deprecation was announced. Those that another transaction looks at are left out.
    """
    is_announced = and_(
        model.c.deprecates_on.is_not(None), model.c.lifecycle.in_(("preview", "legacy"))
    )
    day = case((is_announced, model.c.deprecates_on), else_=model.c.retires_on)
    return tx.execute(
        select(model)
        .where(or_(model.c.lifecycle == "deprecated", is_announced))
        .order_by(day, model.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()


def announced(
    tx: Connection, organization_id: OrganizationId, since: date, limit: int
) -> Sequence[Row[Any]]:
    """Return the models with a last day from `since` on that this organization may see."""
    return tx.execute(
        select(model)
        .where(model.c.retires_on >= since, may_see(organization_id))
        .order_by(model.c.retires_on, model.c.publisher_slug, model.c.slug)
        .limit(limit)
    ).all()
