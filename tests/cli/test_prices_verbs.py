"""`tradewind prices`, as a shell sees it, on a platform that runs."""

import json
import os
import subprocess
import sys

import pytest

from tests.features.market.price_parts import Signer, entry, price_file
from tradewind.core.clock import SystemClock
from tradewind.features.accounts.service import Accounts
from tradewind.features.catalog.builtin import SMOLLM2
from tradewind.features.catalog.service import Catalog

pytestmark = pytest.mark.postgres
PATIENCE_S = 100
MODEL = f"{SMOLLM2.publisher}/{SMOLLM2.slug}"


@pytest.fixture
def run(tmp_path, database, database_url):
    """Return a function that runs `tradewind prices`."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if "TRADEWIND" not in name and name != "DATABASE_URL"
    }
    with database.transaction() as tx:
        Accounts(bytes(32), SystemClock()).first_run(tx)
        Catalog(SystemClock()).add_builtin(tx, SMOLLM2)

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "tradewind.cli", "prices", *map(str, arguments)],
            cwd=tmp_path,
            env={
                **clean,
                "NO_COLOR": "1",
                "TRADEWIND_DATA": str(tmp_path / "data"),
                "DATABASE_URL": database_url,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    return run


def told(ended, status=0):
    assert ended.returncode == status, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def test_a_file_is_signed_trusted_looked_at_and_applied(run, tmp_path):
    signer = Signer()
    (tmp_path / "key.pem").write_bytes(signer.pem)
    (tmp_path / "key.pub.pem").write_bytes(signer.public_pem)
    file = tmp_path / "prices.yaml"
    file.write_text(price_file(entry(MODEL)), encoding="utf-8")

    key = told(run("sign", file, "--key", "key.pem", "--json"))["key"]
    refused = run("apply", file)
    assert refused.returncode == 1
    assert "nobody trusts the key" in refused.stderr
    assert told(run("keys", "add", "Ops", "key.pub.pem", "--json"))["keys"][0]["id"] == key
    looked = run("apply", file, "--dry-run")
    assert "input_tokens             none > 2 USD" in looked.stdout
    assert "1 prices would be set" in looked.stdout

    done = told(run("apply", file, "--json"))
    again = told(run("apply", file, "--json"))

    assert (done["set"], done["is_new"], again["is_new"]) == (1, True, False)
    assert told(run("show", MODEL, "--json"))["price"]["prices"]["output_tokens"] == "4"
    [version] = told(run("history", MODEL, "--json"))["versions"]
    assert (version["source"], version["subject"]) == ("file", done["file"])
    assert [row["model"] for row in told(run("list", "smol", "--json"))["prices"]] == [MODEL]
    assert told(run("keys", "revoke", key, "--json"))["keys"][0]["revoked_at"] is not None
    assert "of a file" in run("show", MODEL).stdout


def test_problems_of_a_file_are_told_with_their_lines(run, tmp_path):
    signer = Signer()
    (tmp_path / "key.pem").write_bytes(signer.pem)
    (tmp_path / "key.pub.pem").write_bytes(signer.public_pem)
    run("keys", "add", "Ops", "key.pub.pem")
    file = tmp_path / "prices.yaml"
    file.write_text(price_file(entry("tw/none")), encoding="utf-8")
    run("sign", file, "--key", "key.pem")
    ended = run("apply", file)
    assert ended.returncode == 1
    assert "line 4: there is no model 'tw/none'" in ended.stderr


def test_what_has_no_price_and_what_a_plan_would_bring_is_told(run, tmp_path):
    assert told(run("unpriced", "--json")) == {"models": []}
    assert "Everything that is served has a price." in run("unpriced").stdout
    (tmp_path / "terms.json").write_text('{"currency": "USD", "fee_nanos": 1}', encoding="utf-8")
    found = told(run("simulate", "terms.json", "--days", "7", "--json"))
    assert (found["plan"], found["models"]) == ("0", [])
    (tmp_path / "terms.json").write_text('{"currency": 1}', encoding="utf-8")
    assert run("simulate", "terms.json").returncode == 1


def test_a_margin_is_tried_set_and_stopped(run):
    tried = told(run("margins", "preview", "all", "--percent", "12.5", "--json"))
    assert tried == {"outcomes": [], "left": 0}, "nothing is called at a provider"
    made = told(run("margins", "set", "all", "--percent", "12.5", "--json"))
    assert (made["percent"], made["is_enabled"]) == ("12.5", True)
    [listed] = told(run("margins", "list", "--json"))["margins"]
    assert listed == made
    assert "12.5 %" in run("margins", "list").stdout
    told(run("margins", "stop", made["id"], "--json"))
    [stopped] = told(run("margins", "list", "--json"))["margins"]
    assert not stopped["is_enabled"]
    wrong = run("margins", "set", "all", "--percent", "1.234")
    assert wrong.returncode == 1
    assert "at most two decimals" in wrong.stderr


def test_prices_that_wait_are_listed_and_decided_by_id(run):
    assert told(run("proposals", "list", "--json")) == {"proposals": []}
    assert run("proposals", "list").stdout == "No price waits.\n"
    missing = run("proposals", "accept", "prop_nothing")
    assert missing.returncode == 1
    assert "there is no price" in missing.stderr
