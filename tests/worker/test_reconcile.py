"""The reconciler with the shipped fake engine, real processes and a real database."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import ClassVar, NamedTuple
from urllib.parse import urlsplit

import msgspec
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text, update

from tests.plugins.engines.asking import PATIENCE_S, ask, chat, wait_gone
from tests.plugins.engines.gguf_builder import STRING, gguf, pair
from tests.plugins.engines.gguf_builder import text as gguf_text
from tradewind.core.clock import SystemClock
from tradewind.core.ids import DeploymentId
from tradewind.db.database import Database
from tradewind.db.embedded import EmbeddedPostgres
from tradewind.db.notify import SNAPSHOT_CHANNEL, Listener
from tradewind.db.sealing import HeldKeys
from tradewind.db.vault import Vault
from tradewind.features.catalog.builtin import SMOLLM2
from tradewind.features.catalog.service import Catalog
from tradewind.features.deployments.service import Deployments
from tradewind.features.deployments.tables import deployment
from tradewind.features.endpoints.service import Endpoints
from tradewind.features.market.service import Market
from tradewind.features.providers.service import Providers
from tradewind.plugins.engines.base import Engine, Launch, LaunchSpec
from tradewind.plugins.engines.fake import FakeEngine
from tradewind.plugins.engines.local import LocalProcesses
from tradewind.plugins.engines.registry import engines
from tradewind.readmodels.models import ServedModel, get_model
from tradewind.readmodels.snapshot import compile_endpoints
from tradewind.snapshot.contents import Target
from tradewind.worker.engine_weights import EngineWeights, Placed
from tradewind.worker.reconcile import Patience, Reconciler

pytestmark = pytest.mark.postgres

# The smallest file that passes for a model; the fake engine does not open it.
WEIGHTS = gguf([pair("general.architecture", STRING, gguf_text("llama"))], [])
# Every state that the table of replicas ever had, so that none is missed between two looks.
_KEEP_HISTORY = """
    CREATE TABLE history (
        number serial, transaction xid8, replica_id text, state text, detail text
    );
    CREATE FUNCTION keep_history() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' AND NEW.state = OLD.state THEN RETURN NULL; END IF;
        INSERT INTO history (transaction, replica_id, state, detail) VALUES (
            pg_current_xact_id(), coalesce(NEW.id, OLD.id), coalesce(NEW.state, 'gone'), NEW.detail
        );
        RETURN NULL;
    END $$;
    CREATE TRIGGER keep_history AFTER INSERT OR UPDATE OR DELETE ON replica
        FOR EACH ROW EXECUTE FUNCTION keep_history();
