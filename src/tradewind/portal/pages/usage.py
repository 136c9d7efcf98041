"""Usage and cost: sums, a chart, a forecast and a table from the hourly roll-up, and as files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from sqlalchemy import Connection
from starlette.responses import Response

from tradewind.core.errors import InvalidInput
from tradewind.core.permissions import Permission
from tradewind.features.accounts.bearer import is_key_id
from tradewind.features.accounts.schemas import Viewer
from tradewind.portal.binding import Binding, binding_of_project
from tradewind.portal.parts import Portal
from tradewind.portal.series_colors import assign_colors
from tradewind.portal.usage_files import usage_csv, usage_json
from tradewind.portal.usage_filters import Chip, Choice, UsageFilters, read_usage_filters
from tradewind.readmodels.limits import limited_models, list_projects
from tradewind.readmodels.usage import (
    MOST_ROWS,
    MOST_SERIES,
    GroupTotals,
    Period,
    Series,
    Step,
    Totals,
    Window,
    check_readable,
    read_groups,
    read_series,
    read_totals,
)
from tradewind.readmodels.usage_export import MOST_EXPORTED_ROWS, ExportedRow, export
from tradewind.readmodels.usage_forecast import Forecast, read_forecast
from tradewind.readmodels.usage_slices import (
    MOST_EVENTS,
    Grouping,
    Measure,
    read_tag_names,
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
STEP_LABELS = {Step.HOUR: "Hours", Step.DAY: "Days"}
_GROUPED = {
    Grouping.MODEL: ("Model", "By model", "by model", "Models"),
    Grouping.KEY: ("API key", "By API key", "by API key", "API keys"),
    Grouping.PROJECT: ("Project", "By project", "by project", "Projects"),
    Grouping.REGION: ("Region", "By region", "by region", "Regions"),
    Grouping.TAG: ("Tag", "By tag", "by tag", "Values of the tag"),
    Grouping.COST_CENTRE: ("Cost centre", "By cost centre", "by cost centre", "Cost centres"),
}


@dataclass(frozen=True, slots=True)
class ChartSeries:
    """A series with its colour: a slot from 1 to 8, the eighth is always "Other"."""

    series: Series
    color: int

    @property
    def total(self) -> int:
        return sum(self.series.values)


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One line of the table."""

    row: GroupTotals
    requests_href: str | None
    """The list of its calls; None where that list cannot be of it alone."""
    narrow_href: str | None
    """This page of this group alone; None where it is that, or could not be."""


