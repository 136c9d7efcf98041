"""Usage and spend as the portal shows them, read from the hourly roll-up of metering.

Amounts of different currencies are never added up: whatever carries an amount is grouped by
currency. Tokens and requests are counts and may be.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    Connection,
    Interval,
    Row,
    case,
    func,
    literal,
    literal_column,
    select,
)

from tradewind.core.errors import InvalidInput
from tradewind.features.accounts.tables import api_key
from tradewind.features.metering.tables import usage_hour
from tradewind.readmodels.usage_slices import (
    MOST_EVENTS,
    SUMMED,
    Grouping,
    Measure,
    Scope,
    Slices,
    count_calls,
)

MOST_ROWS = 200
"""Rows of one table on a page; the rest is summed into one."""
MOST_SERIES = 7
"""Series of one chart, which has as many colours; the rest is summed into "other"."""
MOST_BUCKETS = 31 * 24
"""Bars of one chart."""
LONGEST_SPAN = timedelta(days=366)
OTHER = ""
"""The group of everything past MOST_SERIES. No model and no key has an empty name."""


class Period(StrEnum):
    """How far back a page looks."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    QUARTER = "90d"


class Step(StrEnum):
    """How long one bar of a chart is."""

    HOUR = "hour"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Window:
    """A span of whole buckets: `since` inclusive, `until` exclusive, both UTC."""

    since: datetime
    until: datetime
    bucket: timedelta

    @property
    def starts(self) -> list[datetime]:
        """The first moment of each bucket."""
        steps = (self.until - self.since) // self.bucket
        return [self.since + step * self.bucket for step in range(steps)]


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums in one currency."""

    currency: str
    requests: int
    failed: int
    cancelled: int
    orphaned: int
    input_tokens: int
    cached_input_tokens: int
    """Part of input_tokens."""
    output_tokens: int
    cost_nanos: int
    first_token_count: int
    first_token_us_total: int

    @property
    def first_token_us_mean(self) -> int | None:
        """Mean time to the first byte, or None when no answer had one."""
        if self.first_token_count == 0:
            return None
        return self.first_token_us_total // self.first_token_count


@dataclass(frozen=True, slots=True)
class GroupTotals:
    """One row of the table: a model or a key, in one currency."""

    group: str
    """Name of the model, or id of the key; the purpose for keys the platform makes itself."""
    label: str
    totals: Totals


@dataclass(frozen=True, slots=True)
class Series:
    """One group over the buckets of a window, of the measure that was asked for."""

    group: str
    label: str
    values: list[int]


_SPAN = {
    Period.DAY: timedelta(days=1),
    Period.WEEK: timedelta(days=7),
    Period.MONTH: timedelta(days=30),
    Period.QUARTER: timedelta(days=90),
}
_BUCKET = {
    Period.DAY: timedelta(hours=1),
    Period.WEEK: timedelta(hours=3),
    Period.MONTH: timedelta(hours=6),
    Period.QUARTER: timedelta(days=1),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEPS = {Step.HOUR: timedelta(hours=1), Step.DAY: timedelta(days=1)}
_EARLIEST, _LATEST = date(2000, 1, 1), date(2200, 1, 1)


def window_of(period: Period, now: datetime, step: Step | None = None) -> Window:
    """Return the buckets of `period` that end with the one that holds `now`. Pure.

    Raises InvalidInput for more hours than a chart has room for.
    """
    bucket = _BUCKET[period] if step is None else _STEPS[step]
    _check_room(_SPAN[period], bucket)
    until = _EPOCH + ((now - _EPOCH) // bucket + 1) * bucket
    return Window(until - _SPAN[period], until, bucket)


def window_between(first: date, last: date, step: Step | None = None) -> Window:
    """Return the buckets of whole days of UTC, the last one included. Pure.

    Raises InvalidInput for days in the wrong order, and for more than a chart has room for.
    """
    if not _EARLIEST <= first <= last < _LATEST:
        raise InvalidInput("the first day is after the last one", hint="swap the two days")
    since = datetime.combine(first, time(), UTC)
    until = datetime.combine(last, time(), UTC) + timedelta(days=1)
    if until - since > LONGEST_SPAN:
        raise InvalidInput(
            f"this is longer than {LONGEST_SPAN.days} days", hint="choose a shorter time"
        )
    if step is None:
        step = Step.HOUR if until - since <= timedelta(days=3) else Step.DAY
    _check_room(until - since, _STEPS[step])
    return Window(since, until, _STEPS[step])


def _check_room(span: timedelta, bucket: timedelta) -> None:
    if span // bucket > MOST_BUCKETS:
        raise InvalidInput(
            f"hours are drawn for at most {MOST_BUCKETS // 24} days",
            hint="choose days, or a shorter time",
        )


def check_readable(
    tx: Connection, scope: Scope, window: Window, grouping: Grouping | None = None
) -> None:
    """Raise InvalidInput where more calls would have to be looked at than is done for a page."""
    needs_events = scope.needs_events or (grouping is not None and grouping.needs_events)
    if grouping is Grouping.TAG and scope.tag is None:
        raise InvalidInput("no tag was named", hint="say by which tag to group")
    if needs_events and count_calls(tx, scope, window.since, window.until) > MOST_EVENTS:
        raise InvalidInput(
            f"regions and tags are read call by call, of at most {MOST_EVENTS:,} calls",
            hint="choose a shorter time, one model or one project",
        )


def read_totals(
    tx: Connection, scope: Scope, window: Window, grouping: Grouping | None = None
) -> list[Totals]:
    """Return the sums of a window, one for each currency, the most used first.

    With a grouping they are read from where its groups are, so that both add up.
    """
    slices = Slices(scope, window.since, window.until, grouping)
    currency = slices.columns.currency
    # Typed by its columns, a row would fit no function that takes any row.
    statement: Any = (
        select(currency, *slices.sums)
        .select_from(slices.source)
        .where(*slices.conditions)
        .group_by(currency)
        .order_by(func.sum(slices.columns.requests).desc(), currency)
    )
    return [totals_of(row) for row in tx.execute(statement)]


def read_groups(
    tx: Connection, scope: Scope, window: Window, grouping: Grouping, measure: Measure
) -> list[GroupTotals]:
    """Return the largest groups of a window by `measure`, at most MOST_ROWS."""
    slices = Slices(scope, window.since, window.until, grouping)
    group, label = slices.group()
    statement: Any = (
        select(group.label("group"), label.label("label"), slices.columns.currency, *slices.sums)
        .select_from(slices.source)
        .where(*slices.conditions)
        .group_by(literal_column("1"), literal_column("2"), slices.columns.currency)
        .order_by(
            func.sum(slices.measured(measure)).desc(),
            func.sum(slices.columns.requests).desc(),
            literal_column("1"),
        )
        .limit(MOST_ROWS)
    )
    return [GroupTotals(row.group, row.label, totals_of(row)) for row in tx.execute(statement)]


def read_series(
    tx: Connection,
    scope: Scope,
    window: Window,
    grouping: Grouping,
    measure: Measure,
    *,
    largest: Sequence[GroupTotals],
    currency: str | None = None,
) -> list[Series]:
    """Return `measure` over the buckets of a window: the groups in `largest`, then the rest.

    `currency` is needed for spend and bounds it to that one currency.
    """
    assert (measure is Measure.SPEND) == (currency is not None)
    labels: dict[str, str] = {}
    for row in largest:
        if len(labels) < MOST_SERIES and currency in (None, row.totals.currency):
            labels.setdefault(row.group, row.label)
    slices = Slices(scope, window.since, window.until, grouping)
    group, _ = slices.group()
    kept = case((group.in_(labels), group), else_=OTHER)
    bucket = func.date_bin(
        literal(window.bucket, Interval), slices.columns.hour, literal(window.since)
    )
    conditions = slices.conditions
    if currency is not None:
        conditions.append(slices.columns.currency == currency)
    rows = tx.execute(
        select(
            bucket.label("bucket"),
            kept.label("group"),
            func.sum(slices.measured(measure)).label("value"),
        )
        .select_from(slices.source)
        .where(*conditions)
        .group_by(literal_column("1"), literal_column("2"))
    )
    starts = window.starts
    place = {start: index for index, start in enumerate(starts)}
    series = {
        group: Series(group, label, [0] * len(starts))
        for group, label in (labels | {OTHER: "Other"}).items()
    }
    for row in rows:
        series[row.group].values[place[row.bucket.astimezone(UTC)]] = int(row.value)
    return [line for line in series.values() if line.group != OTHER or any(line.values)]


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """What an organization has ever done."""

    answer: bool
    """Somebody got an answer; the platform's own check at start-up does not count."""
    own_key: bool
    """A key that a person made was used."""


def read_first_steps(tx: Connection, organization_id: str) -> FirstSteps:
    """Say which of the first steps an organization has taken."""
    used_by = (
        select(literal(1))
        .select_from(
            usage_hour.outerjoin(
                api_key,
                (api_key.c.id == usage_hour.c.key_id)
                & (api_key.c.organization_id == usage_hour.c.organization_id),
            )
        )
        .where(usage_hour.c.organization_id == organization_id)
    )
    row = tx.execute(
        select(
            used_by.where(api_key.c.purpose.is_distinct_from("start_up")).exists().label("answer"),
            used_by.where(api_key.c.purpose == "client").exists().label("own_key"),
        )
    ).one()
    return FirstSteps(answer=row.answer, own_key=row.own_key)


def totals_of(row: Row[Any]) -> Totals:
    """Return the sums that a row of `Slices` holds."""
    # PostgreSQL sums bigint as numeric, which arrives as Decimal.
    sums = {name: int(getattr(row, name)) for name in SUMMED}
    return Totals(currency=row.currency, **sums)
