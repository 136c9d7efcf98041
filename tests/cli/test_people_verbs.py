"""`tradewind organizations`, `members` and `projects`, as a shell sees them."""

import pytest

from tradewind.core.clock import SystemClock
from tradewind.features.accounts.people import People
from tradewind.features.accounts.service import Accounts
from tradewind.serve.secret_files import load_or_create_pepper

pytestmark = pytest.mark.postgres


@pytest.fixture
def accounts(database, tmp_path):
    """Those of the platform, after its first run."""
    (tmp_path / "data").mkdir()
    accounts = Accounts(load_or_create_pepper(tmp_path / "data" / "secrets"), SystemClock())
    with database.transaction() as tx:
        accounts.first_run(tx)
    return accounts


def test_an_organization_is_made_joined_and_run_from_a_shell(
    *, run, told, accounts, database, tmp_path
):
    made = told("organizations", "add", "Acme", "--administrator", "ceo@acme.example")
    acme = made["id"]
    people = People(load_or_create_pepper(tmp_path / "data" / "secrets"), SystemClock(), accounts)
    with database.transaction() as tx:
        code = made["url"].partition("/invitation?code=")[2]
        people.accept_as_new(tx, code, name="Chief", password="a long enough password")
    listed = {row["name"]: row for row in told("organizations", "list")["organizations"]}
    assert listed["My organization"]["is_platform"]
    assert (listed["Acme"]["id"], listed["Acme"]["members"]) == (acme, 1)

    assert told("members", "invite", "grace@acme.example", "--role", "viewer", "--of", acme)["url"]
    there = told("members", "list", "--of", acme)
    [chief], [waiting] = there["members"], there["invitations"]
    assert (chief["name"], chief["role"]) == ("Chief", "admin")
    assert (waiting["email"], waiting["role"]) == ("grace@acme.example", "viewer")
    assert "Chief <ceo@acme.example>" in run("members", "list", "--of", acme).stdout
    last = run("members", "remove", chief["id"], "--of", acme)
    assert last.returncode == 1
    assert "Chief is the only administrator" in last.stderr

    project = told("projects", "add", "Research", "--of", acme)
    names = [row["name"] for row in told("projects", "list", "--of", acme)["projects"]]
    assert names == ["Default", "Research"]
    assert [row["name"] for row in told("projects", "list")["projects"]] == ["Default"]
    assert project["id"].startswith("proj_")


def test_an_organization_that_is_not_there_is_named(run, accounts):
    missing = run("members", "list", "--of", "org_" + "0" * 26)
    assert missing.returncode == 1
    assert "there is no organization" in missing.stderr
