"""What the routes of safety policies take and answer."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, StringConstraints

from tradewind.control.bodies import Body
from tradewind.features.safety.rules.words import (
    words_of_check,
    words_of_policy,
    words_of_rule,
)
from tradewind.features.safety.schemas import (
    BindingRow,
    CheckDraft,
    CheckFacts,
    CheckKind,
    PolicyContent,
    PolicyRow,
    RuleDraft,
    Standing,
    SubjectKind,
    Tried,
    VersionRow,
)
from tradewind.snapshot.safety import Action, Direction, Streaming

_Short = Annotated[str, StringConstraints(max_length=200)]
_Direction = Annotated[Direction, Field(strict=False)]
_Why = Annotated[
    str, StringConstraints(max_length=500), Field(description="Kept with the version.")
]


class RuleBody(Body):
    """What follows from findings of one category in one direction."""

    category: _Short = Field(
        description="`hate`, `self_harm`, `sexual`, `violence`, `jailbreak`, `indirect_attack`,"
        " `pii`, `pii.<part>`, `secret`, `profanity`, `protected_material_text`,"
        " `protected_material_code`, `ungrounded_material`, `blocklist` or `custom:<name>`."
    )
    direction: _Direction
    threshold: int = Field(description="Severity from 1 to 7 from which on the action follows.")
    action: Annotated[Action, Field(strict=False)]

    def to_draft(self) -> RuleDraft:
        return RuleDraft(self.category, self.direction, self.threshold, self.action)


class CheckBody(Body):
    """One check of a policy."""

    name: _Short
    directions: Annotated[list[_Direction], Field(max_length=3)]
    deadline_ms: int = 500
    fails_open: bool = Field(
        default=False,
        description="What a check that is late or broken means: true lets the call pass, false"
        " refuses it.",
    )
    options: Annotated[
        dict[_Short, Annotated[str, StringConstraints(max_length=1_000)]], Field(max_length=20)
    ] = Field(default={})
    data: Annotated[list[_Short], Field(max_length=20)] = Field(
        default=[], description="Ids of blocklists, custom categories or corpora."
    )

    def to_draft(self) -> CheckDraft:
        return CheckDraft(
            self.name,
            tuple(dict.fromkeys(self.directions)),
            self.deadline_ms,
            self.fails_open,
            self.options,
            tuple(self.data),
        )


class ContentBody(Body):
    rules: Annotated[list[RuleBody], Field(max_length=100)] = Field(default=[])
    checks: Annotated[list[CheckBody], Field(max_length=20)] = Field(default=[])
    streaming: Annotated[Streaming, Field(strict=False)] = Streaming.BUFFERED

    def to_content(self) -> PolicyContent:
        return PolicyContent(
            tuple(rule.to_draft() for rule in self.rules),
            tuple(check.to_draft() for check in self.checks),
            self.streaming,
        )


class PolicyBody(ContentBody):
    name: _Short
    why: _Why = ""


class PolicyPut(ContentBody):
    """The next version, whole."""

    name: _Short | None = Field(default=None, description="Left out: as it was.")
    why: _Why = ""


class TryBody(ContentBody):
    text: Annotated[str, StringConstraints(max_length=50_000)]
    direction: _Direction = Direction.PROMPT


class BindingBody(Body):
    subject: _Short = Field(
        description="Id of an organization, a project, an endpoint or a deployment."
    )


class RuleAnswer(BaseModel):
    category: str
    direction: Direction
    threshold: int
    action: Action
    words: str = Field(description="The rule as a sentence.")

    @classmethod
    def of(cls, rule: RuleDraft) -> Self:
        return cls(
            category=rule.category,
            direction=rule.direction,
            threshold=rule.threshold,
            action=rule.action,
            words=words_of_rule(rule),
        )


class CheckAnswer(BaseModel):
    name: str
    directions: list[Direction]
    deadline_ms: int
    fails_open: bool
    options: dict[str, str]
    data: list[str]
    words: str

    @classmethod
    def of(cls, check: CheckDraft) -> Self:
        return cls(
            name=check.name,
            directions=list(check.directions),
            deadline_ms=check.deadline_ms,
            fails_open=check.fails_open,
            options=check.options,
            data=list(check.data),
            words=words_of_check(check),
        )


class VersionAnswer(BaseModel):
    version: int
    name: str
    rules: list[RuleAnswer]
    checks: list[CheckAnswer]
    streaming: Streaming
    words: list[str] = Field(description="All of it, one sentence after the other.")
    why: str
    changed_by: str
    changed_at: datetime

    @classmethod
    def of(cls, row: VersionRow) -> Self:
        return cls(
            version=row.version,
            name=row.name,
            rules=[RuleAnswer.of(rule) for rule in row.content.rules],
            checks=[CheckAnswer.of(check) for check in row.content.checks],
            streaming=row.content.streaming,
            words=words_of_policy(row.content),
            why=row.why,
            changed_by=row.changed_by,
            changed_at=row.changed_at,
        )


class VersionPage(BaseModel):
    versions: list[VersionAnswer] = Field(description="The newest first.")
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class PolicyAnswer(BaseModel):
    id: str
    organization: str | None = Field(description="Null is the platform's.")
    standing: Standing = Field(
        description="`default` holds for organizations that bound none of their own, `floor` for"
        " all of them."
    )
    newest: VersionAnswer
    created_at: datetime

    @classmethod
    def of(cls, row: PolicyRow) -> Self:
        newest = VersionRow(
            row.policy_id,
            row.version,
            row.name,
            row.content,
            row.why,
            row.changed_by,
            row.changed_at,
        )
        return cls(
            id=row.policy_id,
            organization=row.organization_id,
            standing=row.standing,
            newest=VersionAnswer.of(newest),
            created_at=row.created_at,
        )


class PolicyPage(BaseModel):
    policies: list[PolicyAnswer]
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class PolicyList(BaseModel):
    policies: list[PolicyAnswer]


class BindingAnswer(BaseModel):
    policy: str
    kind: SubjectKind
    subject: str
    name: str = Field(description="Of the subject; empty where it is no more.")
    bound_at: datetime
    bound_by: str

    @classmethod
    def of(cls, row: BindingRow) -> Self:
        return cls(
            policy=row.policy_id,
            kind=row.kind,
            subject=row.subject_id,
            name=row.name,
            bound_at=row.bound_at,
            bound_by=row.bound_by,
        )


class BindingList(BaseModel):
    bindings: list[BindingAnswer]


class KnownCheck(BaseModel):
    """A check that policies may name."""

    name: str
    kind: CheckKind
    categories: list[str]
    directions: list[Direction]

    @classmethod
    def of(cls, facts: CheckFacts) -> Self:
        return cls(
            name=facts.name,
            kind=facts.kind,
            categories=sorted(facts.categories),
            directions=[each for each in Direction if each in facts.directions],
        )


class KnownChecks(BaseModel):
    checks: list[KnownCheck]


class TriedFindingAnswer(BaseModel):
    check: str
    check_version: str
    category: str
    severity: int
    score: float
    start: int
    end: int = Field(description="Characters of the text; 0 is all of it.")
    source: str
    threshold: int | None = Field(description="Null: no rule is about it.")
    action: Action


class TriedFailure(BaseModel):
    check: str
    reason: str


class TriedAnswer(BaseModel):
    action: Action | None = Field(description="The gravest that follows; null: nothing was found.")
    findings: list[TriedFindingAnswer] = Field(description="The gravest first; at most 200.")
    failures: list[TriedFailure]
    not_tried: list[str] = Field(
        description="Checks that ask a service or a model, which is not done for a trial."
    )
    redacted: str | None = Field(description="The text as it would go on, if pieces are taken out.")
    took_ms: float

    @classmethod
    def of(cls, tried: Tried) -> Self:
        return cls(
            action=tried.action,
            findings=[
                TriedFindingAnswer(
                    check=found.check,
                    check_version=found.check_version,
                    category=found.category,
                    severity=found.severity,
                    score=round(found.score, 4),
                    start=found.start,
                    end=found.end,
                    source=found.source,
                    threshold=found.threshold,
                    action=found.action,
                )
                for found in tried.findings
            ],
            failures=[TriedFailure(check=check, reason=reason) for check, reason in tried.failures],
            not_tried=list(tried.not_tried),
            redacted=tried.redacted,
            took_ms=round(tried.took_ms, 2),
        )
