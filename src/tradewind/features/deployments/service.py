"""What other parts may ask of deployments."""

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import NotFound
from tradewind.core.ids import DeploymentId, ModelVersionId, ReplicaId
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.features.catalog.service import Catalog, VersionFacts
from tradewind.features.deployments import repository
from tradewind.features.deployments.rules import ReplicaAccess, ReplicaReport


class DesiredDeployment(NamedTuple):
    """What should run."""

    deployment_id: DeploymentId
    engine: str
    slots: int
    replicas: int
    version: VersionFacts


class Deployments:
    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock

    def deploy(
        self,
        tx: Connection,
        version_id: ModelVersionId,
        *,
        engine: str,
        slots: int,
        replicas: int = 1,
    ) -> DeploymentId | None:
        """Want a version to run. Idempotent: returns None when it has a deployment already."""
        return repository.add_deployment(
            tx,
            version_id,
            engine=engine,
            slots=slots,
            desired_replicas=replicas,
            now=self._clock.now(),
        )

    def desired(self, tx: Connection) -> list[DesiredDeployment]:
        return [
            DesiredDeployment(
                DeploymentId(row.id),
                row.engine,
                row.slots,
                row.desired_replicas,
                self._catalog.version_facts(tx, ModelVersionId(row.model_version_id)),
            )
            for row in repository.desired(tx)
        ]

    def version_of(self, tx: Connection, deployment_id: DeploymentId) -> VersionFacts:
        """Return what a deployment runs. Raises NotFound."""
        version_id = repository.version_of(tx, deployment_id)
        if version_id is None:
            raise NotFound(f"there is no deployment '{deployment_id}'")
        return self._catalog.version_facts(tx, version_id)

    def forget_replicas(self, tx: Connection) -> None:
        """Drop what was reported of replicas: called when their supervisor starts, as none of the
        former ones can have outlived it.
        """
        if repository.remove_all_replicas(tx):
            record_change(tx, ChangeKind.ENDPOINTS)

    def report(
        self,
        tx: Connection,
        deployment_id: DeploymentId,
        replica_id: ReplicaId,
        report: ReplicaReport,
        access: ReplicaAccess,
    ) -> None:
        """Keep what was seen of a replica and have the snapshot compiled anew. Idempotent."""
        repository.put_replica(
            tx,
            replica_id,
            deployment_id,
            report=report,
            access=access,
            now=self._clock.now(),
        )
        record_change(tx, ChangeKind.ENDPOINTS)

    def forget(self, tx: Connection, replica_ids: Collection[ReplicaId]) -> None:
        """Replicas are gone: no call is sent to them any more. Idempotent."""
        if replica_ids:
            repository.remove_replicas(tx, replica_ids)
            record_change(tx, ChangeKind.ENDPOINTS)
