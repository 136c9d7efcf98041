"""What only root can see: the change of user, and folders that the other user cannot reach."""

import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tradewind.core.errors import StartupError
from tradewind.db.embedded import EmbeddedPostgres

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user"),
]

MakeServer = Callable[..., EmbeddedPostgres]

NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can pass through; pytest's own are private."""
    folder = Path(tempfile.mkdtemp(prefix="tradewind-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def restart(server: EmbeddedPostgres) -> None:
    server.start()
    server.wait_ready()


def status_of(pid: int | None) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_the_server_runs_as_nobody_without_any_of_roots_powers(
    make_server: MakeServer, open_folder: Path
) -> None:
    server = make_server(open_folder / "data")
    restart(server)

    status = status_of(server.pid)
    assert status["Uid"].split() == [str(NOBODY.pw_uid)] * 4
    assert status["Gid"].split() == [str(NOBODY.pw_gid)] * 4
    assert "0" not in status["Groups"].split()
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    assert status["NoNewPrivs"] == "1"


def test_a_folder_out_of_reach_costs_one_capability_and_is_not_opened(
    make_server: MakeServer, open_folder: Path, reports: list[str]
) -> None:
    private = open_folder / "private"
    private.mkdir(mode=0o700)
    server = make_server(private / "data")
    restart(server)

    assert int(status_of(server.pid)["CapEff"], 16) == 1 << 2  # CAP_DAC_READ_SEARCH
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert private.stat().st_uid == 0
    assert [line for line in reports if "CAP_" in line] == [
        (
            "PostgreSQL runs as 'nobody' and keeps CAP_DAC_READ_SEARCH, because that user cannot "
            f"reach '{private / 'data'}' or PostgreSQL's programs"
        )
    ]


_START_AND_TELL = """
import json, sys
from pathlib import Path
from tradewind.core.data_folder import DataFolder
from tradewind.core.errors import StartupError
from tradewind.db.embedded import EmbeddedPostgres
reports = []
server = EmbeddedPostgres(DataFolder(Path(sys.argv[1])), report=reports.append)
try:
    server.start()
    server.wait_ready()
    effective = Path(f"/proc/{server.pid}/status").read_text().partition("CapEff:")[2].split()[0]
    print(json.dumps({"effective": int(effective, 16), "reports": reports}))
except StartupError as error:
    print(json.dumps({"error": str(error)}))
finally:
    server.stop()
"""


def start_and_tell(data: Path, *prefix: str) -> dict[str, object]:
    """Start and stop a server in a process of its own and return what it tells."""
    ended = subprocess.run(
        [*prefix, sys.executable, "-c", _START_AND_TELL, str(data)],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ended.stdout)


def without(*capabilities: str) -> list[str]:
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("the program setpriv is missing")
    return [setpriv, "--bounding-set", ",".join(["+all", *(f"-{name}" for name in capabilities)])]


def test_where_that_capability_is_missing_the_next_one_serves(open_folder: Path) -> None:
    private = open_folder / "private"
    private.mkdir(mode=0o700)

    told = start_and_tell(private / "data", *without("dac_read_search"))

    assert told["effective"] == 1 << 1  # CAP_DAC_OVERRIDE


def test_without_any_such_capability_one_line_says_what_to_do(open_folder: Path) -> None:
    private = open_folder / "private"
    private.mkdir(mode=0o755)
    nested = private / "nested"
    nested.mkdir(mode=0o700)
    data = nested / "data"
    data.mkdir()

    told = start_and_tell(data, *without("dac_read_search", "dac_override"))

    error = told.get("error")
    assert isinstance(error, str), told
    assert "user 'nobody' cannot use" in error
    assert "give --data a folder" in error
    assert "\n" not in error


def test_an_unknown_user_is_refused(make_server: MakeServer, tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"no user 'tradewind-unknown'.*TRADEWIND_POSTGRES_USER"):
        make_server(tmp_path / "data", run_as="tradewind-unknown").start()


def test_root_itself_is_refused(make_server: MakeServer, tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"cannot run as root.*TRADEWIND_POSTGRES_USER"):
        make_server(tmp_path / "data", run_as="root").start()


def test_a_cluster_restored_by_root_is_given_to_the_servers_user(
    make_server: MakeServer, tmp_path: Path
) -> None:
    server = make_server(tmp_path / "data")
    restart(server)
    server.stop()
    shutil.copytree(tmp_path / "data" / "postgres", tmp_path / "restored" / "postgres")

    restored = make_server(tmp_path / "restored")
    restart(restored)

    assert restored.is_alive()


def test_a_cluster_keeps_the_owner_it_has(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server(tmp_path / "data", run_as="daemon")
    restart(server)
    server.stop()

    later = make_server(tmp_path / "data")
    restart(later)

    assert status_of(later.pid)["Uid"].split()[0] == str(pwd.getpwnam("daemon").pw_uid)


def test_the_user_the_server_runs_as_is_not_admitted(
    make_server: MakeServer, open_folder: Path
) -> None:
    server = make_server(open_folder / "data")
    restart(server)
    url = server.url.replace("+psycopg", "")

    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("tradewind",)
    refused = subprocess.run(
        [
            *as_nobody(),
            sys.executable,
            "-c",
            "import psycopg, sys; psycopg.connect(sys.argv[1])",
            url,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Peer authentication failed" in refused.stderr


def test_a_plain_user_needs_nothing_of_root(open_folder: Path) -> None:
    home = open_folder / "home"
    home.mkdir()
    os.chown(home, NOBODY.pw_uid, NOBODY.pw_gid)

    told = start_and_tell(home / "data", *as_nobody())

    assert "error" not in told
    assert (home / "data" / "postgres").stat().st_uid == NOBODY.pw_uid
    assert stat.S_IMODE((home / "data" / "run").stat().st_mode) == 0o700


def as_nobody() -> list[str]:
    """Become a plain user that can still read this Python, which may lie below /root."""
    capability = "+dac_read_search"
    return [
        *without(),
        "--reuid=nobody",
        f"--regid={NOBODY.pw_gid}",
        "--clear-groups",
        f"--inh-caps={capability}",
        f"--ambient-caps={capability}",
    ]
