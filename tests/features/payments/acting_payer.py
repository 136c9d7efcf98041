"""A process that takes money: `python acting_payer.py WHAT ADDRESS ORGANIZATION ARGUMENT NOW`.

The database is in DATABASE_URL, Stripe at ADDRESS. It says `now` at the moment that WHAT names, and
waits to be killed: `top_up`, `automatic` and `refund` when Stripe has done it, before that is
stored; `notice` when it was read back what a message is about, before anything is posted; `posting`
when all of it is written, before the commit.
"""

import contextlib
import os
import sys
import time
from datetime import datetime

from tests.features.billing.billing_parts import World
from tests.features.payments.card_parts import SECRET, build_cards
from tests.features.payments.payments_parts import ONE, PaidWorld
from tradewind.db.database import Database
from tradewind.features.billing.ports import NoSubscriptions
from tradewind.testing.fake_stripe import signed

CALLS = {
    "top_up": {"pay"},
    "automatic": {"charge"},
    "refund": {"refund"},
    "notice": {"standing", "taken_back"},
    "posting": set(),
}


def wait_to_be_killed():
    print("now", flush=True)
    time.sleep(600)


class Halting:
    """A processor that stops once its work is done, before anybody here knows of it."""

    name = "stripe"

    def __init__(self, processor, calls):
        self._processor, self._calls = processor, calls

    def __getattr__(self, name):
        act = getattr(self._processor, name)
        if name not in self._calls:
            return act

        def halting(*arguments):
            act(*arguments)
            wait_to_be_killed()

        return halting


class HaltingDatabase:
    """A database whose transactions stop before the commit once something was posted in them."""

    def __init__(self, database):
        self._database = database

    @contextlib.contextmanager
    def transaction(self):
        with self._database.transaction() as tx:
            before = _entries(tx)
            yield tx
            if _entries(tx) > before:
                wait_to_be_killed()


def _entries(tx):
    return tx.exec_driver_sql("SELECT count(*) FROM ledger_entry").scalar_one()


if __name__ == "__main__":
    what, address, organization_id, argument, now = sys.argv[1:6]
    database = Database(os.environ["DATABASE_URL"], application_name="acting-payer")
    paid = PaidWorld(World(database, subscriptions=NoSubscriptions()))
    paid.world.clock.turn_to(datetime.fromisoformat(now))
    cards = build_cards(
        paid,
        address,
        wrap=lambda processor: Halting(processor, CALLS[what]),
        database=HaltingDatabase(database) if what == "posting" else database,
    )
    admin = paid.admin(organization_id)
    match what:
        case "top_up":
            cards.top_up(admin, 25 * ONE, "USD", key="k")
        case "automatic":
            cards.top_up_automatically(organization_id)
        case "refund":
            cards.refund(admin, argument, 5 * ONE, key="r")
        case _:
            body = argument.encode()
            cards.take_notice(body, signed(body, SECRET))
