"""All SQL of receipts."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast
from uuid import UUID

import psycopg
from sqlalchemy import Connection, Row, bindparam, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tradewind.features.receipts.canonical import NO_HASH
from tradewind.features.receipts.schemas import (
    Chain,
    NewReceipt,
    PublicKey,
    StoredHead,
    StoredReceipt,
)
from tradewind.features.receipts.tables import receipt, receipt_chain, receipt_head, receipt_key

_PAGE = 2000
# One transaction makes receipts at a time: whoever takes news later takes later news.
_MAKER_LOCK = 0x7265_6365_6970
_ADD = (
    "COPY receipt (organization_id, sequence, event_id, at, hash, sale, buyer)"
    " FROM STDIN (FORMAT binary)"
)
_ADD_TYPES = ("text", "int8", "uuid", "timestamptz", "bytea", "text", "text")


class Stretch(NamedTuple):
    """The first and the last receipt of a stretch of a chain, both in it."""

    first: int
    last: int


def try_maker_lock(tx: Connection) -> bool:
    """Say whether nobody else makes receipts until this transaction ends."""
    return bool(tx.execute(select(func.pg_try_advisory_xact_lock(_MAKER_LOCK))).scalar())


def lock_chains(tx: Connection, ids: Sequence[tuple[str, str]], now: datetime) -> dict[str, Chain]:
    """Return the chains of organizations, given with the id that a chain gets which is not there
    yet. They stay locked until the transaction ends.
    """
    rows = [
        {
            "organization_id": organization_id,
            "id": chain_id,
            "sequence": 0,
            "hash": bytes.fromhex(NO_HASH),
            "signed_sequence": 0,
            "began_at": now,
        }
        for organization_id, chain_id in sorted(ids)
    ]
    tx.execute(upsert(receipt_chain).values(rows).on_conflict_do_nothing())
    found = tx.execute(
        select(receipt_chain)
        .where(receipt_chain.c.organization_id.in_([each for each, _ in ids]))
        .order_by(receipt_chain.c.organization_id)
        .with_for_update()
    )
    return {row.organization_id: _chain(row) for row in found}


def add_receipts(tx: Connection, chain: Chain, receipts: Sequence[NewReceipt]) -> None:
    """Add receipts to the end of a chain that is locked; `chain` is as it is with them."""
    found: Any = tx.connection.driver_connection
    assert isinstance(found, psycopg.Connection)
    connection = cast("psycopg.Connection", found)
    # As arrays for one statement it took more than twice as long.
    with connection.cursor() as cursor, cursor.copy(_ADD) as copy:
        copy.set_types(_ADD_TYPES)
        for each in receipts:
            hashed = bytes.fromhex(each.hash)
            copy.write_row(
                (
                    chain.organization_id,
                    each.sequence,
                    each.event_id,
                    each.at,
                    hashed,
                    each.sale,
                    each.buyer,
                )
            )
    tx.execute(
        update(receipt_chain)
        .where(receipt_chain.c.organization_id == chain.organization_id)
        .values(sequence=chain.sequence, hash=bytes.fromhex(chain.hash))
    )


def lock_unsigned_chains(tx: Connection, most: int) -> list[Chain]:
    """Return chains with receipts that no head covers, and lock them; those that somebody else
    holds are left out.
    """
    rows = tx.execute(
        select(receipt_chain)
        .where(receipt_chain.c.signed_sequence < receipt_chain.c.sequence)
        .order_by(receipt_chain.c.organization_id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    return [_chain(row) for row in rows]


def add_heads(tx: Connection, heads: Collection[tuple[str, StoredHead]]) -> None:
    """Add heads, each with its organization, whose chains are locked."""
    tx.execute(
        insert(receipt_head),
        [
            {
                "organization_id": organization_id,
                "sequence": head.sequence,
                "head": head.head,
                "key_id": head.key_id,
                "signature": bytes.fromhex(head.signature),
            }
            for organization_id, head in heads
        ],
    )
    tx.execute(
        update(receipt_chain)
        .where(receipt_chain.c.organization_id == bindparam("whose"))
        .values(signed_sequence=bindparam("signed")),
        [{"whose": organization_id, "signed": head.sequence} for organization_id, head in heads],
    )


def keep_key(tx: Connection, key: PublicKey) -> None:
    """Remember a key. Idempotent."""
    row = {"id": key.id, "public_key": key.public_key, "since": key.since}
    tx.execute(upsert(receipt_key).values(row).on_conflict_do_nothing())


def find_keys(tx: Connection) -> list[PublicKey]:
    rows = tx.execute(select(receipt_key).order_by(receipt_key.c.since, receipt_key.c.id))
    return [PublicKey(row.id, bytes(row.public_key), row.since) for row in rows]


def find_chain(tx: Connection, organization_id: str) -> Chain | None:
    row = tx.execute(
        select(receipt_chain).where(receipt_chain.c.organization_id == organization_id)
    ).first()
    return None if row is None else _chain(row)


def find_receipt(tx: Connection, organization_id: str, event_id: UUID) -> StoredReceipt | None:
    row = tx.execute(
        select(receipt)
        .where(receipt.c.event_id == event_id, receipt.c.organization_id == organization_id)
        .order_by(receipt.c.sequence)
        .limit(1)
    ).first()
    return None if row is None else _receipt(row)


def find_hash(tx: Connection, organization_id: str, sequence: int) -> str:
    """Return the hash of a receipt that is there; of 0 that before the first one."""
    if not sequence:
        return NO_HASH
    found = tx.execute(
        select(receipt.c.hash).where(
            receipt.c.organization_id == organization_id, receipt.c.sequence == sequence
        )
    ).scalar_one()
    return bytes(found).hex()


def next_head(tx: Connection, organization_id: str, sequence: int) -> StoredHead | None:
    """Return the first head that is not before a receipt."""
    row = tx.execute(
        select(receipt_head)
        .where(
            receipt_head.c.organization_id == organization_id, receipt_head.c.sequence >= sequence
        )
        .order_by(receipt_head.c.sequence)
        .limit(1)
    ).first()
    return None if row is None else _head(row)


def find_stretch(
    tx: Connection, organization_id: str, since: datetime, until: datetime
) -> Stretch | None:
    """Return the stretch that holds the receipts of all calls of a time; calls of other times may
    be among them, since a chain is in the order in which calls were told of.
    """
    row = tx.execute(
        select(
            func.min(receipt.c.sequence).label("first"), func.max(receipt.c.sequence).label("last")
        ).where(
            receipt.c.organization_id == organization_id,
            receipt.c.at >= since,
            receipt.c.at < until,
        )
    ).one()
    return None if row.first is None else Stretch(row.first, row.last)


def receipts_of(tx: Connection, organization_id: str, stretch: Stretch) -> Iterator[StoredReceipt]:
    """Yield the receipts of a stretch in their order, in pages."""
    after = stretch.first - 1
    while after < stretch.last:
        rows = tx.execute(
            select(receipt)
            .where(
                receipt.c.organization_id == organization_id,
                receipt.c.sequence > after,
                receipt.c.sequence <= min(stretch.last, after + _PAGE),
            )
            .order_by(receipt.c.sequence)
        ).all()
        yield from map(_receipt, rows)
        after += _PAGE


def heads_of(tx: Connection, organization_id: str, stretch: Stretch) -> dict[int, StoredHead]:
    """Return the heads of a stretch by their sequence."""
    rows = tx.execute(
        select(receipt_head).where(
            receipt_head.c.organization_id == organization_id,
            receipt_head.c.sequence.between(stretch.first, stretch.last),
        )
    )
    return {row.sequence: _head(row) for row in rows}


def _chain(row: Row[Any]) -> Chain:
    return Chain(row.organization_id, row.id, row.sequence, bytes(row.hash).hex())


def _receipt(row: Row[Any]) -> StoredReceipt:
    return StoredReceipt(row.sequence, row.event_id, bytes(row.hash).hex(), row.sale, row.buyer)


def _head(row: Row[Any]) -> StoredHead:
    return StoredHead(row.sequence, row.head, row.key_id, bytes(row.signature).hex())
