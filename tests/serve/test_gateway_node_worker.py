"""The process beside the gateways of a host that runs nothing else."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from tradewind.core.data_folder import DataFolder
from tradewind.core.settings import Settings
from tradewind.db.database import Database
from tradewind.db.node_roll import Node, join_roll
from tradewind.serve.gateway_node_worker import REFUSED
from tradewind.serve.node_entry import node_of
from tradewind.serve.secret_files import load_or_create_key_encryption, load_or_create_pepper
from tradewind.snapshot.live_gateways import LiveGateways, read_live_gateways

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(240)]

PATIENCE_S = 120.0


@pytest.fixture
def start(tmp_path: Path, database_url: str):
    """Return a function that starts the worker of a node named `second` with three gateways."""
    data = tmp_path / "data"
    load_or_create_pepper(data / "secrets")
    load_or_create_key_encryption(data / "secrets")
    started: list[subprocess.Popen[str]] = []

    def start(url: str = database_url) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tradewind.serve.gateway_node_worker"),
                *("--backstage", str(tmp_path / "backstage.sock")),
            ],
            env={
                **os.environ,
                "TRADEWIND_DATA": str(data),
                "TRADEWIND_DATABASE_URL": url,
                "TRADEWIND_NODE": "second",
                "TRADEWIND_WORKERS": "3",
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def names(database: Database) -> list[str]:
    with database.transaction() as tx:
        return list(tx.execute(text("SELECT name FROM gateway_node ORDER BY name")).scalars())


def test_it_publishes_enters_answers_and_leaves_when_it_is_stopped(
    start, database: Database, tmp_path: Path
):
    with database.transaction() as tx:
        join_roll(tx, Node("first", "there", "1", 2, "pepper"))
        tx.execute(text("UPDATE gateway_node SET secrets_check = :it"), {"it": check_of(tmp_path)})
    process = start()
    snapshot = tmp_path / "data" / "snapshot"
    until((snapshot / "current").exists, process)
    until((snapshot / "live-gateways").exists, process)
    until((tmp_path / "backstage.sock").exists, process)
    assert read_live_gateways(snapshot / "live-gateways") == LiveGateways(2, 5)
    assert names(database) == ["first", "second"]
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, stderr
    assert names(database) == ["first"]


def check_of(tmp_path: Path) -> str:
    folder = DataFolder(tmp_path / "data")
    return node_of(
        Settings(data=folder.root), folder, load_or_create_pepper(folder.secrets)
    ).secrets_check


def test_a_refusal_is_one_line_and_a_status_that_says_not_to_try_again(
    start, database: Database, tmp_path: Path
):
    with database.transaction() as tx:
        join_roll(tx, Node("second", "another folder", "1", 1, check_of(tmp_path)))
    process = start()
    _, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == REFUSED
    assert stderr.splitlines()[-1].startswith("another node named 'second' serves this database")
    assert not (tmp_path / "data" / "snapshot" / "current").exists()


def test_a_newer_schema_does_not_stop_a_node_that_serves(start, database: Database, tmp_path: Path):
    with database.transaction() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '2999_01_01_0000'"))
    process = start()
    until((tmp_path / "data" / "snapshot" / "live-gateways").exists, process)


def test_it_waits_for_a_database_that_is_away_and_can_be_stopped_meanwhile(start):
    process = start("postgresql://u@127.0.0.1:1/tradewind")
    line = process.stderr.readline()
    assert "gateways serve from the last snapshot, and usage waits" in line
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, stderr
