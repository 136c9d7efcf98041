"""The command as a shell sees it: exit status, one line, nothing started."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tradewind import __version__

PATIENCE_S = 60


@pytest.fixture
def run(tmp_path: Path):
    """Return a function that runs the command in an empty folder and an empty home."""

    def run_command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        clean = {
            name: value
            for name, value in os.environ.items()
            if name != "DATABASE_URL" and not name.startswith("TRADEWIND_")
        }
        return subprocess.run(
            [sys.executable, "-m", "tradewind.cli", *arguments],
            cwd=tmp_path,
            env={**clean, "HOME": str(tmp_path), "NO_COLOR": "1", **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    return run_command


def test_the_version_is_told(run):
    ended = run("--version")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"tradewind {__version__}\n", "")


def test_help_names_the_verbs_and_their_options(run):
    ended = run("--help")
    assert ended.returncode == 0
    assert "up" in ended.stdout
    assert "sign-in-link" in ended.stdout
    assert "gateway" in ended.stdout
    assert "keys" in ended.stdout
    ended = run("up", "--help")
    for option in ("--data", "--host", "--port", "--once", "--json"):
        assert option in ended.stdout


def test_without_a_verb_help_is_shown_and_nothing_is_started(run, tmp_path: Path):
    ended = run()
    assert "sign-in-link" in ended.stdout + ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_help_comes_without_the_heavy_libraries():
    program = (
        "import sys, tradewind.cli.app;"
        " print({'pydantic', 'sqlalchemy', 'psycopg', 'fastapi', 'alembic'} & set(sys.modules))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert ended.stdout == "set()\n"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["up", "--port", "99999"], "--port"),
        (["up", "--nonsense"], "--nonsense"),
        (["down"], "down"),
    ],
)
def test_a_mistyped_command_is_refused_with_status_2(
    run, tmp_path: Path, arguments: list[str], named: str
):
    ended = run(*arguments)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith("Usage: tradewind ")
    assert named in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRADEWIND_PORT", "abc"),
        ("TRADEWIND_PORT", "65536"),
        ("TRADEWIND_CURRENCY", "usd"),
        ("TRADEWIND_DURABILITY", "never"),
        ("TRADEWIND_MAX_BODY_BYTES", "0"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(run, tmp_path: Path, name: str, value: str):
    ended = run("up", **{name: value})
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"tradewind: the setting {name} is wrong: ")
    assert ended.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_option_goes_before_the_environment(run, tmp_path: Path):
    ended = run(
        "sign-in-link", "--data", str(tmp_path / "option"), TRADEWIND_DATA=str(tmp_path / "setting")
    )
    assert ended.stderr == (
        f"tradewind: {tmp_path}/option is no data folder of Tradewind (see --data)\n"
    )


def test_without_an_option_the_setting_counts_and_then_the_home(run, tmp_path: Path):
    ended = run("sign-in-link", TRADEWIND_DATA=str(tmp_path / "setting"))
    assert f"{tmp_path}/setting is no data folder" in ended.stderr
    ended = run("sign-in-link", XDG_DATA_HOME="")
    assert f"{tmp_path}/.local/share/tradewind is no data folder" in ended.stderr


def test_a_failure_stays_one_line_whatever_it_names(run, tmp_path: Path):
    file = tmp_path / "two\nlines"
    file.write_text("")
    ended = run("up", "--data", str(file))
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"tradewind: the data folder {tmp_path}/two lines cannot be ")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("secret nonsense", "DATABASE_URL is not a URL (write postgresql://"),
        ("mysql://u:secret@h/d", "DATABASE_URL names 'mysql', and Tradewind runs on PostgreSQL"),
    ],
)
def test_a_database_that_is_none_is_one_line_without_its_password(
    run, tmp_path: Path, url: str, line: str
):
    ended = run("up", "--port", "0", "--data", str(tmp_path / "data"), DATABASE_URL=url)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"tradewind: {line}")
    assert ended.stderr.count("\n") == 1
    assert "secret" not in ended.stderr + ended.stdout
    assert not (tmp_path / "data" / "run").exists()
