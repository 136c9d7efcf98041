"""Looks after budgets: silent leases, dead gateways, alerts."""

import logging
import threading

from tradewind.core.errors import Unavailable
from tradewind.db.database import Database
from tradewind.features.budgets.upkeep import AT_ONCE, Upkeep

_EVERY_S = 5.0
_log = logging.getLogger(__name__)


def look_after_budgets(database: Database, upkeep: Upkeep, stop: threading.Event) -> None:
    """Run until stopped. Each step is a transaction of its own; what a crash leaves undone the next
    round does.
    """
    after = ""
    while not stop.wait(_EVERY_S):
        try:
            for step in (upkeep.expire, upkeep.reconcile, upkeep.forget):
                done = AT_ONCE
                while done == AT_ONCE and not stop.is_set():
                    with database.transaction() as tx:
                        done = step(tx)
            with database.transaction() as tx:
                after = upkeep.alert(tx, after)
        except Unavailable as error:
            _log.warning("budgets are not looked after: %s", error)
