"""Makes the engines of this machine what the deployments want: starts, watches, stops them.

What the reconciler knows is in its memory; the database is told of it. Losing the database changes
nothing here: what was wanted last is kept, and what was not told is told later.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from tradewind.core.errors import TradewindError, Unavailable
from tradewind.core.ids import DeploymentId, ReplicaId
from tradewind.db.database import Database
from tradewind.features.deployments.rules import ReplicaAccess, ReplicaReport, restart_delay_s
from tradewind.features.deployments.service import Deployments, DesiredDeployment
from tradewind.plugins.engines.base import Engine, Launch, LaunchSpec, Process

_log = logging.getLogger(__name__)

_TICK_S = 0.25
# While an engine loads its model, each tick is time to the first answer.
_STARTING_TICK_S = 0.02
_READ_DESIRED_S = 1.0
_GRACE_S = 10.0
_LEAVE_S = 1.0
# One that was ready this long was well: its next end starts the delays anew.
_WELL_S = 60.0


class Locate(Protocol):
    """Turns a version's artifact into a model file, telling its progress; may take its time."""

    def __call__(self, artifact: str, *, report: Callable[[str], None]) -> Path: ...


class _Replica:
    """One engine process, what was seen of it, and what the database was told."""

    def __init__(self, replica_id: ReplicaId, launch: Launch, process: Process) -> None:
        self.id = replica_id
        self.launch = launch
        self.process = process
        self.told: ReplicaReport | None = None
        self.ready_at = 0.0
        self.report = ReplicaReport("starting", "the engine is loading the model")


class _Fleet:
    """The replicas of one deployment on this machine."""

    def __init__(self, desired: DesiredDeployment) -> None:
        self.desired = desired
        self.replicas: list[_Replica] = []
        self.failed: list[_Replica] = []
        """Ended by themselves; shown with their reason until the next one is started."""
        self.ended: list[_Replica] = []
        """Gone, but the database was not told yet."""
        self.model: Future[Path] | None = None
        self.failures = 0
        self.start_at = 0.0

    def is_starting(self) -> bool:
        """Say whether something is about to happen: a model being made, an engine loading."""
        return (self.model is not None and not self.replicas) or any(
            replica.report.state == "starting" for replica in self.replicas
        )


