"""Settlement and invoice runs that are killed: each goes on where it was, and nothing is twice."""

import os
import random
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.features.billing.billing_parts import APRIL, HOUR, MARCH, World, event
from tradewind.features.billing.schemas import CloseState
from tradewind.features.ledger.schemas import AccountKind

pytestmark = pytest.mark.postgres
ACTING = Path(__file__).parent / "acting_biller.py"
ORGANIZATIONS, HOURS = 12, 6


@pytest.fixture
def busy(database):
    world = World.begin(database)
    world.clock.turn_to(APRIL + timedelta(hours=48))
    price = world.add_price(seller="mistral")
    buyers = [world.add_buyer() for _ in range(ORGANIZATIONS)]
    world.use(
        *(
            event(
                each,
                price,
                MARCH + at * HOUR,
                cost_nanos=1_000_000_001,
                meters={"images": 3},
                provider_cost_nanos=700,
                provider_currency="EUR",
                host="openai",
            )
            for each in buyers
            for at in range(HOURS)
        )
    )
    return world


def kill_after(database_url, steps):
    """Let a biller do some transactions and kill it in the next one."""
    acting = subprocess.Popen(
        [sys.executable, str(ACTING), str(steps)],
        env={**os.environ, "DATABASE_URL": database_url, "PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.PIPE,
        text=True,
    )
    with acting:
        assert acting.stdout is not None
        for line in acting.stdout:
            if line.startswith("uncommitted"):
                acting.send_signal(signal.SIGKILL)
                break
        acting.wait(60)
    return acting.returncode


def test_killed_runs_go_on_and_settle_and_invoice_everything_once(busy, database_url):
    chance = random.Random(20300402)
    killed = 0
    for _ in range(8):
        killed += kill_after(database_url, chance.randrange(3)) == -signal.SIGKILL

    close = busy.closing.close_period(busy.database, APRIL, lambda _: None)

    assert killed >= 4
    assert close.state is CloseState.DONE
    with busy.database.transaction() as tx:
        rows = busy.billing.list_invoices(tx)
    assert len(rows) == ORGANIZATIONS
    assert {row.exact_nanos for row in rows} == {HOURS * 1_000_000_001}
    assert sorted(row.number for row in rows) == [
        f"INV-2030-{number:06d}" for number in range(1, ORGANIZATIONS + 1)
    ]
    assert busy.balance(AccountKind.PAYABLE, "mistral") == -(
        ORGANIZATIONS * HOURS * (1_000_000_001 - 30_000_000)
    )
    hosts = ORGANIZATIONS * HOURS * 700
    assert busy.balance(AccountKind.PROVIDER_COST, "openai", "EUR") == hosts
    assert busy.balance(AccountKind.PROVIDER_PAYABLE, "openai", "EUR") == -hosts
    with busy.database.transaction() as tx:
        lines = [line for row in rows for line, _ in busy.billing.lines(tx, row.invoice_id)]
    assert {line.evidence.quantities["images"] for line in lines} == {3 * HOURS}
    assert busy.differences() == []
