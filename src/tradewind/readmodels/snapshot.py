"""Compiles the gateway's snapshot: models with their price in force and their ready replicas."""

from typing import Any

from sqlalchemy import Connection, func, select

from tradewind.features.catalog.tables import model, model_version
from tradewind.features.deployments.tables import deployment, replica
from tradewind.readmodels.prices import price_in_force
from tradewind.snapshot.contents import Endpoint, Operation, Price, Target


def compile_endpoints(tx: Connection) -> tuple[Endpoint, ...]:
    """Return every deployed model as an endpoint; one without a ready replica has no targets."""
    prices = price_in_force()
    targets: dict[str, list[Target]] = {}
    for row in tx.execute(
        select(replica, deployment.c.slots)
        .join(deployment)
        .where(replica.c.state == "ready")
        .order_by(replica.c.id)
    ):
        targets.setdefault(row.deployment_id, []).append(_target(row))
    rows = tx.execute(
        select(
            model,
            deployment.c.id.label("deployment_id"),
            func.extract("epoch", model.c.created_at).label("created_s"),
            prices.c.id.label("price_id"),
            prices.c.currency,
            prices.c.input_nanos,
            prices.c.output_nanos,
            prices.c.cached_input_nanos,
        )
        .join(model_version, model_version.c.model_id == model.c.id)
        .join(deployment, deployment.c.model_version_id == model_version.c.id)
        .join(prices, prices.c.model_id == model.c.id)
        .order_by(model.c.created_at, model.c.publisher_slug, model.c.slug)
    )
    return tuple(_endpoint(row, tuple(targets.get(row.deployment_id, ()))) for row in rows)


def _target(row: Any) -> Target:
    return Target(
        deployment_id=row.deployment_id,
        replica_id=row.id,
        provider=row.provider,
        address=row.address,
        upstream_model=row.upstream_model,
        credential=row.credential,
        slots=row.slots,
    )


def _endpoint(row: Any, targets: tuple[Target, ...]) -> Endpoint:
    return Endpoint(
        name=f"{row.publisher_slug}/{row.slug}",
        operation=Operation(row.operation),
        publisher=row.publisher_slug,
        created_at_ms=int(row.created_s * 1000),
        context_tokens=row.context_tokens,
        max_output_tokens=row.max_output_tokens,
        price=Price(
            id=row.price_id,
            currency=row.currency,
            input_nanos=row.input_nanos,
            output_nanos=row.output_nanos,
            cached_input_nanos=row.cached_input_nanos,
        ),
        targets=targets,
        dimensions=row.dimensions,
        aliases=(row.slug,),
    )
