"""Deployments as pages, the API and the command show them: model, revision, replicas."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from tradewind.core.errors import MalformedId, NotFound
from tradewind.core.ids import DeploymentId, ModelVersionId, OrganizationId, ReplicaId
from tradewind.features.catalog.repository.visibility import may_see
from tradewind.features.catalog.rules.lengths import context_or_unknown
from tradewind.features.catalog.tables import model, model_version
from tradewind.features.deployments.tables import deployment, deployment_revision, replica
from tradewind.features.endpoints.tables import endpoint, endpoint_target

LIST_MAX = 1_000
REVISIONS_MAX = 100


@dataclass(frozen=True, slots=True)
class ReplicaView:
    replica_id: ReplicaId
    number: int
    """From 1; it names the log."""
    revision: int
    state: str
    detail: str
    stage: str
    percent: int | None
    stages: tuple[tuple[str, datetime], ...]
    """Those it came through, each with when it began."""
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class RevisionView:
    number: int
    version: str
    engine: str
    slots: int
    context_tokens: int | None
    """None is the model's."""
    threads: int
    state: str
    """new, good or failed."""
    reason: str
    fit: Mapping[str, Any]
    """The estimate it was made on; empty where none was made."""
    is_override: bool
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class DeploymentView:
    deployment_id: DeploymentId
    model: str
    """"publisher/slug"."""
    display_name: str
    version_id: ModelVersionId
    version: str
    operation: str
    artifact: str
    is_sealed: bool
    engine: str
    slots: int
    context_tokens: int
    """That each request has."""
    trained_tokens: int
    threads: int
    replicas_wanted: int
    strategy: str
    """How the current revision takes the place of the one before: start_first or stop_first."""
    revision: int
    good_revision: int | None
    created_at: datetime
    updated_at: datetime
    endpoint_id: str | None
    endpoint: str | None
    """The name that programs call, if it has one."""
    replicas: tuple[ReplicaView, ...]

    @property
    def replicas_ready(self) -> int:
        return sum(each.state == "ready" for each in self.replicas)

    @property
    def state(self) -> str:
        """Return ready, changing, stopped, stopping, failed, or the stage of what starts."""
        if not self.replicas_wanted:
            return "stopping" if self.replicas_ready else "stopped"
        of_this = [each for each in self.replicas if each.revision == self.revision]
        ready = sum(each.state == "ready" for each in of_this)
        if ready >= self.replicas_wanted and ready == self.replicas_ready:
            return "ready"
        if self.replicas_ready:
            return "changing"
        starting = [each.stage for each in of_this if each.state == "starting"]
        if starting:
            return starting[0] or "queued"
        return "failed" if any(each.state == "failed" for each in of_this) else "queued"

    @property
    def trouble(self) -> str:
        """Return why a replica failed, if one did; empty otherwise."""
        return next((each.detail for each in self.replicas if each.state == "failed"), "")

    @property
    def is_moving(self) -> bool:
        """Say whether something is about to change by itself."""
        return self.state not in {"ready", "stopped"}


def list_deployments(tx: Connection, organization_id: OrganizationId) -> list[DeploymentView]:
    """Return deployments, the newest first; of a private model only to its own organization."""
    rows = tx.execute(
        _described(organization_id)
        .order_by(deployment.c.created_at.desc(), deployment.c.id)
        .limit(LIST_MAX)
    ).all()
    replicas = _replicas(tx, [row.id for row in rows])
    return [_view(row, replicas.get(row.id, ())) for row in rows]


def get_deployment(
    tx: Connection, organization_id: OrganizationId, deployment_id: str
) -> DeploymentView:
    """Raises NotFound, also for one of another organization's private model."""
    try:
        parsed = DeploymentId.parse(deployment_id)
    except MalformedId:
        raise _not_found(deployment_id) from None
    row = tx.execute(_described(organization_id).where(deployment.c.id == parsed)).first()
    if row is None:
        raise _not_found(deployment_id)
    return _view(row, _replicas(tx, [row.id]).get(row.id, ()))


def list_revisions(tx: Connection, deployment_id: DeploymentId) -> list[RevisionView]:
    """Return the newest revisions, the newest first."""
    rows = tx.execute(
        select(deployment_revision, model_version.c.label)
        .join(model_version, model_version.c.id == deployment_revision.c.model_version_id)
        .where(deployment_revision.c.deployment_id == deployment_id)
        .order_by(deployment_revision.c.number.desc())
        .limit(REVISIONS_MAX)
    )
    return [
        RevisionView(
            number=row.number,
            version=row.label,
            engine=row.engine,
            slots=row.slots,
            context_tokens=row.context_tokens,
            threads=row.threads,
            state=row.state,
            reason=row.reason,
            fit=row.fit,
            is_override=row.is_override,
            created_by=row.created_by,
            created_at=row.created_at,
        )
        for row in rows
    ]


