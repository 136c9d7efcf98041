"""What the platform itself, the reconciler and other features ask of deployments."""

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
from tradewind.features.deployments.schemas import Strategy

_THE_PLATFORM = "the platform"


class DesiredDeployment(NamedTuple):
    """What should run."""

    deployment_id: DeploymentId
    engine: str
    slots: int
    replicas: int
    version: VersionFacts
    revision: int = 1
    threads: int = 1
    context_tokens: int | None = None
    """None is the model's."""
    good_revision: int | None = None
    """The last that was ready."""
    strategy: Strategy = Strategy.START_FIRST

    @property
    def context(self) -> int:
        return self.context_tokens or self.version.context_tokens


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
        """Want a version to run. Idempotent: returns None when it has a deployment already.

        For the platform itself; people order through `DeploymentOrders`. Raises NotDeployable
        (409) for a model whose life is ending, or that is not known enough.
        """
        if repository.has_deployment(tx, version_id):
            return None
        self._catalog.check_deployable(tx, version_id)
        return repository.add_deployment(
            tx,
            version_id,
            engine=engine,
            slots=slots,
            desired_replicas=replicas,
            now=self._clock.now(),
            first={
                "context_tokens": None,
                "threads": 1,
                "state": "new",
                "reason": "deployed",
                "fit": {},
                "is_override": False,
                "created_by": _THE_PLATFORM,
            },
        )

    def desired(self, tx: Connection) -> list[DesiredDeployment]:
        return [
            DesiredDeployment(
                DeploymentId(row.id),
                row.engine,
                row.slots,
                row.desired_replicas,
                self._catalog.version_facts(tx, ModelVersionId(row.model_version_id)),
                row.revision,
                row.threads,
                row.context_tokens,
                row.good_revision,
                Strategy(row.strategy),
            )
            for row in repository.desired(tx)
        ]

    def version_of(self, tx: Connection, deployment_id: DeploymentId) -> VersionFacts:
        """Return what a deployment runs. Raises NotFound."""
        version_id = repository.version_of(tx, deployment_id)
        if version_id is None:
            raise NotFound(f"there is no deployment '{deployment_id}'")
        return self._catalog.version_facts(tx, version_id)

    # --- told by the reconciler --------------------------------------------------------------

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
        *,
        revision: int = 1,
        number: int = 1,
    ) -> None:
        """Keep what was seen of a replica and have the snapshot compiled anew. Idempotent."""
        repository.put_replica(
            tx,
            replica_id,
            deployment_id,
            report=report,
            access=access,
            revision=revision,
            number=number,
            now=self._clock.now(),
        )
        record_change(tx, ChangeKind.ENDPOINTS)

    def forget(self, tx: Connection, replica_ids: Collection[ReplicaId]) -> None:
        """Replicas are gone: no call is sent to them any more. Idempotent."""
        if replica_ids:
            repository.remove_replicas(tx, replica_ids)
            record_change(tx, ChangeKind.ENDPOINTS)

    def was_ready(self, tx: Connection, deployment_id: DeploymentId, revision: int) -> None:
        """A replica of this revision was ready: it is what to come back to. Idempotent."""
        row = repository.lock_deployment(tx, deployment_id)
        if row is None or row.good_revision == revision or row.revision != revision:
            return
        repository.update_revision(tx, deployment_id, revision, {"state": "good"})
        repository.update_deployment(tx, deployment_id, {"good_revision": revision})

    def give_way(
        self, tx: Connection, deployment_id: DeploymentId, revision: int, reason: str
    ) -> int | None:
        """A revision never became ready: the last good one takes its place again. Idempotent.

        Returns the number of that one; None when there is none, or somebody was quicker.
        """
        row = repository.lock_deployment(tx, deployment_id)
        if row is None or row.revision != revision or row.good_revision in {None, revision}:
            return None
        good = repository.find_revision(tx, deployment_id, row.good_revision)
        assert good is not None, "a good revision is kept"
        failed = {"state": "failed", "reason": " ".join(reason.split())[:300]}
        repository.update_revision(tx, deployment_id, revision, failed)
        repository.update_deployment(
            tx,
            deployment_id,
            {
                "revision": good.number,
                "engine": good.engine,
                "slots": good.slots,
                "model_version_id": good.model_version_id,
                "updated_at": self._clock.now(),
            },
        )
        record_change(tx, ChangeKind.ENDPOINTS)
        return good.number
