"""Our own supervisor of an embedded PostgreSQL: starts it, proves it ready, stops it."""

import fcntl
import os
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

from tradewind.core.data_folder import DataFolder
from tradewind.core.errors import StartupError
from tradewind.core.run_folder import prepare_run_folder
from tradewind.db.cluster import (
    DATABASE,
    LAST_WORDS_S,
    ROLE,
    SOCKET_LOCK,
    SUPERUSER,
    account_for,
    majors_in,
    make_cluster,
    own_cluster,
    server_arguments,
    settings_folder,
    write_settings,
)
from tradewind.db.installation import Installation, choose_installation, find_installations
from tradewind.db.leftover import clear_leftover
from tradewind.db.owned_process import Account, OwnedProcess
from tradewind.db.server_log import ServerLog

_POLL_S = 0.02
_REPORT_EVERY_S = 5.0
_RETRY_EVERY_S = 0.2
_RETRIES = 300
_KILLS = 5
_FAST_STOP_S = 60.0
_QUICK_STOP_S = 30.0

# Its backends outlive a killed postmaster by a moment, and hold its shared memory that long.
_PASSING_TROUBLES = (
    "pre-existing shared memory block",
    'lock file "postmaster.pid" already exists',
)
_SOCKETS = "postgres"
_PROGRESS = ("redo in progress", "redo starts", "syncing data directory", "not properly shut down")