@dataclass(frozen=True, slots=True)
class UsagePage:
    filters: UsageFilters
    currency: str | None
    """Of the chart, when it draws spend."""
    periods: list[Choice]
    steps: list[Choice]
    measures: list[Choice]
    groupings: list[Choice]
    tags: list[Choice]
    """Names of tags to group by, when it is grouped by one."""
    currencies: list[Choice]
    """Empty unless there are two or more."""
    chips: list[Chip]
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
    groups: list[GroupRow]
    is_cut: bool
    """There are more groups than the table shows."""
    forecasts: Sequence[Forecast]
    problem: str
    """Why nothing can be shown of what was asked for; empty when it is."""
    unread: int
    """Calls of this time that are not kept one by one any more, where each had to be read."""
    needs_events: bool
    csv_href: str
    json_href: str
    binding: Binding | None
    """What binds the project; None for whoever may not see limits."""
    most_events: int = MOST_EVENTS

    @property
    def last_day(self) -> date:
        """The day that holds the end of the window."""
        return (self.window.until - timedelta(microseconds=1)).date()

    @property
    def group_word(self) -> str:
        return _GROUPED[self.filters.by][0]

    @property
    def grouped_words(self) -> str:
        words = _GROUPED[self.filters.by][2]
        return f"{words} {self.filters.tag}" if self.filters.by is Grouping.TAG else words

    @property
    def groups_word(self) -> str:
        return _GROUPED[self.filters.by][3]


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services = portal.services
    gate = portal.access.allowed(Permission.USAGE_READ)

    @router.get("/usage")
    def usage(
        request: Request,
        viewer: Annotated[Viewer, Depends(gate)],
        filters: Annotated[UsageFilters, Depends(read_usage_filters)],
    ) -> Response:
        with services.database.transaction() as tx:
            page = _page(tx, viewer, filters)
        return portal.shell.page(request, "usage.html", page, viewer=viewer)

    @router.get("/usage.csv")
    def as_csv(
        viewer: Annotated[Viewer, Depends(gate)],
        filters: Annotated[UsageFilters, Depends(read_usage_filters)],
    ) -> Response:
        rows, window = _exported(viewer, filters)
        body = usage_csv(rows, _group_column(filters))
        return _file(body, "text/csv; charset=utf-8", f"{_file_name(filters, window)}.csv")

    @router.get("/usage.json")
    def as_json(
        viewer: Annotated[Viewer, Depends(gate)],
        filters: Annotated[UsageFilters, Depends(read_usage_filters)],
    ) -> Response:
        rows, window = _exported(viewer, filters)
        body = usage_json(rows, _group_column(filters))
        return _file(body, "application/json", f"{_file_name(filters, window)}.json")

    def _exported(viewer: Viewer, filters: UsageFilters) -> tuple[list[ExportedRow], Window]:
        window = filters.window(services.clock.now())
        scope = filters.scope(viewer.organization_id)
        with services.database.transaction() as tx:
            check_readable(tx, scope, window, filters.by)
            rows = export(tx, scope, window, filters.by)
        if len(rows) > MOST_EXPORTED_ROWS:
            raise InvalidInput(
                f"the export has more than {MOST_EXPORTED_ROWS:,} rows",
                hint="choose a shorter range",
            )
        return rows, window

    def _page(tx: Connection, viewer: Viewer, filters: UsageFilters) -> UsagePage:
        now = services.clock.now()
        window, scope = filters.window(now), filters.scope(viewer.organization_id)
        by, show = filters.by, filters.show
        tags = read_tag_names(tx, viewer.organization_id) if by is Grouping.TAG else []
        if by is Grouping.TAG and not filters.tag and tags:
            # The first is as good as any; the others are offered beside it.
            return _page(tx, viewer, replace(filters, tag=tags[0]))
        problem = ""
        try:
            check_readable(tx, scope, window, by)
        except InvalidInput as error:
            problem = "No call had a tag lately." if not (filters.tag or tags) else error.message
        totals: list[Totals] = []
        groups: list[GroupTotals] = []
        series: list[Series] = []
        unread = 0
        needs_events = by.needs_events or scope.needs_events
        if not problem:
            totals = read_totals(tx, scope, window, by)
            groups = read_groups(tx, scope, window, by, show)
        if needs_events and not scope.needs_events and not problem:
            kept = sum(entry.requests for entry in read_totals(tx, scope, window))
            unread = max(0, kept - sum(entry.requests for entry in totals))
        drawn = _currency(filters.currency, totals) if show is Measure.SPEND else None
        if totals:
            series = read_series(tx, scope, window, by, show, largest=groups, currency=drawn)
        is_whole = not (filters.is_narrow and scope.needs_events)
        return UsagePage(
            filters=filters,
            currency=drawn,
            periods=_periods(filters),
            steps=_steps(filters, window),
            measures=[filters.to(label, show=value) for value, label in MEASURE_LABELS.items()],
            groupings=_groupings(filters),
            tags=[filters.to(name, tag=name, value="") for name in tags],
            currencies=_currencies(filters, totals, drawn),
            chips=list(filters.chips(_names(tx, viewer, filters, groups))),
            totals=totals,
            requests=sum(entry.requests for entry in totals),
            failed=sum(entry.failed for entry in totals),
            input_tokens=sum(entry.input_tokens for entry in totals),
            cached_input_tokens=sum(entry.cached_input_tokens for entry in totals),
            output_tokens=sum(entry.output_tokens for entry in totals),
            window=window,
            bucket_words=_bucket_words(window),
            starts=window.starts,
            series=_colored(series),
            groups=[_row(filters, now, row) for row in groups],
            is_cut=len(groups) == MOST_ROWS,
            forecasts=read_forecast(tx, scope, now) if is_whole else (),
            problem=problem,
            unread=unread,
            needs_events=needs_events,
            csv_href=filters.href("/usage.csv"),
            json_href=filters.href("/usage.json"),
            binding=_binding(tx, viewer) if viewer.may(Permission.LIMITS_READ) else None,
        )

    def _names(
        tx: Connection, viewer: Viewer, filters: UsageFilters, groups: Sequence[GroupTotals]
    ) -> Mapping[str, str]:
        names = {row.group: row.label for row in groups} if filters.by is Grouping.KEY else {}
        if filters.project:
            names |= dict(list_projects(tx, viewer.organization_id))
        if filters.key and viewer.may(Permission.KEYS_READ):
            names |= {key.key_id: key.name for key in services.accounts.list_keys(tx, viewer)}
        return names

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


