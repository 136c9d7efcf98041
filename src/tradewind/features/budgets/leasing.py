"""Leases of hard budgets, as gateways ask for them; see `wire.leases`."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import InvalidInput
from tradewind.features.budgets import notices, repository, rules
from tradewind.features.budgets.questions import spend_of
from tradewind.features.budgets.schemas import PeriodKind, SpendQuestion
from tradewind.wire.leases import MOST_LEASES, LeaseAnswer, LeaseAsk, LeaseGrant, LeaseRequest

LEASE_LIFETIME = timedelta(seconds=60)
"""Gateways renew each third of it; who is silent for so long is taken for dead."""
_NODE_MAX = 64
_NANOS_MAX = 2**62

ReadSpend = Callable[[Connection, SpendQuestion], int]
"""What metering has of a scope in a time, in nanos; see `readmodels.spend`."""


ReadSpends = Callable[[Connection, Sequence[SpendQuestion]], list[int]]
"""The same of several scopes, in their order, in one statement."""


class Leasing:
    def __init__(self, clock: Clock, read_spend: ReadSpend) -> None:
        self._clock = clock
        self._read_spend = read_spend

    def answer(self, tx: Connection, request: LeaseRequest) -> LeaseAnswer:
        """Renew the leases of one gateway, all in this transaction. Raises InvalidInput.

        Of two gateways that ask for one budget, the second waits for the first: the row of the
        period is locked, and nothing is decided by what was read before.
        """
        if len(request.leases) > MOST_LEASES or not 1 <= len(request.node) <= _NODE_MAX:
            raise InvalidInput("this is not how a gateway asks for leases")
        grants: dict[int, LeaseGrant] = {}
        # In one order for all, so that no two transactions wait for each other.
        in_order = sorted(
            enumerate(request.leases), key=lambda each: (each[1].budget, each[1].period_ms or 0)
        )
        for place, ask in in_order:
            _check(ask)
            grants[place] = self._renew(tx, request.node, request.boot, ask)
        return LeaseAnswer(tuple(grants[place] for place in range(len(grants))))

    def _renew(self, tx: Connection, node: str, boot: int, ask: LeaseAsk) -> LeaseGrant:
        now = self._clock.now()
        budget = repository.find_hard_budget(tx, ask.budget)
        if budget is None:
            return _gone(ask)
        period = _period_of(PeriodKind(budget.period), ask, now)
        row = repository.lock_period(tx, budget.id, period.start)
        if row is None:
            question = spend_of(budget, period.start, period.end)
            repository.add_period(
                tx,
                budget.id,
                period.start,
                amount=budget.amount_nanos,
                spent=self._read_spend(tx, question),
            )
            row = repository.lock_period(tx, budget.id, period.start)
            if row is None:
                return _gone(ask)
        key = {
            "budget_id": budget.id,
            "period_start": period.start,
            "node": node,
            "boot_ns": boot,
        }
        # Read again behind the lock: the amount may just have been changed.
        budget = repository.find_hard_budget(tx, ask.budget)
        if budget is None:
            return _gone(ask)
        former = repository.totals_of(
            repository.find_lease(tx, ask.budget, period.start, node, boot)
        )
        renewal = rules.renew(
            repository.balance_of(row, budget.amount_nanos),
            former,
            used=ask.used_nanos,
            needed=ask.needed_nanos,
            wanted=ask.wanted_nanos,
            may_grow=period.end is None or now < period.end,
        )
        repository.store_lease(tx, key, renewal, now=now, expires_at=now + LEASE_LIFETIME)
        if row.exhausted_at is None and rules.is_exhausted(renewal, needed=ask.needed_nanos):
            repository.note_exhausted(tx, ask.budget, period.start, now)
            spent = renewal.balance.spent + renewal.balance.overspent
            notices.tell_exhausted(tx, budget, period, spent_nanos=spent)
        return LeaseGrant(
            budget=ask.budget,
            period_ms=_unix_ms(period.start),
            period_end_ms=None if period.end is None else _unix_ms(period.end),
            granted_nanos=renewal.lease.granted,
            left_nanos=renewal.balance.left,
            leased_nanos=max(0, renewal.balance.leased - renewal.lease.outstanding),
        )


def _period_of(kind: PeriodKind, ask: LeaseAsk, now: datetime) -> rules.Period:
    if ask.period_ms is None:
        return rules.period_at(kind, now)
    return rules.period_at(kind, datetime.fromtimestamp(ask.period_ms / 1000, UTC))


def _check(ask: LeaseAsk) -> None:
    numbers = (ask.used_nanos, ask.needed_nanos, ask.wanted_nanos)
    period_ms = ask.period_ms or 0
    # Beyond the year 2200 is no period of ours.
    if (
        not all(0 <= number <= _NANOS_MAX for number in numbers)
        or not 0 <= period_ms < 7258118400000
    ):
        raise InvalidInput("this is not how a gateway asks for leases")


def _gone(ask: LeaseAsk) -> LeaseGrant:
    return LeaseGrant(ask.budget, 0, None, 0, 0, 0, is_gone=True)


def _unix_ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