"""


class Seen(NamedTuple):
    transaction: str
    replica_id: str
    state: str
    detail: str | None


class World:
    """A reconciler and what it can be seen to do."""

    def __init__(self, database: Database, processes: LocalProcesses, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.reports: list[str] = []
        self.catalog = Catalog(SystemClock())
        self.deployments = Deployments(self.catalog, SystemClock())
        providers = Providers(Vault(HeldKeys([bytes(32)]), SystemClock()), SystemClock())
        self.endpoints = Endpoints(
            self.catalog, Market(SystemClock()), providers, self.deployments, SystemClock()
        )
        self.listener = Listener(database, [SNAPSHOT_CHANNEL])
        self.weights = folder / "weights.gguf"
        self.weights.write_bytes(WEIGHTS)
        self._processes = processes
        self._reconcilers: list[Reconciler] = []
        with database.transaction() as tx:
            tx.execute(text(_KEEP_HISTORY))
        self.listener.wait(0)

    def start(self, *more: Engine, patience: Patience | None = None) -> Reconciler:
        """Start a reconciler that has `more` engines beside ours."""
        family: Mapping[str, Engine] = engines(processes=self._processes, entry_points=())
        reconciler = Reconciler(
            self.database,
            self.deployments,
            {**family, **{engine.name: engine for engine in more}},
            EngineWeights(self.folder / "models"),
            run=self.folder,
            logs=self.folder / "logs",
            report=self.reports.append,
            patience=patience,
        )
        self._reconcilers.append(reconciler)
        reconciler.start()
        return reconciler

    def close(self) -> None:
        for reconciler in self._reconcilers:
            reconciler.stop()
        self.listener.close()

    def deploy(
        self,
        slug: str = "one",
        *,
        engine: str = "fake",
        weights: Path | None = None,
        wanted: int = 1,
    ) -> DeploymentId:
        entry = replace(SMOLLM2, slug=slug, artifact=f"file:{weights or self.weights}")
        with self.database.transaction() as tx:
            added = self.catalog.add_builtin(tx, entry)
            assert added is not None
            Market(SystemClock()).set_price(
                tx, added.model_id, "USD", input_nanos=1, output_nanos=1, cached_input_nanos=1
            )
            deployment_id = self.deployments.deploy(
                tx, added.version_id, engine=engine, slots=2, replicas=wanted
            )
            assert deployment_id is not None
            self.endpoints.serve_deployment(tx, deployment_id)
        return deployment_id

    def want(self, deployment_id: DeploymentId, replicas: int) -> None:
        with self.database.transaction() as tx:
            tx.execute(
                update(deployment)
                .where(deployment.c.id == deployment_id)
                .values(desired_replicas=replicas)
            )

    def targets(self) -> tuple[Target, ...]:
        with self.database.transaction() as tx:
            compiled = compile_endpoints(tx, lambda _tx: {})
        return tuple(target for one in compiled for target in one.targets)

    def model(self, slug: str = "one") -> ServedModel:
        with self.database.transaction() as tx:
            found = get_model(tx, f"{SMOLLM2.publisher}/{slug}")
        assert found is not None
        return found

    def history(self) -> list[Seen]:
        with self.database.transaction() as tx:
            rows = tx.execute(
                text(
                    "SELECT transaction::text, replica_id, state, detail FROM history"
                    " ORDER BY number"
                )
            )
            return [Seen(*row) for row in rows]

    def replica_ids(self) -> set[str]:
        with self.database.transaction() as tx:
            return {row.id for row in tx.execute(text("SELECT id FROM replica"))}

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what the reconciler tells the database, woken by its announcements."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, self.history()
            self.listener.wait(1.0)

    def until_ready(self, count: int) -> tuple[Target, ...]:
        self.until(lambda: len(self.targets()) == count)
        return self.targets()

    def pids(self) -> set[int]:
        """Return the engines that run, whatever the database says: by their sockets' folder."""
        found: set[int] = set()
        for entry in Path("/proc").iterdir():
            try:
                line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
            except OSError:
                continue
            if f"{self.folder}/engine-".encode() in line:
                found.add(int(entry.name))
        return found

    def pid_of(self, target: Target) -> int:
        address = target.address.encode()
        for pid in self.pids():
            if address in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                return pid
        raise LookupError(target.address)


@pytest.fixture
def world(database: Database, processes: LocalProcesses, run_folder: Path) -> Iterator[World]:
    world = World(database, processes, run_folder)
    yield world
    world.close()


class Switch:
    """Takes a database away and brings it back, as its server does when it is stopped."""

    def __init__(self, superuser_url: str, name: str) -> None:
        self._url = superuser_url.replace("+psycopg", "")
        self._name = name

    def off(self) -> None:
        self._allow(False)
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s",
                [self._name],
            )

    def on(self) -> None:
        self._allow(True)

    def _allow(self, is_allowed: bool) -> None:
        statement = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(
            sql.Identifier(self._name), sql.Literal(is_allowed)
        )
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(statement)


@pytest.fixture
def switch(postgres: EmbeddedPostgres, database_url: str) -> Iterator[Switch]:
    switch = Switch(postgres.superuser_url, urlsplit(database_url).path.removeprefix("/"))
    yield switch
    switch.on()


def shown_after_each_transaction(history: list[Seen]) -> Iterator[set[str]]:
    shown: set[str] = set()
    for _, group in groupby(history, lambda seen: seen.transaction):
        for seen in group:
            if seen.state == "gone":
                shown.discard(seen.replica_id)
            else:
                shown.add(seen.replica_id)
        yield set(shown)


class Broken(FakeEngine):
    """An engine whose program gives up each time it is started."""

    name: ClassVar[str] = "broken"

    def plan(self, spec: LaunchSpec, *, replica_id: str, run: Path, secret: str) -> Launch:
        arguments = ("--fail-start", "the model is broken")
        spec = msgspec.structs.replace(spec, extra_arguments=arguments)
        return super().plan(spec, replica_id=replica_id, run=run, secret=secret)


