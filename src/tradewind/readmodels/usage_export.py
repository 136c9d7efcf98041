"""Usage as a table for other programs: every bucket by project, key and model."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Interval, Text, func, literal, literal_column, select

from tradewind.features.accounts.tables import api_key, project
from tradewind.readmodels.usage import Totals, Window, totals_of
from tradewind.readmodels.usage_slices import Grouping, Scope, Slices

MOST_EXPORTED_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class ExportedRow:
    """One line of the export."""

    start: datetime
    model: str
    key_id: str
    key_name: str
    project_id: str
    project_name: str
    totals: Totals
    group: str | None = None
    """The region, or the value of the tag, where the export is by one; empty is none."""


def export(
    tx: Connection, scope: Scope, window: Window, grouping: Grouping | None = None
) -> list[ExportedRow]:
    """Return every bucket by model, key, project and currency, in order of time.

    At most MOST_EXPORTED_ROWS + 1, so that the caller sees when there is more.
    """
    by = grouping if grouping is not None and grouping.needs_events else None
    slices = Slices(scope, window.since, window.until, by)
    columns = slices.columns
    bucket = func.date_bin(literal(window.bucket, Interval), columns.hour, literal(window.since))
    more = [] if by is None else [slices.group()[0].label("group")]
    places = [literal_column(str(place + 1), Text) for place in range(5 + len(more))]
    summed: Any = (
        select(
            bucket.label("bucket"),
            columns.model,
            columns.key_id,
            columns.project_id,
            columns.currency,
            *more,
            *slices.sums,
        )
        .select_from(slices.source)
        .where(*slices.conditions)
        .group_by(*places)
        .order_by(*places)
        .limit(MOST_EXPORTED_ROWS + 1)
        .subquery()
    )
    statement: Any = (
        select(
            summed,
            func.coalesce(api_key.c.name, "").label("key_name"),
            func.coalesce(project.c.name, "").label("project_name"),
        )
        .select_from(
            summed.outerjoin(
                api_key,
                (api_key.c.id == summed.c.key_id)
                & (api_key.c.organization_id == scope.organization_id),
            ).outerjoin(
                project,
                (project.c.id == summed.c.project_id)
                & (project.c.organization_id == scope.organization_id),
            )
        )
        .order_by(*list(summed.c)[: 5 + len(more)])
    )
    return [
        ExportedRow(
            row.bucket.astimezone(UTC),
            row.model,
            row.key_id,
            row.key_name,
            row.project_id,
            row.project_name,
            totals_of(row),
            None if by is None else row.group,
        )
        for row in tx.execute(statement)
    ]
