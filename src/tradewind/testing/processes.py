"""Kills processes as a crash does, and waits for the end of processes that are not our children."""

import os
import select
import signal
from pathlib import Path


def children_of(pid: int) -> list[int]:
    """Return the numbers of a process's children."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def kill_and_wait(*pids: int) -> None:
    """Kill all of them, stopped first so that none sees another's death before its own."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        wait_for_end(pid)


def wait_for_end(pid: int, timeout_s: float = 60) -> None:
    """Return once the process has ended, even when nobody has reaped it."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ended, _, _ = select.select([descriptor], [], [], timeout_s)
    finally:
        os.close(descriptor)
    assert ended, f"process {pid} still runs"