class Faulty(FakeEngine):
    """An engine of somebody else's package, with a bug."""

    name: ClassVar[str] = "faulty"

    def plan(self, spec: LaunchSpec, *, replica_id: str, run: Path, secret: str) -> Launch:
        raise ZeroDivisionError("a bug")


def test_what_is_wanted_is_started_and_reported_ready(world: World):
    world.start()
    deployment_id = world.deploy()
    [target] = world.until_ready(1)
    assert [(seen.replica_id, seen.state) for seen in world.history()] == [
        (target.replica_id, "starting"),
        (target.replica_id, "ready"),
    ]
    assert target.deployment_id == deployment_id
    assert (target.provider, target.slots) == ("openai_compatible", 2)
    assert target.upstream_model == "huggingfacetb/one"
    launch = Launch(argv=(), env={}, address=target.address, credential=target.credential)
    assert ask(launch, "/v1/chat/completions", chat("hello")).status == 200
    assert world.reports == []


def test_killed_replica_is_shown_with_its_reason_and_then_replaced(world: World):
    world.start()
    world.deploy()
    [former] = world.until_ready(1)
    os.kill(world.pid_of(former), signal.SIGKILL)
    world.until(lambda: [seen.state for seen in world.history()].count("ready") == 2)
    _, _, failed, starting, gone, _ = history = world.history()
    assert [seen.state for seen in history] == [
        *("starting", "ready", "failed", "starting", "gone", "ready"),
    ]
    assert failed.replica_id == gone.replica_id == former.replica_id
    assert failed.detail is not None
    assert failed.detail.startswith("ended by SIGKILL")
    # Shown to others before anything was started in its place.
    assert failed.transaction != starting.transaction
    [current] = world.targets()
    assert current.replica_id != former.replica_id
    assert current.credential != former.credential
    assert world.pids() == {world.pid_of(current)}
    assert len(world.reports) == 1
    assert world.reports[0].startswith("huggingfacetb/one: ended by SIGKILL")


def test_engine_that_never_starts_is_tried_again_and_shown_once(
    world: World, processes: LocalProcesses
):
    world.start(Broken(processes))
    world.deploy(engine="broken")
    world.until(lambda: [seen.state for seen in world.history()].count("failed") >= 3)
    reason = "ended with status 1: the model is broken"
    history = world.history()
    failed = [seen for seen in history if seen.state == "failed"]
    assert {seen.detail for seen in failed} == {reason}
    assert len({seen.replica_id for seen in failed}) == len(failed)
    assert max(len(shown) for shown in shown_after_each_transaction(history)) == 1
    assert world.reports == [f"huggingfacetb/one: {reason}"]
    world.until(lambda: (world.model().state, world.model().state_detail) == ("failed", reason))


def test_replicas_follow_the_wanted_number_up_and_down(world: World):
    world.start()
    deployment_id = world.deploy()
    [first] = world.until_ready(1)
    world.want(deployment_id, 3)
    all_pids = {target.replica_id: world.pid_of(target) for target in world.until_ready(3)}
    world.want(deployment_id, 1)
    world.until(lambda: len(world.replica_ids()) == 1)
    assert world.replica_ids() == {first.replica_id}
    for replica_id, pid in all_pids.items():
        assert replica_id == first.replica_id or wait_gone(pid)
    assert world.pids() == {all_pids[first.replica_id]}


