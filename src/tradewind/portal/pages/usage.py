"""Usage and cost: sums, a chart and a table from the hourly roll-up, and the same as CSV."""

import csv
import io
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import Connection
from starlette.responses import Response

from tradewind.core.errors import InvalidInput
from tradewind.core.money import format_nanos
from tradewind.core.permissions import Permission
from tradewind.features.accounts.bearer import is_key_id
from tradewind.features.accounts.schemas import Viewer
from tradewind.portal.binding import Binding, binding_of_project
from tradewind.portal.parts import Portal
from tradewind.portal.request_filters import Since
from tradewind.portal.series_colors import assign_colors
from tradewind.readmodels.limits import limited_models
from tradewind.readmodels.usage import (
    MOST_EXPORTED_ROWS,
    MOST_ROWS,
    MOST_SERIES,
    ExportedRow,
    Grouping,
    GroupTotals,
    Measure,
    Period,
    Scope,
    Series,
    Totals,
    Window,
    export,
    read_groups,
    read_series,
    read_totals,
    window_of,
)

PERIOD_LABELS = {
    Period.DAY: "24 h",
    Period.WEEK: "7 days",
    Period.MONTH: "30 days",
    Period.QUARTER: "90 days",
}
MEASURE_LABELS = {
    Measure.SPEND: "Spend",
    Measure.REQUESTS: "Requests",
    Measure.TOKENS: "Tokens",
}
GROUPING_LABELS = {Grouping.MODEL: "By model", Grouping.KEY: "By API key"}
_BUCKET_WORDS = {
    Period.DAY: "One-hour buckets",
    Period.WEEK: "Three-hour buckets",
    Period.MONTH: "Six-hour buckets",
    Period.QUARTER: "One-day buckets",
}
# The log of single calls goes back less far than the books.
_LOG_SPANS = {
    Period.DAY: Since.DAY,
    Period.WEEK: Since.WEEK,
    Period.MONTH: Since.MONTH,
    Period.QUARTER: Since.MONTH,
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a filter, as a link to the page with it."""

    label: str
    href: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class ChartSeries:
    """A series with its colour: a slot from 1 to 8, the eighth is always "Other"."""

    series: Series
    color: int

    @property
    def total(self) -> int:
        return sum(self.series.values)


@dataclass(frozen=True, slots=True)
class UsagePage:
    period: Period
    grouping: Grouping
    measure: Measure
    currency: str | None
    """Of the chart, when it draws spend."""
    periods: list[Choice]
    measures: list[Choice]
    groupings: list[Choice]
    currencies: list[Choice]
    """Empty unless there are two or more."""
    totals: list[Totals]
    requests: int
    failed: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    window: Window
    bucket_words: str
    starts: list[datetime]
    series: list[ChartSeries]
    groups: list[GroupTotals]
    is_cut: bool
    """There are more groups than the table shows."""
    csv_href: str
    log_span: Since
    """As much of the range as the list of requests can show."""
    listed_groups: frozenset[str]
    """Groups whose calls that list can show by themselves."""
    binding: Binding | None
    """What binds the project; None for whoever may not see limits."""


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services = portal.services
    gate = portal.access.allowed(Permission.USAGE_READ)

    @router.get("/usage")
    def usage(
        *,
        request: Request,
        viewer: Annotated[Viewer, Depends(gate)],
        period: Annotated[Period, Query(alias="range")] = Period.MONTH,
        by: Grouping = Grouping.MODEL,
        show: Measure = Measure.SPEND,
        currency: Annotated[str, Query(max_length=3)] = "",
    ) -> Response:
        window = window_of(period, services.clock.now())
        scope = Scope(viewer.organization_id)
        series: list[Series] = []
        with services.database.transaction() as tx:
            totals = read_totals(tx, scope, window)
            groups = read_groups(tx, scope, window, by, show)
            drawn = _currency(currency, totals) if show is Measure.SPEND else None
            binding = _binding(tx, viewer) if viewer.may(Permission.LIMITS_READ) else None
            if totals:
                series = read_series(tx, scope, window, by, show, largest=groups, currency=drawn)
        links = _Links(period, by, show, currency)
        page = UsagePage(
            period=period,
            grouping=by,
            measure=show,
            currency=drawn,
            periods=[links.to(label, period=value) for value, label in PERIOD_LABELS.items()],
            measures=[links.to(label, show=value) for value, label in MEASURE_LABELS.items()],
            groupings=[links.to(label, by=value) for value, label in GROUPING_LABELS.items()],
            currencies=_currencies(links, totals, drawn),
            totals=totals,
            requests=sum(entry.requests for entry in totals),
            failed=sum(entry.failed for entry in totals),
            input_tokens=sum(entry.input_tokens for entry in totals),
            cached_input_tokens=sum(entry.cached_input_tokens for entry in totals),
            output_tokens=sum(entry.output_tokens for entry in totals),
            window=window,
            bucket_words=_BUCKET_WORDS[period],
            starts=window.starts,
            series=_colored(series),
            groups=groups,
            is_cut=len(groups) == MOST_ROWS,
            csv_href=f"/usage.csv?{urlencode({'range': period.value})}",
            log_span=_LOG_SPANS[period],
            listed_groups=frozenset(
                # The short-lived keys of the portal are one group here and many there.
                row.group
                for row in groups
                if by is Grouping.MODEL or is_key_id(row.group)
            ),
            binding=binding,
        )
        return portal.shell.page(request, "usage.html", page, viewer=viewer)

    @router.get("/usage.csv")
    def usage_csv(
        viewer: Annotated[Viewer, Depends(gate)],
        period: Annotated[Period, Query(alias="range")] = Period.MONTH,
    ) -> Response:
        window = window_of(period, services.clock.now())
        with services.database.transaction() as tx:
            rows = export(tx, Scope(viewer.organization_id), window)
        if len(rows) > MOST_EXPORTED_ROWS:
            raise InvalidInput(
                f"the export has more than {MOST_EXPORTED_ROWS:,} rows",
                hint="choose a shorter range",
            )
        name = f"usage-{period.value}-{window.until:%Y-%m-%d}.csv"
        return Response(
            _csv(rows),
            media_type="text/csv; charset=utf-8",
            headers={"content-disposition": f'attachment; filename="{name}"'},
        )

    def _binding(tx: Connection, viewer: Viewer) -> Binding:
        budgets = services.budgets
        return binding_of_project(
            (viewer.project_name, viewer.organization_name),
            (
                budgets.get_terms(tx, viewer, viewer.project_id),
                budgets.get_terms(tx, viewer, viewer.organization_id),
            ),
            limited_models(tx, viewer.organization_id),
            budgets.budgets_of_project(tx, viewer),
        )

    return router


@dataclass(frozen=True, slots=True)
class _Links:
    """Addresses of this page with one filter changed; defaults stay out of them."""

    period: Period
    by: Grouping
    show: Measure
    currency: str

    def to(
        self,
        label: str,
        *,
        period: Period | None = None,
        by: Grouping | None = None,
        show: Measure | None = None,
        currency: str | None = None,
    ) -> Choice:
        target = _Links(
            period or self.period,
            by or self.by,
            show or self.show,
            self.currency if currency is None else currency,
        )
        return Choice(label, target.href, target == self)

    @property
    def href(self) -> str:
        query = {
            "range": self.period.value if self.period is not Period.MONTH else "",
            "by": self.by.value if self.by is not Grouping.MODEL else "",
            "show": self.show.value if self.show is not Measure.SPEND else "",
            "currency": self.currency,
        }
        chosen = urlencode({name: value for name, value in query.items() if value})
        return f"/usage?{chosen}" if chosen else "/usage"


def _currency(asked: str, totals: list[Totals]) -> str:
    present = [entry.currency for entry in totals]
    if asked in present:
        return asked
    return present[0] if present else ""


def _currencies(links: _Links, totals: list[Totals], drawn: str | None) -> list[Choice]:
    if drawn is None or len(totals) < 2:
        return []
    return [
        Choice(
            entry.currency,
            links.to(entry.currency, currency=entry.currency).href,
            entry.currency == drawn,
        )
        for entry in totals
    ]


def _colored(series: list[Series]) -> list[ChartSeries]:
    colors = assign_colors([line.group for line in series], MOST_SERIES)
    return [ChartSeries(line, colors[line.group]) for line in series]


_COLUMNS = (
    "bucket_start_utc",
    "model",
    "key_id",
    "key_name",
    "currency",
    "cost",
    "requests",
    "failed",
    "cancelled",
    "orphaned",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
)


def _csv(rows: list[ExportedRow]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for row in rows:
        totals = row.totals
        writer.writerow(
            (
                row.start.isoformat(),
                _harmless(row.model),
                row.key_id,
                _harmless(row.key_name),
                totals.currency,
                format_nanos(totals.cost_nanos),
                totals.requests,
                totals.failed,
                totals.cancelled,
                totals.orphaned,
                totals.input_tokens,
                totals.cached_input_tokens,
                totals.output_tokens,
            )
        )
    return text.getvalue()


def _harmless(text: str) -> str:
    # Spreadsheets run a cell that starts like a formula; names are chosen by people.
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
