"""Payout runs that are killed: each goes on where it was, and nothing is paid or exported twice."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.features.billing.billing_parts import MAY
from tests.features.payments.payments_parts import ONE
from tests.features.payouts.acting_payer import pay
from tests.features.payouts.payouts_parts import PayingWorld
from tradewind.features.ledger.schemas import AccountKind
from tradewind.features.payouts.entries import ON_ITS_WAY

pytestmark = pytest.mark.postgres
ACTING = Path(__file__).parent / "acting_payer.py"
PUBLISHERS = 4


@pytest.fixture
def busy(database):
    paying = PayingWorld.begin(database)
    buyer = paying.world.add_buyer()
    for number in range(PUBLISHERS):
        paying.add_publisher(f"publisher-{number}")
        paying.sell(buyer, paying.world.add_price(seller=f"publisher-{number}"), 100 * ONE)
    paying.clock.turn_to(MAY)
    return paying


def kill_after(database_url, steps):
    """Let a process do some transactions and kill it in the next one."""
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


def test_a_run_that_is_killed_at_every_step_is_exported_once_with_the_same_bytes(
    busy, database_url
):
    # From the first transaction to the last: begin, one for each publisher, the end of preparing,
    # reading it, approving, exporting. Each process repeats what the one before it has done.
    killed = [kill_after(database_url, steps) for steps in (0, 1, 1, 2, 2, 3, 3)]
    assert killed == [-signal.SIGKILL] * 7

    run_id = pay(busy.database, busy.runs)
    file = busy.do(busy.runs.file, busy.finance, run_id)
    # Killed once it is exported, and asked again: the bank gets the same bytes.
    for steps in (0, 1, 2):
        kill_after(database_url, steps)
    assert pay(busy.database, busy.runs) == run_id
    assert busy.do(busy.runs.file, busy.finance, run_id) == file

    detail = busy.do(busy.runs.detail, busy.finance, run_id)
    assert [each.nanos for each in detail.payouts] == [97 * ONE] * PUBLISHERS
    assert detail.run.nanos == 97 * PUBLISHERS * ONE
    assert [each.what for each in detail.events].count("exported") == 1
    assert file.count(b"<CdtTrfTxInf>") == PUBLISHERS
    assert busy.balance(AccountKind.CASH, ON_ITS_WAY) == -97 * PUBLISHERS * ONE
    assert busy.differences() == []


def test_the_worker_goes_on_with_a_run_that_nobody_asks_for_again(busy, database_url):
    assert kill_after(database_url, 3) == -signal.SIGKILL
    assert busy.runs.carry_on(busy.database) > 0
    [run] = busy.do(busy.runs.list_runs, busy.finance)
    assert (run.stage.value, run.payouts) == ("prepared", PUBLISHERS)
    assert busy.runs.carry_on(busy.database) == 0
    assert busy.differences() == []
