"""Replicas as processes of this machine: started, logged, watched and ended by one thread.

One thread and no other starts them, because the kernel's parent-death signal follows the starting
*thread*: a replica started from a pool's thread would die with that thread. The same thread alone
reaps them, so a process id can never be another's by the time we signal it.
"""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tradewind.core.errors import StartupError, Unavailable
from tradewind.plugins.engines import bound
from tradewind.plugins.engines.base import Exit, Launch, LaunchFile, Process
from tradewind.plugins.engines.bounded_log import BoundedLog
from tradewind.plugins.engines.exits import exit_reason
from tradewind.plugins.engines.keeper import Keeper

LOG_LIMIT_BYTES = 4 * 1024 * 1024
"""A log takes at most twice this on disk."""
_READ_BYTES = 64 * 1024
# What is still read of a log after its process has ended.
_MOST_LAST_READS = 16
_KILL_WAIT_S = 10.0

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class LocalProcesses:
    """Starts and ends replicas. Any thread may call it; its own starts with the first replica."""

    def __init__(self, *, log_limit_bytes: int = LOG_LIMIT_BYTES) -> None:
        self._log_limit_bytes = log_limit_bytes
        self._running: set[LocalProcess] = set()
        self._keeper: Keeper | None = None
        self._lock = threading.Lock()

    def start(self, launch: Launch, log: Path) -> "LocalProcess":
        """Write the launch's files and start it. Its output goes to `log`. Raises StartupError."""
        program = launch.argv[0]
        if not os.access(program, os.X_OK):
            raise StartupError(f"'{program}' is not a program that can be started")
        try:
            _write_files(launch)
            return self._do(lambda keeper: self._start(keeper, launch, log))
        except OSError as error:
            _remove_files(launch)
            raise StartupError(f"cannot start '{program}': {error}") from error

    def stop(self, process: Process, grace_s: float) -> Exit:
        """SIGTERM, wait, SIGKILL to the whole group, wait. Raises Unavailable."""
        local = process
        if not isinstance(local, LocalProcess):
            raise TypeError(f"{process!r} was not started here")
        for send, wait_s in ((local.terminate, grace_s), (local.kill, _KILL_WAIT_S)):
            if local.exit is None:
                self._do(lambda _, send=send: send())
            ended = local.wait(wait_s)
            if ended is not None:
                return ended
        raise Unavailable(f"process {process.pid} does not end, even when killed")

    def close(self, grace_s: float = 10.0) -> None:
        """End all replicas, side by side. Afterwards it can be used anew."""
        with self._lock:
            keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        running = keeper.do(lambda: list(self._running))
        deadline = time.monotonic() + grace_s
        for process in running:
            keeper.do(process.terminate)
        for process in running:
            process.wait(max(0.0, deadline - time.monotonic()))
            keeper.do(process.kill)
            process.wait(_KILL_WAIT_S)
        keeper.end()

    def _do(self, work: Callable[[Keeper], _T]) -> _T:
        with self._lock:
            if self._keeper is None:
                self._keeper = Keeper()
            keeper = self._keeper
        return keeper.do(lambda: work(keeper))

    def _start(self, keeper: Keeper, launch: Launch, log: Path) -> "LocalProcess":
        process = LocalProcess(keeper, launch, BoundedLog(log, self._log_limit_bytes))
        self._running.add(process)
        process.when_ended = lambda: self._running.discard(process)
        return process


class LocalProcess:
    """A replica on this machine. All but `pid`, `exit` and `wait` is for the keeper's thread."""

    def __init__(self, keeper: Keeper, launch: Launch, log: BoundedLog) -> None:
        """Start it. Raises OSError."""
        self.launch = launch
        self.when_ended: Callable[[], None] = lambda: None
        self._keeper = keeper
        self._log = log
        self._exit: Exit | None = None
        self._has_ended = threading.Event()
        self._output, output = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            os.set_blocking(output, True)
            self._popen = subprocess.Popen(
                [sys.executable, "-I", "-S", bound.__file__, str(os.getpid()), *launch.argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=launch.env,
                cwd="/",
                # A terminal's Ctrl-C is for the platform, which ends its replicas in order; and its
                # own group, so that what it starts can be ended with it.
                start_new_session=True,
            )
        except OSError:
            os.close(self._output)
            log.close()
            raise
        finally:
            os.close(output)
        self._ending = os.pidfd_open(self._popen.pid)
        self._is_reading = True
        keeper.watch(self._output, self._read_some)
        keeper.watch(self._ending, self._end)

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def exit(self) -> Exit | None:
        return self._exit

    def wait(self, timeout_s: float | None = None) -> Exit | None:
        self._has_ended.wait(timeout_s)
        return self._exit

    def terminate(self) -> None:
        if self._exit is None:
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        if self._exit is None:
            os.killpg(self.pid, signal.SIGKILL)

    def _read_some(self) -> None:
        self._read()

    def _read(self) -> bool:
        """Move what the process wrote into its log. Returns whether there may be more now."""
        try:
            data = os.read(self._output, _READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._stop_reading()
            return False
        try:
            self._log.write(data)
        except OSError as error:
            # A full disk is no reason to stop answering; the reason of an exit stays known.
            _log.warning("the log of process %d loses lines: %s", self.pid, error)
        return True

    def _stop_reading(self) -> None:
        if self._is_reading:
            self._is_reading = False
            self._keeper.forget(self._output)

    def _end(self) -> None:
        # What it left behind goes too. It is still a zombie, which keeps the number of its group
        # from being given to others.
        os.killpg(self.pid, signal.SIGKILL)
        for _ in range(_MOST_LAST_READS):
            if not self._is_reading or not self._read():
                break
        self._stop_reading()
        self._keeper.forget(self._ending)
        status = self._popen.wait()
        for descriptor in (self._output, self._ending):
            os.close(descriptor)
        self._log.close()
        _remove_files(self.launch)
        self._exit = Exit(status, exit_reason(status, self._log.tail()))
        self.when_ended()
        self._has_ended.set()


def _write_files(launch: Launch) -> None:
    for file in launch.files:
        file.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if file.link_to is not None:
            _place_link(file)
            continue
        file.path.unlink(missing_ok=True)
        descriptor = os.open(file.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(file.content)
    _remove_socket(launch)


def _place_link(file: LaunchFile) -> None:
    # Other replicas may be reading through the same link: it is never missing.
    assert file.link_to is not None
    beside = file.path.with_name(f"{file.path.name}.{os.getpid()}.{threading.get_ident()}")
    beside.unlink(missing_ok=True)
    beside.symlink_to(file.link_to)
    beside.replace(file.path)


def _remove_files(launch: Launch) -> None:
    for file in launch.files:
        if file.link_to is None:
            file.path.unlink(missing_ok=True)
    _remove_socket(launch)


def _remove_socket(launch: Launch) -> None:
    # An engine does not start over the socket of one that was killed.
    if launch.address.startswith("/"):
        Path(launch.address).unlink(missing_ok=True)
