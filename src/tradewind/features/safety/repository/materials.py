"""Custom categories and corpora: what the worker makes data of."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, func, insert, or_, select, update

from tradewind.features.safety.tables import safety_category, safety_corpus, safety_corpus_text

AnyRow = Row[*tuple[Any, ...]]
CATEGORY, CORPUS = safety_category, safety_corpus
_LISTED_OF_CATEGORY = (
    *(column for column in safety_category.c if column.name not in {"positives", "negatives"}),
    func.jsonb_array_length(safety_category.c.positives).label("positives"),
    func.jsonb_array_length(safety_category.c.negatives).label("negatives"),
)


def list_rows(tx: Connection, table: Table, organization_id: str, limit: int) -> Sequence[AnyRow]:
    """Return rows by name; of categories the numbers of their examples."""
    return tx.execute(
        select(*_listed(table))
        .where(table.c.organization_id == organization_id)
        .order_by(table.c.name)
        .limit(limit)
    ).all()


def find_row(
    tx: Connection, table: Table, organization_id: str, row_id: str, *, locks: bool = False
) -> AnyRow | None:
    statement = select(*_listed(table)).where(
        table.c.organization_id == organization_id, table.c.id == row_id
    )
    return tx.execute(statement.with_for_update() if locks else statement).first()


def count_rows(tx: Connection, table: Table, organization_id: str) -> int:
    return tx.execute(
        select(func.count()).select_from(table).where(table.c.organization_id == organization_id)
    ).scalar_one()


def is_name_taken(tx: Connection, table: Table, organization_id: str, name: str) -> bool:
    found = select(table.c.id).where(
        table.c.organization_id == organization_id, table.c.name == name
    )
    return tx.execute(found).first() is not None


def add_row(tx: Connection, table: Table, values: Mapping[str, Any]) -> None:
    tx.execute(insert(table).values(**values))


def update_row(tx: Connection, table: Table, row_id: str, values: Mapping[str, Any]) -> None:
    tx.execute(update(table).where(table.c.id == row_id).values(**values))


def delete_row(tx: Connection, table: Table, row_id: str) -> None:
    tx.execute(delete(table).where(table.c.id == row_id))


def _listed(table: Table) -> tuple[Any, ...]:
    return _LISTED_OF_CATEGORY if table is safety_category else tuple(table.c)


# --- texts -----------------------------------------------------------------------------------


def add_texts(tx: Connection, corpus_id: str, first: int, texts: Sequence[tuple[str, str]]) -> None:
    """Add texts (title, content), numbered from `first` on."""
    tx.execute(
        insert(safety_corpus_text),
        [
            {"corpus_id": corpus_id, "number": first + at, "title": title, "content": content}
            for at, (title, content) in enumerate(texts)
        ],
    )


def texts_of(tx: Connection, corpus_id: str) -> Sequence[AnyRow]:
    return tx.execute(
        select(safety_corpus_text.c.title, safety_corpus_text.c.content)
        .where(safety_corpus_text.c.corpus_id == corpus_id)
        .order_by(safety_corpus_text.c.number)
    ).all()


# --- the worker's part -----------------------------------------------------------------------


def take_waiting(
    tx: Connection, table: Table, now: datetime, silent_since: datetime
) -> AnyRow | None:
    """Return what has waited longest, or whose worker has not been heard of since, as taken; two
    workers never take the same.
    """
    found = tx.execute(
        select(table)
        .where(
            or_(
                table.c.state == "queued",
                (table.c.state == "working") & (table.c.beat_at < silent_since),
            )
        )
        .order_by(table.c.updated_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()
    if found is not None:
        update_row(
            tx, table, found.id, {"state": "working", "beat_at": now, "percent": 0, "error": ""}
        )
    return found


def end_row(
    tx: Connection, table: Table, row_id: str, revision: int, values: Mapping[str, Any]
) -> bool:
    """Write what became of it, unless it was changed meanwhile and waits again."""
    ended = tx.execute(
        update(table)
        .where(table.c.id == row_id, table.c.revision == revision, table.c.state == "working")
        .values(**values)
    )
    return bool(ended.rowcount)
