"""Compile and start the mock model host."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.processes import BenchError, load_core, ready_line, started

SOURCE = Path(__file__).with_name("mock_upstream.c")
BUILD = Path(__file__).with_name("build")
STREAM_EVENTS = 64
# What a client receives of one stream: the paced events, then finish, usage and [DONE].
EVENTS_ON_THE_WIRE = STREAM_EVENTS + 3


class Pace(NamedTuple):
    """How a mock streams."""

    events: int
    interval_us: int
    text_bytes: int


QUICK = Pace(STREAM_EVENTS, 10_000, 5)


class Mock(NamedTuple):
    port: int
    pid: int


@contextlib.contextmanager
def running_mock(folder: Path, pace: Pace = QUICK) -> Iterator[Mock]:
    """Run a mock for the time of the block."""
    log = folder / "mock.log"
    command = [str(_compiled()), *map(str, pace)]
    with started(command, core=load_core(), log=log) as process:
        yield Mock(int(ready_line(process, log)), process.pid)


def _compiled() -> Path:
    program = BUILD / "mock_upstream"
    if program.exists() and program.stat().st_mtime > SOURCE.stat().st_mtime:
        return program
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise BenchError(
            "the mock model host needs a C compiler: apt-get install gcc libc6-dev (as root)"
        )
    BUILD.mkdir(exist_ok=True)
    run = subprocess.run(
        [compiler, "-O2", "-o", str(program), str(SOURCE)],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise BenchError(f"{SOURCE.name} does not compile: {run.stderr.strip().splitlines()[-1]}")
    return program
