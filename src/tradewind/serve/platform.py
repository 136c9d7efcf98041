"""All parts of the platform on one machine, as one thing that starts, stays up and stops."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from tradewind.core.data_folder import DataFolder
from tradewind.core.errors import StartupError
from tradewind.core.run_folder import prepare_run_folder, remove_run_folder
from tradewind.core.settings import Settings
from tradewind.db.database import Database
from tradewind.db.embedded import EmbeddedPostgres
from tradewind.db.node_roll import join_roll
from tradewind.features.artifacts.worker_copies import WorkerArtifact
from tradewind.gateway.http.server_tls import server_context
from tradewind.plugins.engines.registry import engines
from tradewind.serve.artifacts import build_artifacts
from tradewind.serve.children import Child
from tradewind.serve.gateway_configs import (
    Surroundings,
    forget_metrics,
    gateway_config,
    gateway_name,
    write_config,
)
from tradewind.serve.guard import is_loopback, listen_on, lock_data_folder
from tradewind.serve.node_entry import node_of
from tradewind.serve.prepare import Prepared, prepare
from tradewind.serve.secret_files import (
    load_or_create_key_encryption,
    load_or_create_pepper,
    load_or_create_signing_key,
    pepper_path,
)
from tradewind.serve.services import build_services
from tradewind.serve.sign_in_link import BASE_URL_FILE
from tradewind.worker.engine_weights import EngineWeights
from tradewind.worker.reconcile import Reconciler

_log = logging.getLogger(__name__)

_WATCH_S = 0.2
_GRACE_S = 30.0
# After the gateways: their last frames must be in the journal before the worker ships for the last
# time.
_STOPPED_LAST = ("control", "worker")
_LOOPBACK = "127.0.0.1"
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  compared with, never bound to by default

Report = Callable[[str], None]


class Platform:
    """Owns PostgreSQL, the engines and the child processes. Started and stopped by one thread."""

    def __init__(self, settings: Settings, report: Report) -> None:
        self._settings = settings
        self._report = report
        self._folder = DataFolder(settings.data.resolve())
        self._lock: int | None = None
        self._postgres: EmbeddedPostgres | None = None
        self._reconciler: Reconciler | None = None
        self._listeners: list[socket.socket] = []
        self._children: dict[str, Child] = {}
        self._is_stopping = False
        self.database: Database | None = None
        self.base_url = ""
        self.host, self.port = settings.host, settings.port

    def start(self) -> Prepared:
        """Start everything, side by side where it can be. Raises StartupError.

        When it returns, the public port answers and the engines are loading their models.
        """
        settings, folder = self._settings, self._folder
        if settings.tls_certificate is not None:
            server_context(settings.tls_certificate, settings.tls_key)  # told here, not in a log
        self._lock = lock_data_folder(folder.lock)
        family = engines(llama_server=settings.llama_server)
        for engine in family.values():
            engine.check()
        # Whether an administrator exists, and so whether to listen beyond this machine, is known
        # only once the database is up. On loopback nothing needs to wait for that.
        is_local = is_loopback(settings.host)
        if is_local:
            self._listen(settings.host)
        is_pepper_new = not pepper_path(folder.secrets).exists()
        pepper = load_or_create_pepper(folder.secrets)
        keys = load_or_create_key_encryption(folder.secrets)
        # Made before the processes that use it start side by side.
        load_or_create_signing_key(folder.secrets)
        run = prepare_run_folder(folder)
        url = self._start_postgres()
        environment = self._environment(url)
        if is_local:
            self._start_gateways(environment, run)
        _log.info("gateway started")
        self._await_postgres()
        _log.info("PostgreSQL is ready")
        self.database = Database(url, application_name="tradewind-up", pool_size=4)
        self.database.wait_until_up()
        services = build_services(pepper, keys)
        prepared = prepare(self.database, services, currency=settings.currency)
        if is_pepper_new and prepared.first_key is None:
            self._refuse_new_pepper()
        with self.database.transaction() as tx:
            join_roll(tx, node_of(settings, folder, pepper))
        _log.info("database is prepared")
        if not is_local:
            self._listen(self._host_for(prepared))
            self._start_gateways(environment, run)
        database = self.database
        artifacts = build_artifacts(settings, folder, keys).artifacts

        def open_artifact(digest: str) -> WorkerArtifact:
            with database.transaction() as tx:
                return artifacts.open_for_worker(tx, digest)

        weights = EngineWeights(
            folder.models, open_artifact, most_kept_bytes=settings.weights_cache_gib * 1024**3
        )
        weights.remove_left_over()
        self._reconciler = Reconciler(
            self.database,
            services.deployments,
            family,
            weights,
            run=run,
            logs=folder.logs,
            report=self._report,
        )
        self._reconciler.start()
        self._start_child(
            "worker", "tradewind.serve.worker", ["--gateway", self.local_url], environment
        )
        self._start_child(
            "control",
            "tradewind.serve.control",
            [
                *("--socket", str(run / "control.sock")),
                *("--public-url", self.base_url),
                *("--backstage", str(run / "backstage.sock")),
            ],
            environment,
        )
        return prepared

    @property
    def local_host(self) -> str:
        """Where this machine reaches the public port."""
        return _LOOPBACK if self.host in _EVERYWHERE else self.host

    @property
    def local_url(self) -> str:
        """Base address of the public port from this machine. With a certificate it is the one that
        the certificate is for.
        """
        if self._settings.tls_certificate is not None:
            return self.base_url
        shown = f"[{self.local_host}]" if ":" in self.local_host else self.local_host
        return f"http://{shown}:{self.port}"

    @property
    def certificate(self) -> Path | None:
        """Of the public port, when it speaks TLS."""
        return self._settings.tls_certificate

    def watch(self, stop: threading.Event) -> None:
        """Keep everything running until `stop` is set."""
        while not stop.wait(_WATCH_S):
            self.check()

    def check(self) -> None:
        """Start again what has died. Cheap; called a few times a second."""
        for child in self._children.values():
            child.keep_alive()
        postgres = self._postgres
        if postgres is not None and not postgres.is_alive():
            _log.warning("PostgreSQL has ended; starting it again")
            try:
                postgres.start()
                postgres.wait_ready()
            except StartupError as error:
                _log.error("PostgreSQL does not start: %s", error)
                time.sleep(1.0)

    def await_portal(self, deadline: float) -> None:
        """Return once the control plane answers. Raises StartupError at the deadline."""
        control = self._children["control"]
        path = prepare_run_folder(self._folder) / "control.sock"
        while time.monotonic() < deadline:
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    probe.connect(str(path))
                except OSError:
                    if not control.is_alive():
                        break
                    time.sleep(0.02)
                else:
                    return
        raise StartupError(
            f"the control plane does not start: {control.last_words()}",
            hint=f"see {control.log_path}",
        )

    def stop(self) -> None:
        """Stop all in order: no new calls, running ones end, usage is shipped, engines,
        database.
        """
        if self._is_stopping:
            return
        self._is_stopping = True
        gateways = [child for name, child in self._children.items() if name not in _STOPPED_LAST]
        for child in gateways:
            child.ask_to_stop()  # all at once: each drains for as long as it needs
        for child in gateways:
            child.wait_stopped()
        for name in _STOPPED_LAST:
            child = self._children.get(name)
            if child is not None:
                child.ask_to_stop()
                child.wait_stopped()
        if self._reconciler is not None:
            self._reconciler.stop()
        if self.database is not None:
            self.database.close()
        if self._postgres is not None:
            self._postgres.stop()
        for listener in self._listeners:
            listener.close()
        if self._lock is not None:
            remove_run_folder(self._folder)
            os.close(self._lock)

    def _refuse_new_pepper(self) -> NoReturn:
        """The database is older than the pepper: going on would make every key and session void."""
        path = pepper_path(self._folder.secrets)
        path.unlink()
        raise StartupError(
            f"the key pepper {path} is missing, and the database has keys that were made with it",
            hint="restore it from a backup, or choose another --data folder and database",
        )

    def _host_for(self, prepared: Prepared) -> str:
        if prepared.has_administrator:
            return self._settings.host
        self._report(
            f"Listening on {_LOOPBACK} only: no administrator has a password yet. "
            f"Sign in once, then start again for {self._settings.host}."
        )
        return _LOOPBACK

    def _listen(self, host: str) -> None:
        self._listeners = listen_on(host, self._settings.port, self._settings.workers)
        self.host, self.port = self._listeners[0].getsockname()[:2]
        # An address that means "all" is none that a browser could go to.
        shown = self.local_host
        shown = f"[{shown}]" if ":" in shown else shown
        scheme = "http" if self._settings.tls_certificate is None else "https"
        url = self._settings.public_url or f"{scheme}://{shown}:{self.port}"
        self.base_url = url.rstrip("/")

    def _start_postgres(self) -> str:
        if self._settings.database_url is not None:
            return self._settings.database_url
        postgres = EmbeddedPostgres(
            self._folder, run_as=self._settings.postgres_user, report=self._report
        )
        self._postgres = postgres
        postgres.start()
        return postgres.url

    def _await_postgres(self) -> None:
        if self._postgres is not None:
            self._postgres.wait_ready()

    def _start_gateways(self, environment: Mapping[str, str], run: Path) -> None:
        assert self._listeners
        (run / BASE_URL_FILE).write_text(self.base_url)
        around = Surroundings(self._settings, self._folder, run, run / "control.sock")
        count = len(self._listeners)
        forget_metrics(run)
        for number, listener in enumerate(self._listeners):
            name = gateway_name(number, count)
            path = run / f"{name}.json"
            write_config(path, gateway_config(around, name, listener, is_alone=count == 1))
            self._start_child(
                name,
                "tradewind.gateway.process",
                ["--config", str(path)],
                environment,
                inherited_fds=[listener.fileno()],
            )

    def _start_child(
        self,
        name: str,
        module: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        inherited_fds: Sequence[int] = (),
    ) -> None:
        child = Child(
            name,
            module,
            arguments,
            log_folder=self._folder.logs,
            environment=environment,
            inherited_fds=inherited_fds,
            grace_s=_GRACE_S,
        )
        child.start()
        self._children[name] = child

    def _environment(self, database_url: str) -> dict[str, str]:
        return {
            **os.environ,
            "TRADEWIND_DATA": str(self._folder.root),
            "TRADEWIND_DATABASE_URL": database_url,
            "TRADEWIND_NODE": self._settings.node,
            "TRADEWIND_WORKERS": str(self._settings.workers),
        }
