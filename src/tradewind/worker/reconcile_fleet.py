"""What the reconciler knows of replicas, in its memory."""

from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path

from tradewind.core.ids import DeploymentId, ReplicaId
from tradewind.features.deployments.rules import (
    ReplicaAccess,
    ReplicaReport,
    Stage,
    most_at_once,
    stays,
)
from tradewind.features.deployments.service import DesiredDeployment
from tradewind.plugins.engines.base import Engine, Launch, Probe, Process
from tradewind.worker.engine_weights import Placed

_WORDS = {
    Stage.QUEUED: "waiting for its turn",
    Stage.VERIFYING: "the weights are verified",
    Stage.LOADING: "the engine is loading the model",
    Stage.WARMING_UP: "the engine answers its first question",
    Stage.READY: "",
}


class Shown:
    """A replica as the database shows it, and what it was told so far."""

    def __init__(self, replica_id: ReplicaId, access: ReplicaAccess, report: ReplicaReport) -> None:
        self.id = replica_id
        self.access = access
        self.report = report
        self.told: ReplicaReport | None = None
        self.revision = 1
        self.number = 1


class Replica(Shown):
    """One try at having an engine ready, from its place in the queue to its end."""

    def __init__(self, desired: DesiredDeployment, number: int, placing: Future[Placed]) -> None:
        alias = desired.version.name
        access = ReplicaAccess(provider="", upstream_model=alias, address="", credential="")
        super().__init__(ReplicaId.new(), access, ReplicaReport("starting"))
        self.desired = desired
        self.revision = desired.revision
        self.number = number
        self.placing: Future[Placed] | None = placing
        self.placed: Placed | None = None
        self.percent: int | None = None
        """Of the weights that are verified; written by the thread that verifies them."""
        self.engine: Engine | None = None
        self.launch: Launch | None = None
        self.process: Process | None = None
        self.asking: Future[Probe] | None = None
        """A probe, or the first question, whose answer is waited for."""
        self.ask_at = 0.0
        self.moved_at = 0.0
        """When its weights were last seen to be verified further."""
        self.began_at = 0.0
        self.ready_at: float | None = None
        self.silent_since: float | None = None
        """Since when a ready one has not answered its probe."""
        self.come_to(Stage.QUEUED)

    @property
    def stage(self) -> Stage:
        return Stage(self.report.stage)

    @property
    def is_ready(self) -> bool:
        return self.report.state == "ready"

    def come_to(self, stage: Stage) -> None:
        """Note that it has come to a stage, now."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        stages = (*self.report.stages, (stage.value, at))
        state = "ready" if stage is Stage.READY else "starting"
        self.report = ReplicaReport(state, _WORDS[stage], stage.value, None, stages)

    def show_percent(self) -> bool:
        """Return whether the weights were verified further since the last look."""
        is_further = self.percent is not None and self.percent != self.report.percent
        if is_further:
            self.report = self.report._replace(percent=self.percent)
        return is_further

    def fail(self, reason: str) -> None:
        self.release()
        self.report = ReplicaReport.failed(
            reason, stage=self.report.stage, stages=self.report.stages
        )

    def release(self) -> None:
        """Give back the place of its weights, also of those that are on their way. Idempotent."""
        placing, self.placing = self.placing, None
        if placing is not None and not placing.cancel():
            placing.add_done_callback(_release_late)
        placed, self.placed = self.placed, None
        if placed is not None:
            placed.release()


class Fleet:
    """The replicas of one deployment on this machine."""

    def __init__(self, desired: DesiredDeployment) -> None:
        self.desired = desired
        self.replicas: list[Replica] = []
        self.failed: list[Shown] = []
        """Ended by themselves or never begun; shown with their reason until the next start."""
        self.ended: list[Shown] = []
        """Gone, but the database was not told yet."""
        self.failures = 0
        self.start_at = 0.0
        self.gives_way: str | None = None
        """Why its revision is to be replaced by the last good one."""

    def want(self, desired: DesiredDeployment) -> None:
        """Take note of what is wanted now. Another revision begins with a clean slate."""
        if desired.revision != self.desired.revision:
            self.failures, self.start_at, self.gives_way = 0, 0.0, None
            self.ended += self.failed
            self.failed = []
        self.desired = desired

    def is_starting(self) -> bool:
        """Say whether something is about to happen: weights on their way, an engine loading."""
        return any(replica.report.state == "starting" for replica in self.replicas)

    def is_forgotten(self) -> bool:
        """Say whether nothing is left of it to run, to show or to tell."""
        return not (self.desired.replicas or self.replicas or self.failed or self.ended)

    def has_been_ready(self) -> bool:
        return self.desired.good_revision == self.desired.revision or any(
            replica.ready_at is not None and replica.revision == self.desired.revision
            for replica in self.replicas
        )

    def free_number(self) -> int:
        taken = {replica.number for replica in self.replicas}
        return next(number for number in range(1, len(taken) + 2) if number not in taken)

    def shown(self) -> list[Shown]:
        """Return what others are to see. A next try after a failure is shown once it loads: until
        then the reason of the failure is worth more.
        """
        if not self.failed:
            return list(self.replicas)
        under_way = {Stage.QUEUED, Stage.VERIFYING}
        there = [each for each in self.replicas if each.stage not in under_way or each.told]
        return [*there, *self.failed]

    def show_failed(self, shown: Shown) -> None:
        """Show a failed one. One line stands for all tries that fail alike before they load."""
        same = any(
            (each.report.state, each.report.detail) == (shown.report.state, shown.report.detail)
            for each in self.failed
        )
        if same and shown.told is None:
            return
        if shown.told is None:
            self.ended += self.failed
            self.failed = []
        self.failed.append(shown)

    def loads(self) -> None:
        """A next try has come further than the failures that are shown."""
        self.ended += self.failed
        self.failed = []

    def leaving(self) -> list[Replica]:
        """Return the replicas that are not wanted: surplus, and those of other revisions, as soon
        as this one's stand in for them or need their place.
        """
        wanted = self.desired.replicas
        current = [each for each in self.replicas if each.revision == self.desired.revision]
        former = [each for each in self.replicas if each.revision != self.desired.revision]
        ready = sum(each.is_ready for each in current)
        keep = stays(self.desired.strategy, wanted=wanted, ready=ready)
        still_of_use = [each for each in former if each.is_ready][:keep]
        return current[wanted:] + [each for each in former if each not in still_of_use]

    def lacks_one(self) -> bool:
        """Say whether one more of the current revision is to be started."""
        wanted = self.desired.replicas
        current = sum(each.revision == self.desired.revision for each in self.replicas)
        is_changing = current < len(self.replicas)
        most = most_at_once(self.desired.strategy, wanted=wanted, is_changing=is_changing)
        return current < wanted and len(self.replicas) < most

    def take_out(self, leaving: list[Replica]) -> None:
        """Take replicas out of the fleet; with none wanted, what is shown too."""
        self.replicas = [each for each in self.replicas if each not in leaving]
        self.ended += leaving
        for replica in leaving:
            replica.release()
        if not self.desired.replicas:
            self.loads()


def log_path(logs: Path, deployment_id: DeploymentId, number: int) -> Path:
    """Return where the replica of this number writes. `plugins.engines.engine_logs` reads it."""
    beside = "" if number == 1 else f".{number}"
    return logs / f"engine-{deployment_id}{beside}.log"


def remove_logs(logs: Path, deployment_id: DeploymentId) -> None:
    for path in logs.glob(f"engine-{deployment_id}.*"):
        path.unlink(missing_ok=True)


def _release_late(placing: Future[Placed]) -> None:
    if not placing.cancelled() and placing.exception() is None:
        placing.result().release()
