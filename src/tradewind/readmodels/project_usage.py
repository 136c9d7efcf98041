"""Usage as the control API hands it out, of one project or of all, from what `usage_slices` reads.

Amounts of different currencies are never added up: every line is in one currency.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Text, cast, func, literal, select

from tradewind.readmodels.usage import Step
from tradewind.readmodels.usage_slices import Grouping, Scope, Slices


class UsageGroup(StrEnum):
    """What one line of the answer stands for."""

    TOTAL = "total"
    HOUR = "hour"
    DAY = "day"
    MODEL = "model"
    KEY = "key"
    PROJECT = "project"
    REGION = "region"
    TAG = "tag"
    COST_CENTRE = "cost_centre"

    @property
    def grouping(self) -> Grouping | None:
        """What it is read by; None of times."""
        return None if self in _OF_TIME else Grouping(self.value)


_OF_TIME = frozenset({UsageGroup.TOTAL, UsageGroup.HOUR, UsageGroup.DAY})


@dataclass(frozen=True, slots=True)
class UsageQuestion:
    """`since` is inclusive and `until` exclusive; both count in whole hours of UTC."""

    organization_id: str
    project_id: str | None
    """None is all projects of the organization."""
    since: datetime
    until: datetime
    group: UsageGroup
    limit: int
    model: str | None = None
    key: str | None = None
    cost_centre: str | None = None
    region: str | None = None
    tag: str | None = None
    value: str | None = None
    step: Step | None = None
    """None is the whole time in one; else each line is of one hour or day too."""

    @property
    def scope(self) -> Scope:
        return Scope(
            self.organization_id,
            model=self.model,
            key=self.key,
            project=self.project_id,
            cost_centre=self.cost_centre,
            region=self.region,
            tag=self.tag,
            value=self.value,
        )


@dataclass(frozen=True, slots=True)
class UsageLine:
    group: str
    """Empty for the total; a UTC time like 2030-01-31T00:00:00Z, a model or an id."""
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
    at: datetime | None = None
    """When the hour or day began, where it was asked for by these."""


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
    slices = Slices(question.scope, question.since, question.until, question.group.grouping)
    columns = slices.columns
    by: list[ColumnElement[Any]] = [_group(question.group, slices).label("group")]
    if question.step is not None:
        by.insert(0, func.date_trunc(question.step.value, columns.hour, "UTC").label("at"))
    statement: Any = (
        select(
            *by,
            columns.currency,
            *(func.sum(columns[name]).label(name) for name in _SUMMED),
        )
        .select_from(slices.source)
        .where(*slices.conditions)
        .group_by(*[each.name for each in by], columns.currency)
        .order_by(*[each.name for each in by], columns.currency)
        .limit(question.limit + 1)
    )
    rows = tx.execute(statement).all()
    return ProjectUsage(
        [_line(row, has_time=question.step is not None) for row in rows[: question.limit]],
        is_complete=len(rows) <= question.limit,
    )


def _group(group: UsageGroup, slices: Slices) -> ColumnElement[Any]:
    match group:
        case UsageGroup.TOTAL:
            return cast(literal(""), Text)
        case UsageGroup.HOUR | UsageGroup.DAY:
            return func.date_trunc(group.value, slices.columns.hour, "UTC")
        case UsageGroup.KEY:
            # Each by itself: programs know the keys of the portal apart.
            return slices.columns.key_id
        case (
            UsageGroup.MODEL
            | UsageGroup.PROJECT
            | UsageGroup.REGION
            | UsageGroup.TAG
            | UsageGroup.COST_CENTRE
        ):
            return slices.group()[0]


def _line(row: Row[Any], *, has_time: bool) -> UsageLine:
    # PostgreSQL sums bigint as numeric, which arrives as Decimal.
    sums = {name: int(getattr(row, name)) for name in _SUMMED}
    at = row.at.astimezone(UTC) if has_time else None
    return UsageLine(group=_text(row.group), currency=row.currency, **sums, at=at)


def _text(group: datetime | str) -> str:
    if isinstance(group, datetime):
        return group.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return group
