"""What the routes of the catalog take and answer. Amounts are decimal strings for 1,000,000 units;
null is not told, which is not free.
"""

from datetime import date, datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, StringConstraints

from tradewind.control.bodies import Body, amount_of
from tradewind.features.catalog.licences import Acceptance
from tradewind.features.catalog.rules.lifecycle import Life, Lifecycle, Schedule
from tradewind.features.catalog.schemas import (
    CatalogModel,
    CatalogStats,
    ChangeRow,
    FactRow,
    OfferRow,
    PublisherRow,
    SyncRow,
    VersionRow,
)
from tradewind.readmodels.calendar_links import CalendarLink
from tradewind.snapshot.contents import Operation

_Next = Field(description="Send it as `after` for the next page; null at the end.")
_ModelName = Annotated[str, StringConstraints(max_length=170)]


class StatsAnswer(BaseModel):
    models: int
    offers: int
    publishers: int
    providers: int = Field(description="Hosts with an offer.")
    unfolded: int = Field(description="Entries of lists of which nobody knows whose model it is.")

    @classmethod
    def of(cls, stats: CatalogStats) -> Self:
        return cls(
            models=stats.models,
            offers=stats.offers,
            publishers=stats.publishers,
            providers=stats.providers,
            unfolded=stats.unfolded,
        )


class CatalogModelAnswer(BaseModel):
    name: str
    publisher: str
    publisher_name: str
    display_name: str
    description: str
    family: str
    licence: str = Field(description="An SPDX id; empty is not told.")
    licence_url: str
    is_gated: bool = Field(description="The licence has to be accepted before the model is called.")
    operation: Operation | None = Field(description="Null is nothing that is served here.")
    context_tokens: int | None
    max_output_tokens: int | None
    dimensions: int | None
    parameters: int | None
    released_on: date | None
    knowledge: str
    input_modalities: list[str]
    output_modalities: list[str]
    capabilities: list[str]
    open_weights: bool | None
    lifecycle: Lifecycle
    retires_on: date | None
    deprecates_on: date | None
    replacement: str | None
    visibility: str
    origin: str
    offers: int

    @classmethod
    def of(cls, model: CatalogModel) -> Self:
        return cls(
            name=model.name,
            publisher=model.publisher,
            publisher_name=model.publisher_name,
            display_name=model.display_name,
            description=model.description,
            family=model.family,
            licence=model.licence,
            licence_url=model.licence_url,
            is_gated=model.is_gated,
            operation=model.operation,
            context_tokens=model.context_tokens,
            max_output_tokens=model.max_output_tokens,
            dimensions=model.dimensions,
            parameters=model.parameters,
            released_on=model.released_on,
            knowledge=model.knowledge,
            input_modalities=list(model.input_modalities),
            output_modalities=list(model.output_modalities),
            capabilities=list(model.capabilities),
            open_weights=model.open_weights,
            lifecycle=Lifecycle(model.lifecycle),
            retires_on=model.retires_on,
            deprecates_on=model.deprecates_on,
            replacement=model.replacement or None,
            visibility=model.visibility,
            origin=model.origin,
            offers=model.offers,
        )


class OfferAnswer(BaseModel):
    id: str
    host: str
    upstream_model: str
    region: str
    version: str
    quantization: str
    variant: str
    currency: str
    input: str | None
    output: str | None
    cached_input: str | None
    cache_write: str | None
    meters: dict[str, str]
    context_tokens: int | None
    max_output_tokens: int | None
    capabilities: list[str]
    status: str = Field(description="`active`, `beta`, `deprecated` or `vanished`.")
    source: str
    price_source: str | None
    observed_on: date
    changed_at: datetime

    @classmethod
    def of(cls, offer: OfferRow) -> Self:
        return cls(
            id=offer.offer_id,
            host=offer.host,
            upstream_model=offer.upstream_model,
            region=offer.region,
            version=offer.version,
            quantization=offer.quantization,
            variant=offer.variant,
            currency=offer.currency,
            input=_amount(offer.input_nanos),
            output=_amount(offer.output_nanos),
            cached_input=_amount(offer.cached_input_nanos),
            cache_write=_amount(offer.cache_write_nanos),
            meters={name: amount_of(nanos) for name, nanos in offer.meters.items()},
            context_tokens=offer.context_tokens,
            max_output_tokens=offer.max_output_tokens,
            capabilities=list(offer.capabilities),
            status=offer.status,
            source=offer.source,
            price_source=offer.price_source,
            observed_on=offer.observed_on,
            changed_at=offer.changed_at,
        )


class VersionAnswer(BaseModel):
    id: str
    label: str
    digest: str | None
    is_sealed: bool
    quantization: str
    size_bytes: int | None
    created_at: datetime

    @classmethod
    def of(cls, row: VersionRow) -> Self:
        return cls(
            id=row.version_id,
            label=row.label,
            digest=row.digest,
            is_sealed=row.is_sealed,
            quantization=row.quantization,
            size_bytes=row.size_bytes,
            created_at=row.created_at,
        )


class FactAnswer(BaseModel):
    name: str
    value: Any
    source: str
    observed_on: date
    is_winner: bool

    @classmethod
    def of(cls, row: FactRow) -> Self:
        return cls(
            name=row.name,
            value=row.value,
            source=row.source,
            observed_on=row.observed_on,
            is_winner=row.is_winner,
        )


class CatalogModelDetail(BaseModel):
    model: CatalogModelAnswer
    card: str = Field(description="Markdown.")
    offers: list[OfferAnswer]
    versions: list[VersionAnswer]
    facts: list[FactAnswer] = Field(description="Who said what, of each fact what counts first.")


