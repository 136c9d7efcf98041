"""`tradewind billing` and `tradewind invoices`, on a database that somebody else keeps."""

import json

import pytest
from typer.testing import CliRunner

from tests.features.billing.billing_parts import MARCH, World, event
from tradewind.cli.app import cli

pytestmark = pytest.mark.postgres


@pytest.fixture
def world(database, database_url, tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("TRADEWIND_DATA", str(tmp_path))
    return World.begin(database)


def run(*words):
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_an_invoice_is_listed_and_written_to_a_file_once(world, tmp_path):
    acme, price = world.add_buyer(), world.add_price()
    world.use(event(acme, price, MARCH, cost_nanos=1_000_000_000))
    row = world.invoice(acme)

    [listed] = json.loads(run("invoices", "list", "--json"))["invoices"]
    assert (listed["number"], listed["total"]) == (row.number, "1.19")
    for form in ("json", "html", "pdf", "csv", "focus", "ubl", "settlement", "events"):
        file = tmp_path / f"it.{form}"
        told = run("invoices", "export", str(row.invoice_id), str(file), "--format", form, "--json")
        assert json.loads(told)["bytes"] == file.stat().st_size > 0
    again = CliRunner().invoke(
        cli, ["invoices", "export", str(row.invoice_id), str(tmp_path / "it.pdf")]
    )
    assert again.exit_code != 0


def test_an_invoice_is_drawn_up_finalized_credited_and_thrown_away_by_hand(world, tmp_path):
    acme = world.add_buyer(billed_from=MARCH.replace(year=2026))
    price, other = world.add_price(), world.add_price(currency="EUR")
    march = MARCH.replace(year=2026)
    world.use(
        event(acme, price, march, cost_nanos=1_000_000_000),
        event(acme, other, march, cost_nanos=1_000_000_000, currency="EUR"),
    )
    run("billing", "settle")
    [account] = json.loads(run("billing", "accounts", "--json"))["accounts"]
    assert (account["organization"], account["mode"]) == (acme, "postpaid")

    drafts = json.loads(run("billing", "draft", acme, "--until", "2026-04-01", "--json"))
    euros, dollars = sorted(drafts["invoices"], key=lambda row: row["currency"])
    thrown = json.loads(run("billing", "void", euros["id"], "--json"))
    final = json.loads(run("billing", "finalize", dollars["id"], "--json"))
    words = ("--reason", "an outage", "--key", "k", "--line", "1=0.25", "--json")
    note = json.loads(run("billing", "credit", dollars["id"], *words))

    assert (thrown["state"], final["state"], final["total"]) == ("void", "finalized", "1.19")
    assert (note["number"][:3], note["total"]) == ("CN-", "0.30")
    assert json.loads(run("billing", "credit", dollars["id"], *words)) == note
    file = tmp_path / "note.xml"
    run("invoices", "export", note["id"], str(file), "--format", "ubl")
    assert b"CreditNote" in file.read_bytes()
    for wrong in ("1=x", "one=1", "1", "1=0.001"):
        done = CliRunner().invoke(
            cli,
            ["billing", "credit", dollars["id"], "--reason", "r", "--key", "l", "--line", wrong],
        )
        assert done.exit_code != 0, wrong


def test_settling_and_closing_twice_is_once(world):
    acme, price = world.add_buyer(billed_from=MARCH.replace(year=2026)), world.add_price()
    world.use(event(acme, price, MARCH.replace(year=2026), cost_nanos=1_000_000_000))

    assert json.loads(run("billing", "settle", "--json").splitlines()[-1]) == {"lines": 1}
    assert json.loads(run("billing", "settle", "--json").splitlines()[-1]) == {"lines": 0}
    closed = [
        json.loads(run("billing", "close", "--month", "2026-03", "--json").splitlines()[-1])
        for _ in range(2)
    ]
    assert [each["invoices"] for each in closed] == [1, 0]
    assert json.loads(run("billing", "cancel", "--json").splitlines()[-1]) == {"close": None}
