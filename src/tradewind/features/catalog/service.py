"""What other features may ask of the catalog."""

import re
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row

from tradewind.core.clock import Clock
from tradewind.core.errors import InvalidInput, NotFound
from tradewind.core.ids import ModelId, ModelVersionId
from tradewind.features.catalog import repository
from tradewind.features.catalog.builtin import BuiltinModel
from tradewind.features.catalog.schemas import ModelFacts, NewModel
from tradewind.snapshot.contents import Operation

_PUBLISHER = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,98}[a-z0-9])?")


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
    model_id: ModelId


class Catalog:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def add_builtin(self, tx: Connection, entry: BuiltinModel) -> AddedModel | None:
        """Add a model with its first version. Idempotent: returns None when it is there already."""
        return self._add(tx, entry)

    def add_model(self, tx: Connection, entry: NewModel) -> AddedModel | None:
        """Add a model with its first version. Idempotent: returns None when it is there already.

        Raises InvalidInput for a name that clients could not write.
        """
        if not _PUBLISHER.fullmatch(entry.publisher) or not _SLUG.fullmatch(entry.slug):
            raise InvalidInput(
                f"'{entry.publisher[:80]}/{entry.slug[:120]}' cannot be the name of a model",
                hint="use lower-case letters, digits, '.', '_' and '-' around one '/'",
            )
        return self._add(tx, entry)

    def find_model(self, tx: Connection, name: str) -> ModelFacts | None:
        """Return the model of this "publisher/slug", or None."""
        publisher, _, slug = name.partition("/")
        row = repository.find_model(tx, publisher, slug)
        return None if row is None else _facts(row)

    def get_model(self, tx: Connection, model_id: ModelId) -> ModelFacts:
        """Raises NotFound."""
        row = repository.get_model(tx, model_id)
        if row is None:
            raise NotFound(f"there is no model '{model_id}'")
        return _facts(row)

    def _add(self, tx: Connection, entry: BuiltinModel | NewModel) -> AddedModel | None:
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
            ModelId(row.model_id),
        )


def _facts(row: Row[Any]) -> ModelFacts:
    return ModelFacts(
        model_id=ModelId(row.id),
        name=f"{row.publisher_slug}/{row.slug}",
        slug=row.slug,
        display_name=row.display_name,
        operation=Operation(row.operation),
        context_tokens=row.context_tokens,
        max_output_tokens=row.max_output_tokens,
    )
