"""What happens to budgets without anybody asking: silent leases, dead gateways, alerts."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row

from tradewind.core.clock import Clock
from tradewind.features.budgets import notices, repository, rules
from tradewind.features.budgets.leasing import ReadSpend
from tradewind.features.budgets.questions import spend_of
from tradewind.features.budgets.schemas import PeriodKind, SpendQuestion

AT_ONCE = 200
"""Leases or budgets of one transaction."""
_KEPT = timedelta(days=7)
"""How long leases that have ended are kept, and dead ones are still reconciled."""
# The clock of a gateway may be behind that of the control plane.
_CLOCKS_APART = timedelta(seconds=5)
_log = logging.getLogger(__name__)


class WriterEnd(NamedTuple):
    """The end of a gateway, by its journal."""

    ended_before: datetime
    """When it was known to be gone."""


FindEnd = Callable[[Connection, str, int], WriterEnd | None]
"""Tells of a writer (node, boot) that it is gone and all it wrote is in the books; None while that
is not so. See `readmodels.spend`."""


ReadWriterSpend = Callable[[Connection, str, int, SpendQuestion], int | None]
"""What one writer (node, boot) has spent of a scope, by whole days; None where that is not known to
the last call. See `readmodels.spend`."""


class _Standing(NamedTuple):
    """A budget, as it stands now."""

    budget: Row[Any]
    period: rules.Period
    spent_nanos: int


class Upkeep:
    def __init__(
        self,
        clock: Clock,
        read_spend: ReadSpend,
        find_end: FindEnd,
        read_writer_spend: ReadWriterSpend,
    ) -> None:
        self._read_writer_spend = read_writer_spend
        self._clock = clock
        self._read_spend = read_spend
        self._find_end = find_end

    def expire(self, tx: Connection) -> int:
        """Count leases of silent gateways as spent in full; return how many. Nothing is given to
        others that a gateway may still spend.
        """
        now = self._clock.now()
        rows = repository.silent_leases(tx, now, AT_ONCE)
        done = 0
        for row in rows:
            if self._change(tx, row, rules.expire, now):
                done += 1
        return done

    def reconcile(self, tx: Connection) -> int:
        """Put what a dead gateway has really spent in the place of all it could have; return how
        many leases.

        Only where that is certain: its journal is in the books to the end. Where no other gateway
        spent of the same budget while it lived, the books say what it was; beside others, the sums
        of its journal by day do. These may hold more than the lease (a budget that became a hard
        one at noon), so that they count up to the lease at most, which is the safe side. Where they
        are not known, that stays.
        """
        now = self._clock.now()
        done = 0
        for row in repository.expired_leases(tx, now - _KEPT, AT_ONCE):
            end = self._find_end(tx, row.node, row.boot_ns)
            if end is None:
                continue
            spent = self._spent_of_dead(tx, row, end)
            if spent is None:
                continue
            if self._change(tx, row, lambda b, lease, s=spent: rules.settle(b, lease, s), None):
                done += 1
        return done

    def _spent_of_dead(self, tx: Connection, row: Row[Any], end: WriterEnd) -> int | None:
        """Return what the holder of a lease has spent of it; None when that cannot be told."""
        period = rules.period_at(PeriodKind(row.period), row.period_start)
        question = spend_of(row, period.start, period.end)
        until = _alone_until(row, repository.other_leases(tx, row), end)
        if until is not None:
            since = max(row.created_at - _CLOCKS_APART, period.start)
            return self._read_spend(tx, replace(question, since=since, until=until))
        spent = self._read_writer_spend(tx, row.node, row.boot_ns, question)
        return None if spent is None else min(spent, row.granted_nanos)

    def alert(self, tx: Connection, after: str) -> str:
        """Note the parts of budgets that are spent, for some budgets behind one of this id. Return
        where to go on; empty is: from the start.
        """
        now = self._clock.now()
        budgets = repository.budgets_after(tx, after, AT_ONCE)
        standing: dict[str, _Standing] = {}
        alerts: list[dict[str, Any]] = []
        for row in budgets:
            period = rules.period_at(PeriodKind(row.period), now)
            spent = self.spent_of(tx, row, now)
            standing[row.id] = _Standing(row, period, spent)
            alerts += [
                {
                    "budget_id": row.id,
                    "period_start": period.start,
                    "percent": percent,
                    "spent_nanos": spent,
                    "amount_nanos": row.amount_nanos,
                    "at": now,
                }
                for percent in rules.percents_reached(row.alert_percents, spent, row.amount_nanos)
            ]
        added = repository.add_alerts(tx, alerts)
        for budget_id, _, percent in sorted(added):
            row, period, spent = standing[budget_id]
            notices.tell_alert(tx, row, period, percent=percent, spent_nanos=spent)
        if added:
            _log.warning("%d parts of budgets were reached", len(added))
        self._tell_exhausted(tx, standing.values(), now)
        return budgets[-1].id if len(budgets) == AT_ONCE else ""

    def spent_of(self, tx: Connection, row: Row[Any], now: datetime) -> int:
        """Return what is spent of a budget: by its leases when it is hard, else by the books."""
        period = rules.period_at(PeriodKind(row.period), now)
        if row.is_hard:
            found = repository.find_period(tx, row.id, period.start)
            if found is not None:
                return found.spent_nanos + found.overspent_nanos
        return self._read_spend(tx, spend_of(row, period.start, period.end))

    def _tell_exhausted(self, tx: Connection, standing: Iterable[_Standing], now: datetime) -> None:
        """Tell of hard budgets that are spent to the end. Of one that has a little left, which no
        call fits into, the next lease that is asked for tells.
        """
        for row, period, spent in standing:
            if (
                row.is_hard
                and spent >= row.amount_nanos
                and repository.note_exhausted(tx, row.id, period.start, now)
            ):
                notices.tell_exhausted(tx, row, period, spent_nanos=spent)

    def forget(self, tx: Connection) -> int:
        """Remove leases that ended long ago; return how many."""
        return repository.forget_leases(tx, self._clock.now() - _KEPT, AT_ONCE)

    def _change(
        self,
        tx: Connection,
        row: Row[Any],
        change: Callable[[rules.Balance, rules.LeaseTotals], rules.Renewal],
        still_silent_at: datetime | None,
    ) -> bool:
        """Change a lease behind the lock of its period. False when it was changed meanwhile."""
        period = repository.lock_period(tx, row.budget_id, row.period_start)
        current = repository.find_lease(tx, row.budget_id, row.period_start, row.node, row.boot_ns)
        if period is None or current is None or current.renewed_at != row.renewed_at:
            return False
        if still_silent_at is not None and current.expires_at >= still_silent_at:
            return False
        # The amount plays no part in what is changed here.
        balance = repository.balance_of(period, period.ceiling_nanos)
        repository.store_totals(tx, row, change(balance, repository.totals_of(current)))
        return True


def _alone_until(row: Row[Any], others: Sequence[Row[Any]], end: WriterEnd) -> datetime | None:
    """Return until when all events of the budget were this gateway's; None when some may be of
    others.
    """
    until = end.ended_before
    for other in others:
        if other.node == row.node and other.boot_ns > row.boot_ns:
            # A later life of the same gateway begins when this one is over.
            until = min(until, other.created_at)
    for other in others:
        is_later_life = other.node == row.node and other.boot_ns > row.boot_ns
        if not is_later_life and other.created_at < until and other.expires_at > row.created_at:
            return None
    return until
