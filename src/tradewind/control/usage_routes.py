"""The routes of usage: its sums, what the month will cost, what a budget would have stopped."""

from datetime import datetime
from typing import Annotated

from fastapi import Query

from tradewind.control.access import AuthenticatedCall, Call, Routes
from tradewind.control.limit_answers import BudgetBody
from tradewind.control.services import ControlServices
from tradewind.control.span import span_of
from tradewind.control.usage_answers import (
    Filter,
    ForecastAnswer,
    ForecastList,
    PreviewAnswer,
    UsageReport,
    UsageRow,
)
from tradewind.core.errors import InvalidInput
from tradewind.core.permissions import Permission, require
from tradewind.readmodels.budget_preview import preview_budget
from tradewind.readmodels.project_usage import UsageGroup, UsageQuestion
from tradewind.readmodels.usage import Step, Window, check_readable
from tradewind.readmodels.usage_forecast import read_forecast
from tradewind.readmodels.usage_slices import Scope

MAX_USAGE_ROWS = 10_000
ALL_PROJECTS = "all"
_Project = Annotated[
    Filter | None,
    Query(
        description="Id of a project, or `all` for the organization; this key's own when missing."
        " Others than its own take the permission billing:read."
    ),
]


def add_usage_routes(routes: Routes, services: ControlServices) -> None:
    """Add everything below `/usage`, and the preview of budgets."""

    @routes.get("/usage", permission=Permission.USAGE_READ, summary="What was used, and its cost")
    def usage(  # noqa: PLR0917  query parameters, always named
        call: Call,
        since: datetime | None = None,
        until: datetime | None = None,
        group: UsageGroup = UsageGroup.DAY,
        step: Step | None = None,
        limit: Annotated[int, Query(ge=1, le=MAX_USAGE_ROWS)] = 1_000,
        project: _Project = None,
        model: Filter | None = None,
        key: Filter | None = None,
        cost_centre: Filter | None = None,
        region: Filter | None = None,
        tag: Filter | None = None,
        value: Annotated[Filter | None, Query(description="Of the tag.")] = None,
    ) -> UsageReport:
        span = span_of(since, until, services.clock.now())
        if value is not None and tag is None:
            raise InvalidInput("a value is of a tag", hint="say which tag has this value")
        if step is not None and group in {UsageGroup.HOUR, UsageGroup.DAY}:
            raise InvalidInput(
                "usage is grouped by time already", hint="leave `step` out, or group by a model"
            )
        question = UsageQuestion(
            organization_id=call.holder.organization_id,
            project_id=_project(call, project),
            since=span.since,
            until=span.until,
            group=group,
            limit=limit,
            model=model,
            key=key,
            cost_centre=cost_centre,
            region=region,
            tag=tag,
            value=value,
            step=step,
        )
        grouping = group.grouping
        if question.scope.needs_events or (grouping is not None and grouping.needs_events):
            window = Window(span.since, span.until, span.until - span.since)
            check_readable(call.tx, question.scope, window, grouping)
        found = services.read_usage(call.tx, question)
        return UsageReport(
            since=span.since,
            until=span.until,
            group=group,
            step=step,
            rows=[UsageRow.of(line) for line in found.lines],
            is_complete=found.is_complete,
        )

    @routes.get(
        "/usage/forecast",
        permission=Permission.USAGE_READ,
        summary="What this month will have cost by its end",
    )
    def forecast(
        call: Call, project: _Project = None, model: Filter | None = None, key: Filter | None = None
    ) -> ForecastList:
        scope = Scope(
            call.holder.organization_id, model=model, key=key, project=_project(call, project)
        )
        found = read_forecast(call.tx, scope, services.clock.now())
        return ForecastList(forecasts=[ForecastAnswer.of(each) for each in found])

    @routes.post(
        "/budgets:preview",
        permission=Permission.LIMITS_WRITE,
        summary="What a budget would have stopped of past calls",
    )
    def preview(call: Call, body: BudgetBody) -> PreviewAnswer:
        now = services.clock.now()
        return PreviewAnswer.of(
            preview_budget(call.tx, call.holder.organization_id, body.to_new(), now)
        )


def _project(call: AuthenticatedCall, asked: str | None) -> str | None:
    """Return the project to sum up; None is all. Raises Forbidden."""
    own = call.holder.project_id
    if asked is None or asked == own:
        return own
    require(call.holder, Permission.BILLING_READ)
    return None if asked == ALL_PROJECTS else asked
