"""`tradewind gateway`: gateways on a host of their own, of a platform that `up` runs elsewhere.

It brings no database, no control plane and no engine, and changes no schema. With the database
down it serves from the last snapshot it has.
"""

import http.client
import json
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import FrameType

from rich.console import Console
from rich.markup import escape

from tradewind.core.data_folder import DataFolder
from tradewind.core.errors import StartupError, Unavailable
from tradewind.core.run_folder import prepare_run_folder, remove_run_folder
from tradewind.core.settings import Settings
from tradewind.db.database import Database
from tradewind.gateway.http.server_tls import server_context
from tradewind.serve.children import Child
from tradewind.serve.first_call import connect
from tradewind.serve.gateway_configs import (
    Surroundings,
    forget_metrics,
    gateway_config,
    gateway_name,
    write_config,
)
from tradewind.serve.gateway_node_worker import REFUSED
from tradewind.serve.guard import listen_on, lock_data_folder, make_data_folder
from tradewind.serve.node_entry import enter, node_of
from tradewind.serve.secret_files import (
    load_or_create_key_encryption,
    load_or_create_pepper,
    missing_secrets,
)
from tradewind.serve.services import build_services
from tradewind.telemetry.logs import log_to_file

_log = logging.getLogger("tradewind.gateway-node")

_WATCH_S = 0.2
_GRACE_S = 30.0
_DATABASE_WAIT_S = 5.0
_READY_S = 120.0
_LOOK_S = 0.05
_LOCAL = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  compared with, never bound to

Report = Callable[[str], None]


def run_gateway_node(settings: Settings, *, is_json: bool) -> None:
    """Run until a signal. Raises StartupError, also later on when the database refuses the node."""
    folder = DataFolder(settings.data.resolve())
    make_data_folder(folder.root)
    log_to_file(folder.logs / "gateway-node.log")
    errors = Console(stderr=True, highlight=False)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _setter(stop))

    def report(line: str) -> None:
        errors.print(f"  {escape(line)}", style="dim", soft_wrap=True)

    node = GatewayNode(settings, report)
    try:
        with errors.status("Starting the gateways"):
            node.start()
            is_ready = node.await_ready(stop, time.monotonic() + _READY_S)
        if is_ready:
            _show(node, settings.node, is_json=is_json)
        node.watch(stop)
    except OSError as error:
        raise StartupError(
            f"the gateways cannot start: {error}",
            hint=f"check the disk and who owns {folder.root}, see its logs",
        ) from error
    finally:
        with errors.status("Stopping: running calls end, usage is written down"):
            node.stop()


