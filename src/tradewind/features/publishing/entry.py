"""A listing that was approved, put into the catalog by the catalog's own service."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection

from tradewind.core.errors import InvalidInput
from tradewind.core.ids import ModelId, ModelVersionId, OrganizationId, ProjectId
from tradewind.core.permissions import Permission
from tradewind.features.artifacts.schemas import ArtifactDetail
from tradewind.features.artifacts.schemas import Visibility as Seal
from tradewind.features.artifacts.service import facts_together
from tradewind.features.catalog.folding.licences import licence_of
from tradewind.features.catalog.schemas import PUBLISHED, NewModel, NewVersion, Origin, Visibility
from tradewind.features.catalog.service import Catalog
from tradewind.features.endpoints.schemas import HostedModel, HostedModels, ModelPrice
from tradewind.features.endpoints.service import Endpoints
from tradewind.features.providers.schemas import HOST_CURRENCY
from tradewind.features.publishing import rules
from tradewind.features.publishing.schemas import Content, ListingRow
from tradewind.snapshot.contents import Operation


class Entry(NamedTuple):
    model_id: ModelId
    version_id: ModelVersionId


@dataclass(frozen=True, slots=True)
class _Approved:
    """The platform, carrying out what a reviewer decided for an organization."""

    organization_id: OrganizationId
    project_id: ProjectId = field(default_factory=ProjectId.new)

    def may(self, permission: Permission) -> bool:  # noqa: ARG002  a reviewer has decided
        return True


def put_into_catalog(
    tx: Connection,
    row: ListingRow,
    publisher_name: str,
    *,
    catalog: Catalog,
    endpoints: Endpoints,
    artifact: ArtifactDetail | None,
) -> Entry:
    """Add the model or the version, tell what the publisher says of it, and have a bound one
    called. Idempotent. Raises InvalidInput, Conflict.
    """
    content = row.content
    if not content.is_bound and artifact is None:
        raise InvalidInput(f"the artifact {content.artifact[:80]} is gone", hint="send it back")
    catalog.add_model(
        tx,
        NewModel(
            publisher=row.publisher,
            publisher_name=publisher_name,
            slug=row.slug,
            display_name=content.display_name,
            operation=Operation(content.operation),
            version=content.version,
            artifact=_artifact_of(content),
            context_tokens=content.context_tokens,
            max_output_tokens=content.max_output_tokens,
            description=content.description,
            licence=licence_of(content.licence) or content.licence,
            origin=Origin.PUBLISHED,
            first_version=_new_version(content, artifact),
        ),
    )
    found = catalog.find_model(tx, row.name)
    assert found is not None, "added, or there before"
    version_id = _version(tx, row, found.model_id, catalog, artifact)
    catalog.tell_facts(tx, found.model_id, _facts(content, artifact), source=PUBLISHED)
    catalog.set_card(tx, found.model_id, card_of(content))
    visibility = Visibility(content.visibility)
    owner = row.organization_id if visibility is Visibility.PRIVATE else None
    catalog.set_visibility(tx, found.model_id, visibility, owner)
    if content.is_bound:
        endpoints.add_from_host(
            tx,
            _Approved(row.organization_id),
            content.connection_id,
            HostedModels([_hosted(row)]),
        )
    return Entry(found.model_id, version_id)


def take_out_of_catalog(tx: Connection, catalog: Catalog, row: ListingRow) -> None:
    """Show a model in no list any more. It stays for who knows its name, and calls go on."""
    assert row.model_id is not None, "it was listed"
    if row.content.visibility == Visibility.LISTED.value:
        catalog.set_visibility(tx, row.model_id, Visibility.UNLISTED)


def card_of(content: Content) -> str:
    """Return the card as the catalog shows it: the publisher's text, then the safety facts."""
    return (
        f"{content.card.strip()}\n\n"
        f"## Intended use\n\n{content.intended_use.strip()}\n\n"
        f"## Limits\n\n{content.limits.strip()}\n\n"
        f"## Evaluated harms\n\n{content.evaluated_harms.strip()}\n"
    )


def _version(
    tx: Connection,
    row: ListingRow,
    model_id: ModelId,
    catalog: Catalog,
    artifact: ArtifactDetail | None,
) -> ModelVersionId:
    content = row.content
    there = catalog.find_version(tx, model_id, content.version)
    if there is not None and there.artifact == _artifact_of(content):
        return there.version_id
    return catalog.add_version(tx, model_id, _new_version(content, artifact)).version_id


def _new_version(content: Content, artifact: ArtifactDetail | None) -> NewVersion:
    if artifact is None:
        return NewVersion(content.version, _artifact_of(content))
    return NewVersion(
        label=content.version,
        artifact=_artifact_of(content),
        digest=artifact.row.digest.removeprefix("sha256:"),
        is_sealed=artifact.row.visibility is Seal.SEALED,
        quantization=facts_together(artifact.files).quantization or "",
        size_bytes=artifact.row.size,
    )


def _artifact_of(content: Content) -> str:
    if content.is_bound:
        return f"host:{content.upstream_model}"
    return content.artifact


def _facts(content: Content, artifact: ArtifactDetail | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "display_name": content.display_name,
        "description": content.description,
        "family": content.family or None,
        "licence": licence_of(content.licence) or content.licence,
        "licence_url": content.licence_url or None,
        "is_gated": content.is_gated,
        "operation": content.operation,
        "context_tokens": content.context_tokens,
        "max_output_tokens": content.max_output_tokens,
        "capabilities": sorted(set(content.capabilities)),
    }
    if artifact is not None:
        told["parameters"] = facts_together(artifact.files).parameters
        told["open_weights"] = artifact.row.visibility is Seal.OPEN
    return {name: value for name, value in told.items() if value is not None}


def _hosted(row: ListingRow) -> HostedModel:
    content = row.content
    price = None
    input_nanos = rules.price_nanos(content.input_price)
    output_nanos = rules.price_nanos(content.output_price)
    if input_nanos is not None and output_nanos is not None:
        price = ModelPrice(HOST_CURRENCY, input_nanos, output_nanos, input_nanos)
    return HostedModel(
        upstream_model=content.upstream_model,
        name=row.name,
        display_name=content.display_name,
        operation=Operation(content.operation),
        context_tokens=content.context_tokens,
        max_output_tokens=content.max_output_tokens,
        price=price,
    )
