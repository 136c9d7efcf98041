"""Usage and spend as the portal shows them, read from the hourly roll-up of metering.

Amounts of different currencies are never added up: whatever carries an amount is grouped by
currency. Tokens and requests are counts and may be.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Interval,
    Row,
    case,
    func,
    literal,
    literal_column,
    select,
)

from tradewind.features.accounts.tables import api_key
from tradewind.features.metering.tables import usage_hour

MOST_ROWS = 200
"""Rows of one table on a page; the rest is summed into one."""
MOST_SERIES = 7
"""Series of one chart, which has as many colours; the rest is summed into "other"."""
MOST_EXPORTED_ROWS = 100_000
OTHER = ""
"""The group of everything past MOST_SERIES. No model and no key has an empty name."""


class Period(StrEnum):
    """How far back a page looks."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    QUARTER = "90d"


class Grouping(StrEnum):
    MODEL = "model"
    KEY = "key"


class Measure(StrEnum):
    """What a chart draws, and what decides which groups are the largest."""

    SPEND = "spend"
    REQUESTS = "requests"
    TOKENS = "tokens"


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
class Scope:
    """Whose usage: always one organization, perhaps one model."""

    organization_id: str
    model: str | None = None


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
_PLATFORM_KEYS = {"playground": "Playground", "start_up": "Start-up check"}
# Only short-lived keys of the platform are ever deleted, some time after they ended.
_DELETED_KEYS = ("deleted", "Earlier short-lived keys")


def window_of(period: Period, now: datetime) -> Window:
    """Return the buckets of `period` that end with the one that holds `now`. Pure."""
    bucket = _BUCKET[period]
    until = _EPOCH + ((now - _EPOCH) // bucket + 1) * bucket
    return Window(until - _SPAN[period], until, bucket)


def read_totals(tx: Connection, scope: Scope, window: Window) -> list[Totals]:
    """Return the sums of a window, one for each currency, the most used first."""
    rows = tx.execute(
        select(usage_hour.c.currency, *_sums())
        .where(*_within(scope, window))
        .group_by(usage_hour.c.currency)
        .order_by(func.sum(usage_hour.c.requests).desc(), usage_hour.c.currency)
    )
    return [_totals(row) for row in rows]


def read_groups(
    tx: Connection, scope: Scope, window: Window, grouping: Grouping, measure: Measure
) -> list[GroupTotals]:
    """Return the largest groups of a window by `measure`, at most MOST_ROWS."""
    group, label = _group(grouping)
    rows = tx.execute(
        select(group.label("group"), label.label("label"), usage_hour.c.currency, *_sums())
        .select_from(_with_keys())
        .where(*_within(scope, window))
        .group_by(literal_column("1"), literal_column("2"), usage_hour.c.currency)
        .order_by(
            func.sum(_measured(measure)).desc(),
            func.sum(usage_hour.c.requests).desc(),
            literal_column("1"),
        )
        .limit(MOST_ROWS)
    )
    return [GroupTotals(row.group, row.label, _totals(row)) for row in rows]


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
    group, _ = _group(grouping)
    kept = case((group.in_(labels), group), else_=OTHER)
    bucket = func.date_bin(
        literal(window.bucket, Interval), usage_hour.c.hour, literal(window.since)
    )
    conditions = _within(scope, window)
    if currency is not None:
        conditions.append(usage_hour.c.currency == currency)
    rows = tx.execute(
        select(
            bucket.label("bucket"),
            kept.label("group"),
            func.sum(_measured(measure)).label("value"),
        )
        .select_from(_with_keys())
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
class ExportedRow:
    """One line of the CSV export."""

    start: datetime
    model: str
    key_id: str
    key_name: str
    totals: Totals


def export(tx: Connection, scope: Scope, window: Window) -> list[ExportedRow]:
    """Return every bucket by model, key and currency, in order of time.

    At most MOST_EXPORTED_ROWS + 1, so that the caller sees when there is more.
    """
    bucket = func.date_bin(
        literal(window.bucket, Interval), usage_hour.c.hour, literal(window.since)
    )
    rows = tx.execute(
        select(
            bucket.label("bucket"),
            usage_hour.c.model,
            usage_hour.c.key_id,
            func.coalesce(api_key.c.name, "").label("key_name"),
            usage_hour.c.currency,
            *_sums(),
        )
        .select_from(_with_keys())
        .where(*_within(scope, window))
        .group_by(
            literal_column("1"),
            usage_hour.c.model,
            usage_hour.c.key_id,
            api_key.c.name,
            usage_hour.c.currency,
        )
        .order_by(literal_column("1"), usage_hour.c.model, usage_hour.c.key_id)
        .limit(MOST_EXPORTED_ROWS + 1)
    )
    return [
        ExportedRow(row.bucket.astimezone(UTC), row.model, row.key_id, row.key_name, _totals(row))
        for row in rows
    ]


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
        .select_from(_with_keys())
        .where(usage_hour.c.organization_id == organization_id)
    )
    row = tx.execute(
        select(
            used_by.where(api_key.c.purpose.is_distinct_from("start_up")).exists().label("answer"),
            used_by.where(api_key.c.purpose == "client").exists().label("own_key"),
        )
    ).one()
    return FirstSteps(answer=row.answer, own_key=row.own_key)


def _within(scope: Scope, window: Window) -> list[ColumnElement[bool]]:
    conditions = [
        usage_hour.c.organization_id == scope.organization_id,
        usage_hour.c.hour >= window.since,
        usage_hour.c.hour < window.until,
    ]
    if scope.model is not None:
        conditions.append(usage_hour.c.model == scope.model)
    return conditions


def _with_keys() -> Any:
    return usage_hour.outerjoin(
        api_key,
        (api_key.c.id == usage_hour.c.key_id)
        & (api_key.c.organization_id == usage_hour.c.organization_id),
    )


def _group(grouping: Grouping) -> tuple[ColumnElement[str], ColumnElement[str]]:
    """Return what to group by and how to call it.

    The portal mints a key for every browser and hour; those are one row, or they would drown the
    keys that people made.
    """
    if grouping is Grouping.MODEL:
        return usage_hour.c.model, usage_hour.c.model
    group, label = _DELETED_KEYS
    return (
        case(
            (api_key.c.id.is_(None), literal(group)),
            (api_key.c.purpose.in_(_PLATFORM_KEYS), api_key.c.purpose),
            else_=usage_hour.c.key_id,
        ),
        case(
            (api_key.c.id.is_(None), literal(label)),
            *(
                (api_key.c.purpose == purpose, literal(label))
                for purpose, label in _PLATFORM_KEYS.items()
            ),
            else_=api_key.c.name,
        ),
    )


def _measured(measure: Measure) -> ColumnElement[int]:
    match measure:
        case Measure.SPEND:
            return usage_hour.c.cost_nanos
        case Measure.REQUESTS:
            return usage_hour.c.requests
        case Measure.TOKENS:
            return usage_hour.c.input_tokens + usage_hour.c.output_tokens


_SUMMED = (
    "requests",
    "failed",
    "cancelled",
    "orphaned",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "cost_nanos",
    "first_token_count",
    "first_token_us_total",
)


def _sums() -> list[ColumnElement[Any]]:
    return [func.sum(usage_hour.c[name]).label(name) for name in _SUMMED]


def _totals(row: Row[Any]) -> Totals:
    # PostgreSQL sums bigint as numeric, which arrives as Decimal.
    sums = {name: int(getattr(row, name)) for name in _SUMMED}
    return Totals(currency=row.currency, **sums)
