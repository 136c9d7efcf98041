"""Usage of one project as the control API hands it out, read from the hourly roll-up.

Amounts of different currencies are never added up: every line is in one currency.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Text, cast, func, literal, select

from tradewind.features.metering.tables import usage_hour


class UsageGroup(StrEnum):
    """What one line of the answer stands for."""

    TOTAL = "total"
    HOUR = "hour"
    DAY = "day"
    MODEL = "model"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class UsageQuestion:
    """`since` is inclusive and `until` exclusive; both count in whole hours of UTC."""

    organization_id: str
    project_id: str
    since: datetime
    until: datetime
    group: UsageGroup
    limit: int


@dataclass(frozen=True, slots=True)
class UsageLine:
    group: str
    """Empty for the total; a UTC time like 2030-01-31T00:00:00Z, a model or a key's id."""
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


@dataclass(frozen=True, slots=True)
class ProjectUsage:
    lines: list[UsageLine]
    """Times in their order, models and keys by their name."""
    is_complete: bool
    """False when there are more lines than were asked for."""


_SUMMED = (
    "requests",
    "failed",
    "cancelled",
    "orphaned",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "cost_nanos",
)


def read_project_usage(tx: Connection, question: UsageQuestion) -> ProjectUsage:
    """Return the sums of a project, one line for each group and currency."""
    group = _group(question.group)
    rows = tx.execute(
        select(
            group.label("group"),
            usage_hour.c.currency,
            *(func.sum(usage_hour.c[name]).label(name) for name in _SUMMED),
        )
        .where(
            usage_hour.c.organization_id == question.organization_id,
            usage_hour.c.project_id == question.project_id,
            usage_hour.c.hour >= question.since,
            usage_hour.c.hour < question.until,
        )
        .group_by("group", usage_hour.c.currency)
        .order_by("group", usage_hour.c.currency)
        .limit(question.limit + 1)
    ).all()
    return ProjectUsage(
        [_line(row) for row in rows[: question.limit]], is_complete=len(rows) <= question.limit
    )


def _group(group: UsageGroup) -> ColumnElement[Any]:
    match group:
        case UsageGroup.TOTAL:
            return cast(literal(""), Text)
        case UsageGroup.HOUR:
            return func.date_trunc("hour", usage_hour.c.hour, "UTC")
        case UsageGroup.DAY:
            return func.date_trunc("day", usage_hour.c.hour, "UTC")
        case UsageGroup.MODEL:
            return usage_hour.c.model
        case UsageGroup.KEY:
            return usage_hour.c.key_id


def _line(row: Row[Any]) -> UsageLine:
    # PostgreSQL sums bigint as numeric, which arrives as Decimal.
    sums = {name: int(getattr(row, name)) for name in _SUMMED}
    return UsageLine(group=_text(row.group), currency=row.currency, **sums)


def _text(group: datetime | str) -> str:
    if isinstance(group, datetime):
        return group.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return group
