"""What the routes of usage, forecasts and previews of budgets answer. Amounts are decimal strings,
times are of UTC.
"""

from datetime import date, datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, StringConstraints

from tradewind.control.bodies import amount_of
from tradewind.core.money import format_nanos
from tradewind.features.budgets.replay import PreviewedMonth
from tradewind.readmodels.budget_preview import BudgetPreview
from tradewind.readmodels.project_usage import UsageGroup, UsageLine
from tradewind.readmodels.usage import Step
from tradewind.readmodels.usage_forecast import Forecast, ForecastMethod

Filter = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]+$")]
"""One value that usage is narrowed to. PostgreSQL keeps no NUL."""


class UsageRow(BaseModel):
    group: str = Field(
        description="A UTC time, a model, a region, the value of a tag, a cost centre, or the id of"
        " a key or project; empty for the total. A dash is calls that have none."
    )
    at: datetime | None = Field(description="When the hour or day began, with `step`.")
    requests: int
    failed: int
    cancelled: int
    orphaned: int
    input_tokens: int
    cached_input_tokens: int = Field(description="Part of input_tokens.")
    output_tokens: int
    cost: str = Field(description="An exact decimal amount of `currency`.")
    currency: str

    @classmethod
    def of(cls, line: UsageLine) -> Self:
        return cls(
            group=line.group,
            at=line.at,
            requests=line.requests,
            failed=line.failed,
            cancelled=line.cancelled,
            orphaned=line.orphaned,
            input_tokens=line.input_tokens,
            cached_input_tokens=line.cached_input_tokens,
            output_tokens=line.output_tokens,
            cost=format_nanos(line.cost_nanos),
            currency=line.currency,
        )


class UsageReport(BaseModel):
    since: datetime = Field(description="Inclusive; a whole hour of UTC.")
    until: datetime = Field(description="Exclusive; a whole hour of UTC.")
    group: UsageGroup
    step: Step | None
    rows: list[UsageRow]
    is_complete: bool = Field(description="False when the limit cut rows off; narrow the time.")


class ForecastAnswer(BaseModel):
    currency: str
    month: date = Field(description="Its first day.")
    spent: str = Field(description="So far this month.")
    expected: str = Field(description="By the end of the month.")
    method: ForecastMethod = Field(
        description="`weekdays`: each hour that is left costs what one of the same weekday did on"
        " average in the 28 days before today; `mean`: the mean of all whole days since the first"
        " use, which was less than a week ago; `none`: nothing can be said yet."
    )
    days_counted: int

    @classmethod
    def of(cls, forecast: Forecast) -> Self:
        return cls(
            currency=forecast.currency,
            month=forecast.month,
            spent=amount_of(forecast.spent_nanos),
            expected=amount_of(forecast.expected_nanos),
            method=forecast.method,
            days_counted=forecast.days_counted,
        )


class ForecastList(BaseModel):
    forecasts: list[ForecastAnswer]


class PreviewedMonthAnswer(BaseModel):
    month: date = Field(description="Its first day.")
    requests: int = Field(description="That would have counted.")
    stopped: int
    stopped_cost: str = Field(description="What those stopped have cost.")

    @classmethod
    def of(cls, month: PreviewedMonth) -> Self:
        return cls(
            month=month.month,
            requests=month.calls,
            stopped=month.stopped,
            stopped_cost=amount_of(month.stopped_nanos),
        )


class ReachedAnswer(BaseModel):
    percent: int
    at: datetime


class PreviewAnswer(BaseModel):
    """What a budget would have done to the calls of last month and this one."""

    since: datetime
    until: datetime
    months: list[PreviewedMonthAnswer] = Field(description="Last month, then this one.")
    stopped: int
    periods_stopped: int = Field(description="Days or months in which a call would have been.")
    first_stopped_at: datetime | None
    other_currency: int = Field(
        description="Of those stopped: their prices are in another currency than the budget."
    )
    reached: list[ReachedAnswer] = Field(
        description="When parts of the amount would have been spent; at most the first 100."
    )
    unread: int = Field(description="Calls that are kept in sums alone, and were not looked at.")
    is_too_much: bool = Field(
        description="There are more calls than a preview goes through: nothing is said."
    )

    @classmethod
    def of(cls, preview: BudgetPreview) -> Self:
        return cls(
            since=preview.since,
            until=preview.until,
            months=[PreviewedMonthAnswer.of(each) for each in preview.months],
            stopped=preview.stopped,
            periods_stopped=preview.periods_stopped,
            first_stopped_at=preview.first_stopped_at,
            other_currency=preview.other_currency,
            reached=[ReachedAnswer(percent=each, at=at) for each, at in preview.reached[:100]],
            unread=preview.unread,
            is_too_much=preview.is_too_much,
        )
