"""The outbox: messages to other parts, written in the transaction of what they tell of.

A message is there exactly when the change is, and is passed on later by the worker: a feature that
has something to tell upwards, or to the world outside, enqueues it and does not know who listens.
It is handled in a transaction that also notes that it was, hence once as far as the database goes,
and two workers never hold the same one (SKIP LOCKED). One that cannot be handled is tried again,
ever later, and in the end set aside with the reason, where people see it. A key makes enqueueing
idempotent for as long as the message is kept: a week after it was handled.

All times are the database's own, so that the clocks of two machines do not matter.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Row,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    and_,
    delete,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from tradewind.core.errors import TradewindError
from tradewind.core.ids import MessageId, OrganizationId
from tradewind.db.metadata import metadata
from tradewind.db.notify import announce

OUTBOX_CHANNEL = "tradewind_outbox"
"""Where it is announced that there is a new message."""
PAYLOAD_MAX_BYTES = 65_536
MOST_ATTEMPTS = 10
"""Then a message is set aside: after about a quarter of an hour."""
KEPT = timedelta(days=7)
"""For how long a message that was handled keeps its key taken."""
SET_ASIDE_KEPT = timedelta(days=90)
_KEY_MAX = 300
_ERROR_MAX = 500
_LONGEST_WAIT = timedelta(minutes=5)

outbox_message = Table(
    "outbox_message",
    metadata,
    Column("id", Text, primary_key=True),
    # Ids of one millisecond come in any order, and what one transaction tells has to stay in order.
    Column("number", BigInteger, Identity(always=True), nullable=False),
    Column("organization_id", Text, ForeignKey("organization.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False, comment="makes enqueueing idempotent"),
    Column("payload", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    # Of these three times one is there: it waits, it was handled, or it cannot be.
    Column("next_try_at", DateTime(timezone=True)),
    Column("handled_at", DateTime(timezone=True)),
    Column("set_aside_at", DateTime(timezone=True)),
    Column("error", Text, comment="why the last attempt failed"),
    UniqueConstraint("organization_id", "key"),
    CheckConstraint("num_nonnulls(next_try_at, handled_at, set_aside_at) = 1", name="state"),
    Index(None, "next_try_at", postgresql_where=text("next_try_at IS NOT NULL")),
    Index(None, "handled_at", postgresql_where=text("handled_at IS NOT NULL")),
    Index(
        None, "organization_id", "set_aside_at", postgresql_where=text("set_aside_at IS NOT NULL")
    ),
)


class Message(NamedTuple):
    message_id: MessageId
    organization_id: OrganizationId
    kind: str
    """What it tells of, in words with dots: `budget.alert`."""
    payload: dict[str, Any]
    created_at: datetime
    attempts: int
    """That failed."""


class SetAside(NamedTuple):
    """A message that could not be passed on."""

    message_id: MessageId
    kind: str
    created_at: datetime
    set_aside_at: datetime
    error: str


def enqueue(
    tx: Connection,
    kind: str,
    organization_id: OrganizationId,
    payload: Mapping[str, Any],
    *,
    key: str,
) -> bool:
    """Write a message for those who listen to its kind; it is passed on after the commit of `tx`.

    Idempotent by `key` within the organization: False when such a message is there already.
    `payload` is what JSON holds. Raises ValueError beyond 64 KiB.
    """
    assert 1 <= len(key) <= _KEY_MAX, f"a key has 1 to {_KEY_MAX} characters"
    if len(json.dumps(payload, ensure_ascii=False).encode()) > PAYLOAD_MAX_BYTES:
        raise ValueError(f"a message takes at most {PAYLOAD_MAX_BYTES} bytes")
    added = tx.execute(
        insert(outbox_message)
        .values(
            id=MessageId.new(),
            organization_id=organization_id,
            kind=kind,
            key=key,
            payload=dict(payload),
            next_try_at=func.now(),
        )
        .on_conflict_do_nothing()
        .returning(outbox_message.c.id)
    ).first()
    if added is None:
        return False
    announce(tx, OUTBOX_CHANNEL)
    return True


def take(tx: Connection, limit: int) -> list[Message]:
    """Return messages that are due, the oldest first, and hold them until the end of `tx`."""
    rows = tx.execute(
        select(outbox_message)
        .where(outbox_message.c.next_try_at <= func.now())
        .order_by(outbox_message.c.number)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [
        Message(
            MessageId(row.id),
            OrganizationId(row.organization_id),
            row.kind,
            row.payload,
            row.created_at,
            row.attempts,
        )
        for row in rows
    ]


def note_handled(tx: Connection, message_id: MessageId) -> None:
    tx.execute(
        update(outbox_message)
        .where(outbox_message.c.id == message_id)
        .values(next_try_at=None, handled_at=func.now(), error=None)
    )


def note_failed(tx: Connection, message: Message, error: Exception) -> bool:
    """Note why a message that was taken could not be handled. True when it is set aside now."""
    attempts = message.attempts + 1
    is_last = attempts >= MOST_ATTEMPTS
    wait = min(_LONGEST_WAIT, timedelta(seconds=2**attempts))
    tx.execute(
        update(outbox_message)
        .where(outbox_message.c.id == message.message_id)
        .values(
            attempts=attempts,
            error=_reason(error),
            next_try_at=None if is_last else func.now() + wait,
            set_aside_at=func.now() if is_last else None,
        )
    )
    return is_last


def list_set_aside(
    tx: Connection, organization_id: OrganizationId, limit: int
) -> Sequence[SetAside]:
    """Return what could not be passed on, the newest first."""
    rows: Sequence[Row[Any]] = tx.execute(
        select(outbox_message)
        .where(
            outbox_message.c.organization_id == organization_id,
            outbox_message.c.set_aside_at.is_not(None),
        )
        .order_by(outbox_message.c.set_aside_at.desc())
        .limit(limit)
    ).all()
    return [
        SetAside(MessageId(row.id), row.kind, row.created_at, row.set_aside_at, row.error or "")
        for row in rows
    ]


def put_back(tx: Connection, organization_id: OrganizationId) -> int:
    """Have everything that was set aside tried again; return how many messages."""
    done = tx.execute(
        update(outbox_message)
        .where(
            outbox_message.c.organization_id == organization_id,
            outbox_message.c.set_aside_at.is_not(None),
        )
        .values(attempts=0, set_aside_at=None, next_try_at=func.now())
    ).rowcount
    if done:
        announce(tx, OUTBOX_CHANNEL)
    return done


def forget(tx: Connection, limit: int) -> int:
    """Remove old messages, some at a time; return how many."""
    old = (
        select(outbox_message.c.id)
        .where(
            or_(
                and_(
                    outbox_message.c.handled_at.is_not(None),
                    outbox_message.c.handled_at < func.now() - KEPT,
                ),
                and_(
                    outbox_message.c.set_aside_at.is_not(None),
                    outbox_message.c.set_aside_at < func.now() - SET_ASIDE_KEPT,
                ),
            )
        )
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return tx.execute(delete(outbox_message).where(outbox_message.c.id.in_(old))).rowcount


def _reason(error: Exception) -> str:
    """Say why in one line: ours are fit for people, of others the kind belongs to it."""
    words = " ".join(str(error).replace("\x00", "").split())
    if not isinstance(error, TradewindError):
        words = f"{type(error).__name__}: {words}"
    return words[:_ERROR_MAX]
