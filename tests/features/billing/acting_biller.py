"""A process that closes March 2030: `python acting_biller.py STEPS`, the database in DATABASE_URL.

After STEPS transactions it says `uncommitted` inside of the next one and waits to be killed.
"""

import os
import sys
import time
from datetime import timedelta

from tests.features.billing.billing_parts import APRIL, TurnedClock
from tradewind.db.database import Database
from tradewind.features.billing.closing import Closing, Step
from tradewind.features.ledger.service import Ledger
from tradewind.serve.billing import build_billing

if __name__ == "__main__":
    clock = TurnedClock(APRIL + timedelta(hours=48))
    database = Database(os.environ["DATABASE_URL"], application_name="acting-biller")
    billing = build_billing(clock, Ledger(clock))
    closing = Closing(billing, clock)
    with database.transaction() as tx:
        close = closing.begin(tx, APRIL)
    for step in range(100):
        with database.transaction() as tx:
            if not billing.is_settled(tx, APRIL) and not close.after:
                billing.settle(tx, most=20)
            else:
                taken = closing.step(tx, close.close_id, at_once=2)
                close = taken.close
                if taken.step is Step.ENDED:
                    break
            if step == int(sys.argv[1]):
                print("uncommitted", flush=True)
                time.sleep(60)
