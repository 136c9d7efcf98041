"""A child process that we alone own: it ends when we do, is reaped, and never survives as a pid."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tradewind.core.errors import StartupError

_LAUNCHER = Path(__file__).with_name("drop_and_exec.py")
_LONGEST_LINE = 8192
# Nothing of our own environment: a stray PGDATA, PGPORT or LC_ALL changes what PostgreSQL does.
# TZ also saves initdb the search for the system's time zone.
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
_WAY_OUT_OF_ROOT = (
    "give --data a folder this user can reach, set TRADEWIND_POSTGRES_USER, or start Tradewind as "
    "a plain user"
)


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this system."""

    uid: int
    gid: int
    name: str


class OwnedProcess:
    """Runs `argv`, as `account` when that is given (only root can), until it ends.

    The kernel's parent-death signal fires when the *thread* that forked ends, so each process gets
    a thread that forks it and then waits for it. `on_line` gets every line of its output, in
    another thread of its own, until all who inherited that output have closed it.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        account: Account | None,
        folders: Sequence[Path],
        on_line: Callable[[str], None],
    ) -> None:
        """Start it. Returns once the program is executing. Raises StartupError when it cannot."""
        self._argv = list(argv)
        self._account = account
        self._folders = [str(folder) for folder in folders]
        self._on_line = on_line
        self._launched = threading.Event()
        self._ended = threading.Event()
        self._output_ended = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: str | None = None
        self.capability: str | None = None
        """The one capability of root's that it kept, because it could not do without."""
        self.status: int | None = None
        """The exit status once it ended; negative for a signal."""
        name = Path(self._argv[0]).name
        threading.Thread(target=self._own, name=f"{name}-owner", daemon=True).start()
        self._launched.wait()
        if self._failure is not None:
            self._ended.wait()
            raise StartupError(
                f"{name} cannot be started: {self._failure}",
                hint=_WAY_OUT_OF_ROOT if account is not None else None,
            )

    @property
    def pid(self) -> int:
        assert self._process is not None, "a process that was not launched has raised"
        return self._process.pid

    def is_alive(self) -> bool:
        return not self._ended.is_set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it has ended and was reaped; false when it has not within the time."""
        return self._ended.wait(timeout_s)

    def wait_for_output(self, timeout_s: float) -> bool:
        """Wait until all of its output was handed over; false when somebody still holds it open."""
        return self._output_ended.wait(timeout_s)

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens to one that has ended."""
        if self._process is not None and self.is_alive():
            self._process.send_signal(number)

    def _own(self) -> None:
        try:
            process = self._launch()
        except OSError as error:
            self._failure = str(error)
        else:
            self.status = process.wait()
        finally:
            self._ended.set()
            self._launched.set()

    def _launch(self) -> subprocess.Popen[bytes]:
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb") as status:
            try:
                plan = {
                    "argv": self._argv,
                    "account": asdict(self._account) if self._account else None,
                    "folders": self._folders,
                    "parent_pid": os.getpid(),
                    "status_fd": writer,
                }
                process = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(_LAUNCHER), json.dumps(plan)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    env=_ENVIRONMENT,
                    cwd="/",
                    pass_fds=[writer],
                    # A session of its own: Ctrl-C at the terminal goes to us, and we decide when
                    # PostgreSQL stops.
                    start_new_session=True,
                )
            finally:
                os.close(writer)
            self._process = process
            threading.Thread(
                target=self._read_output, args=[process], name="server-output", daemon=True
            ).start()
            self._take_status(status.read())
        self._launched.set()
        return process

    def _take_status(self, text: bytes) -> None:
        if not text:
            self._failure = "its launcher ended early"
            return
        answer: dict[str, str | None] = {}
        for line in text.splitlines():
            answer |= json.loads(line)
        self._failure = answer.get("error")
        self.capability = answer.get("capability")

    def _read_output(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout as stream:
            try:
                while line := stream.readline(_LONGEST_LINE):
                    self._on_line(line.decode(errors="replace").rstrip())
            finally:
                # Whatever went wrong with a line: a pipe that nobody empties stops the server.
                while stream.read(_LONGEST_LINE):
                    pass
                self._output_ended.set()
