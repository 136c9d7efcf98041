"""How much of a machine there is, as the kernel tells it."""

import os
from pathlib import Path

from tradewind.plugins.engines.capacity import read_capacity

MEMINFO = "MemTotal:        1000 kB\nMemFree:  10 kB\nMemAvailable:     600 kB\n"


def machine(root: Path, **files: str) -> Path:
    group = root / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (root / "proc").mkdir()
    (root / "proc/meminfo").write_text(MEMINFO)
    for name, text in files.items():
        (group / name.replace("_", ".")).write_text(text)
    return root


def test_a_machine_is_what_it_says(tmp_path: Path):
    found = read_capacity(machine(tmp_path))
    assert (found.memory_bytes, found.available_bytes) == (1000 * 1024, 600 * 1024)
    assert found.cores == len(os.sched_getaffinity(0))


def test_a_container_has_what_it_was_given(tmp_path: Path):
    root = machine(
        tmp_path,
        memory_max="512000\n",
        memory_current="300000\n",
        memory_stat="anon 1\ninactive_file 100000\n",
        cpu_max="50000 100000\n",
    )
    assert read_capacity(root) == (512000, 312000, 1)


def test_a_container_without_a_limit_has_the_machine(tmp_path: Path):
    found = read_capacity(machine(tmp_path, memory_max="max\n", cpu_max="max 100000\n"))
    assert found.memory_bytes == 1000 * 1024


def test_a_machine_that_says_nothing_has_nothing(tmp_path: Path):
    found = read_capacity(tmp_path)
    assert (found.memory_bytes, found.available_bytes) == (0, 0)
    assert found.cores >= 1
