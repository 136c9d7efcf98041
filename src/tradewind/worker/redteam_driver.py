"""One run of a driver: started in a group of its own, read line by line, killed as a group.

What it prints beside its lines is thrown away: libraries put prompts and answers into their
warnings.
"""

import contextlib
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Generator, Mapping, Sequence
from types import TracebackType
from typing import IO, Self

from tradewind.core.errors import InvalidInput
from tradewind.plugins.redteam.base import LONGEST_LINE_BYTES, Line, read_line

_GRACE_S = 5.0
_LINES_AHEAD = 1_000
"""More than these wait in the pipe, and the driver with them."""


class DriverBroke(Exception):
    """The driver ended without saying that it did, or said what cannot be read."""


class DriverRun:
    """Use as a context: however it is left, no process of the group is."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], job: bytes) -> None:
        self._lines: queue.Queue[bytes | None] = queue.Queue(_LINES_AHEAD)
        self._is_over = threading.Event()
        self._process = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name="read-driver")
        self._writer = threading.Thread(target=self._write, args=(job,), name="write-driver")

    def __enter__(self) -> Self:
        self._reader.start()
        self._writer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait()
        else:
            # Whatever it started itself and left behind.
            self._signal(signal.SIGKILL)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._reader.join()
        self._writer.join()

    def lines(self, wait_s: float) -> Generator[Line | None]:
        """Yield what the driver tells, and None each time nothing came for so long; end with it.

        Raises DriverBroke for what cannot be read.
        """
        while True:
            try:
                raw = self._lines.get(timeout=wait_s)
            except queue.Empty:
                yield None
                continue
            if raw is None:
                return
            try:
                yield read_line(raw)
            except InvalidInput as error:
                raise DriverBroke(str(error)) from error

    def exit_status(self) -> int:
        """Return what it ended with; after its lines ended."""
        try:
            return self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            return -signal.SIGKILL

    def _read(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        with contextlib.suppress(OSError, ValueError):
            while raw := stdout.readline(LONGEST_LINE_BYTES + 1):
                self._put(raw)
        self._put(None)

    def _put(self, raw: bytes | None) -> None:
        while not self._is_over.is_set():
            with contextlib.suppress(queue.Full):
                self._lines.put(raw, timeout=0.2)
                return

    def _write(self, job: bytes) -> None:
        stdin: IO[bytes] | None = self._process.stdin
        assert stdin is not None
        # It stays open: the driver ends when it is closed, by us or by our death.
        with contextlib.suppress(OSError, ValueError):
            stdin.write(job)
            stdin.flush()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