class EmbeddedPostgres:
    """A PostgreSQL server as our child, on the data folder's cluster, on a unix socket only.

    `start()` and then `wait_ready()`; both may be called again at any time, and bring back a server
    that has died. Restarting is up to the caller: `wait_until_dead()` tells when. Only the user who
    runs Tradewind may connect. As root, the server runs as `run_as` (an existing user, never made
    here) or as the user who owns the cluster already.
    """

    def __init__(
        self,
        data: DataFolder,
        *,
        run_as: str = "nobody",
        report: Callable[[str], None],
        settings: Mapping[str, str] | None = None,
        installations: Callable[[], Iterable[Installation]] = find_installations,
    ) -> None:
        """Nothing happens yet. `report` gets one plain line for each thing worth telling."""
        self._data = data
        self._run_as = run_as
        self._report = report
        self._settings = dict(settings or {})
        self._installations = installations
        self._log = ServerLog(data.logs / "postgres.log")
        self._guard = threading.RLock()
        self._process: OwnedProcess | None = None
        self._lock_descriptor: int | None = None
        self._sockets: Path | None = None
        self._installation: Installation | None = None
        self._told_capability = False

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of Tradewind's own database and role. Known after `start()`."""
        return self._url(ROLE, DATABASE)

    @property
    def superuser_url(self) -> str:
        """The same for the cluster's owner; for upkeep and tests, never for the platform."""
        return self._url(SUPERUSER, "postgres")

    def start(self) -> None:
        """Start the server, on a new cluster where there is none. Idempotent.

        Raises StartupError with one line that says what to do.
        """
        with self._guard:
            if self.is_alive():
                return
            try:
                self._start()
            except OSError as error:
                self._release()
                raise StartupError(
                    f"PostgreSQL's folders cannot be prepared: {error}",
                    hint=f"check the disk and the permissions of '{self._data.root}'",
                ) from error
            except StartupError:
                self._release()
                raise

    def wait_ready(self) -> None:
        """Return once the server has answered a query and holds our role and database.

        Takes as long as recovery takes and reports that it goes on. Raises StartupError when the
        server ends instead.
        """
        began = reported = time.monotonic()
        retries = 0
        while True:
            process = self._process
            if process is None:
                raise StartupError("PostgreSQL was stopped before it was ready")
            if process.wait(_POLL_S):
                retries += 1
                self._retry(process, retries)
                continue
            if self._is_ready():
                return
            now = time.monotonic()
            if now - reported > _REPORT_EVERY_S:
                self._report(f"PostgreSQL is not ready yet, after {now - began:.0f} s")
                reported = now

    def is_alive(self) -> bool:
        """Say whether the server process runs. It may still be in recovery."""
        process = self._process
        return process is not None and process.is_alive()

    def wait_until_dead(self, timeout_s: float | None = None) -> bool:
        """Wait for the server's end; false when it still runs after the time."""
        process = self._process
        return process is None or process.wait(timeout_s)

    def stop(self) -> None:
        """Stop the server and keep its data whole. Idempotent.

        First SIGINT (ends sessions, writes a checkpoint), then SIGQUIT (the next start recovers).
        Never SIGKILL: it would leave backends and shared memory behind.
        """
        with self._guard:
            process, self._process = self._process, None
            if process is not None:
                process.send(signal.SIGINT)
                if not process.wait(_FAST_STOP_S):
                    self._report("PostgreSQL does not stop by itself; ending it, to recover later")
                    process.send(signal.SIGQUIT)
                    if not process.wait(_QUICK_STOP_S):
                        self._report(f"PostgreSQL (process {process.pid}) does not end")
            self._release()

    @property
    def pid(self) -> int | None:
        """The number of the server process (the postmaster) while it is alive."""
        process = self._process
        return process.pid if process is not None and process.is_alive() else None

    def _start(self) -> None:
        data = self._data
        for folder in (data.postgres, data.logs):
            folder.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        major = next(iter(majors_in(data)), None)
        self._installation = installation = choose_installation(
            [self._installation] if self._installation else self._installations(),
            major,
            data.postgres,
        )
        cluster = data.postgres.resolve() / str(installation.major)
        account = account_for(cluster, self._run_as)
        self._sockets = sockets = _prepare_sockets(prepare_run_folder(data), account)
        write_settings(data, sockets, self._settings)
        self._log.forget_tail()
        if not cluster.exists():
            self._report(f"making a new PostgreSQL {installation.major} in '{cluster}'")
            make_cluster(cluster, installation, account, self._log)
        own_cluster(cluster, account)
        clear_leftover(cluster, sockets / SOCKET_LOCK, self._report)
        self._process = OwnedProcess(
            server_arguments(installation, data, cluster),
            account=account,
            folders=[cluster, sockets, settings_folder(data)],
            on_line=self._hear,
        )
        self._tell_capability(self._process, account)

    def _retry(self, ended: OwnedProcess, retries: int) -> None:
        with self._guard:
            if self._process is not ended:
                return  # Somebody else has started it again, or stopped it.
            ended.wait_for_output(LAST_WORDS_S)
            was_killed = ended.status == -signal.SIGKILL and retries <= _KILLS
            if not was_killed and not self._log.mentions(*_PASSING_TROUBLES):
                raise StartupError(
                    f"PostgreSQL ended while starting: {self._log.reason()}",
                    hint=f"see '{self._log.path}'",
                )
            if retries > _RETRIES:
                raise StartupError(
                    f"another PostgreSQL still uses '{self._data.postgres}'",
                    hint="stop it, or restart the machine",
                )
            if was_killed:
                self._report("PostgreSQL was killed while starting; starting it again")
            elif retries == 1:
                self._report("waiting for the processes of an earlier PostgreSQL to end")
        time.sleep(_RETRY_EVERY_S)
        with self._guard:
            if self._process is ended:
                self.start()

    def _is_ready(self) -> bool:
        # psycopg takes longer to import than the server to start: so it is imported meanwhile.
        from tradewind.db.readiness import prepare_database  # noqa: PLC0415

        return prepare_database(self.superuser_url, self._log.path)

    def _take_lock(self) -> None:
        if self._lock_descriptor is not None:
            return
        path = self._data.postgres / "lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise StartupError(
                f"another Tradewind runs on '{self._data.root}'",
                hint="stop that one, or use another --data folder",
            ) from None
        self._lock_descriptor = descriptor

    def _release(self) -> None:
        if self._lock_descriptor is not None:
            os.close(self._lock_descriptor)
            self._lock_descriptor = None

    def _hear(self, line: str) -> None:
        self._log.add(line)
        if any(text in line for text in _PROGRESS):
            self._report(f"PostgreSQL: {line.partition('LOG:')[2].strip() or line}")

    def _tell_capability(self, process: OwnedProcess, account: Account | None) -> None:
        if account is None or process.capability is None or self._told_capability:
            return
        self._told_capability = True
        self._report(
            f"PostgreSQL runs as '{account.name}' and keeps {process.capability}, because that "
            f"user cannot reach '{self._data.root}' or PostgreSQL's programs"
        )

    def _url(self, role: str, database: str) -> str:
        assert self._sockets is not None, "the address is known after start()"
        return _url_at(self._sockets, role, database)


def url_of_running(data: DataFolder) -> str:
    """Return the URL of the server that another process runs on this data folder, if one does."""
    return _url_at(data.run.resolve() / _SOCKETS, ROLE, DATABASE)


def _url_at(sockets: Path, role: str, database: str) -> str:
    return f"postgresql+psycopg://{role}@/{database}?host={quote(str(sockets), safe='')}"


def _prepare_sockets(run: Path, account: Account | None) -> Path:
    folder = run / _SOCKETS
    folder.mkdir(mode=0o700, exist_ok=True)
    if not stat.S_ISDIR(folder.lstat().st_mode):
        raise StartupError(f"'{folder}' is not a folder", hint="remove it")
    if account is not None:
        os.chown(folder, account.uid, account.gid, follow_symlinks=False)
    return folder