class LifecycleBody(Body):
    state: Annotated[Lifecycle, Field(strict=False)]
    retires_on: Annotated[date | None, Field(strict=False)] = Field(
        default=None, description="With `deprecated`: its last day; without one the earliest."
    )
    deprecates_on: Annotated[date | None, Field(strict=False)] = Field(
        default=None,
        description="With `deprecated`: announce it now for this day ahead, on which it comes by"
        " itself; without one it is deprecated now.",
    )
    replacement: _ModelName | None = Field(
        default=None, description="Name of the model to take instead."
    )


class LifecycleAnswer(BaseModel):
    state: Lifecycle
    since: datetime
    retires_on: date | None
    deprecates_on: date | None = Field(
        description="The day for which its deprecation was announced, or on which it came by that."
    )
    earliest_legacy_on: date | None
    earliest_deprecated_on: date | None
    earliest_retires_on: date | None

    @classmethod
    def of(cls, life: Life, schedule: Schedule | None) -> Self:
        return cls(
            state=life.state,
            since=life.since,
            retires_on=life.retires_on,
            deprecates_on=life.deprecates_on,
            earliest_legacy_on=None if schedule is None else schedule.legacy_on,
            earliest_deprecated_on=None if schedule is None else schedule.deprecated_on,
            earliest_retires_on=None if schedule is None else schedule.retires_on,
        )


class CalendarLinkBody(Body):
    name: Annotated[str, StringConstraints(max_length=80)] = Field(
        description="Which calendar it is for."
    )


class CalendarLinkAnswer(BaseModel):
    id: str
    name: str
    owner: str
    created_at: datetime
    last_read_at: datetime | None

    @classmethod
    def of(cls, link: CalendarLink) -> Self:
        return cls(
            id=link.link_id,
            name=link.name,
            owner=link.user_name,
            created_at=link.created_at,
            last_read_at=link.last_read_at,
        )


class CalendarLinkList(BaseModel):
    links: list[CalendarLinkAnswer] = Field(description="The newest first.")


class NewCalendarLinkAnswer(BaseModel):
    id: str
    url: str = Field(description="Shown this once. Whoever has it reads the calendar.")


class LicenceBody(Body):
    licence: Annotated[
        str,
        StringConstraints(max_length=200),
        Field(description="The one that was read; another one by now is a 409."),
    ]


class AcceptanceAnswer(BaseModel):
    model: str
    licence: str
    accepted_by: str
    accepted_at: datetime

    @classmethod
    def of(cls, row: Acceptance) -> Self:
        return cls(
            model=row.model,
            licence=row.licence,
            accepted_by=row.accepted_by,
            accepted_at=datetime.fromisoformat(row.accepted_at),
        )


class AcceptanceList(BaseModel):
    licences: list[AcceptanceAnswer]


class PublisherAnswer(BaseModel):
    slug: str
    name: str
    description: str
    website: str
    is_verified: bool

    @classmethod
    def of(cls, row: PublisherRow) -> Self:
        return cls(
            slug=row.slug,
            name=row.name,
            description=row.description,
            website=row.website,
            is_verified=row.verified_at is not None,
        )


class PublisherPage(BaseModel):
    publishers: list[PublisherAnswer]
    next: str | None = _Next


class SyncBody(Body):
    source: Annotated[str, StringConstraints(max_length=64, pattern=r"^[a-z_]+$")]


class SyncAnswer(BaseModel):
    id: str
    source: str
    observed_on: date | None
    started_at: datetime
    ended_at: datetime | None = Field(description="Null while it waits or runs.")
    seen: int
    added: int
    changed: int
    held: int
    vanished: int
    unfolded: int
    skipped: dict[str, int]
    error: str

    @classmethod
    def of(cls, row: SyncRow) -> Self:
        return cls(
            id=row.sync_id,
            source=row.source,
            observed_on=row.observed_on,
            started_at=row.started_at,
            ended_at=row.ended_at,
            seen=row.seen,
            added=row.added,
            changed=row.changed,
            held=row.held,
            vanished=row.vanished,
            unfolded=row.unfolded,
            skipped=dict(row.skipped),
            error=row.error,
        )


class SyncList(BaseModel):
    syncs: list[SyncAnswer] = Field(description="The newest first.")


class ChangeAnswer(BaseModel):
    id: str
    source: str
    kind: str = Field(description="`price`, `context` or `vanished`.")
    host: str = Field(description="Empty when it is about a model.")
    upstream_model: str
    region: str
    before: dict[str, Any]
    after: dict[str, Any]
    reason: str
    state: str = Field(description="`held`, `applied`, `dismissed` or `overtaken`.")
    created_at: datetime
    decided_at: datetime | None
    decided_by: str | None

    @classmethod
    def of(cls, row: ChangeRow) -> Self:
        return cls(
            id=row.change_id,
            source=row.source,
            kind=row.kind,
            host=row.host,
            upstream_model=row.upstream_model,
            region=row.region,
            before=dict(row.before),
            after=dict(row.after),
            reason=row.reason,
            state=row.state,
            created_at=row.created_at,
            decided_at=row.decided_at,
            decided_by=row.decided_by,
        )


class ChangePage(BaseModel):
    changes: list[ChangeAnswer] = Field(description="The oldest first.")
    next: str | None = _Next


def _amount(nanos: int | None) -> str | None:
    return None if nanos is None else amount_of(nanos)
