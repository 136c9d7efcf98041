"""Makes the engines of this machine what the deployments want: starts, watches, stops them.

What the reconciler knows is in its memory; the database is told of it. Losing the database changes
nothing here: what was wanted last is kept, started again when it ends, and told later. One thread
decides; verifying weights and asking engines is done by others, and wakes it.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tradewind.core.errors import TradewindError, Unavailable
from tradewind.core.ids import DeploymentId
from tradewind.db.database import Database
from tradewind.features.deployments.rules import (
    ReplicaAccess,
    Stage,
    gives_way,
    restart_delay_s,
    start_limit_s,
)
from tradewind.features.deployments.service import Deployments
from tradewind.plugins.engines.base import Engine, LaunchSpec, Probe
from tradewind.worker.engine_weights import Place
from tradewind.worker.reconcile_fleet import Fleet, Replica, log_path, remove_logs

_log = logging.getLogger(__name__)

_TICK_S = 0.25
# While an engine loads its model, each tick is time to the first answer.
_STARTING_TICK_S = 0.02
_READ_DESIRED_S = 1.0
_LEAVE_S = 1.0
# One that was ready this long was well: its next end starts the delays anew.
_WELL_S = 60.0
_MOST_STOPPED_AT_ONCE = 16
_MOST_ASKED_AT_ONCE = 8
# Each telling has the snapshot compiled anew; percentages need not be that fresh.
_TELL_PERCENT_S = 1.0


class Patience(NamedTuple):
    """How long engines are waited for."""

    watch_every_s: float = 10.0
    """A ready one is probed again so often: a process may live and answer nobody."""
    hung_after_s: float = 60.0
    """One that has not answered a probe for so long is replaced. A busy machine starves probes
    for many seconds, and replacing an engine that only works hard loses all its calls."""
    grace_s: float = 10.0
    start_limit_s: Callable[[int], float] = start_limit_s
    """Given the size of the weights."""
    placing_stalls_after_s: float = 3600.0
    """Weights that were verified no further for so long are given up: a store that hangs. Fetching
    and decrypting report nothing on their way, so this is as long as the largest may take."""


class Reconciler:
    """Owns the engine processes of this machine. `start` and `stop` once each."""

    def __init__(
        self,
        database: Database,
        deployments: Deployments,
        engines: Mapping[str, Engine],
        place: Place,
        *,
        run: Path,
        logs: Path,
        report: Callable[[str], None],
        patience: Patience | None = None,
    ) -> None:
        self._database = database
        self._deployments = deployments
        self._engines = engines
        self._place = place
        self._run_folder = run
        self._logs = logs
        self._report = report
        self._patience = patience or Patience()
        self._fleets: dict[DeploymentId, Fleet] = {}
        self._read_at = 0.0
        self._tell_at = 0.0
        self._told_percent_at = 0.0
        self._is_database_away = False
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._placing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="place-weights")
        self._asking = ThreadPoolExecutor(_MOST_ASKED_AT_ONCE, thread_name_prefix="ask-engine")
        self._ending = ThreadPoolExecutor(_MOST_STOPPED_AT_ONCE, thread_name_prefix="end-engine")
        self._thread = threading.Thread(target=self._loop, name="reconcile")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop every engine and wait until it is gone."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self._placing.shutdown(wait=True, cancel_futures=True)
        leaving: list[Replica] = []
        for fleet in self._fleets.values():
            fleet.desired = fleet.desired._replace(replicas=0)
            leaving += fleet.replicas
            fleet.take_out(list(fleet.replicas))
        self._end(leaving)
        for pool in (self._ending, self._asking):
            pool.shutdown(wait=True, cancel_futures=True)
        # If the database is away, the next start drops what it still says of replicas.
        self._ask_database(self._tell)

    def _loop(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                self._tick(time.monotonic())
            except Exception:  # noqa: BLE001 - this thread's edge: engines must stay watched
                _log.exception("looking after the engines failed")
                self._stop.wait(_READ_DESIRED_S)
            is_starting = any(fleet.is_starting() for fleet in self._fleets.values())
            self._wake.wait(_STARTING_TICK_S if is_starting else _TICK_S)

    def _tick(self, now: float) -> None:
        for fleet in self._fleets.values():
            for replica in tuple(fleet.replicas):
                self._look(fleet, replica, now)
        if now >= self._read_at:
            self._read_at = now + _READ_DESIRED_S
            self._ask_database(self._read_desired)
        for fleet in self._fleets.values():
            self._follow(fleet, now)
        if now >= self._tell_at:
            self._tell_at = now if self._ask_database(self._tell) else now + _READ_DESIRED_S

    def _follow(self, fleet: Fleet, now: float) -> None:
        """Bring a fleet one step closer to what is wanted."""
        if fleet.gives_way is not None:
            self._ask_database(lambda: self._give_way(fleet))
        leaving = fleet.leaving()
        if leaving or (fleet.failed and not fleet.desired.replicas):
            self._shrink(fleet, leaving)
        elif fleet.lacks_one() and now >= fleet.start_at:
            self._grow(fleet)

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
                remove_logs(self._logs, deployment_id)
        for deployment_id, desired in found.items():
            self._fleets.setdefault(deployment_id, Fleet(desired)).want(desired)

    # --- one replica ---------------------------------------------------------------------------

    def _look(self, fleet: Fleet, replica: Replica, now: float) -> None:
        """See how a replica is, and take it a step on."""
        if replica.process is None:
            self._look_at_weights(fleet, replica, now)
            return
        ended = replica.process.exit
        if ended is not None:
            was_well = replica.ready_at is not None and now - replica.ready_at > _WELL_S
            self._fail(fleet, replica, ended.reason, now, is_first=was_well)
            return
        if replica.asking is not None and replica.asking.done():
            self._hear(fleet, replica, now)
        elif replica.asking is None and now >= replica.ask_at:
            self._ask(replica)
        limit_s = self._patience.start_limit_s(replica.placed.size if replica.placed else 0)
        if not replica.is_ready and now - replica.began_at > limit_s:
            reason = f"it was not ready within {limit_s:.0f} s ({replica.report.detail})"
            self._fail(fleet, replica, reason, now, is_last=True)

    def _look_at_weights(self, fleet: Fleet, replica: Replica, now: float) -> None:
        placing = replica.placing
        assert placing is not None, "a replica without a process waits for its weights"
        if placing.running() and replica.stage is Stage.QUEUED:
            replica.come_to(Stage.VERIFYING)
        if not placing.done():
            if replica.show_percent() or replica.stage is Stage.QUEUED or not replica.moved_at:
                replica.moved_at = now
            stalls_after_s = self._patience.placing_stalls_after_s
            if now - replica.moved_at > stalls_after_s:
                reason = f"its weights were verified no further for {stalls_after_s:.0f} s"
                self._fail(fleet, replica, reason, now, is_last=True)
            return
        if replica.stage is Stage.QUEUED:
            replica.come_to(Stage.VERIFYING)
        replica.placing = None
        try:
            replica.placed = placing.result()
            self._launch(replica, now)
        except (TradewindError, OSError) as error:
            self._fail(fleet, replica, str(error), now)
        except Exception as error:  # noqa: BLE001 - the edge to code that is not ours
            # A damaged model file, an engine from another package: this deployment fails, the
            # others must not.
            _log.exception("%s does not start", fleet.desired.version.name)
            self._fail(fleet, replica, f"{type(error).__name__}: {error}", now)
        else:
            _log.info("%s: replica %s starts", fleet.desired.version.name, replica.id)
            fleet.loads()

    def _launch(self, replica: Replica, now: float) -> None:
        desired, placed = replica.desired, replica.placed
        assert placed is not None
        engine = self._engines.get(desired.engine)
        if engine is None:
            raise Unavailable(
                f"there is no engine '{desired.engine}' here", hint="see the docs on engines"
            )
        alias = desired.version.name
        launch = engine.plan(
            LaunchSpec(
                engine=desired.engine,
                model_path=placed.path,
                alias=alias,
                operation=desired.version.operation,
                context_tokens=desired.context,
                slots=desired.slots,
                threads=desired.threads,
            ),
            replica_id=replica.id,
            run=self._run_folder,
            secret=secrets.token_urlsafe(32),
        )
        log = log_path(self._logs, desired.deployment_id, replica.number)
        replica.process = engine.start(launch, log)
        replica.engine, replica.launch = engine, launch
        replica.access = ReplicaAccess(engine.provider, alias, launch.address, launch.credential)
        replica.began_at = now
        replica.come_to(Stage.LOADING)

    def _ask(self, replica: Replica) -> None:
        engine, launch, desired = replica.engine, replica.launch, replica.desired
        assert engine is not None
        assert launch is not None
        if replica.stage is Stage.WARMING_UP:
            version = desired.version
            replica.asking = self._asking.submit(
                engine.warm_up, launch, version.operation, version.name
            )
        else:
            replica.asking = self._asking.submit(engine.probe, launch)
        replica.asking.add_done_callback(lambda _: self._wake.set())

    def _hear(self, fleet: Fleet, replica: Replica, now: float) -> None:
        """Take note of what an engine answered."""
        assert replica.asking is not None
        seen = _answer_of(replica)
        match replica.stage:
            case Stage.LOADING if seen.ready:
                replica.come_to(Stage.WARMING_UP)
            case Stage.LOADING:
                replica.ask_at = now + _STARTING_TICK_S
            case Stage.WARMING_UP if seen.ready:
                replica.ready_at = now
                replica.ask_at = now + self._patience.watch_every_s
                replica.release()  # the engine has its files open
                replica.come_to(Stage.READY)
                _log.info("%s: replica %s is ready", fleet.desired.version.name, replica.id)
            case Stage.WARMING_UP:
                self._fail(fleet, replica, f"it loaded, and then {seen.detail}", now)
            case _:
                self._watch(fleet, replica, seen, now)

    def _watch(self, fleet: Fleet, replica: Replica, seen: Probe, now: float) -> None:
        """A ready replica was probed again."""
        if seen.ready:
            replica.silent_since = None
            replica.ask_at = now + self._patience.watch_every_s
            return
        since = replica.silent_since or now
        replica.silent_since = since
        replica.ask_at = now + min(self._patience.watch_every_s, 1.0)
        if now - since >= self._patience.hung_after_s:
            reason = f"it has not answered its probe for {now - since:.0f} s: {seen.detail}"
            self._fail(fleet, replica, reason, now)

    # --- fleets --------------------------------------------------------------------------------

    def _grow(self, fleet: Fleet) -> None:
        """Begin with one replica: its weights are looked for."""
        artifact = fleet.desired.version.artifact
        seen: list[Replica] = []

        def progress(percent: int) -> None:
            if seen:
                seen[0].percent = percent

        placing = self._placing.submit(
            self._place, artifact, report=self._report, progress=progress
        )
        replica = Replica(fleet.desired, fleet.free_number(), placing)
        seen.append(replica)
        placing.add_done_callback(lambda _: self._wake.set())
        fleet.replicas.append(replica)

    def _shrink(self, fleet: Fleet, leaving: list[Replica]) -> None:
        fleet.take_out(leaving)
        try:
            self._ask_database(self._tell)
        finally:
            if any(replica.process is not None for replica in leaving):
                # Given a moment: gateways must have stopped sending to them.
                self._stop.wait(_LEAVE_S)
                self._end(leaving)

    def _end(self, replicas: Sequence[Replica]) -> None:
        """Stop them side by side; return when they are gone."""
        for each in [self._ending.submit(self._end_one, replica) for replica in replicas]:
            each.result()

    def _end_one(self, replica: Replica) -> None:
        if replica.process is None or replica.engine is None:
            return
        try:
            replica.engine.stop(replica.process, self._patience.grace_s)
        except Unavailable as error:
            _log.error("replica %s does not end: %s", replica.id, error)

    def _fail(
        self,
        fleet: Fleet,
        replica: Replica,
        reason: str,
        now: float,
        *,
        is_first: bool = False,
        is_last: bool = False,
    ) -> None:
        """Take out a replica that failed. `is_first` starts the delays anew, `is_last` says that
        trying again would only take as long as this did.
        """
        was_ready = fleet.has_been_ready()
        fleet.replicas.remove(replica)
        replica.fail(reason)
        if replica.process is not None and replica.process.exit is None:
            # Hung, or much too slow: it is ended beside the loop, which has others to watch.
            self._ending.submit(self._end_one, replica)
        if replica.revision != fleet.desired.revision:
            fleet.ended.append(replica)
            return
        fleet.show_failed(replica)
        fleet.failures = 1 if is_first else fleet.failures + 1
        delay_s = restart_delay_s(fleet.failures)
        fleet.start_at = now + delay_s
        name = fleet.desired.version.name
        _log.warning("%s: %s; next start in %.1f s", name, reason, delay_s)
        if fleet.failures == 1:
            self._report(f"{name}: {reason}")
        has_good_one = fleet.desired.good_revision not in {None, fleet.desired.revision}
        failures = max(fleet.failures, 3) if is_last else fleet.failures
        if gives_way(failures=failures, has_been_ready=was_ready, has_good_one=has_good_one):
            fleet.gives_way = reason

    # --- telling -------------------------------------------------------------------------------

    def _give_way(self, fleet: Fleet) -> None:
        """Have the last good revision take the place of one that never becomes ready."""
        desired, reason = fleet.desired, fleet.gives_way
        assert reason is not None
        with self._database.transaction() as tx:
            number = self._deployments.give_way(tx, desired.deployment_id, desired.revision, reason)
        fleet.gives_way = None
        self._read_at = 0.0
        if number is not None:
            name = desired.version.name
            _log.warning("%s: revision %d gives way to %d", name, desired.revision, number)
            self._report(f"{name}: back to revision {number}, as {desired.revision} fails")

    def _tell(self) -> None:
        """Bring the database up to date, if it is not. Raises Unavailable; then again later."""
        fleets = list(self._fleets.values())
        now = time.monotonic()
        with_percent = now - self._told_percent_at >= _TELL_PERCENT_S
        changed = [
            (fleet.desired.deployment_id, shown, shown.report)
            for fleet in fleets
            for shown in fleet.shown()
            if shown.told != shown.report
            and (
                with_percent
                or shown.told is None
                or shown.told._replace(percent=None) != shown.report._replace(percent=None)
            )
        ]
        ended = [shown for fleet in fleets for shown in fleet.ended]
        if not changed and not ended:
            return
        self._told_percent_at = now
        with self._database.transaction() as tx:
            for deployment_id, shown, report in changed:
                if report.state == "ready":
                    self._deployments.was_ready(tx, deployment_id, shown.revision)
                self._deployments.report(
                    tx,
                    deployment_id,
                    shown.id,
                    report,
                    shown.access,
                    revision=shown.revision,
                    number=shown.number,
                )
            self._deployments.forget(tx, [shown.id for shown in ended])
        for _, shown, report in changed:
            shown.told = report
        for fleet in fleets:
            fleet.ended = [shown for shown in fleet.ended if shown not in ended]


def _answer_of(replica: Replica) -> Probe:
    """Return what was asked for. An engine of another package may raise what it likes."""
    asking, replica.asking = replica.asking, None
    assert asking is not None
    error = asking.exception()
    if error is not None:
        return Probe(ready=False, detail=f"{type(error).__name__}: {error}")
    return asking.result()