class GatewayNode:
    """The gateways of this host and the process beside them. Started and stopped by one thread."""

    def __init__(self, settings: Settings, report: Report) -> None:
        self._settings = settings
        self._report = report
        self._folder = DataFolder(settings.data.resolve())
        self._lock: int | None = None
        self._listeners: list[socket.socket] = []
        self._gateways: list[Child] = []
        self._worker: Child | None = None
        self._is_stopped = False
        self.base_url = ""

    def start(self) -> None:
        """Start all. Raises StartupError when something is missing or the database refuses."""
        settings, folder = self._settings, self._folder
        _check_given(settings, folder)
        if settings.tls_certificate is not None:
            server_context(settings.tls_certificate, settings.tls_key)  # told here, not in a log
        self._lock = lock_data_folder(folder.lock)
        self._enter()
        run = prepare_run_folder(folder)
        self._listeners = listen_on(settings.host, settings.port, settings.workers)
        self.base_url = self._url()
        around = Surroundings(settings, folder, run, None, settings.public_url)
        count = len(self._listeners)
        forget_metrics(run)
        for number, listener in enumerate(self._listeners):
            name = gateway_name(number, count)
            path = run / f"{name}.json"
            write_config(path, gateway_config(around, name, listener, is_alone=count == 1))
            self._gateways.append(
                self._start_child(
                    name,
                    "tradewind.gateway.process",
                    ["--config", str(path)],
                    inherited_fds=[listener.fileno()],
                )
            )
        self._worker = self._start_child(
            "node",
            "tradewind.serve.gateway_node_worker",
            ["--backstage", str(run / "backstage.sock")],
        )

    def await_ready(self, stop: threading.Event, deadline: float) -> bool:
        """Return once calls are served; false when asked to stop before. Raises StartupError."""
        refusal = "nothing answered"
        while time.monotonic() < deadline:
            if stop.wait(_LOOK_S):
                return False
            self.check()
            try:
                refusal = self._ask_health()
            except (OSError, http.client.HTTPException) as error:
                refusal = str(error) or type(error).__name__
            if not refusal:
                return True
        raise StartupError(f"the gateways do not serve: {refusal}", hint=f"see {self._folder.logs}")

    def watch(self, stop: threading.Event) -> None:
        """Keep all running until `stop` is set. Raises StartupError when the node is refused."""
        while not stop.wait(_WATCH_S):
            self.check()

    def check(self) -> None:
        """Start again what has died. Raises StartupError when the database refuses this node."""
        worker = self._worker
        if worker is not None:
            if worker.exit_status == REFUSED:
                raise StartupError(worker.last_words())
            worker.keep_alive()
        for child in self._gateways:
            child.keep_alive()

    def stop(self) -> None:
        """Stop in order: no new calls, running ones end, their usage is shipped."""
        if self._is_stopped:
            return
        self._is_stopped = True
        for child in self._gateways:
            child.ask_to_stop()
        for child in self._gateways:
            child.wait_stopped()
        if self._worker is not None:
            self._worker.ask_to_stop()
            self._worker.wait_stopped()
        for listener in self._listeners:
            listener.close()
        if self._lock is not None:
            remove_run_folder(self._folder)
            os.close(self._lock)

    def _enter(self) -> None:
        """Let the database say whether this node may serve. When it is away, the last snapshot
        does, and the worker asks when it is back.
        """
        settings, folder = self._settings, self._folder
        assert settings.database_url is not None
        pepper = load_or_create_pepper(folder.secrets)
        services = build_services(pepper, load_or_create_key_encryption(folder.secrets))
        database = Database(settings.database_url, application_name="tradewind-gateway")
        try:
            try:
                database.wait_until_up(_DATABASE_WAIT_S)
            except StartupError as error:
                self._go_on_without(error)
                return
            try:
                enter(database, services, node_of(settings, folder, pepper))
            except Unavailable as error:
                self._go_on_without(error)
        finally:
            database.close()

    def _go_on_without(self, error: StartupError | Unavailable) -> None:
        try:
            written_s = self._folder.snapshot.stat().st_mtime
        except FileNotFoundError:
            raise StartupError(
                f"{error.message}, and this folder has no snapshot to serve from",
                hint=error.hint,
            ) from error
        moment = datetime.fromtimestamp(written_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        _log.warning("no database: %s", error)
        self._report(f"Serving from the snapshot of {moment}: {error.message}.")

    def _start_child(
        self, name: str, module: str, arguments: Sequence[str], *, inherited_fds: Sequence[int] = ()
    ) -> Child:
        settings = self._settings
        assert settings.database_url is not None
        child = Child(
            name,
            module,
            arguments,
            log_folder=self._folder.logs,
            environment={
                **os.environ,
                "TRADEWIND_DATA": str(self._folder.root),
                "TRADEWIND_DATABASE_URL": settings.database_url,
                "TRADEWIND_NODE": settings.node,
                "TRADEWIND_WORKERS": str(settings.workers),
            },
            inherited_fds=inherited_fds,
            grace_s=_GRACE_S,
        )
        child.start()
        return child

    def _url(self) -> str:
        host, port = self._listeners[0].getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        scheme = "http" if self._settings.tls_certificate is None else "https"
        return f"{scheme}://{shown}:{port}"

    def _ask_health(self) -> str:
        """Return why a gateway does not serve; empty when it does."""
        host, port = self._listeners[0].getsockname()[:2]
        connection = connect(_reached_at(host), port, self._settings.tls_certificate)
        try:
            connection.request("GET", "/healthz")
            answer = connection.getresponse()
            text = answer.read(4096).decode("utf-8", "replace")
        finally:
            connection.close()
        return "" if answer.status == http.client.OK else text


def _reached_at(host: str) -> str:
    """Return where this host reaches what listens there."""
    return _LOCAL.get(host, host)


def _check_given(settings: Settings, folder: DataFolder) -> None:
    """Raise StartupError that names everything that must come from the first machine."""
    missing = [str(path) for path in missing_secrets(folder.secrets)]
    if settings.database_url is None:
        missing.insert(0, "DATABASE_URL")
    if missing:
        raise StartupError(
            f"this host's gateways lack {', '.join(missing)}",
            hint="set DATABASE_URL to the platform's own database, and copy or mount the folder "
            "secrets/ of the first machine's data folder",
        )


def _show(node: GatewayNode, name: str, *, is_json: bool) -> None:
    if is_json:
        print(json.dumps({"node": name, "base_url": f"{node.base_url}/v1"}), flush=True)
        return
    print(f"The gateways of the node '{name}' serve {node.base_url}/v1", flush=True)


def _setter(stop: threading.Event) -> Callable[[int, FrameType | None], None]:
    def set_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    return set_stop
