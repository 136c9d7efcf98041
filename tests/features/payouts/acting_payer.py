"""A process that pays publishers: `python acting_payer.py STEPS`, the database in DATABASE_URL.

After STEPS transactions it says `uncommitted` inside of the next one and waits to be killed.
"""

import os
import sys
import time
from contextlib import contextmanager

from tests.features.billing.billing_parts import MAY, TurnedClock
from tests.features.payments.payments_parts import Administrator
from tests.features.payouts.payouts_parts import ADA, BOB
from tradewind.core.ids import OrganizationId, ProjectId
from tradewind.db.database import Database
from tradewind.features.catalog.service import Catalog
from tradewind.features.ledger.service import Ledger
from tradewind.features.payouts.service import PayoutRuns
from tradewind.serve.payouts import build_payout_services

KEY = "the run"


class Mortal:
    """Transactions of which one is not left before the process is killed."""

    def __init__(self, database: Database, steps: int) -> None:
        self._database = database
        self._left = steps

    @contextmanager
    def transaction(self):
        with self._database.transaction() as tx:
            yield tx
            if self._left == 0:
                print("uncommitted", flush=True)
                time.sleep(60)
            self._left -= 1


def pay(database, runs: PayoutRuns) -> str:
    """Prepare, approve and export the run, wherever it stands; return its id."""
    finance = Administrator(OrganizationId.new(), ProjectId.new())
    run = runs.prepare(database, finance, "USD", key=KEY, by=ADA)
    if run.exported_at is None:
        with database.transaction() as tx:
            runs.approve(tx, finance, run.run_id, by=BOB)
    with database.transaction() as tx:
        runs.export(tx, finance, run.run_id, by=ADA)
    return run.run_id


if __name__ == "__main__":
    clock = TurnedClock(MAY)
    own = Database(os.environ["DATABASE_URL"], application_name="acting-payer")
    services = build_payout_services(clock, Ledger(clock), Catalog(clock))
    pay(Mortal(own, int(sys.argv[1])), services.runs)
