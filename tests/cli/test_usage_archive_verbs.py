"""`tradewind usage export|archives|query`, as a shell sees them."""

import csv
import json
import os
import subprocess
import sys

import pytest

from tests.features.metering.archive_parts import Usage

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(180)]


@pytest.fixture
def run(database, database_url, tmp_path):
    Usage(database, tmp_path).add_hours()
    clean = {name: value for name, value in os.environ.items() if "TRADEWIND" not in name}

    def run(*arguments, **environment):
        return subprocess.run(
            [sys.executable, "-m", "tradewind.cli", "usage", *arguments],
            cwd=tmp_path,
            env=clean
            | {
                "NO_COLOR": "1",
                "TRADEWIND_DATA": str(tmp_path / "data"),
                "TRADEWIND_ARCHIVE_USAGE": "1",
                "TRADEWIND_USAGE_DAYS": "40",
                "DATABASE_URL": database_url,
            }
            | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def test_usage_is_archived_listed_and_asked_for(run):
    question = ("query", "--since", "2026-03-01", "--until", "2026-03-02")
    before = run(*question, "--csv")
    assert run("archives").stdout == "Nothing was archived yet.\n"

    exported = run("export", "--json")
    assert exported.returncode == 0, exported.stderr
    assert json.loads(exported.stdout) == {"verified": 1, "dropped": 1, "waiting": 0}

    [part] = json.loads(run("archives", "--json").stdout)["archives"]
    assert (part["day"], part["state"], part["events"]) == ("2026-03-01", "dropped", 50)
    assert "2026-03-01" in run("archives").stdout
    after = run(*question, "--csv")
    assert after.stdout == before.stdout
    rows = list(csv.DictReader(after.stdout.splitlines()))
    assert [(row["currency"], row["requests"]) for row in rows] == [("EUR", "25"), ("USD", "25")]


def test_a_question_of_ones_own_is_answered_as_json_and_as_a_table(run):
    asked = ("query", "--since", "2026-03-01", "--sql", "SELECT count(*) AS calls FROM usage_event")
    told = json.loads(run(*asked, "--json").stdout)
    assert told == {"columns": ["calls"], "rows": [[50]], "is_cut": False}
    assert "calls" in run(*asked).stdout


def test_what_is_no_question_is_refused_in_words(run):
    refused = run("query", "--sql", "COPY (SELECT 1) TO 'x.csv'")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert "question" in refused.stderr


def test_usage_is_not_taken_out_without_an_archive(run):
    refused = run("export", TRADEWIND_ARCHIVE_USAGE="0")
    assert refused.returncode == 1
    assert "there is no archive" in refused.stderr
