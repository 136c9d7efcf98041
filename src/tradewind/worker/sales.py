"""Moves subscriptions on: renewals, ends of trials and of private prices, and what follows when
invoices are not paid.
"""

import logging
import threading

from tradewind.core.clock import Clock
from tradewind.core.errors import Unavailable
from tradewind.db.database import Database
from tradewind.features.sales.dunning import Dunning
from tradewind.features.sales.service import Sales

_EVERY_S = 5.0

_log = logging.getLogger(__name__)


def advance_subscriptions(
    database: Database, sales: Sales, dunning: Dunning, clock: Clock, stop: threading.Event
) -> None:
    """Run until `stop` is set. Two workers may do this at once: each move is made by one."""
    while not stop.is_set():
        try:
            moved = advance_once(database, sales, clock) + dun_once(database, dunning)
        except Unavailable as error:
            _log.warning("subscriptions were not moved on: %s", error)
            moved = 0
        if not moved:
            stop.wait(_EVERY_S)


def advance_once(database: Database, sales: Sales, clock: Clock) -> int:
    """Make some of what is due, in one transaction; return how many moves that were."""
    with database.transaction() as tx:
        return len(sales.advance(tx, clock.now()))


def dun_once(database: Database, dunning: Dunning) -> int:
    """Look after some invoices that are overdue, in one transaction; return how many."""
    with database.transaction() as tx:
        return dunning.step(tx)
