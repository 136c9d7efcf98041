"""A `postmaster.pid` that names a process which is not our server any more."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tradewind.db.leftover import Leftover, clear_leftover, inspect_leftover


def write_pid(cluster: Path, text: str) -> Path:
    file = cluster / "postmaster.pid"
    file.write_text(f"{text}\n{cluster}\n")
    return file


def test_the_pid_of_a_zombie_is_cleared_away(tmp_path: Path) -> None:
    zombie = subprocess.Popen(["true"])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)  # It has ended; nobody has reaped it.
    file = write_pid(tmp_path, str(zombie.pid))

    clear_leftover(tmp_path, tmp_path / "socket.lock", pytest.fail)

    assert not file.exists()
    zombie.wait()


def test_the_lock_beside_the_socket_is_cleared_away_too(tmp_path: Path) -> None:
    socket_lock = tmp_path / "socket.lock"
    socket_lock.write_text(f"{os.getpid()}\n")

    clear_leftover(tmp_path, socket_lock, pytest.fail)

    assert not socket_lock.exists()


def test_a_pid_that_somebody_else_has_by_now_is_cleared_away(tmp_path: Path) -> None:
    file = write_pid(tmp_path, str(os.getpid()))

    clear_leftover(tmp_path, tmp_path / "socket.lock", pytest.fail)

    assert not file.exists()


def test_the_pid_of_a_process_that_is_gone_is_left_to_postgresql(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    file = write_pid(tmp_path, str(gone.pid))

    clear_leftover(tmp_path, tmp_path / "socket.lock", pytest.fail)

    assert file.exists()


@pytest.mark.parametrize("text", ["", "x", "-1", "0", "1", "99999999999999999999"])
def test_a_damaged_pid_file_harms_nobody(tmp_path: Path, text: str) -> None:
    file = write_pid(tmp_path, text)

    clear_leftover(tmp_path, tmp_path / "socket.lock", pytest.fail)

    assert file.exists()


# No shell: it traps no signal that was ignored when it began, as this one is in the background.
_SERVER = """#!{python}
import signal, sys, time
signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
print("ready", flush=True)
time.sleep(300)
"""


@contextmanager
def fake_postgres(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    program = folder / "postgres"
    program.write_text(_SERVER.format(python=sys.executable))
    program.chmod(0o755)
    with subprocess.Popen([program, *arguments], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield process
        finally:
            process.kill()


def test_a_server_that_lost_its_owner_is_stopped(tmp_path: Path) -> None:
    reports: list[str] = []
    with fake_postgres(tmp_path, "-D", str(tmp_path)) as server:
        write_pid(tmp_path, str(server.pid))

        clear_leftover(tmp_path, tmp_path / "socket.lock", reports.append)

        assert server.wait(60) == 0
    assert reports == [f"waiting for an earlier PostgreSQL (process {server.pid}) to stop"]


def test_a_server_on_another_cluster_is_left_alone(tmp_path: Path) -> None:
    with fake_postgres(tmp_path, "-D", "/elsewhere") as server:
        file = write_pid(tmp_path, str(server.pid))
        assert inspect_leftover(server.pid, tmp_path) is Leftover.UNCLEAR
        clear_leftover(tmp_path, tmp_path / "socket.lock", pytest.fail)
        assert server.poll() is None
        assert file.exists()
