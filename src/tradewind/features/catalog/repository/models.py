"""Models, and what running one needs to know."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from tradewind.core.ids import ModelId, ModelVersionId
from tradewind.features.catalog.repository.batches import run_batched
from tradewind.features.catalog.tables import model, model_alias, model_version, offer, publisher

_NAME = model.c.publisher_slug + "/" + model.c.slug


def add_model(tx: Connection, values: Mapping[str, Any]) -> ModelId | None:
    """Insert a model. Returns None when one of this name is there; it is not changed."""
    model_id = ModelId.new()
    added = tx.execute(
        insert(model)
        .values(id=model_id, **values)
        .on_conflict_do_nothing(index_elements=[model.c.publisher_slug, model.c.slug])
        .returning(model.c.id)
    ).scalar()
    return model_id if added else None


def add_names(tx: Connection, rows: Sequence[Mapping[str, Any]], now: datetime) -> int:
    """Insert models of which no more than their names is known yet."""
    return run_batched(
        tx,
        """
        INSERT INTO model (id, publisher_slug, slug, display_name, description, licence, origin,
            lifecycle, lifecycle_since, ga_since, created_at, updated_at)
        SELECT id, publisher, slug, slug, '', '', 'synced', 'ga', :now, :now, :now, :now
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS said(id text, publisher text, slug text)
        ON CONFLICT (publisher_slug, slug) DO NOTHING
        """,
        rows,
        now=now,
    )


def find_model(
    tx: Connection, publisher_slug: str, slug: str, *, locks: bool = False
) -> Row[Any] | None:
    statement = select(model).where(model.c.publisher_slug == publisher_slug, model.c.slug == slug)
    return tx.execute(statement.with_for_update() if locks else statement).first()


def get_model(tx: Connection, model_id: ModelId) -> Row[Any] | None:
    return tx.execute(select(model).where(model.c.id == model_id)).first()


def update_model(tx: Connection, model_id: ModelId, values: Mapping[str, Any]) -> None:
    tx.execute(update(model).where(model.c.id == model_id).values(**values))


def ids_of(tx: Connection, names: Collection[str] | None = None) -> dict[str, str]:
    """Return the id of each model by its name; of all without `names`."""
    statement = select(model.c.id, model.c.publisher_slug, model.c.slug)
    if names is not None:
        statement = statement.where(_NAME.in_(list(names)))
    return {f"{row.publisher_slug}/{row.slug}": row.id for row in tx.execute(statement)}


def describe(tx: Connection, condition: ColumnElement[bool]) -> Sequence[Row[Any]]:
    """Return models with their publisher's name and how many offers they have."""
    offers = (
        select(func.count())
        .where(offer.c.model_id == model.c.id, offer.c.status != "vanished")
        .scalar_subquery()
    )
    described = select(model, publisher.c.name.label("publisher_name"), offers.label("offers"))
    joined = described.join(publisher, publisher.c.slug == model.c.publisher_slug)
    return tx.execute(joined.where(condition)).all()


# --- versions and aliases -------------------------------------------------------------------


def add_version(
    tx: Connection, model_id: ModelId, values: Mapping[str, Any]
) -> ModelVersionId | None:
    """Insert a version. Returns None when the model has one of this label."""
    version_id = ModelVersionId.new()
    added = tx.execute(
        insert(model_version)
        .values(id=version_id, model_id=model_id, **values)
        .on_conflict_do_nothing(index_elements=[model_version.c.model_id, model_version.c.label])
        .returning(model_version.c.id)
    ).scalar()
    return version_id if added else None


def has_version(tx: Connection, model_id: ModelId) -> bool:
    found = select(model_version.c.id).where(model_version.c.model_id == model_id).limit(1)
    return tx.execute(found).first() is not None


def list_versions(tx: Connection, model_id: ModelId, limit: int) -> Sequence[Row[Any]]:
    """Return the versions of a model, the newest first."""
    return tx.execute(
        select(model_version)
        .where(model_version.c.model_id == model_id)
        .order_by(model_version.c.created_at.desc(), model_version.c.id.desc())
        .limit(limit)
    ).all()


def find_version(
    tx: Connection, model_id: ModelId, condition: ColumnElement[bool]
) -> Row[Any] | None:
    return tx.execute(
        select(model_version)
        .where(model_version.c.model_id == model_id, condition)
        .order_by(model_version.c.created_at, model_version.c.id)
        .limit(1)
    ).first()


def version_facts(tx: Connection, version_id: ModelVersionId) -> Row[*tuple[Any, ...]] | None:
    """Return what running a version needs to know of it and of its model."""
    return tx.execute(
        select(
            model.c.id.label("model_id"),
            model.c.publisher_slug,
            model.c.slug,
            model.c.operation,
            model.c.context_tokens,
            model.c.lifecycle,
            model_version.c.artifact,
        )
        .join(model, model.c.id == model_version.c.model_id)
        .where(model_version.c.id == version_id)
    ).first()


def add_aliases(tx: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
    """Add names that stand for models. One that is taken keeps what it stands for."""
    return run_batched(
        tx,
        """
        INSERT INTO model_alias (alias, model_id)
        SELECT alias, model_id
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS said(alias text, model_id text)
        ON CONFLICT (alias) DO NOTHING
        """,
        rows,
    )


def set_alias(
    tx: Connection, alias: str, model_id: ModelId, version_id: ModelVersionId | None
) -> None:
    tx.execute(
        insert(model_alias)
        .values(alias=alias, model_id=model_id, version_id=version_id)
        .on_conflict_do_update(
            index_elements=[model_alias.c.alias],
            set_={"model_id": model_id, "version_id": version_id},
        )
    )


def find_alias(tx: Connection, alias: str) -> Row[Any] | None:
    return tx.execute(select(model_alias).where(model_alias.c.alias == alias)).first()


# --- counting -------------------------------------------------------------------------------


def count_all(tx: Connection) -> Row[Any]:
    """Return how many models, offers, publishers, providers and unfolded entries there are."""
    return tx.execute(
        text("""
            SELECT (SELECT count(*) FROM model) AS models,
                (SELECT count(*) FROM offer WHERE status <> 'vanished') AS offers,
                (SELECT count(DISTINCT publisher_slug) FROM model) AS publishers,
                (SELECT count(DISTINCT host) FROM offer WHERE status <> 'vanished') AS providers,
                (SELECT count(*) FROM unfolded) AS unfolded
        """)
    ).one()