class Reconciler:
    """Owns the engine processes of this machine. `start` and `stop` once each."""

    def __init__(
        self,
        database: Database,
        deployments: Deployments,
        engines: Mapping[str, Engine],
        locate: Locate,
        *,
        run: Path,
        logs: Path,
        report: Callable[[str], None],
    ) -> None:
        self._database = database
        self._deployments = deployments
        self._engines = engines
        self._locate = locate
        self._run_folder = run
        self._logs = logs
        self._report = report
        self._fleets: dict[DeploymentId, _Fleet] = {}
        self._read_at = 0.0
        self._stop = threading.Event()
        self._preparing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="prepare-model")
        self._thread = threading.Thread(target=self._loop, name="reconcile")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop every engine and wait until it is gone."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._preparing.shutdown(wait=True, cancel_futures=True)
        try:
            for fleet in self._fleets.values():
                self._shrink(fleet, 0)
            self._tell()
        except Unavailable as error:
            # The next start drops whatever the database still says of replicas.
            _log.warning("the database was not told of the end: %s", error)

    def _loop(self) -> None:
        while not self._stop.is_set():
            try:
                self._tick()
            except Unavailable as error:
                _log.warning("the database was not reached: %s", error)
            is_starting = any(fleet.is_starting() for fleet in self._fleets.values())
            self._stop.wait(_STARTING_TICK_S if is_starting else _TICK_S)

    def _tick(self) -> None:
        now = time.monotonic()
        for fleet in self._fleets.values():
            self._look(fleet, now)
        if now >= self._read_at:
            self._read_desired()
            self._read_at = now + _READ_DESIRED_S
        for fleet in self._fleets.values():
            wanted = fleet.desired.replicas
            if len(fleet.replicas) > wanted:
                self._shrink(fleet, wanted)
            elif len(fleet.replicas) < wanted and now >= fleet.start_at:
                self._grow(fleet, now)
        self._tell()

    def _read_desired(self) -> None:
        with self._database.transaction() as tx:
            found = {item.deployment_id: item for item in self._deployments.desired(tx)}
        for deployment_id, fleet in self._fleets.items():
            if deployment_id not in found:
                fleet.desired = fleet.desired._replace(replicas=0)
        for deployment_id, desired in found.items():
            fleet = self._fleets.setdefault(deployment_id, _Fleet(desired))
            fleet.desired = desired

    def _look(self, fleet: _Fleet, now: float) -> None:
        """See how each replica is; take out those that have ended."""
        for replica in tuple(fleet.replicas):
            ended = replica.process.exit
            if ended is not None:
                fleet.replicas.remove(replica)
                replica.report = ReplicaReport.failed(ended.reason)
                fleet.failed.append(replica)
                was_well = replica.ready_at and now - replica.ready_at > _WELL_S
                self._note_failure(fleet, ended.reason, now, is_first=bool(was_well))
            elif replica.report.state == "starting":
                probe = self._engine(fleet).probe(replica.launch)
                if probe.ready:
                    replica.ready_at = now
                    replica.report = ReplicaReport("ready")
                    _log.info("%s: replica %s is ready", fleet.desired.version.name, replica.id)

    def _grow(self, fleet: _Fleet, now: float) -> None:
        """Start one replica, once its model file is there."""
        desired = fleet.desired
        try:
            if fleet.model is None:
                fleet.model = self._preparing.submit(
                    self._locate, desired.version.artifact, report=self._report
                )
            if not fleet.model.done():
                return
            path = fleet.model.result()
            replica_id = ReplicaId.new()
            engine = self._engine(fleet)
            launch = engine.plan(
                LaunchSpec(
                    engine=desired.engine,
                    model_path=path,
                    alias=desired.version.name,
                    operation=desired.version.operation,
                    context_tokens=desired.version.context_tokens,
                    slots=desired.slots,
                ),
                replica_id=replica_id,
                run=self._run_folder,
                secret=secrets.token_urlsafe(32),
            )
            process = engine.start(launch, self._logs / f"engine-{desired.deployment_id}.log")
        except (TradewindError, OSError) as error:
            fleet.model = None
            self._note_failure(fleet, str(error), now)
        else:
            _log.info("%s: replica %s starts", desired.version.name, replica_id)
            fleet.replicas.append(_Replica(replica_id, launch, process))
            fleet.ended += fleet.failed
            fleet.failed = []

    def _shrink(self, fleet: _Fleet, wanted: int) -> None:
        while len(fleet.replicas) > wanted:
            replica = fleet.replicas.pop()
            fleet.ended.append(replica)
            # Told before it ends, and given a moment: gateways must have stopped sending to it.
            self._tell()
            self._stop.wait(_LEAVE_S)
            try:
                self._engine(fleet).stop(replica.process, _GRACE_S)
            except Unavailable as error:
                _log.error("replica %s does not end: %s", replica.id, error)

    def _note_failure(
        self, fleet: _Fleet, reason: str, now: float, *, is_first: bool = False
    ) -> None:
        fleet.failures = 1 if is_first else fleet.failures + 1
        delay_s = restart_delay_s(fleet.failures)
        fleet.start_at = now + delay_s
        name = fleet.desired.version.name
        _log.warning("%s: %s; next start in %.1f s", name, reason, delay_s)
        if fleet.failures == 1:
            self._report(f"{name}: {reason}")

    def _engine(self, fleet: _Fleet) -> Engine:
        name = fleet.desired.engine
        engine = self._engines.get(name)
        if engine is None:
            raise Unavailable(f"there is no engine '{name}' here", hint="see the docs on engines")
        return engine

    def _tell(self) -> None:
        """Bring the database up to date, if it is not. Raises Unavailable; then again next time."""
        fleets = list(self._fleets.values())
        changed = [
            (fleet, replica)
            for fleet in fleets
            for replica in (*fleet.replicas, *fleet.failed)
            if replica.told != replica.report
        ]
        ended = [replica for fleet in fleets for replica in fleet.ended]
        if not changed and not ended:
            return
        with self._database.transaction() as tx:
            for fleet, replica in changed:
                self._deployments.report(
                    tx,
                    fleet.desired.deployment_id,
                    replica.id,
                    replica.report,
                    ReplicaAccess(
                        provider=self._engine(fleet).provider,
                        upstream_model=fleet.desired.version.name,
                        address=replica.launch.address,
                        credential=replica.launch.credential,
                    ),
                )
            self._deployments.forget(tx, [replica.id for replica in ended])
        for _, replica in changed:
            replica.told = replica.report
        for fleet in fleets:
            fleet.ended = [replica for replica in fleet.ended if replica not in ended]
