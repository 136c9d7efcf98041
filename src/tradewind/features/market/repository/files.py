"""SQL of price files and of the keys that they are signed with."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.dialects import postgresql

from tradewind.core.ids import PriceFileId
from tradewind.features.market.schemas import FileRow, KeyRow
from tradewind.features.market.tables import price_file, price_key


def add_key(tx: Connection, row: KeyRow) -> bool:
    added = tx.execute(
        postgresql.insert(price_key)
        .values(
            id=row.key_id,
            name=row.name,
            public_key=row.public_key,
            publisher_slug=row.publisher_slug,
            added_by=row.added_by,
            created_at=row.created_at,
        )
        .on_conflict_do_nothing()
        .returning(price_key.c.id)
    )
    return added.first() is not None


def keys(tx: Connection, *, limit: int) -> list[KeyRow]:
    rows = tx.execute(select(price_key).order_by(price_key.c.created_at.desc()).limit(limit))
    return [_key_row(row) for row in rows]


def find_key(tx: Connection, key_id: str) -> KeyRow | None:
    row = tx.execute(select(price_key).where(price_key.c.id == key_id)).first()
    return None if row is None else _key_row(row)


def revoke_key(tx: Connection, key_id: str, by: str, now: datetime) -> None:
    tx.execute(
        update(price_key)
        .where(price_key.c.id == key_id, price_key.c.revoked_at.is_(None))
        .values(revoked_at=now, revoked_by=by)
    )


def _key_row(row: Row[Any]) -> KeyRow:
    return KeyRow(
        row.id,
        row.name,
        bytes(row.public_key),
        row.publisher_slug,
        row.added_by,
        row.created_at,
        row.revoked_at,
    )


def find_file(tx: Connection, sha256: bytes) -> FileRow | None:
    row = tx.execute(select(price_file).where(price_file.c.sha256 == sha256)).first()
    return None if row is None else _file_row(row)


def files(tx: Connection, *, limit: int) -> list[FileRow]:
    rows = tx.execute(select(price_file).order_by(price_file.c.id.desc()).limit(limit))
    return [_file_row(row) for row in rows]


def add_file(
    tx: Connection,
    file_id: PriceFileId,
    *,
    sha256: bytes,
    content: bytes,
    signature: bytes,
    key_id: str,
    entries: int,
    prices: int,
    held: int,
    by: str,
    now: datetime,
) -> None:
    tx.execute(
        insert(price_file).values(
            id=file_id,
            sha256=sha256,
            content=content,
            signature=signature,
            key_id=key_id,
            entries=entries,
            prices=prices,
            held=held,
            applied_by=by,
            applied_at=now,
        )
    )


def _file_row(row: Row[Any]) -> FileRow:
    return FileRow(
        row.id, row.key_id, row.entries, row.prices, row.held, row.applied_by, row.applied_at
    )
