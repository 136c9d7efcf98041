"""The command run to its end, and what it may have left behind."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

PATIENCE_S = 180
COMMAND = (sys.executable, "-m", "tradewind.cli")
NOBODY = 65534
# Started by the worker for one job each; they come and go.
_JOBS = ("serve.catalog_import", "serve.search_filling", "serve.archiving")
# Lets a plain user read the interpreter and the checkout where these lie in root's home.
_READ_ALL = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")


class Ended(NamedTuple):
    status: int
    stdout: str
    stderr: str

    @property
    def light(self) -> dict[str, Any]:
        assert self.status == 0, self.stderr
        return json.loads(self.stdout.splitlines()[-1])


def tradewind(
    *arguments: str | Path, prefix: Sequence[str] = (), environment: dict[str, str] | None = None
) -> Ended:
    """Run the command to its end."""
    ended = subprocess.run(
        [*prefix, *COMMAND, *map(str, arguments)],
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def processes_of(data: Path) -> dict[int, str]:
    """Return what runs on a data folder, by command line or environment."""
    found: dict[int, str] = {}
    mark = str(data).encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            line = (entry / "cmdline").read_bytes()
            if mark in line or mark in (entry / "environ").read_bytes():
                found[int(entry.name)] = line.replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
    return found


def lasting_processes_of(data: Path) -> dict[int, str]:
    """Return those that are there for as long as the platform is: no child with one job."""
    found = processes_of(data).items()
    return {pid: line for pid, line in found if not any(job in line for job in _JOBS)}


def await_no_process_of(data: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while left := processes_of(data):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def plain_user() -> list[str]:
    """Return the begin of a command line that runs the rest as a user without any rights.

    It is empty where the tests run as such a user. Skips where it cannot be done.
    """
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("the program setpriv is missing")
    become = [setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    for prefix in (become, [*become, *_READ_ALL]):
        # Twice, as the rights that setpriv has before it starts a program help with the first.
        program = "import subprocess, sys; subprocess.run([sys.executable, *sys.argv[1:]])"
        tried = subprocess.run(
            [*prefix, sys.executable, "-c", program, *COMMAND[1:], "--version"],
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
        if tried.stdout.startswith(b"tradewind"):
            return prefix
    pytest.skip("a plain user cannot run this interpreter")
