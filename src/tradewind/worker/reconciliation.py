"""Runs the checks of reconciliation: once a day, and whenever somebody asks."""

import logging
import threading
from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import TradewindError, Unavailable
from tradewind.core.ids import OrganizationId
from tradewind.db.database import Database
from tradewind.features.ledger.schemas import NamedCheck
from tradewind.features.ledger.service import Ledger
from tradewind.features.reconciliation.schemas import RunRow
from tradewind.features.reconciliation.service import Reconciliation
from tradewind.readmodels.reconciliation import reconcile

_EVERY_S = 5.0
_log = logging.getLogger(__name__)


class Reconciler:
    """Two workers may do this at once: each run is of one of them."""

    def __init__(
        self,
        database: Database,
        reconciliation: Reconciliation,
        ledger: Ledger,
        clock: Clock,
        books: Sequence[NamedCheck],
        *,
        platform: Callable[[Connection], OrganizationId | None],
    ) -> None:
        """`database` waits long for an answer: a sum over all events takes minutes. `books` are the
        checks of `tradewind ledger verify`.
        """
        self._database = database
        self._reconciliation = reconciliation
        self._ledger = ledger
        self._clock = clock
        self._books = books
        self._platform = platform

    def run(self, stop: threading.Event) -> None:
        """Run until stopped. A run that was begun is ended first."""
        while not stop.wait(_EVERY_S):
            try:
                self.run_due()
            except Unavailable as error:
                _log.warning("nothing was reconciled: %s", error)

    def run_due(self) -> RunRow | None:
        """Run what is due or was asked for; None where nothing is, or another does it."""
        with self._database.transaction() as tx:
            run_id = self._reconciliation.begin_due(tx)
        return None if run_id is None else self.check(run_id)

    def run_now(self, *, by: str, tell: Callable[[str], None] = lambda _name: None) -> RunRow:
        with self._database.transaction() as tx:
            run_id = self._reconciliation.begin(tx, by=by)
        return self.check(run_id, tell)

    def check(self, run_id: str, tell: Callable[[str], None] = lambda _name: None) -> RunRow:
        """Run all checks of one moment, and keep what they found.

        A run that cannot end says so; the error goes on.
        """
        try:
            with self._database.transaction() as tx:
                self._ledger.hold_still(tx)
                outcomes = reconcile(tx, self._clock.now(), self._books, tell)
        except TradewindError as error:
            with self._database.transaction() as tx:
                self._reconciliation.fail(tx, run_id, str(error))
            raise
        with self._database.transaction() as tx:
            found = self._reconciliation.end(tx, run_id, outcomes, platform=self._platform(tx))
        for check in found.failed:
            _log.error("%s: %d differences: %s", check.name, check.differences, check.findings[0])
        return found
