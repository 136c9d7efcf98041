"""All SQL of the catalog."""

from datetime import date, datetime
from typing import Any, Protocol

from sqlalchemy import Connection, Row, select
from sqlalchemy.dialects.postgresql import insert

from tradewind.core.ids import ModelId, ModelVersionId
from tradewind.features.catalog.tables import model, model_version, publisher
from tradewind.snapshot.contents import Operation


class Entry(Protocol):
    """What is stored of a model."""

    @property
    def publisher(self) -> str: ...
    @property
    def publisher_name(self) -> str: ...
    @property
    def slug(self) -> str: ...
    @property
    def display_name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def licence(self) -> str: ...
    @property
    def operation(self) -> Operation: ...
    @property
    def context_tokens(self) -> int: ...
    @property
    def max_output_tokens(self) -> int: ...
    @property
    def dimensions(self) -> int | None: ...
    @property
    def parameters(self) -> int | None: ...
    @property
    def released_on(self) -> date | None: ...


def add_model(tx: Connection, entry: Entry, now: datetime) -> ModelId | None:
    """Insert publisher and model. Returns None when the model is there already; it is not
    changed.
    """
    tx.execute(
        insert(publisher)
        .values(slug=entry.publisher, name=entry.publisher_name, created_at=now)
        .on_conflict_do_nothing()
    )
    model_id = ModelId.new()
    added = tx.execute(
        insert(model)
        .values(
            id=model_id,
            publisher_slug=entry.publisher,
            slug=entry.slug,
            display_name=entry.display_name,
            description=entry.description,
            licence=entry.licence,
            operation=entry.operation,
            context_tokens=entry.context_tokens,
            max_output_tokens=entry.max_output_tokens,
            dimensions=entry.dimensions,
            parameters=entry.parameters,
            released_on=entry.released_on,
            created_at=now,
        )
        .on_conflict_do_nothing()
        .returning(model.c.id)
    ).scalar()
    return model_id if added else None


def add_version(
    tx: Connection, model_id: ModelId, label: str, artifact: str, now: datetime
) -> ModelVersionId:
    version_id = ModelVersionId.new()
    tx.execute(
        insert(model_version).values(
            id=version_id, model_id=model_id, label=label, artifact=artifact, created_at=now
        )
    )
    return version_id


def find_model(tx: Connection, publisher_slug: str, slug: str) -> Row[Any] | None:
    return tx.execute(
        select(model).where(model.c.publisher_slug == publisher_slug, model.c.slug == slug)
    ).first()


def get_model(tx: Connection, model_id: ModelId) -> Row[Any] | None:
    return tx.execute(select(model).where(model.c.id == model_id)).first()


def version_facts(tx: Connection, version_id: ModelVersionId) -> Row[*tuple[Any, ...]] | None:
    """Return what running a version needs to know of it and of its model."""
    return tx.execute(
        select(
            model.c.id.label("model_id"),
            model.c.publisher_slug,
            model.c.slug,
            model.c.operation,
            model.c.context_tokens,
            model_version.c.artifact,
        )
        .join(model, model.c.id == model_version.c.model_id)
        .where(model_version.c.id == version_id)
    ).first()
