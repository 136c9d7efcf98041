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
