"""Start a program on one core, wait for the line it prints when it is ready, read what it costs."""

import contextlib
import os
import resource
import select
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

READY_TIMEOUT_S = 30
STOP_TIMEOUT_S = 15
_TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """One line for whoever ran the benchmark."""


def server_core() -> int:
    return min(os.sched_getaffinity(0))


def load_core() -> int:
    """The core of load generator and mock; the servers' own where there is only one."""
    return max(os.sched_getaffinity(0))


def second_core() -> int:
    """The core of a second server: the next one, which is the load's where there are only two."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[min(1, len(cores) - 1)]


def spare_cores() -> set[int]:
    """The cores that two servers leave to the load; all of them where there are too few."""
    cores = os.sched_getaffinity(0)
    return (cores - {server_core(), second_core()}) or cores


def allow_many_files() -> None:
    """Raise this process's bound, which those it starts inherit: a stream is a descriptor or two
    at each end.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextlib.contextmanager
def started(
    command: Sequence[str],
    *,
    core: int,
    log: Path,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    sockets: Iterable[int] = (),
    is_heard: bool = True,
) -> Iterator[subprocess.Popen[str]]:
    """Run `command` on `core` for the time of the block, its stderr in `log`. It inherits the
    descriptors `sockets`, and `environment` beside ours. What is not heard on stdout goes to `log`:
    nobody would empty the pipe of a program that talks.
    """
    with log.open("w") as stderr:
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *command],
            cwd=cwd,
            env=None if environment is None else os.environ | environment,
            pass_fds=tuple(sockets),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if is_heard else stderr,
            stderr=stderr,
            text=True,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


def ready_line(process: subprocess.Popen[str], log: Path) -> str:
    """Return the first line that starts with `listening`. Raises BenchError with the log's end."""
    assert process.stdout is not None
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if select.select([process.stdout], [], [], 0.5)[0]:
            line = process.stdout.readline()
            if line.startswith("listening"):
                return line.removeprefix("listening").strip()
            if not line:
                break
    end = " | ".join(log.read_text(errors="replace").strip().splitlines()[-3:])
    raise BenchError(f"{process.args} did not start: {end or 'it said nothing'}")


def cpu_us(pid: int) -> int:
    """Return user and system microseconds of a process, its threads and its living children."""
    total = 0
    for member in _tree(pid):
        with contextlib.suppress(OSError):
            total += sum(int(field) for field in _stat(member)[11:15])
    return total * _TICK_US


def pss_mb(pid: int) -> float:
    """Return the memory of a process and its children, pages they share counted once."""
    kilobytes = 0
    for member in _tree(pid):
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{member}/smaps_rollup").read_text()
            kilobytes += sum(
                int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")
            )
    return kilobytes / 1024


class Clocked(NamedTuple):
    """What the scheduler did with the first thread of a process up to now, in seconds."""

    at: float
    queued: float
    """Ready to run, while its core was another's."""


def clocked(pid: int) -> Clocked:
    queued_ns = int(Path(f"/proc/{pid}/schedstat").read_text().split()[1])
    return Clocked(time.perf_counter(), queued_ns / 1e9)


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on (proc(5)): state, ppid, …"""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def _tree(pid: int) -> list[int]:
    members = [pid]
    for member in members:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{member}/task").iterdir():
                members += map(int, (task / "children").read_text().split())
    return members
