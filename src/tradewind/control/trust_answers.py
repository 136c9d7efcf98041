"""What the routes of trust take and answer. Rates and limits are parts per thousand."""

from datetime import datetime
from typing import Annotated, Any, Self

import msgspec
from pydantic import BaseModel, Field, StringConstraints

from tradewind.control.bodies import Body, Moment
from tradewind.features.trust.rules.assessments import absent, reviewers_needed
from tradewind.features.trust.schemas import (
    Assessment,
    AssessmentRow,
    AssessmentState,
    Complexity,
    Gate,
    GateReport,
    GateState,
    IntendedUse,
    NoteRow,
    Release,
    ReleaseRules,
    RulesRow,
    TrailRow,
    WaiverRow,
    WaiverState,
)

_Text = Annotated[str, StringConstraints(max_length=4_000)]
_Reason = Annotated[str, StringConstraints(max_length=2_000)]
_SUBJECT = "What it is about, as `model:acme/tiny`."
_Subject = Annotated[str, StringConstraints(max_length=250), Field(description=_SUBJECT)]


class GateAnswer(BaseModel):
    gate: Gate
    state: GateState
    detail: str
    advice: str = Field(description="What to do about it; empty where nothing has to be done.")
    evidence: str = Field(description="Id of what shows it.")


class GateReportAnswer(BaseModel):
    subject: str
    release: Release
    rules_version: int
    may_be_released: bool
    gates: list[GateAnswer]

    @classmethod
    def of(cls, report: GateReport) -> Self:
        return cls(
            subject=str(report.subject),
            release=report.release,
            rules_version=report.rules_version,
            may_be_released=not report.open,
            gates=[GateAnswer(**result._asdict()) for result in report.results],
        )


class GateReports(BaseModel):
    reports: list[GateReportAnswer]


_Gates = Annotated[list[Annotated[Gate, Field(strict=False)]] | None, Field(max_length=len(Gate))]


class RulesBody(Body):
    listing: _Gates = None
    ga: _Gates = None
    offer: _Gates = None
    policy: _Gates = None
    adapter: _Gates = None
    asr_limit: int | None = Field(None, ge=0, le=1000)
    asr_limits: dict[str, int] | None = Field(None, max_length=50)
    least_attacks: int | None = None
    over_refusal_limit: int | None = Field(None, ge=0, le=1000)
    filtered: bool | None = None
    red_team_days: int | None = None
    review_days: int | None = None
    waiver_days: int | None = None
    reason: _Reason
    version: int | None = Field(None, description="The version that was read.")

    def to_rules(self, current: ReleaseRules) -> ReleaseRules:
        """What is not named stays as it is."""
        said = self.model_dump(mode="json", exclude={"reason", "version"}, exclude_none=True)
        return msgspec.convert(msgspec.to_builtins(current) | said, ReleaseRules)


class RulesAnswer(BaseModel):
    version: int
    rules: dict[str, Any]
    made_by: str
    made_at: datetime | None
    reason: str

    @classmethod
    def of(cls, row: RulesRow) -> Self:
        return cls(
            version=row.version,
            rules=msgspec.to_builtins(row.rules),
            made_by=row.made_by,
            made_at=row.made_at,
            reason=row.reason,
        )


class RulesHistory(BaseModel):
    versions: list[RulesAnswer]


class IntendedUseBody(Body):
    name: _Text = ""
    description: _Text = ""
    fitness: _Text = ""
    stakeholders: _Text = ""
    benefits: _Text = ""
    harms: _Text = ""
    fairness: _Text = ""
    oversight: _Text = ""
    human_role: _Text = ""
    task_complexity: Complexity = Field(Complexity.MODERATE, strict=False)
    environment_complexity: Complexity = Field(Complexity.MODERATE, strict=False)


class AssessmentBody(Body):
    """The form. What is not named is empty."""

    system_name: _Text = ""
    team: _Text = ""
    contact: _Text = ""
    stage: _Text = ""
    description: _Text = ""
    purpose: _Text = ""
    features: _Text = ""
    geographies: _Text = ""
    languages: _Text = ""
    deployment_mode: _Text = ""
    intended_uses: list[IntendedUseBody] = Field(default=[], max_length=20)
    restricted_uses: list[_Text] = Field(default=[], max_length=20)
    unsupported_uses: _Text = ""
    limitations: _Text = ""
    failure_impact: _Text = ""
    misuse_impact: _Text = ""
    affects_life_chances: bool = False
    risks_injury: bool = False
    threatens_rights: bool = False
    sensitive_detail: _Text = ""
    data_requirements: _Text = ""
    existing_data: _Text = ""
    mitigations: _Text = ""
    disclosure: _Text = ""

    def to_content(self) -> Assessment:
        said = self.model_dump(exclude={"intended_uses", "restricted_uses"})
        return Assessment(
            **said,
            intended_uses=tuple(IntendedUse(**each.model_dump()) for each in self.intended_uses),
            restricted_uses=tuple(self.restricted_uses),
        )


