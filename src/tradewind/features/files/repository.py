"""All SQL of files at providers. No statement goes without organization and project but the one
that deletes what has expired.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    delete,
    exists,
    func,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import insert

from tradewind.features.files.tables import stored_file as table
from tradewind.wire.stored_files import FileList, FileOwner, StoredFile


def lock(tx: Connection, owner: FileOwner) -> None:
    """Let nobody else count or add files of this project until the transaction ends."""
    name = f"stored_file/{owner.organization_id}/{owner.project_id}"
    tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


def count(tx: Connection, owner: FileOwner, now: datetime) -> int:
    found = tx.execute(
        select(func.count()).select_from(table).where(_is_owned_by(owner), _is_there(now))
    )
    return found.scalar_one()


def add(tx: Connection, file: StoredFile) -> bool:
    """Insert the file. False when its id or the provider's is there already."""
    added = tx.execute(
        insert(table)
        .values(
            organization_id=file.organization_id,
            project_id=file.project_id,
            id=file.id,
            connection_id=file.connection_id,
            provider_file_id=file.provider_file_id,
            model=file.model,
            name=file.name,
            purpose=file.purpose,
            bytes=file.bytes,
            status=file.status,
            created_at=_time(file.created_at_ms),
            expires_at=None if file.expires_at_ms is None else _time(file.expires_at_ms),
        )
        .on_conflict_do_nothing()
        .returning(table.c.id)
    )
    return added.first() is not None


def find(
    tx: Connection, owner: FileOwner, ids: Sequence[str], now: datetime
) -> Sequence[StoredFile]:
    rows = tx.execute(select(table).where(_is_owned_by(owner), table.c.id.in_(ids), _is_there(now)))
    return [_file(row) for row in rows]


def is_there(tx: Connection, owner: FileOwner, id_: str, now: datetime) -> bool:
    found = exists().where(_is_owned_by(owner), table.c.id == id_, _is_there(now))
    return tx.execute(select(found)).scalar_one()


def page(tx: Connection, asked: FileList, now: datetime, most: int) -> Sequence[StoredFile]:
    """Return up to `most` files, in their order."""
    found = select(table).where(_is_owned_by(asked.owner), _is_there(now))
    if asked.purpose is not None:
        found = found.where(table.c.purpose == asked.purpose)
    if asked.after is not None:
        is_behind = table.c.id > asked.after if asked.is_ascending else table.c.id < asked.after
        found = found.where(is_behind)
    order = table.c.id.asc() if asked.is_ascending else table.c.id.desc()
    return [_file(row) for row in tx.execute(found.order_by(order).limit(most))]


def remove(tx: Connection, owner: FileOwner, ids: Sequence[str]) -> int:
    """Delete the records; return how many there were."""
    return tx.execute(delete(table).where(_is_owned_by(owner), table.c.id.in_(ids))).rowcount


def remove_expired(tx: Connection, now: datetime, most: int) -> int:
    """Delete some of what has expired, the oldest first; return how many."""
    key = tuple_(table.c.organization_id, table.c.project_id, table.c.id)
    expired = (
        select(table.c.organization_id, table.c.project_id, table.c.id)
        .where(table.c.expires_at <= now)
        .order_by(table.c.expires_at)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    return tx.execute(delete(table).where(key.in_(expired))).rowcount


def _is_owned_by(owner: FileOwner) -> ColumnElement[bool]:
    return and_(
        table.c.organization_id == owner.organization_id, table.c.project_id == owner.project_id
    )


def _is_there(now: datetime) -> ColumnElement[bool]:
    return or_(table.c.expires_at.is_(None), table.c.expires_at > now)


def _file(row: Row[Any]) -> StoredFile:
    return StoredFile(
        row.organization_id,
        row.project_id,
        row.id,
        row.connection_id,
        row.provider_file_id,
        row.model,
        row.name,
        row.purpose,
        row.bytes,
        row.status,
        _milliseconds(row.created_at),
        None if row.expires_at is None else _milliseconds(row.expires_at),
    )


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)
