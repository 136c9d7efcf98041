"""What publishing takes in and hands out."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from tradewind.core.acting import By
from tradewind.core.ids import (
    ListingId,
    ModelId,
    ModelVersionId,
    OrganizationId,
    PublisherApplicationId,
    ValidationRunId,
)

PLATFORM = By("platform", "the platform")


class ApplicationState(StrEnum):
    PENDING = "pending"
    VERIFIED = "verified"
    REFUSED = "refused"
    LAPSED = "lapsed"
    """It was verified by a proof that was not there any more for weeks."""


class ProofKind(StrEnum):
    """What an application was verified by, other than a person; kept in `decided_by`."""

    FILE = "file"
    DNS = "dns"


class State(StrEnum):
    """Where a listing is on its way."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    """The platform tries the model."""
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    LISTED = "listed"
    DELISTED = "delisted"


class Move(StrEnum):
    SUBMIT = "submit"
    WITHDRAW = "withdraw"
    PASS = "pass"  # noqa: S105  of a validation
    FAIL = "fail"
    SEND_BACK = "send_back"
    APPROVE = "approve"
    LIST = "list"
    DELIST = "delist"
    REPLACE = "replace"
    """Another listing of the same model takes its place."""


class RunState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class CheckState(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    """It does not apply to this model."""


class Content(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a publisher says of one version of a model. All of it may be empty in a draft."""

    display_name: str = ""
    operation: str = "chat"
    version: str = ""
    family: str = ""
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    capabilities: tuple[str, ...] = ()
    """What it can do beyond answering; `tools` and `structured_output` are tried."""
    description: str = ""
    card: str = ""
    """Markdown."""
    artifact: str = ""
    """`sha256:…` of an artifact of the publisher's organization."""
    connection_id: str = ""
    upstream_model: str = ""
    input_price: str = ""
    """Decimal amount for 1,000,000 tokens; empty is what the host's list tells."""
    output_price: str = ""
    licence: str = ""
    """SPDX."""
    licence_url: str = ""
    is_gated: bool = False
    intended_use: str = ""
    limits: str = ""
    evaluated_harms: str = ""
    visibility: str = "listed"

    @property
    def is_bound(self) -> bool:
        """Whether a provider's host answers for it, not an engine of ours."""
        return not self.artifact and bool(self.connection_id)


class Difference(NamedTuple):
    """A field that another listing changes."""

    field: str
    before: str
    after: str


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a validation run tried."""

    name: str
    state: CheckState
    detail: str = ""
    """One line for a person."""
    duration_ms: float | None = None


class Timing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was measured while a model was tried; None is not measured."""

    load_s: float | None = None
    first_token_ms: float | None = None
    tokens_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class NewApplication:
    slug: str
    name: str
    website: str
    contact: str


@dataclass(frozen=True, slots=True)
class ApplicationRow:
    application_id: PublisherApplicationId
    organization_id: OrganizationId
    slug: str
    name: str
    website: str
    contact: str
    proof: str
    """What the file on the website has to say."""
    state: ApplicationState
    reason: str
    proof_error: str
    """Why the file was not found right when it was last looked for."""
    is_proof_due: bool
    """The proof is about to be looked for."""
    created_by: str
    created_at: datetime
    decided_by: str
    """Empty while it is pending; `file` or `dns` when that proved it."""
    decided_at: datetime | None
    challenge: str | None = None
    """Name of the TXT record that proves it as well; None for a website without a domain."""
    missing_since: datetime | None = None
    """Since when what proved it is not found any more."""


@dataclass(frozen=True, slots=True)
class RunRow:
    run_id: ValidationRunId
    listing_id: ListingId
    state: RunState
    stage: str
    """What is being done, one line for a person."""
    checks: tuple[Check, ...]
    timing: Timing
    is_scheduled: bool
    """The platform tries again what is listed."""
    is_cancel_asked: bool
    created_at: datetime
    ended_at: datetime | None

    @property
    def is_open(self) -> bool:
        return self.state in {RunState.WAITING, RunState.RUNNING}


@dataclass(frozen=True, slots=True)
class ListingRow:
    listing_id: ListingId
    organization_id: OrganizationId
    publisher: str
    slug: str
    state: State
    content: Content
    revision: int
    model_id: ModelId | None
    """Once it was listed."""
    version_id: ModelVersionId | None
    created_by: By
    submitted_by: By | None
    """Who submitted it last."""
    created_at: datetime
    updated_at: datetime
    last_run: RunRow | None = None
    reason: str = ""
    """Why it was last sent back or delisted."""
    is_self_reviewed: bool = False
    """Who submitted it approved it as well."""

    @property
    def name(self) -> str:
        return f"{self.publisher}/{self.slug}"


@dataclass(frozen=True, slots=True)
class EventRow:
    """One move in the audit trail."""

    at: datetime
    move: Move
    former: State
    state: State
    by: By
    reason: str
    is_self_review: bool = False
    """An approval by who submitted it."""


@dataclass(frozen=True, slots=True)
class ListingDetail:
    row: ListingRow
    listed: ListingRow | None
    """What is listed of the same model now, if it is another listing."""
    differences: tuple[Difference, ...]
    events: tuple[EventRow, ...]
    runs: tuple[RunRow, ...]
    """The newest first."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A run to carry on. Nobody else does meanwhile."""

    run_id: ValidationRunId
    listing_id: ListingId
    organization_id: OrganizationId
    name: str
    content: Content
    checks: tuple[Check, ...]
    timing: Timing


@dataclass(frozen=True, slots=True)
class DueProof:
    application_id: PublisherApplicationId
    website: str
    proof: str
    challenge: str | None
    """Name of the TXT record; None for a website without a domain."""


class Proof(NamedTuple):
    """What came of looking for a proof."""

    found: ProofKind | None
    error: str = ""
    """Why none was found, one line for a person."""
    is_certain: bool = True
    """False when nobody answered, which says nothing of whether it is there."""


@dataclass(frozen=True, slots=True)
class Desired:
    """What a manifest wants of one model."""

    publisher: str
    slug: str
    content: Content
    notes: tuple[str, ...] = field(default=())
    """What of the source was left out."""
    told: frozenset[str] | None = None
    """Fields that the source speaks of; the others stay as they are. None is all of them."""


Json = dict[str, Any]