class DecisionAnswer(BaseModel):
    by: str
    is_approval: bool
    reason: str
    at: datetime


class AssessmentAnswer(BaseModel):
    id: str
    subject: str
    version: int
    state: AssessmentState
    revision: int
    content: dict[str, Any] = Field(description="The form, as it is sent.")
    absent: list[str] = Field(description="Fields that have to be filled in before it is sent in.")
    approvals_needed: int
    decisions: list[DecisionAnswer]
    created_by: str
    created_at: datetime
    submitted_by: str
    submitted_at: datetime | None
    decided_at: datetime | None
    expires_at: datetime | None = Field(description="When its approval is looked at again.")

    @classmethod
    def of(cls, row: AssessmentRow) -> Self:
        return cls(
            id=row.assessment_id,
            subject=str(row.subject),
            version=row.version,
            state=row.state,
            revision=row.revision,
            content=msgspec.to_builtins(row.content),
            absent=list(absent(row.content)),
            approvals_needed=reviewers_needed(row.content),
            decisions=[
                DecisionAnswer(
                    by=each.by_name, is_approval=each.is_approval, reason=each.reason, at=each.at
                )
                for each in row.decisions
            ],
            created_by=row.created_by,
            created_at=row.created_at,
            submitted_by=row.submitted_by,
            submitted_at=row.submitted_at,
            decided_at=row.decided_at,
            expires_at=row.expires_at,
        )


class AssessmentList(BaseModel):
    assessments: list[AssessmentAnswer]

    @classmethod
    def of(cls, rows: list[AssessmentRow]) -> Self:
        return cls(assessments=[AssessmentAnswer.of(row) for row in rows])


class SubjectBody(Body):
    subject: _Subject


class AssessmentDecisionBody(Body):
    approves: bool
    reason: _Reason


class WaiverBody(Body):
    subject: _Subject
    gate: Gate = Field(strict=False)
    reason: _Reason
    expires_at: Moment


class WaiverDecisionBody(Body):
    grants: bool
    reason: _Reason = ""


class ReasonOnlyBody(Body):
    reason: _Reason


class WaiverAnswer(BaseModel):
    id: str
    subject: str
    gate: Gate
    state: WaiverState
    reason: str
    asked_by: str
    asked_at: datetime
    expires_at: datetime
    decided_by: str
    decided_at: datetime | None
    decision_reason: str

    @classmethod
    def of(cls, row: WaiverRow) -> Self:
        return cls(
            id=row.waiver_id,
            subject=str(row.subject),
            gate=row.gate,
            state=row.state,
            reason=row.reason,
            asked_by=row.asked_by,
            asked_at=row.asked_at,
            expires_at=row.expires_at,
            decided_by=row.decided_by,
            decided_at=row.decided_at,
            decision_reason=row.decision_reason,
        )


class WaiverList(BaseModel):
    waivers: list[WaiverAnswer]

    @classmethod
    def of(cls, rows: list[WaiverRow]) -> Self:
        return cls(waivers=[WaiverAnswer.of(row) for row in rows])


class ReviewQueue(BaseModel):
    """What waits for a reviewer, the longest first."""

    assessments: list[AssessmentAnswer]
    waivers: list[WaiverAnswer]
    ending: list[AssessmentAnswer] = Field(
        description="Approvals that end within a month, and those that are over."
    )


class NoteAnswer(BaseModel):
    subject: str
    version: int
    digest: str = Field(description="SHA-256 of its Markdown.")
    made_at: datetime
    markdown: str

    @classmethod
    def of(cls, row: NoteRow) -> Self:
        return cls(
            subject=str(row.subject),
            version=row.version,
            digest=row.digest,
            made_at=row.made_at,
            markdown=row.markdown,
        )


class NoteHistory(BaseModel):
    versions: list[NoteAnswer]


class TrailAnswer(BaseModel):
    number: int
    at: datetime
    move: str
    by: str
    detail: str


class Trail(BaseModel):
    events: list[TrailAnswer]

    @classmethod
    def of(cls, rows: list[TrailRow]) -> Self:
        return cls(
            events=[
                TrailAnswer(
                    number=row.number, at=row.at, move=row.move, by=row.by, detail=row.detail
                )
                for row in rows
            ]
        )
