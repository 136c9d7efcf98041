"""Starts the real platform the way a user does: `tradewind up`, as a process of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg

_START_TIMEOUT_S = 240
_STOP_TIMEOUT_S = 120


@contextmanager
def running_platform() -> Iterator["RunningPlatform"]:
    """Start a platform in a folder of its own, and stop it, which has to go well."""
    root = Path(tempfile.mkdtemp(prefix="tradewind-e2e-"))
    running = RunningPlatform(root / "data")
    yield running
    status = running.stop()
    shutil.rmtree(root)
    assert status == 0


class RunningPlatform:
    """One `tradewind up`. `light` is the JSON object it printed when it was ready."""

    def __init__(self, data: Path, *arguments: str, environment: dict[str, str] | None = None):
        self.data = data
        self._stderr = (data.parent / f"{data.name}.stderr").open("wb+")
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tradewind.cli",
                "up",
                "--json",
                "--port",
                "0",
                "--data",
                str(data),
                *arguments,
            ],
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**os.environ, **(environment or {})},
        )
        self.light: dict[str, Any] = self._read_light()

    @property
    def base_url(self) -> str:
        return self.light["base_url"]

    @property
    def api_key(self) -> str:
        return self.light["api_key"]

    def stderr(self) -> str:
        self._stderr.seek(0)
        return self._stderr.read().decode("utf-8", "replace")

    def query(self, sql: LiteralString, *parameters: object) -> list[tuple[Any, ...]]:
        """Read the platform's own books."""
        with self.connect() as connection:
            return connection.execute(sql, parameters).fetchall()

    def connect(self) -> psycopg.Connection:
        """Connect to the platform's database, as the user that runs it may."""
        sockets = (self.data / "run").resolve() / "postgres"
        return psycopg.connect(host=str(sockets), user="tradewind", dbname="tradewind")

    def child_pid(self, module: str) -> int:
        """Return the process of one part, by its module's name."""
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                line = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if module.encode() in line and str(self.process.pid).encode() in line:
                return int(entry.name)
        raise LookupError(f"{module} does not run")

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(_STOP_TIMEOUT_S)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self._stderr.close()
            assert self.process.stdout is not None
            self.process.stdout.close()

    def _read_light(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        timer = threading.Timer(_START_TIMEOUT_S, self.process.kill)
        timer.start()
        try:
            line = self.process.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            status = self.process.wait(_STOP_TIMEOUT_S)
            raise AssertionError(f"tradewind up ended with {status}:\n{self.stderr()}")
        return json.loads(line)
