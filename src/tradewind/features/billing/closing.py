"""Closing a month: an invoice for every organization that is charged.

A close settles what is left of the month, and then goes through the organizations in the order of
their ids, some at a time, each time in a transaction that also says how far it came. So a killed
close goes on where it was, two that drive the same close take turns, and nobody has two invoices.
"""

import threading
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import NotFound
from tradewind.core.ids import BillingCloseId
from tradewind.db.database import Database
from tradewind.features.billing.errors import CloseRunning
from tradewind.features.billing.repository import accounts, closes
from tradewind.features.billing.rules import periods
from tradewind.features.billing.schemas import Close, CloseProgress, CloseState
from tradewind.features.billing.service import Billing

ORGANIZATIONS_AT_ONCE = 500
_PROBLEMS_KEPT = 100
_SETTLER_WAIT_S = 0.2


class Step(StrEnum):
    SETTLED = "settled"
    WAITED = "waited"
    """Somebody else settles at this moment."""
    ISSUED = "issued"
    ENDED = "ended"


class Taken(NamedTuple):
    step: Step
    close: Close


class Closing:
    def __init__(self, billing: Billing, clock: Clock) -> None:
        self._billing = billing
        self._clock = clock

    def begin(self, tx: Connection, period_end: datetime) -> Close:
        """Begin to close the month that ends then, or return the close of it that is under way.

        A month can be closed again: what came in late is then invoiced. Raises PeriodOpen,
        CloseRunning.
        """
        now = self._clock.now()
        periods.check_closable(period_end, now)
        running = closes.find_running(tx)
        if running is None:
            close_id = BillingCloseId.new()
            if closes.add(tx, close_id, period_end, accounts.count_charged(tx), now):
                return self.get(tx, close_id)
            running = closes.find_running(tx)
        if running is None or running.period_end != period_end:
            raise CloseRunning(
                "another month is being closed", hint="wait for its end, or cancel it"
            )
        return running

    def step(self, tx: Connection, close_id: str, *, at_once: int = ORGANIZATIONS_AT_ONCE) -> Taken:
        """Do a part of a close. Raises NotFound, NoIssuer."""
        close = closes.lock(tx, close_id)
        if close is None:
            raise NotFound(f"there is no close {close_id[:64]!r}")
        if close.state is not CloseState.RUNNING:
            return Taken(Step.ENDED, close)
        if not close.after and not self._billing.is_settled(tx, close.period_end):
            settled = self._billing.settle(tx)
            if settled is None or settled.hours == 0:
                return Taken(Step.WAITED, close)
            return Taken(Step.SETTLED, close)
        ids = accounts.charged_organizations(tx, close.after, at_once)
        if not ids:
            closes.end(tx, close_id, CloseState.DONE, self._clock.now())
            return Taken(Step.ENDED, self.get(tx, close_id))
        issued = self._billing.issue(tx, ids, close.period_end)
        room = _PROBLEMS_KEPT - len(close.problems)
        closes.advance(
            tx,
            close_id,
            closes.Advance(
                after=ids[-1],
                done=len(ids),
                invoices=len(issued.invoices),
                problem_count=len(issued.problems),
                problems=[*close.problems, *issued.problems[: max(0, room)]],
            ),
        )
        return Taken(Step.ISSUED, self.get(tx, close_id))

    def cancel(self, tx: Connection, close_id: str) -> Close:
        """End a close where it is; what is invoiced stays. Idempotent. Raises NotFound."""
        close = closes.lock(tx, close_id)
        if close is None:
            raise NotFound(f"there is no close {close_id[:64]!r}")
        if close.state is CloseState.RUNNING:
            closes.end(tx, close_id, CloseState.CANCELLED, self._clock.now())
        return self.get(tx, close_id)

    def get(self, tx: Connection, close_id: str) -> Close:
        """Raises NotFound."""
        found = closes.find(tx, close_id)
        if found is None:
            raise NotFound(f"there is no close {close_id[:64]!r}")
        return found

    def running(self, tx: Connection) -> Close | None:
        return closes.find_running(tx)

    def is_closed(self, tx: Connection, period_end: datetime) -> bool:
        """Say whether a close of this month, or of a later one, came to its end."""
        return closes.is_closed(tx, period_end)

    def recent(self, tx: Connection, limit: int = 20) -> Sequence[Close]:
        return closes.recent(tx, limit)

    def close_period(
        self,
        database: Database,
        period_end: datetime,
        progress: CloseProgress,
        stop: threading.Event | None = None,
    ) -> Close:
        """Close a month, or go on with it, until it is done, cancelled, or `stop` is set."""
        ended = stop or threading.Event()
        with database.transaction() as tx:
            close = self.begin(tx, period_end)
        while not ended.is_set():
            with database.transaction() as tx:
                taken = self.step(tx, close.close_id)
            close = taken.close
            progress(close)
            if taken.step is Step.ENDED:
                break
            if taken.step is Step.WAITED:
                ended.wait(_SETTLER_WAIT_S)
        return close
