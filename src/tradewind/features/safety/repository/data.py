"""Data of checks: the bytes, and who has them."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, delete, exists, literal, select, union_all
from sqlalchemy.dialects.postgresql import insert as upsert

from tradewind.features.safety.schemas import DataKind, DataRow
from tradewind.features.safety.tables import (
    safety_blocklist,
    safety_category,
    safety_corpus,
    safety_data,
)

_TABLES: dict[DataKind, Table] = {
    DataKind.BLOCKLIST: safety_blocklist,
    DataKind.CATEGORY: safety_category,
    DataKind.CORPUS: safety_corpus,
}


def keep(tx: Connection, digest: str, content: bytes, now: datetime) -> None:
    """Store bytes; the same ones are there once."""
    tx.execute(
        upsert(safety_data)
        .values(digest=digest, content=content, made_at=now)
        .on_conflict_do_update(index_elements=["digest"], set_={"made_at": now})
    )


def find(tx: Connection, digest: str) -> bytes | None:
    found = tx.execute(
        select(safety_data.c.content).where(safety_data.c.digest == digest)
    ).scalar_one_or_none()
    return None if found is None else bytes(found)


def references(
    tx: Connection, ids: Collection[str], organization_id: str | None = None
) -> dict[str, DataRow]:
    """Return lists, categories and corpora by their ids; of one organization if it is named."""
    if not ids:
        return {}
    parts: list[Any] = []
    for kind, table in _TABLES.items():
        part = select(
            table.c.id,
            literal(kind.value).label("kind"),
            table.c.organization_id,
            table.c.name,
            table.c.digest,
            table.c.size,
        ).where(table.c.id.in_(ids))
        if organization_id is not None:
            part = part.where(table.c.organization_id == organization_id)
        parts.append(part)
    return {
        row.id: DataRow(
            row.id, DataKind(row.kind), row.organization_id, row.name, row.digest, row.size
        )
        for row in tx.execute(union_all(*parts))
    }


def forget_unused(tx: Connection, before: datetime) -> int:
    """Delete what nothing names any more and nobody has made since; return how many."""
    used = [exists().where(table.c.digest == safety_data.c.digest) for table in _TABLES.values()]
    gone = tx.execute(
        delete(safety_data).where(safety_data.c.made_at < before, *(~each for each in used))
    )
    return gone.rowcount
