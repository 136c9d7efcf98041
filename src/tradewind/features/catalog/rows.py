"""Between rows of the database and what the catalog hands out."""

from typing import Any

from sqlalchemy import Row

from tradewind.core.ids import (
    CatalogChangeId,
    ModelId,
    ModelVersionId,
    OfferId,
    OrganizationId,
    SyncId,
)
from tradewind.features.catalog.rules.lifecycle import Life, Lifecycle
from tradewind.features.catalog.schemas import (
    CatalogModel,
    ChangeRow,
    ModelFacts,
    OfferRow,
    PublisherRow,
    SyncRow,
    VersionRow,
)
from tradewind.snapshot.contents import Operation


def name_of(row: Row[Any]) -> str:
    return f"{row.publisher_slug}/{row.slug}"


def model_facts(row: Row[Any]) -> ModelFacts:
    return ModelFacts(
        model_id=ModelId(row.id),
        name=name_of(row),
        slug=row.slug,
        display_name=row.display_name,
        operation=_operation(row),
        context_tokens=row.context_tokens,
        max_output_tokens=row.max_output_tokens,
    )


def catalog_model(row: Row[Any]) -> CatalogModel:
    return CatalogModel(
        model_id=ModelId(row.id),
        name=name_of(row),
        publisher=row.publisher_slug,
        publisher_name=row.publisher_name,
        slug=row.slug,
        display_name=row.display_name,
        description=row.description,
        card=row.card,
        family=row.family,
        licence=row.licence,
        licence_url=row.licence_url,
        is_gated=row.is_gated,
        operation=_operation(row),
        context_tokens=row.context_tokens,
        max_output_tokens=row.max_output_tokens,
        dimensions=row.dimensions,
        parameters=row.parameters,
        released_on=row.released_on,
        knowledge=row.knowledge,
        input_modalities=tuple(row.input_modalities),
        output_modalities=tuple(row.output_modalities),
        capabilities=tuple(row.capabilities),
        open_weights=row.open_weights,
        lifecycle=row.lifecycle,
        lifecycle_since=row.lifecycle_since,
        retires_on=row.retires_on,
        deprecates_on=row.deprecates_on,
        replacement=row.replacement,
        visibility=row.visibility,
        origin=row.origin,
        offers=row.offers,
    )


def life_of(row: Row[Any]) -> Life:
    return Life(
        Lifecycle(row.lifecycle),
        row.lifecycle_since,
        row.ga_since,
        row.retires_on,
        row.deprecates_on,
    )


def version_row(row: Row[Any]) -> VersionRow:
    return VersionRow(
        version_id=ModelVersionId(row.id),
        model_id=ModelId(row.model_id),
        label=row.label,
        artifact=row.artifact,
        digest=row.digest,
        is_sealed=row.visibility == "sealed",
        quantization=row.quantization,
        size_bytes=row.size_bytes,
        facts=row.facts,
        created_at=row.created_at,
    )


def publisher_row(row: Row[Any]) -> PublisherRow:
    return PublisherRow(
        slug=row.slug,
        name=row.name,
        description=row.description,
        website=row.website,
        organization_id=(
            None if row.organization_id is None else OrganizationId(row.organization_id)
        ),
        verified_at=row.verified_at,
    )


def offer_row(row: Row[Any]) -> OfferRow:
    return OfferRow(
        offer_id=OfferId(row.id),
        model=name_of(row),
        host=row.host,
        upstream_model=row.upstream_model,
        region=row.region,
        version=row.version,
        quantization=row.quantization,
        variant=row.variant,
        currency=row.currency,
        input_nanos=row.input_nanos,
        output_nanos=row.output_nanos,
        cached_input_nanos=row.cached_input_nanos,
        cache_write_nanos=row.cache_write_nanos,
        meters=row.meters,
        context_tokens=row.context_tokens,
        max_output_tokens=row.max_output_tokens,
        capabilities=tuple(row.capabilities),
        status=row.status,
        source=row.source,
        price_source=row.price_source,
        observed_on=row.observed_on,
        first_seen_at=row.first_seen_at,
        changed_at=row.changed_at,
    )


def sync_row(row: Row[Any]) -> SyncRow:
    return SyncRow(
        sync_id=SyncId(row.id),
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
        skipped=row.skipped,
        error=row.error,
    )


def change_row(row: Row[Any]) -> ChangeRow:
    return ChangeRow(
        change_id=CatalogChangeId(row.id),
        source=row.source,
        kind=row.kind,
        host=row.host,
        upstream_model=row.upstream_model,
        region=row.region,
        before=row.before,
        after=row.after,
        reason=row.reason,
        state=row.state,
        created_at=row.created_at,
        decided_at=row.decided_at,
        decided_by=row.decided_by,
    )


def _operation(row: Row[Any]) -> Operation | None:
    return None if row.operation is None else Operation(row.operation)
