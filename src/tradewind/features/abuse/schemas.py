"""What abuse takes in and hands out. Scores are whole numbers: 100 is where a person looks."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from tradewind.core.ids import (
    AbuseCaseId,
    AppealId,
    IncidentId,
    KillSwitchId,
    LookGrantId,
    OptOutId,
    OrganizationId,
)


class Level(StrEnum):
    OK = "ok"
    WATCH = "watch"
    """More than others; nobody does anything."""
    REVIEW = "review"
    """A person looks."""
    SEVERE = "severe"
    """A person looks first of all."""


class Window(StrEnum):
    """Made of whole hours: an hour is the one that runs and the one before it."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


class Found(NamedTuple):
    """How often something was found in the calls of a key, by window. An empty category: calls that
    a policy held for.
    """

    key_id: str
    category: str
    direction: str
    band: str
    hour: int
    day: int
    week: int
    hours: int
    """Of the week, in how many different hours."""


class WindowEvidence(msgspec.Struct, frozen=True, kw_only=True):
    window: Window
    calls: int
    """That a policy held for."""
    flagged: int
    """Findings that count, beyond the false alarms that are to be expected."""
    points: int
    """Findings by their weights."""
    rate: int
    """Points per 1,000 calls."""
    score: int


class CategoryEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Of the week."""

    category: str
    direction: str
    low: int
    medium: int
    high: int
    hours: int
    """In how many different hours."""
    is_recurring: bool


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a score is made of: counts, never texts."""

    windows: tuple[WindowEvidence, ...] = ()
    categories: tuple[CategoryEvidence, ...] = ()
    patterns: tuple[str, ...] = ()
    flagged_keys: int = 0
    """Of an organization: how many of its keys are above `ok`."""


class Scored(NamedTuple):
    score: int
    level: Level
    evidence: Evidence


class Standing(NamedTuple):
    """The score of a key, or with an empty one of the whole organization."""

    organization_id: OrganizationId
    key_id: str
    score: int
    level: Level
    evidence: Evidence
    computed_at: datetime
    since: datetime
    """When this level was reached."""


class CaseState(StrEnum):
    OPEN = "open"
    LOOKED_AT = "looked_at"
    NOTICED = "noticed"
    """The organization was told what to change."""
    SUSPENDED = "suspended"
    CLOSED = "closed"


class CaseRow(NamedTuple):
    case_id: AbuseCaseId
    organization_id: OrganizationId
    key_id: str
    """Empty: the organization as a whole."""
    state: CaseState
    level: Level
    score: int
    evidence: Evidence
    opened_at: datetime
    opened_by: str
    reason: str
    """Why a person opened it; empty where the score did."""
    looked_by: str
    notice: str
    noticed_by_id: str
    proposed_by_id: str
    """Who wants the organization suspended; another person does it."""
    proposed_by: str
    proposed_reason: str
    suspended_by_id: str
    suspended_at: datetime | None
    suspension_reason: str
    closed_at: datetime | None
    outcome: str
    organization_name: str = ""


class GrantRow(NamedTuple):
    grant_id: LookGrantId
    case_id: AbuseCaseId
    organization_id: OrganizationId
    granted_to_id: str
    granted_to: str
    reason: str
    granted_at: datetime
    expires_at: datetime


class AppealState(StrEnum):
    WAITING = "waiting"
    GRANTED = "granted"
    REFUSED = "refused"


class AppealRow(NamedTuple):
    appeal_id: AppealId
    case_id: AbuseCaseId
    organization_id: OrganizationId
    state: AppealState
    reason: str
    made_by_id: str
    made_by: str
    made_at: datetime
    decided_at: datetime | None
    decision_reason: str


class OptOutState(StrEnum):
    SIGNED = "signed"
    """By the organization; the platform has not answered."""
    IN_FORCE = "in_force"
    REFUSED = "refused"
    REVOKED = "revoked"


class OptOutRow(NamedTuple):
    opt_out_id: OptOutId
    organization_id: OrganizationId
    state: OptOutState
    terms: str
    terms_sha256: str
    reason: str
    signed_by_id: str
    signed_by: str
    signed_at: datetime
    expires_at: datetime
    countersigned_by: str
    decided_at: datetime | None
    decision_reason: str


class FlaggedCall(NamedTuple):
    """A call by what was found in it; never its text."""

    request_id: str
    at: datetime
    key_id: str
    model: str
    action: str
    flags: Sequence[tuple[str, str, int]]
    """Category, direction and severity, the gravest first."""


class KeptContent(NamedTuple):
    prompt: Any
    answer: Any


class TrailRow(NamedTuple):
    number: int
    subject: str
    at: datetime
    move: str
    by: str
    detail: str


class IncidentRow(NamedTuple):
    incident_id: IncidentId
    severity: int
    """1 is the gravest, 4 the least."""
    title: str
    description: str
    affected: tuple[str, ...]
    """`organization:…`, `endpoint:…`, `model:…`, `key:…`."""
    opened_at: datetime
    opened_by: str
    closed_at: datetime | None
    postmortem: str


class LastToken(NamedTuple):
    """What ran when a kill switch was thrown."""

    calls: int
    last_at: datetime | None
    """When the last of them got its last token; None where none ran, or none has ended yet."""


class KillSwitchRow(NamedTuple):
    switch_id: KillSwitchId
    endpoint_id: str
    endpoint: str
    incident_id: IncidentId | None
    reason: str
    stopped_at: datetime
    stopped_by: str
    lifted_at: datetime | None
    lifted_by: str
    last_token: LastToken


class Rating(StrEnum):
    UP = "up"
    DOWN = "down"


class FeedbackFlag(StrEnum):
    HARMFUL = "harmful"
    INACCURATE = "inaccurate"
    REFUSED = "refused"
    """It would not answer what is harmless."""
    BIASED = "biased"
    PRIVACY = "privacy"
    OTHER = "other"


class RatedCall(NamedTuple):
    """What is known of a call that somebody rates."""

    at: datetime
    project_id: str
    model: str


class FeedbackRow(NamedTuple):
    request_id: str
    key_id: str
    model: str
    rating: Rating
    flags: tuple[FeedbackFlag, ...]
    comment: str
    at: datetime


class FeedbackSum(NamedTuple):
    model: str
    up: int
    down: int
    flags: dict[str, int]
