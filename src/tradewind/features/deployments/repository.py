"""All SQL of deployments."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select
from sqlalchemy.dialects.postgresql import insert

from tradewind.core.ids import DeploymentId, ModelVersionId, ReplicaId
from tradewind.features.deployments.rules import ReplicaAccess, ReplicaReport
from tradewind.features.deployments.tables import deployment, replica


def add_deployment(
    tx: Connection,
    version_id: ModelVersionId,
    *,
    engine: str,
    slots: int,
    desired_replicas: int,
    now: datetime,
) -> DeploymentId | None:
    """Returns None when the version has a deployment already."""
    found = tx.execute(
        insert(deployment)
        .values(
            id=DeploymentId.new(),
            model_version_id=version_id,
            engine=engine,
            slots=slots,
            desired_replicas=desired_replicas,
            created_at=now,
        )
        .on_conflict_do_nothing()
        .returning(deployment.c.id)
    ).scalar()
    return None if found is None else DeploymentId(found)


def desired(tx: Connection) -> list[Row[Any]]:
    return list(tx.execute(select(deployment).order_by(deployment.c.created_at)))


def version_of(tx: Connection, deployment_id: DeploymentId) -> ModelVersionId | None:
    found = tx.execute(
        select(deployment.c.model_version_id).where(deployment.c.id == deployment_id)
    ).scalar()
    return None if found is None else ModelVersionId(found)


def put_replica(
    tx: Connection,
    replica_id: ReplicaId,
    deployment_id: DeploymentId,
    *,
    report: ReplicaReport,
    access: ReplicaAccess,
    now: datetime,
) -> None:
    """Insert or update; telling the same twice changes nothing."""
    tx.execute(
        insert(replica)
        .values(
            id=replica_id,
            deployment_id=deployment_id,
            state=report.state,
            detail=report.detail,
            provider=access.provider,
            upstream_model=access.upstream_model,
            address=access.address,
            credential=access.credential,
            updated_at=now,
        )
        .on_conflict_do_update(
            index_elements=[replica.c.id],
            set_={"state": report.state, "detail": report.detail, "updated_at": now},
        )
    )


def remove_replicas(tx: Connection, replica_ids: Collection[ReplicaId]) -> None:
    tx.execute(delete(replica).where(replica.c.id.in_(replica_ids)))


def remove_all_replicas(tx: Connection) -> int:
    return tx.execute(delete(replica)).rowcount
