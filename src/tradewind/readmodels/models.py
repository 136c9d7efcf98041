"""Models as the portal and the control API show them: catalog, price and what runs, in one row."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from tradewind.core.ids import OrganizationId
from tradewind.features.catalog.repository.visibility import is_listed_for, may_see
from tradewind.features.catalog.rules.lengths import context_or_unknown
from tradewind.features.catalog.tables import model, model_version, publisher
from tradewind.features.deployments.tables import deployment, replica
from tradewind.features.endpoints.tables import endpoint, endpoint_target
from tradewind.features.providers.tables import provider_connection
from tradewind.readmodels.prices import price_in_force

_MOST_MODELS = 10_000


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One model with its price in force and the state of its deployment."""

    name: str
    """What clients send as `model`: "publisher/slug"."""
    display_name: str
    publisher: str
    publisher_name: str
    description: str
    licence: str
    operation: str
    context_tokens: int
    max_output_tokens: int
    dimensions: int | None
    parameters: int | None
    released_on: date | None
    version: str
    currency: str
    input_nanos: int
    output_nanos: int
    cached_input_nanos: int
    engine: str | None
    """Of its deployment; None for a model that is only called at providers."""
    state: str
    """ready, starting, failed or stopped."""
    state_detail: str
    replicas_ready: int
    replicas: int
    lifecycle: str = "ga"
    retires_on: date | None = None
    replacement: str = ""


def list_models(tx: Connection, organization_id: OrganizationId | None = None) -> list[ServedModel]:
    """Return every model that has a price and is not retired, by name.

    An organization also sees its private ones; without one only what everybody sees is returned.
    """
    rows = tx.execute(
        _models(organization_id)
        .where(is_listed_for(organization_id), model.c.lifecycle != "retired")
        .order_by(model.c.publisher_slug, model.c.slug)
        .limit(_MOST_MODELS)
    )
    return [_served(row) for row in rows]


def get_model(
    tx: Connection, name: str, organization_id: OrganizationId | None = None
) -> ServedModel | None:
    """Return the model of this "publisher/slug", or None."""
    publisher_slug, _, slug = name.partition("/")
    row = tx.execute(
        _models(organization_id).where(
            model.c.publisher_slug == publisher_slug,
            model.c.slug == slug,
            may_see(organization_id),
        )
    ).first()
    return _served(row) if row is not None else None


def _models(organization_id: OrganizationId | None) -> Select[Any]:
    prices = price_in_force()
    # Another organization's own endpoint answers nobody else.
    is_callable = endpoint.c.organization_id.is_(None)
    if organization_id is not None:
        is_callable |= endpoint.c.organization_id == organization_id
    # The newest that has a deployment, else the newest: what is shown is what answers.
    has_deployment = (
        select(deployment.c.id).where(deployment.c.model_version_id == model_version.c.id).exists()
    )
    versions = (
        select(model_version)
        .ext(distinct_on(model_version.c.model_id))
        .order_by(
            model_version.c.model_id,
            has_deployment.desc(),
            model_version.c.created_at.desc(),
            model_version.c.id.desc(),
        )
        .subquery("newest_version")
    )
    replicas = (
        select(
            replica.c.deployment_id,
            func.count().filter(replica.c.state == "ready").label("ready"),
            func.count().filter(replica.c.state == "starting").label("starting"),
            func.max(replica.c.detail).filter(replica.c.state != "ready").label("detail"),
        )
        .group_by(replica.c.deployment_id)
        .subquery("replicas")
    )
    # A model at a provider's host is served without a replica of ours.
    is_hosted = (
        select(endpoint_target.c.id)
        .join(endpoint, endpoint.c.id == endpoint_target.c.endpoint_id)
        .join(provider_connection, provider_connection.c.id == endpoint_target.c.connection_id)
        .where(
            endpoint.c.model_id == model.c.id,
            endpoint.c.is_enabled,
            is_callable,
            provider_connection.c.disabled_at.is_(None),
        )
        .exists()
    )
    return (
        select(
            model,
            is_hosted.label("is_hosted"),
            publisher.c.name.label("publisher_name"),
            versions.c.label.label("version"),
            prices.c.currency,
            prices.c.input_nanos,
            prices.c.output_nanos,
            prices.c.cached_input_nanos,
            deployment.c.engine,
            func.coalesce(deployment.c.desired_replicas, 0).label("desired"),
            func.coalesce(replicas.c.ready, 0).label("ready"),
            func.coalesce(replicas.c.starting, 0).label("starting"),
            func.coalesce(replicas.c.detail, "").label("detail"),
        )
        .join(publisher, publisher.c.slug == model.c.publisher_slug)
        .join(prices, prices.c.model_id == model.c.id)
        .join(versions, versions.c.model_id == model.c.id)
        .outerjoin(deployment, deployment.c.model_version_id == versions.c.id)
        .outerjoin(replicas, replicas.c.deployment_id == deployment.c.id)
        # What is only known from lists has no operation until somebody has it served.
        .where(model.c.operation.is_not(None))
    )


def _served(row: Row[Any]) -> ServedModel:
    if row.ready or row.is_hosted:
        state, detail = "ready", ""
    elif not row.desired:
        state, detail = "stopped", "no replica is wanted"
    elif row.starting or not row.detail:
        state, detail = "starting", row.detail or "waiting for a replica"
    else:
        state, detail = "failed", row.detail
    return ServedModel(
        name=f"{row.publisher_slug}/{row.slug}",
        display_name=row.display_name,
        publisher=row.publisher_slug,
        publisher_name=row.publisher_name,
        description=row.description,
        licence=row.licence,
        operation=row.operation,
        context_tokens=context_or_unknown(row.context_tokens),
        max_output_tokens=row.max_output_tokens or 0,
        dimensions=row.dimensions,
        parameters=row.parameters,
        released_on=row.released_on,
        version=row.version,
        currency=row.currency,
        input_nanos=row.input_nanos,
        output_nanos=row.output_nanos,
        cached_input_nanos=row.cached_input_nanos,
        engine=row.engine,
        state=state,
        state_detail=detail,
        replicas_ready=row.ready,
        replicas=row.desired,
        lifecycle=row.lifecycle,
        retires_on=row.retires_on,
        replacement=row.replacement,
    )