def _row(filters: UsageFilters, now: datetime, row: GroupTotals) -> GroupRow:
    is_many_keys = filters.by is Grouping.KEY and not is_key_id(row.group)
    narrow = filters.narrowed(row.group)
    return GroupRow(
        row,
        # The short-lived keys of the portal are one group here and many there.
        None if is_many_keys else filters.requests_href(now, row.group),
        None if narrow == filters else narrow.href(),
    )


def _periods(filters: UsageFilters) -> list[Choice]:
    # Hours that were chosen may be too many for another period.
    return [
        filters.to(label, period=value, first=None, last=None, step=None)._replace(
            is_current=value is filters.period and not filters.is_custom
        )
        for value, label in PERIOD_LABELS.items()
    ]


def _steps(filters: UsageFilters, window: Window) -> list[Choice]:
    """Hours are offered where a chart has room for them."""
    is_short = (window.until - window.since).days <= 31
    return [
        filters.to(label, step=value)
        for value, label in STEP_LABELS.items()
        if value is Step.DAY or is_short
    ]


def _groupings(filters: UsageFilters) -> list[Choice]:
    return [filters.to(words[1], by=value) for value, words in _GROUPED.items()]


def _bucket_words(window: Window) -> str:
    hours = int(window.bucket.total_seconds()) // 3600
    return {1: "One-hour", 3: "Three-hour", 6: "Six-hour", 24: "One-day"}[hours] + " buckets"


def _currency(asked: str, totals: list[Totals]) -> str:
    present = [entry.currency for entry in totals]
    if asked in present:
        return asked
    return present[0] if present else ""


def _currencies(filters: UsageFilters, totals: list[Totals], drawn: str | None) -> list[Choice]:
    if drawn is None or len(totals) < 2:
        return []
    return [
        Choice(
            entry.currency,
            filters.to(entry.currency, currency=entry.currency).href,
            entry.currency == drawn,
        )
        for entry in totals
    ]


def _colored(series: list[Series]) -> list[ChartSeries]:
    colors = assign_colors([line.group for line in series], MOST_SERIES)
    return [ChartSeries(line, colors[line.group]) for line in series]


def _group_column(filters: UsageFilters) -> str:
    return filters.by.value if filters.by.needs_events else ""


def _file_name(filters: UsageFilters, window: Window) -> str:
    if filters.is_custom:
        return f"usage-{filters.first}-to-{filters.last}"
    return f"usage-{filters.period.value}-{window.until:%Y-%m-%d}"


def _file(body: str, media_type: str, name: str) -> Response:
    return Response(
        body,
        media_type=media_type,
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )
