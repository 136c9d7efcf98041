"""What red teaming takes in and hands out."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec

from tradewind.core.ids import OrganizationId, ProjectId, UserId
from tradewind.core.money import Money


class CampaignState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        return self not in {CampaignState.WAITING, CampaignState.RUNNING}


class Outcome(StrEnum):
    SUCCESS = "success"
    FAILURE = "failure"
    BLOCKED = "blocked"
    ERROR = "error"
    UNDETERMINED = "undetermined"


class Every(StrEnum):
    DAILY = "daily"
    WEEKLY = "weekly"


class Size(StrEnum):
    """How many seeds of each harm, for whoever does not want to think about it."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What a campaign does. Stored as it is, so fields are only ever added."""

    tool: str = "pyrit"
    target: str
    attacker: str = ""
    judge: str = ""
    datasets: tuple[str, ...] = ()
    """Shipped ones by name, own ones by id."""
    converters: tuple[str, ...] = ("none",)
    strategies: tuple[str, ...] = ("prompt_sending",)
    scorer: str = "refusal"
    filters: tuple[bool, ...] = (True, False)
    """With our filter, without it, or both."""
    per_harm: int = 10
    max_turns: int = 5
    max_tokens: int = 256
    concurrency: int = 2
    budget_tokens: int = 2_000_000
    """Of all models taken together, what was tried again included."""
    seed: int = 0


class Seed(NamedTuple):
    value: str
    harm: str
    dataset: str


class TargetFacts(NamedTuple):
    """What is known of a model before it is attacked."""

    name: str
    version: str
    currency: str
    input_nanos: int
    output_nanos: int
    """Prices of 1,000,000 tokens."""
    seconds_per_call: float | None = None
    """Measured lately; None when nothing was."""


class Estimate(NamedTuple):
    """What a campaign will take, at most and about."""

    attacks: int
    calls: int
    tokens: int
    cost: Money
    minutes: float
    is_measured: bool
    """Whether minutes stand on latencies of this model, or on a guess."""


class CampaignRow(NamedTuple):
    campaign_id: str
    organization_id: OrganizationId
    project_id: ProjectId
    name: str
    version: str
    spec: Spec
    state: CampaignState
    stage: str
    error: str
    attacks_planned: int
    attacks_done: int
    tokens: int
    tool_version: str
    evidence_sha256: str
    evidence_bytes: int
    is_spent: bool
    """It ended because its budget was used up."""
    is_cancel_asked: bool
    schedule_id: str | None
    created_by: str
    created_by_name: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class AttackRow(NamedTuple):
    number: int
    key: str
    harm: str
    strategy: str
    converter: str
    is_filtered: bool
    outcome: Outcome
    turns: int
    retries: int
    tokens: int
    milliseconds: int
    detail: str
    conversation: str


class Counts(NamedTuple):
    """How attacks ended; `judged` is what a rate stands on."""

    attacks: int
    successes: int
    blocked: int
    errors: int
    undetermined: int

    @property
    def judged(self) -> int:
        return self.attacks - self.errors - self.undetermined

    def plus(self, other: "Counts") -> "Counts":
        return Counts(*(a + b for a, b in zip(self, other, strict=True)))


class Rate(NamedTuple):
    """A share of successes with its 95 % interval; `value` is None where nothing was judged."""

    value: float | None
    low: float
    high: float


class Cell(NamedTuple):
    harm: str
    strategy: str
    converter: str
    is_filtered: bool
    counts: Counts


class Change(NamedTuple):
    """A cell of two campaigns side by side."""

    harm: str
    strategy: str
    converter: str
    is_filtered: bool
    before: Rate
    after: Rate
    difference: float | None
    low: float
    high: float
    is_certain: bool
    """The interval of the difference does not hold 0."""


class DatasetRow(NamedTuple):
    dataset_id: str
    name: str
    seeds: int
    harms: Mapping[str, int]
    created_by_name: str
    created_at: datetime


class ScheduleRow(NamedTuple):
    schedule_id: str
    name: str
    spec: Spec
    every: Every
    hour: int
    """Of the day in UTC."""
    weekday: int
    """0 is Monday; of weekly ones only."""
    is_enabled: bool
    next_at: datetime
    last_campaign_id: str | None
    created_by_name: str


class RevealRow(NamedTuple):
    at: datetime
    by_name: str
    attack: int
    reason: str


class Claimed(NamedTuple):
    """A campaign in the hands of one worker."""

    campaign_id: str
    organization_id: OrganizationId
    project_id: ProjectId
    spec: Spec
    created_by: UserId | None
    seeds: tuple[Seed, ...]
    """Of the organization's own data sets."""
    tokens: int
