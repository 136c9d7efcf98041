"""Settles hours that are over, earns what was paid ahead, closes months whose grace is over."""

import logging
import threading

from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, Unavailable
from tradewind.db.database import Database
from tradewind.features.billing.closing import Closing
from tradewind.features.billing.rules.periods import newest_closable
from tradewind.features.billing.schemas import Close
from tradewind.features.billing.service import Billing

_EVERY_S = 60.0
_log = logging.getLogger(__name__)


class BillingUpkeep:
    def __init__(
        self,
        database: Database,
        billing: Billing,
        closing: Closing,
        clock: Clock,
        *,
        every_s: float = _EVERY_S,
    ) -> None:
        self._database = database
        self._billing = billing
        self._closing = closing
        self._clock = clock
        self._every_s = every_s

    def run(self, stop: threading.Event) -> None:
        """Run until stopped. What a crash leaves undone the next round does."""
        while not stop.is_set():
            try:
                self.settle(stop)
                self.earn(stop)
                self.close(stop)
            except (Conflict, Unavailable) as error:
                _log.warning("billing stands still: %s", error)
            stop.wait(self._every_s)

    def settle(self, stop: threading.Event) -> None:
        """Settle until nothing is left, or somebody else does."""
        hours = 1
        while hours and not stop.is_set():
            with self._database.transaction() as tx:
                done = self._billing.settle(tx)
            hours = 0 if done is None else done.hours

    def earn(self, stop: threading.Event) -> None:
        """Enter what was paid ahead and is earned by now."""
        lines = 1
        while lines and not stop.is_set():
            with self._database.transaction() as tx:
                lines = self._billing.earn(tx)

    def close(self, stop: threading.Event) -> None:
        """Go on with the close that is under way, or begin the one that is due.

        None is due before somebody said in whose name invoices are written.
        """
        end = newest_closable(self._clock.now())
        with self._database.transaction() as tx:
            running = self._closing.running(tx)
            is_due = self._billing.issuer(tx) is not None and not self._closing.is_closed(tx, end)
        if running is not None:
            end = running.period_end
        elif not is_due:
            return
        close = self._closing.close_period(self._database, end, _tell, stop)
        for organization_id, why in close.problems:
            _log.error("%s has no invoice: %s", organization_id, why)


def _tell(close: Close) -> None:
    _log.info("closing: %d of %d organizations", close.done, close.total)
