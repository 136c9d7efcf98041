"""What the routes of reconciliation take and answer. Amounts are decimal strings."""

from datetime import date, datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, StringConstraints

from tradewind.control.bodies import Body, amount_of
from tradewind.features.reconciliation.schemas import (
    CheckOutcome,
    Measure,
    RunRow,
    RunState,
    StatementFormat,
    StatementRow,
)
from tradewind.features.reconciliation.statements import MOST_BYTES
from tradewind.readmodels.reconciliation_providers import ProviderDay


class CheckAnswer(BaseModel):
    name: str
    title: str
    compares: str = Field(description="Which two sides.")
    counted: int
    unit: str = Field(description="What was counted.")
    differences: int
    amount: str = Field(description="Of all differences, added up without their signs.")
    findings: list[str] = Field(description="The first of them, in words.")
    advice: str = Field(description="What to do about one.")
    took_ms: int

    @classmethod
    def of(cls, outcome: CheckOutcome) -> Self:
        return cls(
            name=outcome.name,
            title=outcome.title,
            compares=outcome.compares,
            counted=outcome.counted,
            unit=outcome.unit,
            differences=outcome.differences,
            amount=amount_of(outcome.nanos),
            findings=list(outcome.findings),
            advice=outcome.advice,
            took_ms=outcome.took_ms,
        )


class RunAnswer(BaseModel):
    id: str
    state: RunState
    is_clean: bool
    asked_by: str
    asked_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    checks: list[CheckAnswer] = Field(description="Empty until it is done.")
    error: str = Field(description="Why it could not be ended; empty when it was.")

    @classmethod
    def of(cls, run: RunRow) -> Self:
        return cls(
            id=run.run_id,
            state=run.state,
            is_clean=run.is_clean,
            asked_by=run.asked_by,
            asked_at=run.asked_at,
            started_at=run.started_at,
            finished_at=run.finished_at,
            checks=[CheckAnswer.of(check) for check in run.checks],
            error=run.error,
        )


class LatestRun(BaseModel):
    run: RunAnswer | None = Field(description="The newest that ended; null before the first one.")


class RunPage(BaseModel):
    runs: list[RunAnswer] = Field(description="The newest first.")
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class StatementBody(Body):
    host: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(
        description="As usage names it: `openai`, `anthropic`, the host of a connection."
    )
    content: Annotated[str, StringConstraints(min_length=1, max_length=MOST_BYTES)] = Field(
        description="The text of the export: JSON or CSV, as it came."
    )
    file_name: Annotated[str, StringConstraints(max_length=200)] = ""


class StatementAnswer(BaseModel):
    id: str
    host: str
    format: StatementFormat
    file_name: str
    first_day: date
    last_day: date
    lines: int = Field(description="One for each day, measure and currency.")
    added_by: str
    added_at: datetime

    @classmethod
    def of(cls, row: StatementRow) -> Self:
        return cls(
            id=row.statement_id,
            host=row.host,
            format=row.format,
            file_name=row.file_name,
            first_day=row.first_day,
            last_day=row.last_day,
            lines=row.lines,
            added_by=row.added_by,
            added_at=row.added_at,
        )


class ProviderDayAnswer(BaseModel):
    host: str
    day: date
    measure: Measure
    currency: str = Field(description="Of a cost; empty for a count.")
    theirs: str = Field(description="By the newest statement: an amount, or how many.")
    ours: str
    difference: str = Field(description="Ours without theirs.")
    is_tolerated: bool = Field(description="A thousandth of it, or a cent, is no alarm.")

    @classmethod
    def of(cls, each: ProviderDay) -> Self:
        def told(quantity: int) -> str:
            return amount_of(quantity) if each.measure is Measure.COST else str(quantity)

        return cls(
            host=each.host,
            day=each.day,
            measure=each.measure,
            currency=each.currency,
            theirs=told(each.theirs),
            ours=told(each.ours),
            difference=told(each.difference),
            is_tolerated=each.is_tolerated,
        )


class StatementList(BaseModel):
    statements: list[StatementAnswer] = Field(description="The newest first.")
    days: list[ProviderDayAnswer] = Field(description="Days that are over, the newest first.")
