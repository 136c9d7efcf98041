"""Makes the engines of this machine what the deployments want: starts, watches, stops them.

What the reconciler knows is in its memory; the database is told of it. Losing the database changes
nothing here: what was wanted last is kept, started again when it ends, and told later.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
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
_MOST_STOPPED_AT_ONCE = 16


class Locate(Protocol):
    """Turns a version's artifact into a model file, telling its progress; may take its time."""

    def __call__(self, artifact: str, *, report: Callable[[str], None]) -> Path: ...


class _Shown:
    """A replica as the database shows it, and what it was told so far."""

    def __init__(self, replica_id: ReplicaId, access: ReplicaAccess, report: ReplicaReport) -> None:
        self.id = replica_id
        self.access = access
        self.report = report
        self.told: ReplicaReport | None = None


class _Replica(_Shown):
    """One engine process and what was seen of it."""

    def __init__(
        self, replica_id: ReplicaId, engine: Engine, launch: Launch, process: Process, alias: str
    ) -> None:
        super().__init__(
            replica_id,
            ReplicaAccess(engine.provider, alias, launch.address, launch.credential),
            ReplicaReport("starting", "the engine is loading the model"),
        )
        self.engine = engine
        self.launch = launch
        self.process = process
        self.ready_at: float | None = None


