"""What reconciliation hands out and takes in."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple


class Measure(StrEnum):
    """What a line of a statement counts."""

    COST = "cost"
    """Nanos of its currency."""
    REQUESTS = "requests"
    INPUT_TOKENS = "input_tokens"
    """All that were read, those from a cache too."""
    OUTPUT_TOKENS = "output_tokens"


class StatementFormat(StrEnum):
    OPENAI_COSTS_JSON = "openai_costs_json"
    OPENAI_COSTS_CSV = "openai_costs_csv"
    OPENAI_USAGE_JSON = "openai_usage_json"
    OPENAI_USAGE_CSV = "openai_usage_csv"
    ANTHROPIC_COSTS_JSON = "anthropic_costs_json"
    ANTHROPIC_USAGE_JSON = "anthropic_usage_json"
    PLAIN_CSV = "plain_csv"
    """Columns `day`, `measure`, `quantity` and, for costs, `currency`: of any provider."""


class StatementLine(NamedTuple):
    day: date
    """UTC."""
    measure: Measure
    currency: str
    """Of a cost; empty for a count."""
    quantity: int


@dataclass(frozen=True, slots=True)
class ParsedStatement:
    """One line for each day, measure and currency, in order."""

    format: StatementFormat
    lines: tuple[StatementLine, ...]

    @property
    def first_day(self) -> date:
        return self.lines[0].day

    @property
    def last_day(self) -> date:
        return self.lines[-1].day


@dataclass(frozen=True, slots=True)
class StatementRow:
    statement_id: str
    host: str
    format: StatementFormat
    file_name: str
    first_day: date
    last_day: date
    lines: int
    added_by: str
    added_at: datetime


class RunState(StrEnum):
    ASKED = "asked"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """It did not come to its end: `error` says why."""


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """What one check found."""

    name: str
    title: str
    compares: str
    """Which two sides, in words."""
    advice: str
    """What to do about a difference."""
    counted: int
    unit: str
    """What was counted, in the plural."""
    differences: int
    nanos: int
    """All differences of amounts, added up without their signs."""
    findings: tuple[str, ...]
    """The first differences in words, at most MOST_FINDINGS."""
    took_ms: int

    @property
    def is_clean(self) -> bool:
        return self.differences == 0


MOST_FINDINGS = 20
"""Differences of one check that are told in words."""


@dataclass(frozen=True, slots=True)
class RunRow:
    run_id: str
    state: RunState
    asked_by: str
    asked_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    checks: tuple[CheckOutcome, ...]
    error: str

    @property
    def failed(self) -> tuple[CheckOutcome, ...]:
        return tuple(check for check in self.checks if not check.is_clean)

    @property
    def is_clean(self) -> bool:
        return self.state is RunState.DONE and not self.failed
