"""Which organization has accepted the licence of which gated model."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select
from sqlalchemy.dialects.postgresql import insert

from tradewind.core.ids import ModelId, OrganizationId
from tradewind.features.catalog.tables import licence_acceptance, model


def accept(
    tx: Connection,
    organization_id: OrganizationId,
    model_id: ModelId,
    licence: str,
    *,
    by: str,
    now: datetime,
) -> bool:
    """Returns False when this licence was accepted before."""
    said = {"licence": licence, "accepted_by": by, "accepted_at": now}
    statement = insert(licence_acceptance).values(
        organization_id=organization_id, model_id=model_id, **said
    )
    return (
        tx.execute(
            statement.on_conflict_do_update(
                index_elements=[
                    licence_acceptance.c.organization_id,
                    licence_acceptance.c.model_id,
                ],
                set_=said,
                where=licence_acceptance.c.licence != licence,
            ).returning(licence_acceptance.c.model_id)
        ).first()
        is not None
    )


def acceptance(
    tx: Connection, organization_id: OrganizationId, model_id: ModelId
) -> Row[Any] | None:
    return tx.execute(
        select(licence_acceptance).where(
            licence_acceptance.c.organization_id == organization_id,
            licence_acceptance.c.model_id == model_id,
        )
    ).first()


def accepted_by(tx: Connection, organization_id: OrganizationId) -> Sequence[Row[Any]]:
    """Return the models whose licence, as it is now, an organization has accepted."""
    return tx.execute(
        select(model.c.publisher_slug, model.c.slug, licence_acceptance)
        .join(model, model.c.id == licence_acceptance.c.model_id)
        .where(
            licence_acceptance.c.organization_id == organization_id,
            licence_acceptance.c.licence == model.c.licence,
        )
        .order_by(model.c.publisher_slug, model.c.slug)
    ).all()
