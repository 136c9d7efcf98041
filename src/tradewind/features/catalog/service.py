"""What other features may ask of the catalog."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row

from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, InvalidInput, NotFound
from tradewind.core.ids import ModelId, ModelVersionId, OrganizationId
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.features.catalog import rows
from tradewind.features.catalog.builtin import BuiltinModel
from tradewind.features.catalog.errors import ModelNotFound, NotDeployable
from tradewind.features.catalog.licences import Licences
from tradewind.features.catalog.repository import facts, models, offers, publishers
from tradewind.features.catalog.repository.visibility import may_see
from tradewind.features.catalog.rules.lengths import context_or_unknown, output_or_unknown
from tradewind.features.catalog.rules.lifecycle import Lifecycle, may_be_deployed
from tradewind.features.catalog.rules.precedence import PINNED
from tradewind.features.catalog.rules.said import FACT_NAMES
from tradewind.features.catalog.schemas import (
    BUILTIN,
    OPERATOR,
    PUBLISHED,
    CatalogModel,
    CatalogStats,
    FactRow,
    ModelFacts,
    NewModel,
    NewVersion,
    OfferRow,
    Origin,
    PublisherRow,
    VersionRow,
    Visibility,
)
from tradewind.features.catalog.tables import model, model_version
from tradewind.snapshot.contents import Operation

__all__ = ["AddedModel", "Catalog", "Licences", "VersionFacts", "check_name"]

PAGE_MAX = 1_000
VERSIONS_MAX = 1_000
_PUBLISHER = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,98}[a-z0-9])?")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._+-]{0,78}[A-Za-z0-9])?")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_ALIAS_MAX = 200
_CARD_MAX = 200 * 1024
_DESCRIPTION_MAX = 600


class AddedModel(NamedTuple):
    model_id: ModelId
    version_id: ModelVersionId
    is_new: bool = True
    """False for a model that the catalog knew of and nothing here had served."""


class VersionFacts(NamedTuple):
    """What running a version needs to know."""

    name: str
    """The model's name, "publisher/slug"."""
    operation: Operation
    context_tokens: int
    artifact: str
    model_id: ModelId


