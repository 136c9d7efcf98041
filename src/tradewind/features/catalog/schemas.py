"""What the catalog takes in and hands out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from tradewind.core.ids import (
    CatalogChangeId,
    ModelId,
    ModelVersionId,
    OfferId,
    OrganizationId,
    SyncId,
)
from tradewind.snapshot.contents import Operation

PUBLISHED = "published"
OPERATOR = "operator"
BUILTIN = "builtin"
"""Sources of facts that are no list: who publishes a model, who runs the platform, and the platform
itself."""

# A host refuses what is too long for it; refusing less than it would take loses calls.
UNKNOWN_CONTEXT_TOKENS = 1_000_000
UNKNOWN_OUTPUT_TOKENS = 32_768


class Visibility(StrEnum):
    LISTED = "listed"
    UNLISTED = "unlisted"
    """There for who knows its name."""
    PRIVATE = "private"
    """There for one organization."""


class Origin(StrEnum):
    """How a model came into the catalog."""

    BUILTIN = "builtin"
    SYNCED = "synced"
    OPERATOR = "operator"
    PUBLISHED = "published"


@dataclass(frozen=True, slots=True)
class NewModel:
    """A model that somebody adds, with its first version."""

    publisher: str
    publisher_name: str
    """Of a publisher that is not there yet."""
    slug: str
    display_name: str
    operation: Operation
    version: str
    artifact: str
    """`host:<what the host calls it>` of a model whose weights lie elsewhere."""
    context_tokens: int | None = None
    """None is not known: then what the catalog knows, or else a length that loses no call."""
    max_output_tokens: int | None = None
    description: str = ""
    licence: str = ""
    dimensions: int | None = None
    parameters: int | None = None
    released_on: date | None = None
    origin: Origin = Origin.OPERATOR
    first_version: "NewVersion | None" = None
    """What else is known of its version; label and artifact are those above."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    model_id: ModelId
    name: str
    """"publisher/slug"."""
    slug: str
    display_name: str
    operation: Operation | None
    """None is what nothing here serves (video), or not known."""
    context_tokens: int | None
    max_output_tokens: int | None


@dataclass(frozen=True, slots=True)
class NewVersion:
    """One immutable artifact of a model."""

    label: str
    artifact: str
    digest: str | None = None
    """sha256 of its manifest, lower-case hex."""
    is_sealed: bool = False
    quantization: str = ""
    size_bytes: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class VersionRow:
    version_id: ModelVersionId
    model_id: ModelId
    label: str
    artifact: str
    digest: str | None
    is_sealed: bool
    quantization: str
    size_bytes: int | None
    facts: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PublisherRow:
    slug: str
    name: str
    description: str
    website: str
    organization_id: OrganizationId | None
    verified_at: datetime | None


@dataclass(frozen=True, slots=True)
class OfferRow:
    """A model at a host, as it was last told. Nanos for 1,000,000 units; None is not told."""

    offer_id: OfferId
    model: str
    """"publisher/slug"."""
    host: str
    upstream_model: str
    region: str
    version: str
    quantization: str
    variant: str
    currency: str
    input_nanos: int | None
    output_nanos: int | None
    cached_input_nanos: int | None
    cache_write_nanos: int | None
    meters: Mapping[str, int]
    context_tokens: int | None
    max_output_tokens: int | None
    capabilities: tuple[str, ...]
    status: str
    source: str
    price_source: str | None
    observed_on: date
    first_seen_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class FactRow:
    """One fact of a model with its provenance."""

    name: str
    value: Any
    source: str
    observed_on: date
    is_winner: bool


@dataclass(frozen=True, slots=True)
class CatalogModel:
    """A model with everything the catalog knows of it, whether anything here serves it or not."""

    model_id: ModelId
    name: str
    publisher: str
    publisher_name: str
    slug: str
    display_name: str
    description: str
    card: str
    family: str
    licence: str
    licence_url: str
    is_gated: bool
    operation: Operation | None
    context_tokens: int | None
    max_output_tokens: int | None
    dimensions: int | None
    parameters: int | None
    released_on: date | None
    knowledge: str
    input_modalities: tuple[str, ...]
    output_modalities: tuple[str, ...]
    capabilities: tuple[str, ...]
    open_weights: bool | None
    lifecycle: str
    lifecycle_since: datetime
    retires_on: date | None
    replacement: str
    visibility: str
    origin: str
    offers: int
    """Those that are there still."""
    deprecates_on: date | None = None
    """The day for which its deprecation was announced, or on which it came by that."""


@dataclass(frozen=True, slots=True)
class SyncRow:
    """One reading of a source and what came of it."""

    sync_id: SyncId
    source: str
    observed_on: date | None
    started_at: datetime
    ended_at: datetime | None
    """None while it waits or runs."""
    seen: int
    added: int
    changed: int
    held: int
    vanished: int
    unfolded: int
    skipped: Mapping[str, int]
    error: str


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A change that looks like a mistake of its source, for somebody to decide."""

    change_id: CatalogChangeId
    source: str
    kind: str
    host: str
    """Empty when it is about a model."""
    upstream_model: str
    region: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    reason: str
    state: str
    created_at: datetime
    decided_at: datetime | None
    decided_by: str | None


@dataclass(frozen=True, slots=True)
class CatalogStats:
    models: int
    offers: int
    """Those that are there still."""
    publishers: int
    providers: int
    """Hosts with an offer."""
    unfolded: int
