"""What the routes of abuse take and answer. A score of 100 is where a person looks."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Self

import msgspec
from pydantic import BaseModel, Field, StringConstraints

from tradewind.control.bodies import Body, Moment
from tradewind.features.abuse.opt_outs import TERMS, TERMS_SHA256
from tradewind.features.abuse.schemas import (
    AppealRow,
    AppealState,
    CaseRow,
    CaseState,
    FeedbackFlag,
    FeedbackRow,
    FeedbackSum,
    FlaggedCall,
    GrantRow,
    IncidentRow,
    KeptContent,
    KillSwitchRow,
    Level,
    OptOutRow,
    OptOutState,
    Rating,
    Standing,
    TrailRow,
)

_Reason = Annotated[str, StringConstraints(max_length=2_100)]
_Text = Annotated[str, StringConstraints(max_length=20_100)]
_Name = Annotated[str, StringConstraints(max_length=250)]
_AFFECTED = "As `organization:org_…`, `endpoint:…` or `model:…`."
_Affected = Annotated[list[_Name], Field(max_length=100, description=_AFFECTED)]


class StandingAnswer(BaseModel):
    key_id: str = Field(description="Empty: the organization as a whole.")
    score: int
    level: Level
    since: datetime = Field(description="When this level was reached.")
    computed_at: datetime
    evidence: dict[str, Any] = Field(description="What it is made of: counts, never texts.")

    @classmethod
    def of(cls, row: Standing) -> Self:
        return cls(
            key_id=row.key_id,
            score=row.score,
            level=row.level,
            since=row.since,
            computed_at=row.computed_at,
            evidence=msgspec.to_builtins(row.evidence),
        )


class StandingList(BaseModel):
    organization_id: str
    scores: list[StandingAnswer] = Field(description="The organization's own first.")

    @classmethod
    def of(cls, organization_id: str, rows: Iterable[Standing]) -> Self:
        return cls(organization_id=organization_id, scores=[StandingAnswer.of(row) for row in rows])


class CaseAnswer(BaseModel):
    id: str
    organization_id: str
    key_id: str = Field(description="Empty: the organization as a whole.")
    state: CaseState
    level: Level
    score: int
    evidence: dict[str, Any]
    opened_at: datetime
    reason: str = Field(description="Why a person opened it; empty where its score did.")
    notice: str
    suspended_at: datetime | None
    suspension_reason: str
    closed_at: datetime | None
    outcome: str
    looked_by: str | None = Field(None, description="For reviewers only.")
    proposed_by: str | None = Field(
        None, description="Who wants the organization suspended. For reviewers only."
    )

    @classmethod
    def of(cls, row: CaseRow, *, for_reviewer: bool) -> Self:
        return cls(
            id=row.case_id,
            organization_id=row.organization_id,
            key_id=row.key_id,
            state=row.state,
            level=row.level,
            score=row.score,
            evidence=msgspec.to_builtins(row.evidence),
            opened_at=row.opened_at,
            reason=row.reason,
            notice=row.notice,
            suspended_at=row.suspended_at,
            suspension_reason=row.suspension_reason,
            closed_at=row.closed_at,
            outcome=row.outcome,
            looked_by=row.looked_by if for_reviewer else None,
            proposed_by=row.proposed_by if for_reviewer else None,
        )


class CaseList(BaseModel):
    cases: list[CaseAnswer]

    @classmethod
    def of(cls, rows: Iterable[CaseRow], *, for_reviewer: bool) -> Self:
        return cls(cases=[CaseAnswer.of(row, for_reviewer=for_reviewer) for row in rows])


class CaseBody(Body):
    organization_id: Annotated[str, StringConstraints(max_length=100)]
    key_id: Annotated[str, StringConstraints(max_length=100)] = ""
    reason: _Reason


class ReasonBody(Body):
    reason: _Reason


class NoticeBody(Body):
    text: _Text


class AppealBody(Body):
    reason: _Text


class AppealAnswer(BaseModel):
    id: str
    case_id: str
    state: AppealState
    reason: str
    made_by: str
    made_at: datetime
    decided_at: datetime | None
    decision_reason: str

    @classmethod
    def of(cls, row: AppealRow) -> Self:
        return cls(
            id=row.appeal_id,
            case_id=row.case_id,
            state=row.state,
            reason=row.reason,
            made_by=row.made_by,
            made_at=row.made_at,
            decided_at=row.decided_at,
            decision_reason=row.decision_reason,
        )


class AppealList(BaseModel):
    appeals: list[AppealAnswer]

    @classmethod
    def of(cls, rows: Iterable[AppealRow]) -> Self:
        return cls(appeals=[AppealAnswer.of(row) for row in rows])


class AppealDecisionBody(Body):
    grants: bool
    reason: _Reason


class GrantBody(Body):
    reason: _Reason
    minutes: int = Field(60, ge=1, le=60)


class GrantAnswer(BaseModel):
    id: str
    case_id: str
    granted_to: str
    reason: str
    granted_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, row: GrantRow) -> Self:
        return cls(
            id=row.grant_id,
            case_id=row.case_id,
            granted_to=row.granted_to,
            reason=row.reason,
            granted_at=row.granted_at,
            expires_at=row.expires_at,
        )


class GrantList(BaseModel):
    grants: list[GrantAnswer]


class LookBody(Body):
    request_id: Annotated[str, StringConstraints(max_length=100)]


class ContentAnswer(BaseModel):
    request_id: str
    prompt: Any
    answer: Any

    @classmethod
    def of(cls, request_id: str, found: KeptContent) -> Self:
        return cls(request_id=request_id, prompt=found.prompt, answer=found.answer)


class FlagAnswer(BaseModel):
    category: str
    direction: str
    severity: int = Field(description="0 to 7.")


class FlaggedCallAnswer(BaseModel):
    request_id: str
    at: datetime
    key_id: str
    model: str
    action: str
    flags: list[FlagAnswer]

    @classmethod
    def of(cls, row: FlaggedCall) -> Self:
        return cls(
            request_id=row.request_id,
            at=row.at,
            key_id=row.key_id,
            model=row.model,
            action=row.action,
            flags=[
                FlagAnswer(category=category, direction=direction, severity=severity)
                for category, direction, severity in row.flags
            ],
        )


class FlaggedCallList(BaseModel):
    calls: list[FlaggedCallAnswer]


class AbuseTrailAnswer(BaseModel):
    number: int
    subject: str
    at: datetime
    move: str
    by: str
    detail: str


class AbuseTrail(BaseModel):
    events: list[AbuseTrailAnswer]

    @classmethod
    def of(cls, rows: Iterable[TrailRow]) -> Self:
        return cls(events=[AbuseTrailAnswer(**row._asdict()) for row in rows])


class OptOutTerms(BaseModel):
    terms: str = TERMS
    sha256: str = Field(TERMS_SHA256, description="Sent along by whoever signs.")


class OptOutBody(Body):
    terms_sha256: Annotated[str, StringConstraints(max_length=64)]
    reason: _Reason
    expires_at: Moment


class OptOutDecisionBody(Body):
    signs: bool
    reason: _Reason = ""


class OptOutAnswer(BaseModel):
    id: str
    organization_id: str
    state: OptOutState
    terms: str
    terms_sha256: str
    reason: str
    signed_by: str
    signed_at: datetime
    expires_at: datetime
    countersigned_by: str
    decided_at: datetime | None
    decision_reason: str

    @classmethod
    def of(cls, row: OptOutRow) -> Self:
        said = row._asdict()
        return cls(id=row.opt_out_id, **{name: said[name] for name in said if name in _OF_OPT_OUT})


_OF_OPT_OUT = frozenset(OptOutAnswer.model_fields) - {"id"}


class OptOutList(BaseModel):
    opt_outs: list[OptOutAnswer]

    @classmethod
    def of(cls, rows: Iterable[OptOutRow]) -> Self:
        return cls(opt_outs=[OptOutAnswer.of(row) for row in rows])


class AbuseQueue(BaseModel):
    cases: list[CaseAnswer]
    appeals: list[AppealAnswer]
    opt_outs: list[OptOutAnswer]


class IncidentBody(Body):
    severity: int = Field(ge=1, le=4, description="1 is the gravest.")
    title: Annotated[str, StringConstraints(max_length=200)]
    description: _Text
    affected: _Affected = Field(default_factory=list[str])


class IncidentChangeBody(Body):
    severity: int | None = Field(None, ge=1, le=4)
    description: _Text | None = None
    affected: _Affected | None = None
    postmortem: _Text | None = None


class IncidentAnswer(BaseModel):
    id: str
    severity: int
    title: str
    description: str
    affected: list[str]
    opened_at: datetime
    opened_by: str
    closed_at: datetime | None
    postmortem: str

    @classmethod
    def of(cls, row: IncidentRow) -> Self:
        return cls(
            id=row.incident_id,
            severity=row.severity,
            title=row.title,
            description=row.description,
            affected=list(row.affected),
            opened_at=row.opened_at,
            opened_by=row.opened_by,
            closed_at=row.closed_at,
            postmortem=row.postmortem,
        )


class IncidentList(BaseModel):
    incidents: list[IncidentAnswer]


class KillSwitchBody(Body):
    endpoint: _Name
    reason: _Reason
    incident_id: Annotated[str, StringConstraints(max_length=100)] | None = None


class KillSwitchAnswer(BaseModel):
    id: str
    endpoint: str
    incident_id: str | None
    reason: str
    stopped_at: datetime
    stopped_by: str
    lifted_at: datetime | None
    lifted_by: str
    calls: int = Field(description="That ran when it was thrown, as far as gateways told.")
    last_token_ms: int | None = Field(description="From the switch to the last token of them.")

    @classmethod
    def of(cls, row: KillSwitchRow) -> Self:
        last_at = row.last_token.last_at
        took = None if last_at is None else (last_at - row.stopped_at).total_seconds()
        return cls(
            id=row.switch_id,
            endpoint=row.endpoint,
            incident_id=row.incident_id,
            reason=row.reason,
            stopped_at=row.stopped_at,
            stopped_by=row.stopped_by,
            lifted_at=row.lifted_at,
            lifted_by=row.lifted_by,
            calls=row.last_token.calls,
            last_token_ms=None if took is None else round(took * 1000),
        )


class KillSwitchList(BaseModel):
    kill_switches: list[KillSwitchAnswer]


class FeedbackBody(Body):
    request_id: Annotated[str, StringConstraints(max_length=100)]
    rating: Annotated[Rating, Field(strict=False)]
    flags: list[Annotated[FeedbackFlag, Field(strict=False)]] = Field(
        [], max_length=len(FeedbackFlag)
    )
    comment: Annotated[str, StringConstraints(max_length=1_000)] = ""


class FeedbackAnswer(BaseModel):
    request_id: str
    key_id: str
    model: str
    rating: Rating
    flags: list[FeedbackFlag]
    comment: str
    at: datetime

    @classmethod
    def of(cls, row: FeedbackRow) -> Self:
        return cls(
            request_id=row.request_id,
            key_id=row.key_id,
            model=row.model,
            rating=row.rating,
            flags=list(row.flags),
            comment=row.comment,
            at=row.at,
        )


class FeedbackList(BaseModel):
    feedback: list[FeedbackAnswer]


class FeedbackSumAnswer(BaseModel):
    model: str
    up: int
    down: int
    flags: dict[str, int]


class FeedbackSums(BaseModel):
    models: list[FeedbackSumAnswer]

    @classmethod
    def of(cls, rows: Iterable[FeedbackSum]) -> Self:
        return cls(models=[FeedbackSumAnswer(**row._asdict()) for row in rows])
