"""What other features may ask of the catalog."""

from typing import NamedTuple

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import NotFound
from tradewind.core.ids import ModelId, ModelVersionId
from tradewind.features.catalog import repository
from tradewind.features.catalog.builtin import BuiltinModel
from tradewind.snapshot.contents import Operation


class AddedModel(NamedTuple):
    model_id: ModelId
    version_id: ModelVersionId


class VersionFacts(NamedTuple):
    """What running a version needs to know."""

    name: str
    """The model's name, "publisher/slug"."""
    operation: Operation
    context_tokens: int
    artifact: str


class Catalog:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def add_builtin(self, tx: Connection, entry: BuiltinModel) -> AddedModel | None:
        """Add a model with its first version. Idempotent: returns None when it is there already."""
        now = self._clock.now()
        model_id = repository.add_model(tx, entry, now)
        if model_id is None:
            return None
        return AddedModel(
            model_id, repository.add_version(tx, model_id, entry.version, entry.artifact, now)
        )

    def version_facts(self, tx: Connection, version_id: ModelVersionId) -> VersionFacts:
        """Raises NotFound."""
        row = repository.version_facts(tx, version_id)
        if row is None:
            raise NotFound(f"there is no model version '{version_id}'")
        return VersionFacts(
            f"{row.publisher_slug}/{row.slug}",
            Operation(row.operation),
            row.context_tokens,
            row.artifact,
        )
