"""All SQL of deployments."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from tradewind.core.ids import DeploymentId, ModelVersionId, OrganizationId, ReplicaId
from tradewind.features.deployments.rules import ReplicaAccess, ReplicaReport
from tradewind.features.deployments.tables import deployment, deployment_revision, replica


def add_deployment(
    tx: Connection,
    version_id: ModelVersionId,
    *,
    engine: str,
    slots: int,
    desired_replicas: int,
    now: datetime,
    first: Mapping[str, Any],
    organization_id: OrganizationId | None = None,
) -> DeploymentId | None:
    """Add a deployment with its first revision; `first` is what else that one says. Without an
    organization it is the platform's own.

    Returns None when the version has a deployment already.
    """
    found = tx.execute(
        insert(deployment)
        .values(
            id=DeploymentId.new(),
            model_version_id=version_id,
            organization_id=organization_id,
            engine=engine,
            slots=slots,
            desired_replicas=desired_replicas,
            replicas_before_stop=max(1, desired_replicas),
            created_at=now,
            updated_at=now,
        )
        .on_conflict_do_nothing()
        .returning(deployment.c.id)
    ).scalar()
    if found is None:
        return None
    deployment_id = DeploymentId(found)
    values = {"model_version_id": version_id, "engine": engine, "slots": slots, "created_at": now}
    add_revision(tx, deployment_id, 1, {**first, **values})
    return deployment_id


def add_revision(
    tx: Connection, deployment_id: DeploymentId, number: int, values: Mapping[str, Any]
) -> None:
    row = {**values, "deployment_id": deployment_id, "number": number}
    tx.execute(insert(deployment_revision).values(row))


def update_revision(
    tx: Connection, deployment_id: DeploymentId, number: int, values: Mapping[str, Any]
) -> None:
    tx.execute(
        update(deployment_revision)
        .where(
            deployment_revision.c.deployment_id == deployment_id,
            deployment_revision.c.number == number,
        )
        .values(**values)
    )


def has_deployment(tx: Connection, version_id: ModelVersionId) -> bool:
    return deployment_of(tx, version_id) is not None


def deployment_of(tx: Connection, version_id: ModelVersionId) -> DeploymentId | None:
    found = tx.execute(
        select(deployment.c.id).where(deployment.c.model_version_id == version_id)
    ).scalar()
    return None if found is None else DeploymentId(found)


def desired(tx: Connection) -> list[Row[Any]]:
    """Return every deployment with its current revision."""
    return list(tx.execute(_with_revision().order_by(deployment.c.created_at)))


def version_of(tx: Connection, deployment_id: DeploymentId) -> ModelVersionId | None:
    found = tx.execute(
        select(deployment.c.model_version_id).where(deployment.c.id == deployment_id)
    ).scalar()
    return None if found is None else ModelVersionId(found)


def lock_deployment(
    tx: Connection, deployment_id: DeploymentId, *, is_read: bool = False
) -> Row[Any] | None:
    """Return a deployment that nobody else changes before the end of `tx`, unless it is only
    read.
    """
    statement = select(deployment).where(deployment.c.id == deployment_id)
    return tx.execute(statement if is_read else statement.with_for_update()).first()


def update_deployment(
    tx: Connection, deployment_id: DeploymentId, values: Mapping[str, Any]
) -> None:
    tx.execute(update(deployment).where(deployment.c.id == deployment_id).values(**values))


def delete_deployment(tx: Connection, deployment_id: DeploymentId) -> None:
    tx.execute(delete(deployment).where(deployment.c.id == deployment_id))


def count_deployments(tx: Connection) -> int:
    return tx.execute(select(func.count()).select_from(deployment)).scalar_one()


def find_revision(tx: Connection, deployment_id: DeploymentId, number: int) -> Row[Any] | None:
    return tx.execute(
        select(deployment_revision).where(
            deployment_revision.c.deployment_id == deployment_id,
            deployment_revision.c.number == number,
        )
    ).first()


def good_before(tx: Connection, deployment_id: DeploymentId, revision: int) -> int | None:
    """Return the newest good revision that is not this one."""
    return tx.execute(
        select(func.max(deployment_revision.c.number)).where(
            deployment_revision.c.deployment_id == deployment_id,
            deployment_revision.c.state == "good",
            deployment_revision.c.number != revision,
        )
    ).scalar()


def last_revision(tx: Connection, deployment_id: DeploymentId) -> int:
    return tx.execute(
        select(func.coalesce(func.max(deployment_revision.c.number), 0)).where(
            deployment_revision.c.deployment_id == deployment_id
        )
    ).scalar_one()


def put_replica(
    tx: Connection,
    replica_id: ReplicaId,
    deployment_id: DeploymentId,
    *,
    report: ReplicaReport,
    access: ReplicaAccess,
    revision: int,
    number: int,
    now: datetime,
) -> None:
    """Insert or update; telling the same twice changes nothing."""
    told = {
        "state": report.state,
        "detail": report.detail,
        "stage": report.stage,
        "percent": report.percent,
        "stages": [list(each) for each in report.stages],
        "provider": access.provider,
        "upstream_model": access.upstream_model,
        "address": access.address,
        "credential": access.credential,
        "revision": revision,
        "number": number,
        "updated_at": now,
    }
    tx.execute(
        insert(replica)
        .values(id=replica_id, deployment_id=deployment_id, **told)
        .on_conflict_do_update(index_elements=[replica.c.id], set_=told)
    )


def has_ready_replica(tx: Connection, deployment_id: DeploymentId) -> bool:
    return (
        tx.execute(
            select(replica.c.id)
            .where(replica.c.deployment_id == deployment_id, replica.c.state == "ready")
            .limit(1)
        ).first()
        is not None
    )


def remove_replicas(tx: Connection, replica_ids: Collection[ReplicaId]) -> None:
    tx.execute(delete(replica).where(replica.c.id.in_(replica_ids)))


def remove_all_replicas(tx: Connection) -> int:
    return tx.execute(delete(replica)).rowcount


def _with_revision() -> Select[Any]:
    return select(
        deployment,
        deployment_revision.c.context_tokens,
        deployment_revision.c.threads,
        deployment_revision.c.state.label("revision_state"),
    ).join(
        deployment_revision,
        (deployment_revision.c.deployment_id == deployment.c.id)
        & (deployment_revision.c.number == deployment.c.revision),
    )
