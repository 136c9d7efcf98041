"""`tradewind payouts`, on a database that somebody else keeps."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner

from tests.features.payments.payments_parts import ONE
from tests.features.payouts.payouts_parts import PayingWorld
from tradewind.cli.app import cli
from tradewind.core.clock import SystemClock
from tradewind.features.accounts.tables import membership, organization, user_account
from tradewind.features.ledger.schemas import AccountKind, AccountRef, EntryDraft, Posting

pytestmark = pytest.mark.postgres

ADA, BOB = "ada@example.org", "bob@example.org"


@pytest.fixture
def paying(database, database_url, tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("TRADEWIND_DATA", str(tmp_path))
    now = SystemClock().now()
    with database.transaction() as tx:
        tx.execute(
            insert(organization).values(
                id="org_platform", name="P", created_at=now, is_platform=True
            )
        )
        for email in (ADA, BOB):
            user_id = f"user_{email[:3]}"
            tx.execute(
                insert(user_account).values(id=user_id, email=email, name=email, created_at=now)
            )
            tx.execute(
                insert(membership).values(
                    user_id=user_id, organization_id="org_platform", role="admin"
                )
            )
    # The verbs read the real clock, and so does this.
    paying = PayingWorld.begin(database)
    paying.clock.turn_to(now - timedelta(days=5))
    paying.add_publisher()
    legs = (
        Posting(AccountRef(AccountKind.RECEIVABLE, "org_buyer", "USD"), 97 * ONE),
        Posting(AccountRef(AccountKind.PAYABLE, "acme", "USD"), -97 * ONE),
    )
    paying.do(paying.world.ledger.post, EntryDraft("test:1", "sale_by_hand", now, legs))
    return paying


def run(*words):
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout.splitlines()[-1])


def refusal(*words):
    done = CliRunner().invoke(cli, words)
    assert done.exit_code != 0, done.output
    return done.exception


def test_a_run_goes_all_the_way(paying, tmp_path):
    [fall] = run("payouts", "statement", "acme", "--json")["currencies"]
    assert (fall["other"], fall["payable"]) == ("97", "97")
    words = ("payouts", "prepare", "USD", "--key", "k", "--by", ADA, "--json")
    made = run(*words)
    assert run(*words) == made
    assert (made["state"], made["amount"]) == ("prepared", "97")
    refused = refusal("payouts", "approve", made["id"], "--by", ADA)
    assert getattr(refused, "code", "") == "payout_same_person"
    assert run("payouts", "approve", made["id"], "--by", BOB, "--json")["state"] == "approved"
    for name in ("first.xml", "second.xml"):
        file = tmp_path / name
        run("payouts", "export", made["id"], str(file), "--by", ADA, "--json")
    assert (tmp_path / "first.xml").read_bytes() == file.read_bytes()
    [payout] = run("payouts", "list", "--run", made["id"], "--json")["payouts"]
    run("payouts", "confirm", made["id"], "--by", ADA, "--json")
    words = ("payouts", "fail", payout["id"], "--reason", "came back", "--by", ADA, "--json")
    assert run(*words) == {"failed": payout["id"]}
    [listed] = run("payouts", "list", "--json")["runs"]
    assert listed["state"] == "done"
    for form in ("json", "csv", "html", "pdf"):
        paper = tmp_path / f"statement.{form}"
        words = ("payouts", "statement", payout["statement"], "--file", str(paper))
        told = run(*words, "--format", form, "--json")
        assert told["bytes"] == paper.stat().st_size > 0
    assert run("payouts", "statement", payout["statement"], "--json")["payable"] == "97"


def test_who_does_it_is_an_administrator(paying):
    words = ("payouts", "prepare", "USD", "--key", "k", "--by", "nobody@example.org")
    assert "no administrator" in str(refusal(*words))


def test_verifying_the_ledger_looks_at_payouts(paying):
    paying.clock.turn_to(SystemClock().now())
    paying.exported()
    told = run("ledger", "verify", "--json")
    assert {"statements", "payouts"} <= told["checks"].keys()
