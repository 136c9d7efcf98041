"""`tradewind catalog` on the database of a running platform."""

import json
import os
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tradewind.cli.app import cli
from tradewind.core.errors import InvalidInput, StartupError
from tradewind.serve.catalog_import import import_in_a_process

pytestmark = pytest.mark.postgres


def an_answer(prompt="0.000001"):
    return json.dumps(
        {
            "data": [
                {
                    "id": "meta-llama/llama-3.3-70b-instruct",
                    "name": "Meta: Llama 3.3 70B Instruct",
                    "context_length": 131072,
                    "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
                    "pricing": {"prompt": prompt, "completion": "0.000002"},
                }
            ]
        }
    )


@pytest.fixture
def run(database_url, tmp_path, monkeypatch):
    """Run the command on a platform that runs; returns what it printed."""
    monkeypatch.setenv("TRADEWIND_DATABASE_URL", database_url)
    monkeypatch.setenv("TRADEWIND_DATA", str(tmp_path / "data"))

    def run(*arguments):
        done = CliRunner().invoke(cli, ["catalog", *map(str, arguments)], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


@pytest.fixture
def answer(tmp_path):
    def answer(**told) -> Path:
        file = tmp_path / "answer.json"
        file.write_text(an_answer(**told))
        return file

    return answer


def test_a_file_is_compared_then_imported_and_counted(run, answer):
    arguments = ("sync", "openrouter", "--from", answer())
    [compared] = json.loads(run(*arguments, "--dry-run", "--json"))
    assert (compared["is_dry_run"], compared["added"]) == (True, 2)
    empty = {"models": 0, "offers": 0, "publishers": 0, "providers": 0, "unfolded": 0}
    assert json.loads(run("stats", "--json")) == empty
    [done] = json.loads(run(*arguments, "--json"))
    assert (done["added"], done["error"]) == (2, "")
    stats = json.loads(run("stats", "--json"))
    assert stats == empty | {"models": 1, "offers": 1, "publishers": 1, "providers": 1}
    assert "1 models" in run("stats")
    assert "0 added" in run(*arguments)


def test_what_was_held_is_listed_and_decided(run, answer):
    run("sync", "openrouter", "--from", answer())
    assert "1 held" in run("sync", "openrouter", "--from", answer(prompt="0.1"))
    [change] = json.loads(run("changes", "--json"))
    assert "rose 100000 times" in change["reason"]
    assert change["id"] in run("changes")
    assert "dismissed" in run("changes", "dismiss", change["id"])
    assert run("changes") == "No change waits for a decision.\n"


def test_a_source_that_is_not_there_is_named(run):
    with pytest.raises(InvalidInput, match="gossip"):
        run("sync", "gossip")


def test_without_a_platform_it_says_so(tmp_path, monkeypatch):
    monkeypatch.delenv("TRADEWIND_DATABASE_URL", raising=False)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with pytest.raises(StartupError, match="no data folder"):
        CliRunner().invoke(
            cli, ["catalog", "stats", "--data", str(tmp_path)], catch_exceptions=False
        )


def test_what_is_shipped_is_imported_by_a_process_of_its_own(run, database_url, tmp_path):
    environment = os.environ | {
        "TRADEWIND_DATABASE_URL": database_url,
        "TRADEWIND_DATA": str(tmp_path / "data"),
    }
    assert import_in_a_process(environment, threading.Event())
    stats = json.loads(run("stats", "--json"))
    assert stats["models"] >= 1_600
    assert stats["offers"] >= 6_000
    stopped = threading.Event()
    stopped.set()
    assert not import_in_a_process(environment, stopped), "it ends with whoever started it"
