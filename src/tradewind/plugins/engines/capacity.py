"""How much memory and how many cores this machine, or the container we are in, has to give.

Formats: proc(5) for /proc/meminfo; the kernel's cgroup-v2.rst for `memory.max`, `memory.current`,
`memory.stat` and `cpu.max`.
"""

import os
from pathlib import Path
from typing import NamedTuple

_KIB = 1024
_MOST_BYTES = 256 * 1024


class Capacity(NamedTuple):
    memory_bytes: int
    available_bytes: int
    """That programs may still take: what is free, and what the kernel would give back."""
    cores: int


def read_capacity(root: Path = Path("/")) -> Capacity:
    """Return what there is now. `root` is where `/proc` and `/sys` are. Well under 1 ms."""
    total, available = _of_machine(_read(root / "proc/meminfo"))
    group = root / "sys/fs/cgroup"
    limit = _number(_read(group / "memory.max"))
    if limit is not None and limit < total:
        used = _number(_read(group / "memory.current")) or 0
        given_back = _entry(_read(group / "memory.stat"), "inactive_file")
        total = limit
        available = min(available, max(0, limit - used + given_back))
    cores = _allowed_cores(_read(group / "cpu.max")) or len(os.sched_getaffinity(0))
    return Capacity(total, available, min(cores, len(os.sched_getaffinity(0))))


def _of_machine(meminfo: str) -> tuple[int, int]:
    total = _entry(meminfo, "MemTotal:") * _KIB
    return total, min(total, _entry(meminfo, "MemAvailable:") * _KIB)


def _entry(text: str, name: str) -> int:
    """Return the number behind a name at the beginning of a line; 0 when there is none."""
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == name and words[1].isdigit():
            return int(words[1])
    return 0


def _allowed_cores(text: str) -> int | None:
    """Return the cores of `cpu.max`, "quota period" in microseconds, rounded up."""
    quota, _, period = text.strip().partition(" ")
    if not (quota.isdigit() and period.isdigit()) or int(period) == 0:
        return None
    return max(1, -(-int(quota) // int(period)))


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdigit() else None


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(_MOST_BYTES).decode("ascii", "replace")
    except OSError:
        return ""  # no control groups here
