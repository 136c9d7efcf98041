"""Publishers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.dialects.postgresql import insert

from tradewind.features.catalog.repository.batches import run_batched
from tradewind.features.catalog.tables import publisher


def add_publisher(tx: Connection, slug: str, name: str, now: datetime) -> None:
    """Insert a publisher. One that is there is not changed."""
    tx.execute(
        insert(publisher).values(slug=slug, name=name, created_at=now).on_conflict_do_nothing()
    )


def add_publishers(tx: Connection, rows: Sequence[Mapping[str, Any]], now: datetime) -> int:
    """Insert those that are not there, and name those that had no better name than their slug."""
    return run_batched(
        tx,
        """
        INSERT INTO publisher (slug, name, website, created_at)
        SELECT slug, name, website, :now FROM jsonb_to_recordset(CAST(:rows AS jsonb))
            AS said(slug text, name text, website text)
        ON CONFLICT (slug) DO UPDATE SET name = excluded.name,
            website = coalesce(nullif(publisher.website, ''), excluded.website)
        WHERE publisher.name = publisher.slug AND excluded.name <> excluded.slug
        """,
        rows,
        now=now,
    )


def find_publisher(tx: Connection, slug: str) -> Row[Any] | None:
    return tx.execute(select(publisher).where(publisher.c.slug == slug)).first()


def list_publishers(tx: Connection, *, after: str, limit: int) -> Sequence[Row[Any]]:
    return tx.execute(
        select(publisher).where(publisher.c.slug > after).order_by(publisher.c.slug).limit(limit)
    ).all()


def update_publisher(tx: Connection, slug: str, values: Mapping[str, Any]) -> None:
    tx.execute(update(publisher).where(publisher.c.slug == slug).values(**values))
