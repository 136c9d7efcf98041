"""`tradewind ledger`, as a shell sees it, on a platform that runs and on one that rests."""

import json
import os
import subprocess
import sys

import pytest
from sqlalchemy import text

from tests.features.ledger.ledger_parts import REVENUE, TurnedClock, draft, top_up
from tradewind.core.data_folder import DataFolder
from tradewind.core.run_folder import remove_run_folder
from tradewind.db.database import Database
from tradewind.db.embedded import EmbeddedPostgres
from tradewind.features.ledger.schemas import AccountKind, AccountRef
from tradewind.features.ledger.service import Ledger
from tradewind.migrations.runner import migrate
from tradewind.serve.guard import lock_data_folder

pytestmark = pytest.mark.postgres
PATIENCE_S = 100


@pytest.fixture
def run(tmp_path):
    """Return a function that runs `tradewind ledger`."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if "TRADEWIND" not in name and name != "DATABASE_URL"
    }

    def run(*arguments, **environment):
        return subprocess.run(
            [sys.executable, "-m", "tradewind.cli", "ledger", *map(str, arguments)],
            cwd=tmp_path,
            env={**clean, "NO_COLOR": "1", "TRADEWIND_DATA": str(tmp_path / "data"), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    return run


@pytest.fixture
def running(run, database, database_url):
    """The same, on the database of a platform that runs, with two entries in it."""
    enter(database)
    return lambda *arguments: run(*arguments, DATABASE_URL=database_url)


def enter(database):
    # Not usage: that is verified against what was settled, and nothing was.
    owed = AccountRef(AccountKind.RECEIVABLE, "org_a", "USD")
    sale = draft("s:1", (owed, 1_234_567_890), (REVENUE, -1_234_567_890))
    with database.transaction() as tx:
        Ledger(TurnedClock()).post_many(tx, [sale, top_up("t:1", 5_000_000_000)])


def test_books_that_are_right_are_told_in_one_line_of_json(running):
    ended = running("verify", "--json")

    assert (ended.returncode, ended.stderr) == (0, "")
    told = json.loads(ended.stdout.splitlines()[-1])
    assert told["accounts"] == 4
    assert told["entries"] == 2
    assert told["postings"] == 4
    assert told["differences"] == 0
    assert told["difference_nanos"] == 0
    assert told["checks"]["balances"] == 0
    assert "The books are right." in running("verify").stdout


def test_books_that_are_wrong_end_with_status_1_and_say_where(
    running, database, superuser_database
):
    change_as_superuser(
        superuser_database, "UPDATE ledger_balance SET nanos = nanos - 7 WHERE nanos < -2000000000"
    )

    ended = running("verify", "--json")

    assert ended.returncode == 1
    told = json.loads(ended.stdout.splitlines()[-1])
    assert (told["differences"], told["difference_nanos"]) == (2, 14)
    assert told["checks"]["balances"] == 1
    assert told["first_differences"][0]["nanos"] == -7
    ended = running("verify")
    assert ended.returncode == 1
    assert "wallet org_a USD" in ended.stdout
    assert "2 differences, 14 nanos." in ended.stdout


def test_accounts_are_listed(running):
    told = json.loads(running("accounts", "--json").stdout)
    assert ["wallet", "org_a", "USD", "-5", 1] in [
        [row["kind"], row["owner"], row["currency"], row["balance"], row["postings"]]
        for row in told["accounts"]
    ]
    assert "1.23 USD  receivable org_a" in running("accounts").stdout


def test_what_was_entered_is_sealed_once(running):
    [seal] = json.loads(running("seal", "--json").stdout)["seals"]
    assert (seal["number"], seal["entries"], len(seal["digest"])) == (1, 2, 64)
    assert json.loads(running("seal", "--json").stdout) == {"seals": []}
    assert running("seal").stdout == "Everything is sealed already.\n"


def test_the_ledger_is_exported_to_a_new_file(running, tmp_path):
    file = tmp_path / "books.beancount"

    ended = running("export", "--format", "beancount", file, "--json")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout)["entries"] == 2
    assert file.read_text().count("USD") == 12
    ended = running("export", file)
    assert ended.returncode == 1
    assert ended.stderr == f"tradewind: {file} cannot be made: File exists\n"


def test_without_a_platform_one_line_says_so(run):
    ended = run("verify")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "is no data folder of Tradewind" in ended.stderr


def test_a_platform_that_rests_is_started_for_the_verb_alone(run, tmp_path):
    folder = DataFolder(tmp_path / "data")
    server = EmbeddedPostgres(folder, report=print)
    server.start()
    try:
        server.wait_ready()
        database = Database(server.url, application_name="tests")
        migrate(database)
        enter(database)
        database.close()
    finally:
        server.stop()
        remove_run_folder(folder)

    for _ in range(2):
        ended = run("verify", "--json")
        assert ended.returncode == 0, ended.stderr
        assert json.loads(ended.stdout.splitlines()[-1])["entries"] == 2
        assert not folder.run.exists()

    # Whoever starts the platform meanwhile, or has it, is not disturbed.
    lock = lock_data_folder(folder.lock)
    try:
        ended = run("verify")
    finally:
        os.close(lock)
    assert ended.returncode == 1
    assert "no platform runs on" in ended.stderr


def change_as_superuser(superuser_database, statement):
    with superuser_database.transaction() as tx:
        tx.execute(text("SET LOCAL session_replication_role = replica"))
        assert tx.execute(text(statement)).rowcount == 1
