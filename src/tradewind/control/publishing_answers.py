"""What the routes of publishing take and answer."""

from datetime import datetime
from typing import Annotated, Any, Self

import msgspec
from pydantic import BaseModel, Field, StringConstraints

from tradewind.control.bodies import Body
from tradewind.core.errors import InvalidInput
from tradewind.features.publishing import rules
from tradewind.features.publishing.schemas import (
    ApplicationRow,
    ApplicationState,
    CheckState,
    Content,
    ListingDetail,
    ListingRow,
    Move,
    NewApplication,
    RunRow,
    RunState,
    State,
)

_Short = Annotated[str, StringConstraints(max_length=200)]
_Long = Annotated[str, StringConstraints(max_length=rules.SHORT_MAX)]
_Tokens = Annotated[int, Field(ge=0, le=100_000_000)]


class ApplicationBody(Body):
    publisher: _Short
    name: _Short
    website: _Short
    contact: _Short

    def to_new(self) -> NewApplication:
        return NewApplication(self.publisher, self.name, self.website, self.contact)


class DecisionBody(Body):
    is_accepted: bool
    reason: _Long = Field(default="", description="Needed for a refusal.")


class ReasonBody(Body):
    reason: _Long


class NewListingBody(Body):
    publisher: _Short
    model: _Short = Field(description="The part of its name behind the publisher's.")


class ContentBody(Body):
    """What is named changes; everything else stays."""

    display_name: _Short | None = None
    operation: _Short | None = None
    version: _Short | None = None
    family: _Short | None = None
    context_tokens: _Tokens | None = None
    max_output_tokens: _Tokens | None = None
    capabilities: Annotated[list[_Short], Field(max_length=16)] | None = None
    description: _Long | None = None
    card: Annotated[str, StringConstraints(max_length=rules.CARD_MAX)] | None = None
    artifact: _Short | None = None
    connection_id: _Short | None = None
    upstream_model: _Short | None = None
    input_price: _Short | None = None
    output_price: _Short | None = None
    licence: _Short | None = None
    licence_url: _Long | None = None
    is_gated: bool | None = None
    intended_use: _Long | None = None
    limits: _Long | None = None
    evaluated_harms: _Long | None = None
    visibility: _Short | None = None

    def applied_to(self, former: Content) -> Content:
        named: dict[str, Any] = self.model_dump(exclude_unset=True)
        if "capabilities" in named:
            named["capabilities"] = tuple(named["capabilities"] or ())
        for name, value in named.items():
            if value is None and name not in {"context_tokens", "max_output_tokens"}:
                raise InvalidInput(f"{name} is null", hint="leave it out, or make it empty")
        return msgspec.structs.replace(former, **named)


class ApplicationAnswer(BaseModel):
    id: str
    publisher: str
    name: str
    website: str
    contact: str
    state: ApplicationState
    reason: str
    proof: str = Field(
        description=f"A line that `{rules.WELL_KNOWN}` on the website has to have, or the TXT"
        " record named by `challenge`."
    )
    challenge: str | None = Field(description="Name of that record; null without a domain.")
    proof_error: str = Field(description="Why neither was found right.")
    missing_since: datetime | None = Field(
        description="Since when what proved it is not found any more; it lapses after 30 days."
    )
    created_at: datetime
    decided_by: str
    decided_at: datetime | None

    @classmethod
    def of(cls, row: ApplicationRow) -> Self:
        return cls(
            id=row.application_id,
            publisher=row.slug,
            name=row.name,
            website=row.website,
            contact=row.contact,
            state=row.state,
            reason=row.reason,
            proof=row.proof,
            challenge=row.challenge,
            proof_error=row.proof_error,
            missing_since=row.missing_since,
            created_at=row.created_at,
            decided_by=row.decided_by,
            decided_at=row.decided_at,
        )


class ApplicationList(BaseModel):
    applications: list[ApplicationAnswer] = Field(description="The newest first; at most 200.")

    @classmethod
    def of(cls, rows: list[ApplicationRow]) -> Self:
        return cls(applications=[ApplicationAnswer.of(row) for row in rows])


class CheckAnswer(BaseModel):
    name: str
    state: CheckState
    detail: str
    duration_ms: float | None