class Catalog:
    """Models and all that belongs to them. What lists say comes in through `sync`, where a model is
    in its life is `lives`'.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    # --- adding ----------------------------------------------------------------------------

    def add_builtin(self, tx: Connection, entry: BuiltinModel) -> AddedModel | None:
        """Add a model with its first version. Idempotent: returns None when it is there already."""
        return self._add(tx, entry, Origin.BUILTIN, BUILTIN)

    def add_model(self, tx: Connection, entry: NewModel) -> AddedModel | None:
        """Add a model with its first version, to be served.

        One that the catalog knows from a list and that has no version is adopted: what is not known
        of it is filled in, and what was told of its operation and lengths holds from now on.
        Idempotent: returns None when it has a version already. Raises InvalidInput for a name that
        clients could not write.
        """
        check_name(entry.publisher, entry.slug)
        whose = PUBLISHED if entry.origin is Origin.PUBLISHED else OPERATOR
        return self._add(tx, entry, entry.origin, whose)

    def add_version(self, tx: Connection, model_id: ModelId, new: NewVersion) -> VersionRow:
        """Add an immutable version. Idempotent: the same once more returns the first.

        Raises Conflict for a label that another artifact has, InvalidInput.
        """
        if not _LABEL.fullmatch(new.label):
            raise InvalidInput(
                f"{new.label[:100]!r} cannot be the label of a version",
                hint="use up to 80 letters, digits, '.', '_', '+' and '-'",
            )
        if new.digest is not None and not _DIGEST.fullmatch(new.digest):
            raise InvalidInput("a digest is 64 lower-case hexadecimal digits")
        values = _version_values(new, self._clock.now())
        models.add_version(tx, model_id, values)
        found = models.find_version(tx, model_id, model_version.c.label == new.label)
        assert found is not None, "added, or there before"
        if (found.artifact, found.digest) != (new.artifact, new.digest):
            raise Conflict(
                f"there is another version {new.label!r} of this model",
                hint="versions never change: give this one another label",
            )
        return rows.version_row(found)

    def set_alias(
        self,
        tx: Connection,
        alias: str,
        model_id: ModelId,
        version_id: ModelVersionId | None = None,
    ) -> None:
        """Have another name stand for a model, or for one version of it. Replaces what it was."""
        alias = alias.strip().lower()
        if not 1 <= len(alias) <= _ALIAS_MAX or not alias.isprintable():
            raise InvalidInput(f"an alias has 1 to {_ALIAS_MAX} printable characters")
        models.set_alias(tx, alias, model_id, version_id)

    # --- changing --------------------------------------------------------------------------

    def tell_facts(
        self, tx: Connection, model_id: ModelId, told: Mapping[str, Any], *, source: str
    ) -> None:
        """Store what a publisher or an operator says of a model; the stronger word counts.

        Names are those of `rules.said.FACT_NAMES`, values as JSON holds them.
        """
        unknown = told.keys() - set(FACT_NAMES)
        if unknown:
            raise InvalidInput(f"nothing is known of the facts {', '.join(sorted(unknown))}")
        now = self._clock.now()
        given = [
            {"model_id": model_id, "name": name, "value": value}
            for name, value in told.items()
            if value is not None
        ]
        facts.put_facts(tx, given, source, now.date())
        if facts.settle(tx, [model_id], now):
            record_change(tx, ChangeKind.ENDPOINTS)

    def set_card(self, tx: Connection, model_id: ModelId, card: str) -> None:
        """Raises InvalidInput for more than 200 KiB of Markdown."""
        if len(card.encode()) > _CARD_MAX or "\x00" in card:
            raise InvalidInput("a card has at most 200 KiB of text")
        models.update_model(tx, model_id, {"card": card, "updated_at": self._clock.now()})

    def set_visibility(
        self,
        tx: Connection,
        model_id: ModelId,
        visibility: Visibility,
        organization_id: OrganizationId | None = None,
    ) -> None:
        """Say who sees a model. A private one has an organization that does."""
        if visibility is Visibility.PRIVATE and organization_id is None:
            raise InvalidInput("a private model belongs to an organization")
        values = {
            "visibility": visibility.value,
            "organization_id": organization_id,
            "updated_at": self._clock.now(),
        }
        models.update_model(tx, model_id, values)
        record_change(tx, ChangeKind.ENDPOINTS)

    def ready_to_serve(self, tx: Connection, found: ModelFacts) -> ModelFacts:
        """Give a model that is to be called the lengths that calls are checked against.

        Raises InvalidInput for one that nothing here can serve.
        """
        if found.operation is None:
            raise InvalidInput(
                f"{found.name} makes what is not served here, or nobody told what it makes",
                hint="say its operation",
            )
        if found.context_tokens is None or found.max_output_tokens is None:
            values = _lengths(found.operation, found.context_tokens, found.max_output_tokens)
            models.update_model(tx, found.model_id, values)
        return self.get_model(tx, found.model_id)

    # --- looking up ------------------------------------------------------------------------

    def find_model(self, tx: Connection, name: str) -> ModelFacts | None:
        """Return the model of this "publisher/slug", or None."""
        publisher, _, slug = name.partition("/")
        row = models.find_model(tx, publisher, slug)
        return None if row is None else rows.model_facts(row)

    def resolve(self, tx: Connection, name: str) -> ModelFacts | None:
        """As `find_model`, and by any alias, without regard to case."""
        found = self.find_model(tx, name.lower())
        if found is not None:
            return found
        alias = models.find_alias(tx, name.strip().lower()[:_ALIAS_MAX])
        return None if alias is None else self.get_model(tx, ModelId(alias.model_id))

    def get_model(self, tx: Connection, model_id: ModelId) -> ModelFacts:
        """Raises NotFound."""
        row = models.get_model(tx, model_id)
        if row is None:
            raise NotFound(f"there is no model '{model_id}'")
        return rows.model_facts(row)

    def show_model(
        self, tx: Connection, name: str, organization_id: OrganizationId | None
    ) -> CatalogModel:
        """Return all that is known of a model, asked for by its name or an alias.

        Raises ModelNotFound, also for a private one of another organization; None is anybody.
        """
        found = self.resolve(tx, name)
        if found is None:
            raise ModelNotFound(name)
        described = models.describe(tx, (model.c.id == found.model_id) & may_see(organization_id))
        if not described:
            raise ModelNotFound(name)
        return rows.catalog_model(described[0])

    def offers_of(self, tx: Connection, model_id: ModelId) -> list[OfferRow]:
        """Return the offers of a model; what has vanished comes last."""
        return [rows.offer_row(row) for row in offers.offers_of_models(tx, [model_id])]

    def facts_of(self, tx: Connection, model_id: ModelId) -> list[FactRow]:
        """Return every fact with its provenance, of each the one that counts first."""
        seen: set[str] = set()
        found: list[FactRow] = []
        for row in facts.facts_of_model(tx, model_id):
            is_winner = row.name not in seen
            seen.add(row.name)
            found.append(FactRow(row.name, row.value, row.source, row.observed_on, is_winner))
        return found

    def list_versions(self, tx: Connection, model_id: ModelId) -> list[VersionRow]:
        """Return the versions of a model, the newest first."""
        return [rows.version_row(row) for row in models.list_versions(tx, model_id, VERSIONS_MAX)]

    def find_version(self, tx: Connection, model_id: ModelId, pin: str) -> VersionRow | None:
        """Return the version of this label, or of this digest when `pin` is `sha256:…`."""
        kind, colon, digest = pin.partition(":")
        if colon and kind == "sha256":
            condition = model_version.c.digest == digest.lower()
        else:
            condition = model_version.c.label == pin
        row = models.find_version(tx, model_id, condition)
        return None if row is None else rows.version_row(row)

    def version_facts(self, tx: Connection, version_id: ModelVersionId) -> VersionFacts:
        """Raises NotFound."""
        row = self._version(tx, version_id)
        operation = Operation(row.operation or Operation.CHAT)
        return VersionFacts(
            rows.name_of(row),
            operation,
            context_or_unknown(row.context_tokens),
            row.artifact,
            ModelId(row.model_id),
        )

    def check_deployable(self, tx: Connection, version_id: ModelVersionId) -> None:
        """Raises NotDeployable (409) when a deployment may not be made anew, NotFound."""
        row = self._version(tx, version_id)
        if not may_be_deployed(Lifecycle(row.lifecycle)):
            raise NotDeployable(
                f"{rows.name_of(row)} is {row.lifecycle}, and nothing deploys it anew",
                hint="deploy its replacement",
            )
        for name in ("operation", "context_tokens"):
            if getattr(row, name) is None:
                raise NotDeployable(
                    f"the {name} of {rows.name_of(row)} is not known", hint="say it first"
                )

    def find_publisher(self, tx: Connection, slug: str) -> PublisherRow | None:
        row = publishers.find_publisher(tx, slug)
        return None if row is None else rows.publisher_row(row)

    def list_publishers(
        self, tx: Connection, *, after: str = "", limit: int = 100
    ) -> list[PublisherRow]:
        found = publishers.list_publishers(tx, after=after, limit=min(limit, PAGE_MAX))
        return [rows.publisher_row(row) for row in found]

    def stats(self, tx: Connection) -> CatalogStats:
        row = models.count_all(tx)
        return CatalogStats(row.models, row.offers, row.publishers, row.providers, row.unfolded)

    # --- publishers ------------------------------------------------------------------------

    def add_publisher(self, tx: Connection, slug: str, name: str) -> PublisherRow:
        """Add a publisher. Idempotent: one that is there is returned as it is."""
        if not _PUBLISHER.fullmatch(slug):
            raise InvalidInput(
                f"{slug[:80]!r} cannot be the name of a publisher",
                hint="use up to 64 lower-case letters, digits, '.', '_' and '-'",
            )
        publishers.add_publisher(tx, slug, name, self._clock.now())
        found = self.find_publisher(tx, slug)
        assert found is not None, "added, or there before"
        return found

    def verify_publisher(
        self, tx: Connection, slug: str, organization_id: OrganizationId | None
    ) -> None:
        """Note that an organization is this publisher; None takes it back."""
        verified_at = None if organization_id is None else self._clock.now()
        values = {"organization_id": organization_id, "verified_at": verified_at}
        publishers.update_publisher(tx, slug, values)

    # --- inside ----------------------------------------------------------------------------

    def _add(
        self, tx: Connection, entry: BuiltinModel | NewModel, origin: Origin, whose: str
    ) -> AddedModel | None:
        now = self._clock.now()
        publishers.add_publisher(tx, entry.publisher, entry.publisher_name, now)
        told = _told(entry)
        values = {
            "publisher_slug": entry.publisher,
            "slug": entry.slug,
            "display_name": entry.display_name,
            "description": entry.description,
            "licence": entry.licence,
            "operation": entry.operation,
            **_lengths(entry.operation, entry.context_tokens, entry.max_output_tokens),
            "dimensions": entry.dimensions,
            "parameters": entry.parameters,
            "released_on": entry.released_on,
            **_first_stage(origin, now),
            "origin": origin.value,
            "created_at": now,
            "updated_at": now,
        }
        model_id = models.add_model(tx, values)
        is_new = model_id is not None
        if model_id is None:
            row = models.find_model(tx, entry.publisher, entry.slug, locks=True)
            assert row is not None, "it was in the way of adding it"
            model_id = ModelId(row.id)
            if models.has_version(tx, model_id):
                return None
            told = self._adopt(tx, row, entry, origin, told)
        version_id = models.add_version(
            tx,
            model_id,
            _version_values(_first_version(entry), now),
        )
        assert version_id is not None, "it has no version"
        given = [{"model_id": model_id, "name": name, "value": told[name]} for name in told]
        facts.put_facts(tx, given, whose, now.date())
        return AddedModel(model_id, version_id, is_new)

    def _adopt(
        self,
        tx: Connection,
        row: Row[Any],
        entry: BuiltinModel | NewModel,
        origin: Origin,
        told: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Have a model that is known from a list served; return which facts hold from now on."""
        known = {name: getattr(row, name) for name in PINNED}
        is_other = known["operation"] not in {None, str(entry.operation)}
        if is_other and origin is not Origin.BUILTIN:
            raise InvalidInput(
                f"the catalog has {rows.name_of(row)} as a model for {known['operation']}, not for"
                f" {entry.operation}",
                hint="give the model another name",
            )
        context = known["context_tokens"] or entry.context_tokens
        output = known["max_output_tokens"] or entry.max_output_tokens
        values: dict[str, Any] = {
            "operation": entry.operation,
            **_lengths(entry.operation, context, output),
            "origin": origin.value,
            "updated_at": self._clock.now(),
        }
        if origin is Origin.BUILTIN:
            # Whoever ships the weights knows the rest of it as well.
            values |= {name: told[name] for name in told}
            values["released_on"] = entry.released_on
        models.update_model(tx, ModelId(row.id), values)
        pinned = {"operation": entry.operation.value}
        lengths = {"context_tokens": context, "max_output_tokens": output}
        pinned |= {name: value for name, value in lengths.items() if value is not None}
        return dict(told) if origin is Origin.BUILTIN else pinned

    def _version(self, tx: Connection, version_id: ModelVersionId) -> Row[Any]:
        row = models.version_facts(tx, version_id)
        if row is None:
            raise NotFound(f"there is no model version '{version_id}'")
        return row


