"""`tradewind usage` and `tradewind reconcile`, as a shell sees them."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tradewind.core.clock import SystemClock
from tradewind.features.accounts.service import Accounts
from tradewind.testing.logged_calls import ended_call, log_calls

pytestmark = pytest.mark.postgres
PATIENCE_S = 100
# The calls of these tests came from no gateway.
JOURNAL = """
    INSERT INTO usage_writer_day (node, boot_ns, organization_id, day, project_id, key_id,
        currency, cost_nanos)
    SELECT 'n', 1, organization_id, (at AT TIME ZONE 'UTC')::date, project_id, key_id, currency,
        cost_nanos
    FROM usage_event
"""


@pytest.fixture
def run(tmp_path, database, database_url):
    """Return a function that runs `tradewind` on books with two calls."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if "TRADEWIND" not in name and name != "DATABASE_URL"
    }
    with database.transaction() as tx:
        made = Accounts(bytes(32), SystemClock()).first_run(tx)
    assert made is not None
    of = {"organization_id": made.organization_id, "project_id": made.project_id}
    now = datetime.now(UTC)
    log_calls(database, ended_call(now - timedelta(days=1), cost_nanos=1_500_000_000, **of))
    log_calls(database, ended_call(now, cost_nanos=500_000_000, **of))

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "tradewind.cli", *map(str, arguments)],
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


def test_usage_cost_and_the_forecast_are_shown(run):
    [row] = told(run("usage", "show", "--json"))["rows"]
    assert (row["requests"], row["cost"], row["currency"]) == (2, "2", "USD")
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    rows = told(run("usage", "cost", "--by", "day", "--since", today, "--json"))["rows"]
    assert [row["cost"] for row in rows] == ["0.5"]
    [forecast] = told(run("usage", "forecast", "--json"))["forecasts"]
    assert (forecast["method"], forecast["days_counted"]) == ("mean", 1)
    assert "2 calls" in run("usage", "show").stdout
    refused = run("usage", "show", "--by", "tag")
    assert refused.returncode == 1
    assert "say by which tag" in refused.stderr


def test_the_books_are_compared_and_a_difference_ends_with_status_1(run, database):
    with database.transaction() as tx:
        tx.execute(text(JOURNAL))
    found = told(run("reconcile", "--json"))
    assert (found["is_clean"], found["differences"]) == (True, 0)
    assert {"journal", "usage", "settlement", "balances", "providers"} <= {
        check["name"] for check in found["checks"]
    }
    with database.transaction() as tx:
        tx.execute(text("UPDATE usage_hour SET requests = requests + 1 WHERE cost_nanos > 10^9"))
    found = told(run("reconcile", "--json"), status=1)
    [check] = [check for check in found["checks"] if check["differences"]]
    assert (check["name"], check["differences"]) == ("usage", 1)
    assert "requests +1" in check["findings"][0]
    assert check["advice"]
