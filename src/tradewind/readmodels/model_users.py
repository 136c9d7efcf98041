"""Which organizations use a model."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select, union

from tradewind.core.ids import ModelId, OrganizationId
from tradewind.features.accounts.tables import organization
from tradewind.features.catalog.tables import model, model_version, publisher
from tradewind.features.deployments.tables import deployment
from tradewind.features.endpoints.tables import endpoint
from tradewind.features.metering.tables import usage_hour


def organizations_using(
    tx: Connection, model_id: ModelId, since: datetime
) -> Sequence[OrganizationId]:
    """Return those that have called it since then, have an endpoint or a deployment of it, or own
    it.

    Calls are counted under the name of the endpoint, also under that of one that is gone if it was
    the model's own. Asked when a model is about to end, which is rare: it reads the hours of usage.
    """
    names = select(endpoint.c.name).where(endpoint.c.model_id == model_id)
    own = select(model.c.publisher_slug + "/" + model.c.slug).where(model.c.id == model_id)
    users = union(
        select(usage_hour.c.organization_id).where(
            usage_hour.c.hour >= func.date_trunc("hour", since),
            usage_hour.c.model.in_(union(names, own)),
        ),
        select(endpoint.c.organization_id).where(endpoint.c.model_id == model_id),
        select(deployment.c.organization_id)
        .join(model_version, model_version.c.id == deployment.c.model_version_id)
        .where(model_version.c.model_id == model_id),
        select(model.c.organization_id).where(model.c.id == model_id),
        select(publisher.c.organization_id)
        .join(model, model.c.publisher_slug == publisher.c.slug)
        .where(model.c.id == model_id),
    ).subquery("users")
    # What was used by an organization that is gone tells nobody anything.
    rows = tx.execute(
        select(organization.c.id)
        .join(users, users.c.organization_id == organization.c.id)
        .order_by(organization.c.id)
    )
    return [OrganizationId(row.id) for row in rows]