def check_name(publisher: str, slug: str) -> None:
    """Raises InvalidInput for a name that clients could not write."""
    if not _PUBLISHER.fullmatch(publisher) or not _SLUG.fullmatch(slug):
        raise InvalidInput(
            f"'{publisher[:80]}/{slug[:120]}' cannot be the name of a model",
            hint="use lower-case letters, digits, '.', '_' and '-' around one '/'",
        )


def _first_stage(origin: Origin, now: datetime) -> dict[str, Any]:
    """What is published here has to show first that it may be generally available."""
    is_preview = origin is Origin.PUBLISHED
    stage = Lifecycle.PREVIEW if is_preview else Lifecycle.GA
    return {
        "lifecycle": stage.value,
        "lifecycle_since": now,
        "ga_since": None if is_preview else now,
    }


def _told(entry: BuiltinModel | NewModel) -> dict[str, Any]:
    """Return what an entry says of its model, as JSON holds it."""
    told: dict[str, Any] = {
        "display_name": entry.display_name,
        "description": entry.description[:_DESCRIPTION_MAX],
        "licence": entry.licence,
        "operation": str(entry.operation),
        "context_tokens": entry.context_tokens,
        "max_output_tokens": entry.max_output_tokens,
        "dimensions": entry.dimensions,
        "parameters": entry.parameters,
        "released_on": None if entry.released_on is None else entry.released_on.isoformat(),
    }
    return {name: value for name, value in told.items() if value not in {None, ""}}


def _first_version(entry: BuiltinModel | NewModel) -> NewVersion:
    if isinstance(entry, NewModel) and entry.first_version is not None:
        return replace(entry.first_version, label=entry.version, artifact=entry.artifact)
    return NewVersion(entry.version, entry.artifact)


def _version_values(new: NewVersion, now: datetime) -> dict[str, Any]:
    return {
        "label": new.label,
        "artifact": new.artifact,
        "digest": new.digest,
        "visibility": "sealed" if new.is_sealed else "open",
        "quantization": new.quantization,
        "size_bytes": new.size_bytes,
        "facts": dict(new.facts),
        "created_at": now,
    }


def _lengths(operation: Operation, context: int | None, output: int | None) -> dict[str, int]:
    tokens = context_or_unknown(context)
    if output is None:
        output = output_or_unknown(None, tokens, operation)
    return {"context_tokens": tokens, "max_output_tokens": output}
