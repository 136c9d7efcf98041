"""What a budget would have done to calls of the past: pure, over the calls in their order.

The rules are those of leases (`rules.renew`), with one gateway that asks at every call: a call
holds what it costs from its beginning to its end; it is refused when that does not fit into what is
neither spent nor held; and it counts to the period in which it began. In truth a gateway holds the
most that a call can cost, which nobody knows any more: near the end of a budget it cuts answers
shorter, or refuses a call that would have fitted. Corrections are not calls, and change nothing.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from tradewind.features.budgets.rules import Period, period_at
from tradewind.features.budgets.schemas import PeriodKind


class PastCall(NamedTuple):
    """One admitted call, by its event."""

    at: datetime
    duration_us: int
    cost_nanos: int
    currency: str
    can_cost: bool
    """Whether its price is above zero: of what is free nothing is held."""


class PreviewedMonth(NamedTuple):
    """What would have come of the calls of one calendar month of UTC, whatever the period is."""

    month: date
    calls: int = 0
    stopped: int = 0
    stopped_nanos: int = 0
    """What the stopped calls cost, of the budget's currency."""

    def and_call(self, *, is_stopped: bool, nanos: int) -> "PreviewedMonth":
        return PreviewedMonth(
            self.month,
            self.calls + 1,
            self.stopped + is_stopped,
            self.stopped_nanos + (nanos if is_stopped else 0),
        )


@dataclass(frozen=True, slots=True)
class PreviewedPeriod:
    """What would have come of one period."""

    start: datetime
    end: datetime | None
    months: tuple[PreviewedMonth, ...]
    spent_nanos: int
    """By the calls that were let through, and what was spent of the period before them."""
    first_stopped_at: datetime | None
    other_currency: int
    """Of those stopped: their models have prices in another currency than the budget."""
    reached: tuple[tuple[int, datetime], ...] = ()
    """Which parts of the amount were spent, in percent, and when each was first."""

    @property
    def calls(self) -> int:
        return sum(each.calls for each in self.months)

    @property
    def stopped(self) -> int:
        return sum(each.stopped for each in self.months)

    @property
    def stopped_nanos(self) -> int:
        return sum(each.stopped_nanos for each in self.months)


class _Running(NamedTuple):
    until: datetime
    held: int
    cost: int


@dataclass(slots=True)
class _Run:
    """One period while it is gone through."""

    period: Period
    amount: int
    percents: Sequence[int]
    spent: int
    months: dict[date, PreviewedMonth] = field(default_factory=dict[date, PreviewedMonth])
    other_currency: int = 0
    held: int = 0
    first_stopped_at: datetime | None = None
    running: list[_Running] = field(default_factory=list[_Running])
    """A heap."""
    reached: list[tuple[int, datetime]] = field(default_factory=list[tuple[int, datetime]])

    def end_until(self, moment: datetime | None) -> None:
        """Settle the calls that ended by then; None is all."""
        while self.running and (moment is None or self.running[0].until <= moment):
            at, held, cost = heapq.heappop(self.running)
            self.held -= held
            self.spent += cost
            self.note(at)

    def note(self, at: datetime) -> None:
        done = len(self.reached)
        for percent in self.percents[done:]:
            if self.spent * 100 < self.amount * percent:
                return
            self.reached.append((percent, at))

    def take(self, call: PastCall, currency: str, *, is_hard: bool) -> None:
        self.end_until(call.at)
        is_other = call.currency != currency
        # A call whose price is above zero holds something, whatever came of it.
        holds = max(1, call.cost_nanos)
        is_stopped = (
            is_hard and call.can_cost and (is_other or self.spent + self.held + holds > self.amount)
        )
        if is_stopped:
            self.first_stopped_at = self.first_stopped_at or call.at
            self.other_currency += is_other
        elif call.can_cost and not is_other:
            self.held += holds
            end = call.at + timedelta(microseconds=max(0, call.duration_us))
            heapq.heappush(self.running, _Running(end, holds, call.cost_nanos))
        day = call.at.astimezone(UTC).date().replace(day=1)
        month = self.months.get(day) or PreviewedMonth(day)
        nanos = 0 if is_other else call.cost_nanos
        self.months[day] = month.and_call(is_stopped=is_stopped, nanos=nanos)

    def over(self) -> PreviewedPeriod:
        self.end_until(None)
        return PreviewedPeriod(
            self.period.start,
            self.period.end,
            tuple(self.months.values()),
            self.spent,
            self.first_stopped_at,
            self.other_currency,
            tuple(self.reached),
        )


def replay(
    calls: Iterable[PastCall],
    *,
    kind: PeriodKind,
    amount_nanos: int,
    currency: str,
    is_hard: bool,
    percents: Sequence[int] = (),
    spent_before: int = 0,
) -> list[PreviewedPeriod]:
    """Return what would have come of each period that has calls, in order.

    `calls` are ordered by when they began. `spent_before` is what the first period had spent before
    the first of them.
    """
    found: list[PreviewedPeriod] = []
    run: _Run | None = None
    spent, ordered = spent_before, sorted(percents)
    for call in calls:
        if run is None or (run.period.end is not None and call.at >= run.period.end):
            if run is not None:
                found.append(run.over())
                spent = 0
            period = period_at(kind, call.at)
            run = _Run(period, amount_nanos, ordered, spent)
            run.note(call.at)
        run.take(call, currency, is_hard=is_hard)
    if run is not None:
        found.append(run.over())
    return found
