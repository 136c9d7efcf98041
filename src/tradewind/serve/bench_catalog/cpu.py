"""CPU time of this process and of one PostgreSQL backend."""

import time
from pathlib import Path

_NANOS = 1_000_000_000


class Cpu:
    """Reads the time that a question takes, wherever it is spent."""

    def __init__(self, backend_pid: int) -> None:
        self._pid = backend_pid

    def seconds(self) -> float:
        return time.process_time() + backend_s(self._pid)


def backend_s(pid: int) -> float:
    """Return the CPU time of a backend since it began; 0 where Linux does not tell.

    In nanoseconds, where /proc/<pid>/stat counts in ticks of 10 ms (documentation of Linux,
    scheduler/sched-stats).
    """
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / _NANOS
    except (FileNotFoundError, PermissionError):
        return 0.0


def resident_mb() -> float:
    """Return the memory that this process has in use, in MB; 0 where Linux does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except FileNotFoundError:
        return 0.0
    return pages * 4096 / 1e6