def artifact_in_use(tx: Connection, organization_id: OrganizationId, digest: str) -> str | None:
    """Return which deployment needs an artifact (`sha256:…`), for whoever is about to delete it."""
    name = tx.execute(
        select(model.c.publisher_slug + "/" + model.c.slug)
        .select_from(deployment)
        .join(model_version, model_version.c.id == deployment.c.model_version_id)
        .join(model, model.c.id == model_version.c.model_id)
        .where(
            model_version.c.artifact == digest,
            model.c.organization_id.is_(None) | (model.c.organization_id == organization_id),
        )
        .limit(1)
    ).scalar()
    return None if name is None else f"the deployment of {name}"


def _described(organization_id: OrganizationId) -> Select[Any]:
    called_as = (
        select(endpoint.c.id)
        .join(endpoint_target, endpoint_target.c.endpoint_id == endpoint.c.id)
        .where(endpoint_target.c.deployment_id == deployment.c.id)
        .order_by(endpoint.c.created_at)
        .limit(1)
        .scalar_subquery()
    )
    return (
        select(
            deployment,
            deployment_revision.c.context_tokens,
            deployment_revision.c.threads,
            model.c.publisher_slug,
            model.c.slug,
            model.c.display_name,
            model.c.operation,
            model.c.context_tokens.label("trained_tokens"),
            model_version.c.label,
            model_version.c.artifact,
            model_version.c.visibility,
            endpoint.c.id.label("endpoint_id"),
            endpoint.c.name.label("endpoint_name"),
        )
        .join(
            deployment_revision,
            (deployment_revision.c.deployment_id == deployment.c.id)
            & (deployment_revision.c.number == deployment.c.revision),
        )
        .join(model_version, model_version.c.id == deployment.c.model_version_id)
        .join(model, model.c.id == model_version.c.model_id)
        .outerjoin(endpoint, endpoint.c.id == called_as)
        .where(may_see(organization_id))
    )


def _replicas(
    tx: Connection, deployment_ids: Sequence[DeploymentId]
) -> dict[str, list[ReplicaView]]:
    """Return the replicas of each deployment, without what reaches them."""
    found: dict[str, list[ReplicaView]] = {}
    if not deployment_ids:
        return found
    for row in tx.execute(
        select(
            replica.c.id,
            replica.c.deployment_id,
            replica.c.number,
            replica.c.revision,
            replica.c.state,
            replica.c.detail,
            replica.c.stage,
            replica.c.percent,
            replica.c.stages,
            replica.c.updated_at,
        )
        .where(replica.c.deployment_id.in_(deployment_ids))
        .order_by(replica.c.number, replica.c.id)
    ):
        view = ReplicaView(
            replica_id=ReplicaId(row.id),
            number=row.number,
            revision=row.revision,
            state=row.state,
            detail=row.detail,
            stage=row.stage,
            percent=row.percent,
            stages=tuple((name, datetime.fromisoformat(at)) for name, at in row.stages),
            updated_at=row.updated_at,
        )
        found.setdefault(row.deployment_id, []).append(view)
    return found


def _view(row: Row[Any], replicas: Sequence[ReplicaView]) -> DeploymentView:
    trained = context_or_unknown(row.trained_tokens)
    return DeploymentView(
        deployment_id=DeploymentId(row.id),
        model=f"{row.publisher_slug}/{row.slug}",
        display_name=row.display_name,
        version_id=ModelVersionId(row.model_version_id),
        version=row.label,
        operation=row.operation or "",
        artifact=row.artifact,
        is_sealed=row.visibility == "sealed",
        engine=row.engine,
        slots=row.slots,
        context_tokens=row.context_tokens or trained,
        trained_tokens=trained,
        threads=row.threads,
        replicas_wanted=row.desired_replicas,
        strategy=row.strategy,
        revision=row.revision,
        good_revision=row.good_revision,
        created_at=row.created_at,
        updated_at=row.updated_at,
        endpoint_id=row.endpoint_id,
        endpoint=row.endpoint_name,
        replicas=tuple(replicas),
    )


def _not_found(deployment_id: str) -> NotFound:
    return NotFound(f"there is no deployment {deployment_id[:80]!r}", hint="list the deployments")