class RunAnswer(BaseModel):
    id: str
    state: RunState
    stage: str = Field(description="What is being done now.")
    checks: list[CheckAnswer]
    load_s: float | None
    first_token_ms: float | None
    tokens_per_s: float | None
    is_scheduled: bool
    created_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, row: RunRow) -> Self:
        return cls(
            id=row.run_id,
            state=row.state,
            stage=row.stage,
            checks=[
                CheckAnswer(
                    name=check.name,
                    state=check.state,
                    detail=check.detail,
                    duration_ms=check.duration_ms,
                )
                for check in row.checks
            ],
            load_s=row.timing.load_s,
            first_token_ms=row.timing.first_token_ms,
            tokens_per_s=row.timing.tokens_per_s,
            is_scheduled=row.is_scheduled,
            created_at=row.created_at,
            ended_at=row.ended_at,
        )


class ListingAnswer(BaseModel):
    id: str
    name: str = Field(description='"publisher/model".')
    version: str
    state: State
    reason: str = Field(description="Why it was last sent back or delisted.")
    submitted_by: str | None
    is_self_reviewed: bool = Field(description="Who submitted it approved it as well.")
    created_at: datetime
    updated_at: datetime
    last_run: RunAnswer | None

    @classmethod
    def of(cls, row: ListingRow) -> Self:
        return cls(
            id=row.listing_id,
            name=row.name,
            version=row.content.version,
            state=row.state,
            reason=row.reason,
            submitted_by=None if row.submitted_by is None else row.submitted_by.name,
            is_self_reviewed=row.is_self_reviewed,
            created_at=row.created_at,
            updated_at=row.updated_at,
            last_run=None if row.last_run is None else RunAnswer.of(row.last_run),
        )


class ListingPage(BaseModel):
    listings: list[ListingAnswer]
    next: str | None = Field(description="Name it as `after` to go on; null at the end.")


class Queue(BaseModel):
    listings: list[ListingAnswer] = Field(description="What waits longest comes first.")


class ContentAnswer(BaseModel):
    display_name: str
    operation: str
    version: str
    family: str
    context_tokens: int | None
    max_output_tokens: int | None
    capabilities: list[str]
    description: str
    card: str
    artifact: str
    connection_id: str
    upstream_model: str
    input_price: str
    output_price: str
    licence: str
    licence_url: str
    is_gated: bool
    intended_use: str
    limits: str
    evaluated_harms: str
    visibility: str


class ProblemAnswer(BaseModel):
    field: str
    message: str
    hint: str | None


class DifferenceAnswer(BaseModel):
    field: str
    before: str
    after: str


class EventAnswer(BaseModel):
    at: datetime
    move: Move
    former: State
    state: State
    by: str
    reason: str
    is_self_review: bool = Field(description="An approval by who submitted the listing.")


class ListingDetailAnswer(BaseModel):
    listing: ListingAnswer
    content: ContentAnswer
    problems: list[ProblemAnswer] = Field(description="What keeps it from being submitted.")
    differences: list[DifferenceAnswer] = Field(
        description="Against what is listed of the model now, or against nothing."
    )
    events: list[EventAnswer] = Field(description="The newest first; at most 200.")
    runs: list[RunAnswer] = Field(description="The newest first; at most 20.")

    @classmethod
    def of(cls, detail: ListingDetail) -> Self:
        content = detail.row.content
        return cls(
            listing=ListingAnswer.of(detail.row),
            content=ContentAnswer.model_validate(msgspec.to_builtins(content)),
            problems=[
                ProblemAnswer(field=field, message=error.message, hint=error.hint)
                for field, error in rules.problems(content).items()
            ],
            differences=[
                DifferenceAnswer(field=each.field, before=each.before, after=each.after)
                for each in detail.differences
            ],
            events=[
                EventAnswer(
                    at=each.at,
                    move=each.move,
                    former=each.former,
                    state=each.state,
                    by=each.by.name,
                    reason=each.reason,
                    is_self_review=each.is_self_review,
                )
                for each in detail.events
            ],
            runs=[RunAnswer.of(run) for run in detail.runs],
        )