class _Fleet:
    """The replicas of one deployment on this machine."""

    def __init__(self, desired: DesiredDeployment) -> None:
        self.desired = desired
        self.replicas: list[_Replica] = []
        self.failed: list[_Shown] = []
        """Ended by themselves or never begun; shown with their reason until the next start."""
        self.ended: list[_Shown] = []
        """Gone, but the database was not told yet."""
        self.model: Future[Path] | None = None
        """The model file, while it is looked for or made. Looked for again at each start: a file
        that is gone by then is made anew."""
        self.failures = 0
        self.start_at = 0.0

    def is_starting(self) -> bool:
        """Say whether something is about to happen: a model being made, an engine loading."""
        return self.model is not None or any(
            replica.report.state == "starting" for replica in self.replicas
        )

    def is_forgotten(self) -> bool:
        """Say whether nothing is left of it to run, to show or to tell."""
        return not (self.desired.replicas or self.replicas or self.failed or self.ended)


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
        self._tell_at = 0.0
        self._is_database_away = False
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
        leaving: list[_Replica] = []
        for fleet in self._fleets.values():
            leaving += _take_out(fleet, 0)
        self._end(leaving)
        # If the database is away, the next start drops what it still says of replicas.
        self._ask_database(self._tell)

    def _loop(self) -> None:
        while not self._stop.is_set():
            try:
                self._tick(time.monotonic())
            except Exception:  # noqa: BLE001 - this thread's edge: engines must stay watched
                _log.exception("looking after the engines failed")
                self._stop.wait(_READ_DESIRED_S)
            is_starting = any(fleet.is_starting() for fleet in self._fleets.values())
            self._stop.wait(_STARTING_TICK_S if is_starting else _TICK_S)

    def _tick(self, now: float) -> None:
        for fleet in self._fleets.values():
            self._look(fleet, now)
        if now >= self._read_at:
            self._read_at = now + _READ_DESIRED_S
            self._ask_database(self._read_desired)
        for fleet in self._fleets.values():
            wanted = fleet.desired.replicas
            if len(fleet.replicas) < wanted:
                if now >= fleet.start_at:
                    self._grow(fleet, now)
            elif len(fleet.replicas) > wanted or (fleet.failed and not wanted):
                self._shrink(fleet, wanted)
            else:
                fleet.model = None
        if now >= self._tell_at:
            self._tell_at = now if self._ask_database(self._tell) else now + _READ_DESIRED_S

    def _ask_database(self, question: Callable[[], None]) -> bool:
        """Return whether it was there. That it is away is logged once, not at every tick."""
        try:
            question()
        except Unavailable as error:
            if not self._is_database_away:
                _log.warning("the database was not reached: %s", error)
            self._is_database_away = True
            return False
        self._is_database_away = False
        return True

    def _read_desired(self) -> None:
        with self._database.transaction() as tx:
            found = {item.deployment_id: item for item in self._deployments.desired(tx)}
        for deployment_id, fleet in tuple(self._fleets.items()):
            if deployment_id in found:
                continue
            fleet.desired = fleet.desired._replace(replicas=0)
            if fleet.is_forgotten():
                del self._fleets[deployment_id]
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
                was_well = replica.ready_at is not None and now - replica.ready_at > _WELL_S
                self._note_failure(fleet, ended.reason, now, is_first=was_well)
            elif replica.report.state == "starting" and replica.engine.probe(replica.launch).ready:
                replica.ready_at = now
                replica.report = ReplicaReport("ready")
                _log.info("%s: replica %s is ready", fleet.desired.version.name, replica.id)

    def _grow(self, fleet: _Fleet, now: float) -> None:
        """Start one replica, once its model file is there."""
        desired = fleet.desired
        if fleet.model is None:
            fleet.model = self._preparing.submit(
                self._locate, desired.version.artifact, report=self._report
            )
        if not fleet.model.done():
            return
        model, fleet.model = fleet.model, None
        try:
            replica = self._start_replica(desired, model.result())
        except (TradewindError, OSError) as error:
            self._show_failure(fleet, str(error), now)
        except Exception as error:  # noqa: BLE001 - the edge to code that is not ours
            # A damaged model file, an engine from another package: this deployment fails, the
            # others must not.
            _log.exception("%s does not start", desired.version.name)
            self._show_failure(fleet, f"{type(error).__name__}: {error}", now)
        else:
            _log.info("%s: replica %s starts", desired.version.name, replica.id)
            fleet.replicas.append(replica)
            fleet.ended += fleet.failed
            fleet.failed = []

    def _start_replica(self, desired: DesiredDeployment, model: Path) -> _Replica:
        engine = self._engines.get(desired.engine)
        if engine is None:
            raise Unavailable(
                f"there is no engine '{desired.engine}' here", hint="see the docs on engines"
            )
        replica_id, alias = ReplicaId.new(), desired.version.name
        launch = engine.plan(
            LaunchSpec(
                engine=desired.engine,
                model_path=model,
                alias=alias,
                operation=desired.version.operation,
                context_tokens=desired.version.context_tokens,
                slots=desired.slots,
            ),
            replica_id=replica_id,
            run=self._run_folder,
            secret=secrets.token_urlsafe(32),
        )
        process = engine.start(launch, self._logs / f"engine-{desired.deployment_id}.log")
        return _Replica(replica_id, engine, launch, process, alias)

    def _shrink(self, fleet: _Fleet, wanted: int) -> None:
        leaving = _take_out(fleet, wanted)
        try:
            self._ask_database(self._tell)
        finally:
            if leaving:
                # Given a moment: gateways must have stopped sending to them.
                self._stop.wait(_LEAVE_S)
                self._end(leaving)

    def _end(self, replicas: Sequence[_Replica]) -> None:
        """Stop them side by side; return when they are gone."""
        if replicas:
            with ThreadPoolExecutor(min(len(replicas), _MOST_STOPPED_AT_ONCE)) as pool:
                for _ in pool.map(_end_one, replicas):
                    pass

    def _show_failure(self, fleet: _Fleet, reason: str, now: float) -> None:
        """Show that a replica could not even be started. One line stands for all such tries."""
        report = ReplicaReport.failed(reason)
        if not any(shown.report == report for shown in fleet.failed):
            alias = fleet.desired.version.name
            access = ReplicaAccess(provider="", upstream_model=alias, address="", credential="")
            fleet.ended += fleet.failed
            fleet.failed = [_Shown(ReplicaId.new(), access, report)]
        self._note_failure(fleet, reason, now)

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

    def _tell(self) -> None:
        """Bring the database up to date, if it is not. Raises Unavailable; then again later."""
        fleets = list(self._fleets.values())
        changed = [
            (fleet.desired.deployment_id, shown)
            for fleet in fleets
            for shown in (*fleet.replicas, *fleet.failed)
            if shown.told != shown.report
        ]
        ended = [shown for fleet in fleets for shown in fleet.ended]
        if not changed and not ended:
            return
        with self._database.transaction() as tx:
            for deployment_id, shown in changed:
                self._deployments.report(tx, deployment_id, shown.id, shown.report, shown.access)
            self._deployments.forget(tx, [shown.id for shown in ended])
        for _, shown in changed:
            shown.told = shown.report
        for fleet in fleets:
            fleet.ended = [shown for shown in fleet.ended if shown not in ended]


def _take_out(fleet: _Fleet, wanted: int) -> list[_Replica]:
    """Take the newest surplus replicas out of the fleet; with none wanted, what is shown too."""
    leaving = fleet.replicas[wanted:]
    fleet.replicas = fleet.replicas[:wanted]
    fleet.ended += leaving
    fleet.model = None
    if not wanted:
        fleet.ended += fleet.failed
        fleet.failed = []
    return leaving


def _end_one(replica: _Replica) -> None:
    try:
        replica.engine.stop(replica.process, _GRACE_S)
    except Unavailable as error:
        _log.error("replica %s does not end: %s", replica.id, error)