def test_replica_that_leaves_is_told_before_it_ends(world: World):
    world.start()
    deployment_id = world.deploy()
    [target] = world.until_ready(1)
    pid = world.pid_of(target)
    # A session that holds a share lock on the row keeps the reconciler from telling.
    with world.database.transaction() as tx:
        tx.execute(text("SELECT 1 FROM replica FOR UPDATE"))
        world.want(deployment_id, 0)
        blocked = text(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        deadline = time.monotonic() + PATIENCE_S
        while tx.execute(blocked).scalar_one() == 0:
            assert time.monotonic() < deadline
        assert world.pids() == {pid}
    assert wait_gone(pid)
    world.until(lambda: not world.replica_ids())


def test_what_nobody_wants_any_more_is_not_shown_as_failed(world: World, processes: LocalProcesses):
    world.start(Broken(processes))
    deployment_id = world.deploy(engine="broken")
    world.until(lambda: world.model().state == "failed")
    world.want(deployment_id, 0)
    world.until(lambda: not world.replica_ids())
    assert world.model().state == "stopped"


def test_missing_weights_are_shown_and_looked_for_again(world: World):
    weights = world.folder / "later.gguf"
    world.start()
    world.deploy(weights=weights)
    world.until(lambda: world.model().state == "failed")
    assert world.model().state_detail == f"'{weights}' cannot be read: No such file or directory"
    assert world.targets() == ()
    weights.write_bytes(WEIGHTS)
    [target] = world.until_ready(1)
    assert world.replica_ids() == {target.replica_id}


def test_weights_that_vanished_are_looked_for_before_a_restart(world: World):
    world.start()
    world.deploy()
    [target] = world.until_ready(1)
    world.weights.unlink()
    os.kill(world.pid_of(target), signal.SIGKILL)
    world.until(lambda: "cannot be read" in world.model().state_detail)


def test_deployment_that_cannot_run_does_not_hold_up_the_others(
    world: World, processes: LocalProcesses
):
    world.start(Faulty(processes))
    world.deploy("unknown", engine="vllm")
    world.deploy("faulty", engine="faulty")
    world.deploy("sound")
    world.until_ready(1)
    world.until(lambda: {world.model(name).state for name in ("unknown", "faulty")} == {"failed"})
    assert world.model("unknown").state_detail.startswith("there is no engine 'vllm' here")
    assert world.model("faulty").state_detail == "ZeroDivisionError: a bug"
    assert world.model("sound").state == "ready"


def test_deployment_that_was_deleted_is_stopped(world: World):
    world.start()
    kept, deleted = world.deploy("kept"), world.deploy("deleted")
    targets = {target.deployment_id: target for target in world.until_ready(2)}
    pid = world.pid_of(targets[deleted])
    with world.database.transaction() as tx:
        tx.execute(deployment.delete().where(deployment.c.id == deleted))
    assert wait_gone(pid)
    assert world.pids() == {world.pid_of(targets[kept])}


def test_without_the_database_replicas_run_and_are_restarted_and_told_later(
    world: World, switch: Switch
):
    world.start()
    world.deploy("killed")
    world.deploy("left")
    former = {target.upstream_model: target for target in world.until_ready(2)}
    killed, left = former["huggingfacetb/killed"], former["huggingfacetb/left"]
    left_pid, killed_pid = world.pid_of(left), world.pid_of(killed)
    world.listener.close()
    switch.off()
    os.kill(killed_pid, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_S
    while not (restarted := world.pids() - {left_pid, killed_pid}):
        assert time.monotonic() < deadline, "nothing was started without the database"
        time.sleep(0.02)
    assert left_pid in world.pids()
    switch.on()
    world.until(lambda: killed.replica_id not in world.replica_ids())
    current = {target.upstream_model: target for target in world.until_ready(2)}
    assert world.pid_of(current["huggingfacetb/killed"]) in restarted
    assert current["huggingfacetb/left"] == left
    assert world.pids() == {left_pid, *restarted}


def test_stopping_leaves_no_process_and_no_replica(world: World):
    reconciler = world.start()
    world.deploy(wanted=3)
    world.until_ready(3)
    pids = world.pids()
    reconciler.stop()
    assert len(pids) == 3
    assert world.pids() == set()
    assert world.replica_ids() == set()
    assert not list(world.folder.glob("engine-*")), "no socket and no key is left behind"


def test_stopping_without_the_database_leaves_no_process(world: World, switch: Switch):
    reconciler = world.start()
    world.deploy("one", wanted=2)
    world.deploy("two")
    world.until_ready(3)
    world.listener.close()
    switch.off()
    reconciler.stop()
    assert world.pids() == set()


def test_stopping_while_a_model_is_being_made_waits_for_it(world: World, processes: LocalProcesses):
    begun, go_on = threading.Event(), threading.Event()

    def place(
        artifact: str, *, report: Callable[[str], None], progress: Callable[[int], None]
    ) -> Placed:
        begun.set()
        assert go_on.wait(PATIENCE_S)
        return Placed(Path("/none"), 1)

    world.deploy()
    reconciler = Reconciler(
        world.database,
        world.deployments,
        {"fake": FakeEngine(processes)},
        place,
        run=world.folder,
        logs=world.folder / "logs",
        report=world.reports.append,
    )
    reconciler.start()
    assert begun.wait(PATIENCE_S)
    threading.Timer(0.05, go_on.set).start()
    reconciler.stop()
    assert go_on.is_set()
    assert world.pids() == set()


def test_one_that_was_never_started_can_be_stopped(world: World, processes: LocalProcesses):
    Reconciler(
        world.database,
        world.deployments,
        {"fake": FakeEngine(processes)},
        EngineWeights(world.folder),
        run=world.folder,
        logs=world.folder,
        report=world.reports.append,
    ).stop()
    assert world.reports == []


class NeverReady(FakeEngine):
    """An engine that loads for ever once it is asked for another number of slots."""

    name: ClassVar[str] = "never_ready"

    def plan(self, spec: LaunchSpec, *, replica_id: str, run: Path, secret: str) -> Launch:
        arguments = ("--never-ready",) if spec.slots == 3 else ()
        spec = msgspec.structs.replace(spec, extra_arguments=arguments)
        return super().plan(spec, replica_id=replica_id, run=run, secret=secret)


class BrokenWhenChanged(FakeEngine):
    """An engine that gives up once it is asked for another number of slots."""

    name: ClassVar[str] = "broken_when_changed"

    def plan(self, spec: LaunchSpec, *, replica_id: str, run: Path, secret: str) -> Launch:
        arguments = ("--fail-start", "too many slots") if spec.slots == 3 else ()
        spec = msgspec.structs.replace(spec, extra_arguments=arguments)
        return super().plan(spec, replica_id=replica_id, run=run, secret=secret)


class Hanging(FakeEngine):
    """An engine that takes its first question and never answers it."""

    name: ClassVar[str] = "hanging"

    def plan(self, spec: LaunchSpec, *, replica_id: str, run: Path, secret: str) -> Launch:
        spec = msgspec.structs.replace(spec, extra_arguments=("--fault", "[[hang]]"))
        return super().plan(spec, replica_id=replica_id, run=run, secret=secret)


class Mute(FakeEngine):
    """An engine that says it is ready, and answers nothing."""

    name: ClassVar[str] = "mute"

    def plan(self, spec: LaunchSpec, *, replica_id: str, run: Path, secret: str) -> Launch:
        spec = msgspec.structs.replace(spec, extra_arguments=("--fault", "[[status=500]]"))
        return super().plan(spec, replica_id=replica_id, run=run, secret=secret)


def change(
    world: World, deployment_id: DeploymentId, slots: int, strategy: str = "start_first"
) -> None:
    """Make and run a second revision, with other slots."""
    with world.database.transaction() as tx:
        tx.execute(
            text(
                "INSERT INTO deployment_revision SELECT deployment_id, 2, model_version_id, engine,"
                " :slots, NULL, 1, 'new', 'changed', '{}', false, 'a test', now()"
                " FROM deployment_revision WHERE deployment_id = :id"
            ),
            {"slots": slots, "id": deployment_id},
        )
        tx.execute(
            update(deployment)
            .where(deployment.c.id == deployment_id)
            .values(revision=2, slots=slots, strategy=strategy)
        )


def revisions(world: World) -> list[tuple[int, str, str]]:
    with world.database.transaction() as tx:
        rows = tx.execute(
            text("SELECT number, state, reason FROM deployment_revision ORDER BY number")
        )
        return [(row.number, row.state, row.reason) for row in rows]


def current(world: World) -> tuple[int, int | None]:
    with world.database.transaction() as tx:
        row = tx.execute(text("SELECT revision, good_revision FROM deployment")).one()
        return row.revision, row.good_revision


def test_a_replica_comes_through_its_stages_each_with_its_time(world: World):
    world.start()
    world.deploy()
    [target] = world.until_ready(1)
    with world.database.transaction() as tx:
        row = tx.execute(
            text("SELECT stage, stages, number FROM replica WHERE id = :id"),
            {"id": target.replica_id},
        ).one()
    names = [name for name, _ in row.stages]
    assert names == ["queued", "verifying", "loading", "warming_up", "ready"]
    times = [at for _, at in row.stages]
    assert times == sorted(times)
    assert (row.stage, row.number) == ("ready", 1)
    assert current(world) == (1, 1)
    assert revisions(world) == [(1, "good", "deployed")]


def test_a_ready_replica_that_hangs_is_replaced(world: World):
    world.start(patience=Patience(watch_every_s=0.05, hung_after_s=0.2, grace_s=0.1))
    world.deploy()
    [former] = world.until_ready(1)
    pid = world.pid_of(former)
    os.kill(pid, signal.SIGSTOP)
    world.until(lambda: [seen.state for seen in world.history()].count("ready") == 2)
    failed = [seen for seen in world.history() if seen.state == "failed"]
    assert [seen.replica_id for seen in failed] == [former.replica_id]
    assert (failed[0].detail or "").startswith("it has not answered its probe for")
    assert wait_gone(pid)


def test_a_start_that_takes_too_long_is_given_up(world: World, processes: LocalProcesses):
    world.start(
        NeverReady(processes), patience=Patience(grace_s=0.1, start_limit_s=lambda _size: 0.5)
    )
    deployment_id = world.deploy(engine="never_ready")
    with world.database.transaction() as tx:
        tx.execute(text("UPDATE deployment SET slots = 3"))
        tx.execute(text("UPDATE deployment_revision SET slots = 3"))
    del deployment_id
    world.until(lambda: any(seen.state == "failed" for seen in world.history()))
    [reason] = {seen.detail for seen in world.history() if seen.state == "failed"}
    assert (reason or "").startswith("it was not ready within")


def test_a_start_that_takes_its_first_question_and_never_answers_is_given_up(
    world: World, processes: LocalProcesses
):
    world.start(Hanging(processes), patience=Patience(grace_s=0.1, start_limit_s=lambda _size: 2.0))
    world.deploy(engine="hanging")
    world.until(lambda: any(seen.state == "failed" for seen in world.history()))
    assert "ready" not in [seen.state for seen in world.history()]
    reason = next(seen.detail for seen in world.history() if seen.state == "failed")
    assert reason == "it was not ready within 2 s (the engine answers its first question)"
    assert world.reports[0] == f"huggingfacetb/one: {reason}"


def test_weights_that_are_never_placed_are_given_up_with_the_reason(
    world: World, processes: LocalProcesses
):
    go_on = threading.Event()

    def place(
        artifact: str, *, report: Callable[[str], None], progress: Callable[[int], None]
    ) -> Placed:
        assert go_on.wait(PATIENCE_S)
        return Placed(Path("/none"), 1)

    reconciler = Reconciler(
        world.database,
        world.deployments,
        {"fake": FakeEngine(processes)},
        place,
        run=world.folder,
        logs=world.folder / "logs",
        report=world.reports.append,
        patience=Patience(placing_stalls_after_s=0.2),
    )
    world.deploy()
    reconciler.start()
    try:
        world.until(lambda: world.model().state == "failed")
        assert world.model().state_detail == "its weights were verified no further for 0 s"
    finally:
        go_on.set()
        reconciler.stop()


def test_one_that_loads_and_answers_nothing_is_not_ready(world: World, processes: LocalProcesses):
    world.start(Mute(processes))
    world.deploy(engine="mute")
    world.until(lambda: any(seen.state == "failed" for seen in world.history()))
    states = [seen.state for seen in world.history()]
    assert "ready" not in states
    [reason] = {seen.detail for seen in world.history() if seen.state == "failed"}
    assert (reason or "").startswith("it loaded, and then answered a question with status 500")


def test_a_change_runs_beside_what_was_until_it_is_ready(world: World):
    world.start()
    deployment_id = world.deploy()
    [former] = world.until_ready(1)
    change(world, deployment_id, 1)
    world.until(lambda: current(world) == (2, 2))
    world.until(lambda: former.replica_id not in world.replica_ids())
    shown = list(shown_after_each_transaction(world.history()))
    first = next(index for index, each in enumerate(shown) if former.replica_id in each)
    assert all(shown[first:]), "there always was one"
    [target] = world.targets()
    assert target.slots == 1


@pytest.mark.parametrize("engine", [BrokenWhenChanged, NeverReady])
def test_a_revision_that_never_becomes_ready_gives_way_to_the_last_good_one(
    world: World, processes: LocalProcesses, engine: type[FakeEngine]
):
    world.start(engine(processes), patience=Patience(grace_s=0.1, start_limit_s=lambda _size: 5.0))
    deployment_id = world.deploy(engine=engine.name)
    [former] = world.until_ready(1)
    pid = world.pid_of(former)
    change(world, deployment_id, 3)
    world.until(lambda: current(world) == (1, 1))
    assert [(number, state) for number, state, _ in revisions(world)] == [
        (1, "good"),
        (2, "failed"),
    ]
    world.until(lambda: world.replica_ids() == {former.replica_id})
    assert world.pid_of(world.targets()[0]) == pid, "it ran on all the time"
    assert any("back to revision 1" in line for line in world.reports)


def most_ready_at_once(history: list[Seen]) -> int:
    """Return how many replicas were ready together, as the database was told."""
    ready: set[str] = set()
    most = 0
    for seen in history:
        (ready.add if seen.state == "ready" else ready.discard)(seen.replica_id)
        most = max(most, len(ready))
    return most


def test_a_change_that_stops_first_ends_the_former_before_the_new_one_begins(world: World):
    world.start()
    deployment_id = world.deploy()
    [former] = world.until_ready(1)
    pid = world.pid_of(former)
    change(world, deployment_id, 1, "stop_first")
    world.until(lambda: current(world) == (2, 2))
    [target] = world.until_ready(1)
    assert target.slots == 1
    assert wait_gone(pid)
    states = [(seen.replica_id, seen.state) for seen in world.history()]
    gone = states.index((former.replica_id, "gone"))
    assert gone < states.index((target.replica_id, "starting")), "never two at once"
    shown = list(shown_after_each_transaction(world.history()))
    assert max(map(len, shown)) == 1
    with world.database.transaction() as tx:
        tx.execute(update(deployment).values(revision=1, slots=2))
    world.until(lambda: [one.slots for one in world.targets()] == [2])
    assert max(map(len, shown_after_each_transaction(world.history()))) == 1


def test_several_replicas_that_stop_first_go_over_one_by_one(world: World):
    world.start()
    deployment_id = world.deploy(wanted=3)
    former = {target.replica_id for target in world.until_ready(3)}
    change(world, deployment_id, 1, "stop_first")
    world.until(lambda: len(world.targets()) == 3 and {one.slots for one in world.targets()} == {1})
    world.until(lambda: not former & world.replica_ids())
    assert most_ready_at_once(world.history()) == 3
    later = [seen for seen in world.history() if seen.replica_id not in former]
    first_ready = next(seen for seen in later if seen.state == "ready")
    left = [seen for seen in world.history() if seen.state == "gone"]
    before = world.history().index(first_ready)
    assert sum(world.history().index(seen) < before for seen in left) == 1, "two went on meanwhile"


def test_a_revision_that_stopped_the_former_and_fails_gives_way_too(
    world: World, processes: LocalProcesses
):
    world.start(BrokenWhenChanged(processes), patience=Patience(grace_s=0.1))
    deployment_id = world.deploy(engine="broken_when_changed")
    [former] = world.until_ready(1)
    change(world, deployment_id, 3, "stop_first")
    world.until(lambda: current(world) == (1, 1))
    [target] = world.until_ready(1)
    assert target.replica_id != former.replica_id, "the former had ended"
    assert target.slots == 2
    assert [state for _, state, _ in revisions(world)] == ["good", "failed"]


def test_each_replica_writes_a_log_of_its_own_that_goes_with_the_deployment(world: World):
    world.start()
    deployment_id = world.deploy(wanted=2)
    world.until_ready(2)
    logs = world.folder / "logs"
    names = {f"engine-{deployment_id}.log", f"engine-{deployment_id}.2.log"}
    assert {path.name for path in logs.iterdir()} == names
    with world.database.transaction() as tx:
        tx.execute(deployment.delete().where(deployment.c.id == deployment_id))
    deadline = time.monotonic() + PATIENCE_S
    while any(logs.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
