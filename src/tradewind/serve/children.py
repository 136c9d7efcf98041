"""The Python processes that `up` starts: gateway, control, worker. Started, watched, restarted,
stopped.

Each binds its own life to ours (`--parent`, see core.parent_death), so a killed `up` leaves none
behind. They are started from the main thread: the kernel's parent-death signal follows the starting
thread.
"""

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_log = logging.getLogger(__name__)

_FIRST_BACKOFF_S = 0.1
_MOST_BACKOFF_S = 10.0
# One that ran this long was well: its next death starts the back-off anew.
_WELL_S = 30.0
_MOST_LOG_BYTES = 16 * 1024 * 1024


class Child:
    """One process: `python -m <module> <arguments> --parent <our pid>`."""

    def __init__(
        self,
        name: str,
        module: str,
        arguments: Sequence[str],
        *,
        log_folder: Path,
        environment: Mapping[str, str],
        inherited_fds: Sequence[int] = (),
        grace_s: float = 20.0,
    ) -> None:
        self.name = name
        self.log_path = log_folder / f"{name}.log"
        self._argv = [sys.executable, "-m", module, *arguments, "--parent", str(os.getpid())]
        self._environment = environment
        self._inherited_fds = tuple(inherited_fds)
        self._grace_s = grace_s
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._backoff_s = _FIRST_BACKOFF_S
        self._restart_at: float | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the process. Its output goes to its log file."""
        self.log_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _bound(self.log_path)
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(self._environment),
                pass_fds=self._inherited_fds,
                # Ctrl-C at the terminal reaches `up` alone, which stops its children in order.
                start_new_session=True,
            )
        self._started_at = time.monotonic()
        self._restart_at = None

    @property
    def exit_status(self) -> int | None:
        """What it ended with; None while it runs."""
        return None if self._process is None else self._process.poll()

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def keep_alive(self) -> bool:
        """Start it again if it has died and its back-off is over. Returns whether it has died.

        Never raises: a machine out of memory or processes is tried again. Bounds its log, too.
        """
        if self._process is None:
            return False
        if self._process.poll() is None:
            _bound(self.log_path)
            return False
        now = time.monotonic()
        if self._restart_at is None:
            if now - self._started_at > _WELL_S:
                self._backoff_s = _FIRST_BACKOFF_S
            self._restart_at = now + self._backoff_s
            _log.warning(
                "%s ended with status %s; starting it again in %.1f s",
                self.name,
                self._process.returncode,
                self._backoff_s,
            )
            self._backoff_s = min(self._backoff_s * 2, _MOST_BACKOFF_S)
        if now >= self._restart_at:
            try:
                self.start()
            except OSError as error:
                _log.error("%s cannot be started: %s", self.name, error)
                self._restart_at = now + self._backoff_s
        return True

    def ask_to_stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def wait_stopped(self) -> None:
        """Wait for the end it was asked for; kill it when its grace is over."""
        if self._process is None:
            return
        try:
            self._process.wait(self._grace_s)
        except subprocess.TimeoutExpired:
            _log.warning("%s did not stop in %.0f s and is killed", self.name, self._grace_s)
            self._process.kill()
            self._process.wait()

    def last_words(self) -> str:
        """Return the last line of its log: why it could not start, mostly."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(0, self.log_path.stat().st_size - 4096))
                lines = log.read().decode("utf-8", "replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1][:300] if lines else ""


def _bound(path: Path) -> None:
    """Move what a full log holds to `<name>.log.1`: at most two files of 16 MiB.

    By copying, as the process keeps the file open; it appends, so it goes on at the new beginning.
    What it writes between the two steps is lost.
    """
    try:
        if path.stat().st_size <= _MOST_LOG_BYTES:
            return
    except FileNotFoundError:
        return
    try:
        shutil.copyfile(path, path.with_suffix(".log.1"))
    except OSError as error:
        # Most likely the disk is full, and this log is one reason why.
        _log.error("what %s held is lost: %s", path, error)
    os.truncate(path, 0)
