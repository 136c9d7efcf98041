"""What a budget would have stopped of the calls of this month and the one before."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, false, func, or_, select, text

from tradewind.features.budgets.replay import (
    PastCall,
    PreviewedMonth,
    PreviewedPeriod,
    replay,
)
from tradewind.features.budgets.rules import check_budget, period_at
from tradewind.features.budgets.schemas import NewBudget, PeriodKind, SpendQuestion
from tradewind.features.market.tables import price
from tradewind.features.metering.tables import usage_event, usage_hour
from tradewind.readmodels.spend import read_spend

MOST_REPLAYED = 300_000
"""Calls that are gone through for one preview: about two seconds."""
_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class BudgetPreview:
    since: datetime
    """Begin of the month before this one."""
    until: datetime
    months: tuple[PreviewedMonth, ...]
    """The last one and this one."""
    first_stopped_at: datetime | None
    other_currency: int
    """Of the calls that would have been stopped: their prices are in another currency."""
    periods: tuple[PreviewedPeriod, ...]
    """Those with calls, in order."""
    unread: int
    """Calls that are kept in sums alone by now, and were not gone through."""
    is_too_much: bool = False
    """There were more calls than are gone through: nothing can be said."""

    @property
    def calls(self) -> int:
        return sum(each.calls for each in self.months)

    @property
    def stopped(self) -> int:
        return sum(each.stopped for each in self.months)

    @property
    def last_month(self) -> PreviewedMonth:
        return self.months[0]

    @property
    def this_month(self) -> PreviewedMonth:
        return self.months[1]

    @property
    def periods_stopped(self) -> int:
        return sum(1 for each in self.periods if each.stopped)

    @property
    def reached(self) -> list[tuple[int, datetime]]:
        """When which part of the amount would have been spent, in percent."""
        return [each for period in self.periods for each in period.reached]


def preview_budget(
    tx: Connection, organization_id: str, new: NewBudget, now: datetime
) -> BudgetPreview:
    """Go through the calls that the budget would have paid for, by `replay`. Raises InvalidInput
    for what can be no budget.
    """
    check_budget(new)
    this_month = period_at(PeriodKind.MONTH, now).start
    since = period_at(PeriodKind.MONTH, this_month - timedelta(days=1)).start
    months = [PreviewedMonth(each.date()) for each in (since, this_month)]
    counted = _count(tx, organization_id, new, since, now)
    if counted > MOST_REPLAYED:
        return BudgetPreview(
            since, now, tuple(months), None, 0, (), unread=counted, is_too_much=True
        )
    before = 0
    if new.period is PeriodKind.TOTAL:
        before = read_spend(tx, _spend_before(organization_id, new, since))
    periods = replay(
        _calls(tx, organization_id, new, since, now),
        kind=new.period,
        amount_nanos=new.amount_nanos,
        currency=new.currency,
        is_hard=new.is_hard,
        percents=new.alert_percents,
        spent_before=before,
    )
    for period in periods:
        for each in period.months:
            place = 0 if each.month == since.date() else 1
            months[place] = _added(months[place], each)
    stops = [each.first_stopped_at for each in periods if each.first_stopped_at is not None]
    return BudgetPreview(
        since=since,
        until=now,
        months=tuple(months),
        first_stopped_at=min(stops, default=None),
        other_currency=sum(each.other_currency for each in periods),
        periods=tuple(periods),
        unread=max(0, counted - sum(each.calls for each in months)),
    )


def _added(one: PreviewedMonth, other: PreviewedMonth) -> PreviewedMonth:
    return PreviewedMonth(
        one.month,
        one.calls + other.calls,
        one.stopped + other.stopped,
        one.stopped_nanos + other.stopped_nanos,
    )


def _spend_before(organization_id: str, new: NewBudget, until: datetime) -> SpendQuestion:
    return SpendQuestion(
        organization_id=organization_id,
        project_id=new.project_id,
        key_id=new.key_id,
        currency=new.currency,
        since=period_at(PeriodKind.TOTAL, until).start,
        until=until,
    )


def _count(
    tx: Connection, organization_id: str, new: NewBudget, since: datetime, until: datetime
) -> int:
    found = tx.execute(
        select(func.coalesce(func.sum(usage_hour.c.requests), 0)).where(
            *_of(usage_hour.c, organization_id, new),
            usage_hour.c.hour >= since,
            usage_hour.c.hour < until,
        )
    ).scalar_one()
    return int(found)


def _calls(
    tx: Connection, organization_id: str, new: NewBudget, since: datetime, until: datetime
) -> Iterator[PastCall]:
    event = usage_event.c
    costs = or_(
        price.c.input_nanos > 0,
        price.c.output_nanos > 0,
        price.c.cached_input_nanos > 0,
        price.c.cache_write_nanos > 0,
        # Of a meter with a price nobody is told that it is zero: zeros are not kept.
        price.c.meters != text("'{}'::jsonb"),
        event.cost_nanos > 0,
    )
    statement: Any = (
        select(
            event.at,
            event.duration_us,
            event.cost_nanos,
            event.currency,
            func.coalesce(costs, false()).label("can_cost"),
        )
        .select_from(usage_event.outerjoin(price, price.c.id == event.price_id))
        .where(
            *_of(event, organization_id, new),
            event.at >= since,
            event.at < until,
            event.corrects.is_(None),
        )
        .order_by(event.at, event.event_id)
        .execution_options(yield_per=_AT_ONCE)
    )
    for row in tx.execute(statement):
        yield PastCall(
            row.at.astimezone(UTC),
            row.duration_us,
            row.cost_nanos,
            row.currency,
            row.can_cost,
        )


def _of(columns: Any, organization_id: str, new: NewBudget) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [columns.organization_id == organization_id]
    if new.project_id is not None:
        found.append(columns.project_id == new.project_id)
    if new.key_id is not None:
        found.append(columns.key_id == new.key_id)
    return found
