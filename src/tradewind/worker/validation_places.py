"""Where a model is tried: an engine of ours that is started for that and stopped after, or the host
of the connection that it is bound to.
"""

import contextlib
import secrets
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

from tradewind.core.errors import NotFound, Unavailable
from tradewind.core.ids import OrganizationId, ReplicaId
from tradewind.db.database import Database
from tradewind.features.artifacts.schemas import Visibility
from tradewind.features.artifacts.service import Artifacts
from tradewind.features.artifacts.worker_copies import WorkerArtifact
from tradewind.features.providers.service import Providers
from tradewind.features.publishing.schemas import Claimed
from tradewind.plugins.engines.base import Engine, Launch, LaunchSpec, Process
from tradewind.plugins.engines.health import pauses
from tradewind.plugins.providers.base import Provider
from tradewind.snapshot.contents import Operation, Target
from tradewind.worker.validation_checks import Files, Loaded

LOAD_MAX_S = 900.0
"""A model that takes longer to load is none that anybody would wait for."""
_GRACE_S = 10.0
_SLOTS = 1
_UNKNOWN_CONTEXT = 4096
_MOST_CONTEXT = 8192
"""Enough for what is tried: a model's whole context may not fit beside what runs already."""


class Interrupted(Exception):
    """The worker is to end, or somebody ended the run. What was tried so far stands."""


class Places:
    """Opens models for as long as they are tried. `engine` names the one that is started."""

    def __init__(
        self,
        database: Database,
        providers: Providers,
        artifacts: Artifacts,
        *,
        engines: Mapping[str, Engine],
        family: Mapping[str, Provider],
        engine: str,
        run: Path,
        logs: Path,
        models: Path,
    ) -> None:
        self._database = database
        self._providers = providers
        self._artifacts = artifacts
        self._engines = engines
        self._family = family
        self._engine = engine
        self._run = run
        self._logs = logs
        self._models = models

    def files(self, owner: OrganizationId, digest: str) -> Files | None:
        """Return an artifact of an organization with its bytes, None when it is not there."""
        with self._database.transaction() as tx:
            detail = self._artifacts.find(tx, digest)
            if detail is None or detail.row.organization_id != owner:
                return None
            worker = None
            if not detail.row.is_quarantined:
                worker = self._artifacts.open_for_worker(tx, digest, owner=owner)
        return Files(detail, worker)

    @contextlib.contextmanager
    def loaded(
        self, claimed: Claimed, files: Files | None, goes_on: Callable[[], bool]
    ) -> Generator[Loaded]:
        """Yield the model, ready to be called. Raises TradewindError, and Interrupted once
        `goes_on` says no.
        """
        if claimed.content.is_bound:
            yield self._hosted(claimed)
            return
        if files is None or files.worker is None:
            raise NotFound("its files are not there, or in quarantine")
        with self._placed(files.worker) as folder:
            yield from self._started(claimed, _weights_in(folder), goes_on)

    def _hosted(self, claimed: Claimed) -> Loaded:
        content = claimed.content
        with self._database.transaction() as tx:
            connection = self._providers.open_connections(tx).get(content.connection_id)
        if connection is None:
            raise NotFound("its connection is disabled or deleted, or its credential does not open")
        target = Target(
            deployment_id=connection.id,
            replica_id=str(claimed.run_id),
            provider=connection.provider,
            address=connection.address,
            upstream_model=content.upstream_model,
            credential=connection.credential.reveal(),
            base_path=connection.base_path,
            options=dict(connection.options),
            host=connection.host,
        )
        return Loaded(
            self._family[connection.provider], target, None, f"answers at {connection.host}"
        )

    @contextlib.contextmanager
    def _placed(self, artifact: WorkerArtifact) -> Generator[Path]:
        if artifact.visibility is Visibility.SEALED:
            with artifact.private_copy() as folder:
                yield folder
            return
        self._models.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Beside the converted weights: what lies in a store on the same disk is linked, not copied.
        with tempfile.TemporaryDirectory(prefix="validation-", dir=self._models) as name:
            artifact.place_in(Path(name))
            yield Path(name)

    def _started(
        self, claimed: Claimed, weights: Path, goes_on: Callable[[], bool]
    ) -> Generator[Loaded]:
        engine = self._engines[self._engine]
        engine.check()
        content = claimed.content
        context = min(content.context_tokens or _UNKNOWN_CONTEXT, _MOST_CONTEXT)
        launch = engine.plan(
            LaunchSpec(
                engine=self._engine,
                model_path=weights,
                alias=claimed.name,
                operation=Operation(content.operation),
                context_tokens=context,
                slots=_SLOTS,
            ),
            replica_id=ReplicaId.new(),
            run=self._run,
            secret=secrets.token_urlsafe(32),
        )
        began = time.monotonic()
        process = engine.start(launch, self._logs / f"validation-{claimed.listing_id}.log")
        try:
            self._await_ready(engine, launch, process, goes_on)
            load_s = time.monotonic() - began
            target = Target(
                deployment_id=str(claimed.listing_id),
                replica_id=str(claimed.run_id),
                provider=engine.provider,
                address=launch.address,
                upstream_model=claimed.name,
                credential=launch.credential,
            )
            where = f"loaded on {self._engine} in {load_s:.1f} s"
            yield Loaded(self._family[engine.provider], target, load_s, where)
        finally:
            engine.stop(process, _GRACE_S)

    def _await_ready(
        self, engine: Engine, launch: Launch, process: Process, goes_on: Callable[[], bool]
    ) -> None:
        deadline = time.monotonic() + LOAD_MAX_S
        seen = engine.probe(launch)
        for pause_s in pauses():
            if seen.ready:
                return
            if time.monotonic() > deadline:
                raise Unavailable(f"it was not ready within {LOAD_MAX_S:g} s: {seen.detail}")
            if not goes_on():
                raise Interrupted
            ended = process.wait(pause_s)
            if ended is not None:
                raise Unavailable(f"the engine does not load it: {ended.reason}")
            seen = engine.probe(launch)


def _weights_in(folder: Path) -> Path:
    """Return the file an engine loads: the first one of a model in several. Raises NotFound."""
    found = sorted(folder.rglob("*.gguf"))
    if not found:
        raise NotFound("there is no GGUF file among its files, and the engine here loads no other")
    return found[0]
