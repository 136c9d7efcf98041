"""Deals with the server that an earlier start left behind: dead, a zombie, or still stopping.

PostgreSQL trusts the number in its lock files when a process has it and may be signalled. That is
wrong for a zombie (no init in the container reaps it) and for a number that somebody else has by
now, and it would then refuse to start for ever.
"""

import os
import signal
import time
from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path

_POLL_S = 0.05
_REPORT_EVERY_S = 5.0
_PATIENCE_S = 60.0


class Leftover(Enum):
    NONE = auto()
    """No file, or one whose process is gone. PostgreSQL copes with that."""
    DEAD = auto()
    """A zombie, or the number of another program."""
    ALIVE = auto()
    """A server on this very cluster."""
    UNCLEAR = auto()
    """Some PostgreSQL; the server itself has to judge, by its shared memory."""


def clear_leftover(cluster: Path, socket_lock: Path, report: Callable[[str], None]) -> None:
    """Return once no server of ours is left on the cluster. Call it holding the cluster's lock.

    Who holds that lock knows that a server still running has lost its owner. It was told to stop
    by the kernel; it is told again, and given the time it needs to write its checkpoint.
    """
    # Both files begin with a line that is the server's pid, and PostgreSQL heeds each by itself.
    for file in (cluster / "postmaster.pid", socket_lock):
        pid = _read_pid(file)
        if pid is None:
            continue
        leftover = inspect_leftover(pid, cluster)
        if leftover is Leftover.ALIVE:
            report(f"waiting for an earlier PostgreSQL (process {pid}) to stop")
            _stop(pid, cluster, report)
            leftover = inspect_leftover(pid, cluster)
        if leftover is Leftover.DEAD:
            file.unlink(missing_ok=True)


def inspect_leftover(pid: int, cluster: Path) -> Leftover:
    """Say what the process that `postmaster.pid` names is to this cluster."""
    process = Path("/proc") / str(pid)
    try:
        # The name in stat is in brackets and may contain anything; the state follows the last one.
        stat = (process / "stat").read_bytes()
        arguments = (process / "cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return Leftover.NONE
    name = stat[stat.index(b"(") + 1 : stat.rindex(b")")]
    if stat[stat.rindex(b")") + 2 :][:1] in {b"Z", b"X"}:
        return Leftover.DEAD
    if name != b"postgres":
        return Leftover.DEAD
    return Leftover.ALIVE if os.fsencode(cluster) in arguments else Leftover.UNCLEAR


def _read_pid(pid_file: Path) -> int | None:
    try:
        with pid_file.open("rb") as file:
            pid = int(file.readline(32))
    except (FileNotFoundError, ValueError):
        return None  # PostgreSQL says best what is wrong with a file like that.
    return pid if pid > 1 else None


def _stop(pid: int, cluster: Path, report: Callable[[str], None]) -> None:
    began = reported = time.monotonic()
    _send(pid, signal.SIGINT)
    was_pressed = False
    while inspect_leftover(pid, cluster) is Leftover.ALIVE:
        time.sleep(_POLL_S)
        now = time.monotonic()
        if now - began > _PATIENCE_S and not was_pressed:
            _send(pid, signal.SIGQUIT)
            was_pressed = True
        if now - reported > _REPORT_EVERY_S:
            report(f"the earlier PostgreSQL (process {pid}) is still stopping")
            reported = now


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # It ended meanwhile, which is what was wanted.
