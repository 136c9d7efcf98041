"""What has changed for the gateways, row by row, so that their snapshot need not be compiled whole.

A row is written in the transaction that makes the change, so it is there exactly when the change
is. Transactions do not become visible in the order in which they wrote: whoever reads remembers
the oldest one that was still running, and reads everything from it on again the next time. Reading
a row twice is harmless, because it says what changed and never how.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Table,
    Text,
    and_,
    delete,
    func,
    or_,
    text,
)

from tradewind.db.metadata import metadata
from tradewind.db.notify import SNAPSHOT_CHANNEL, announce

KEPT = timedelta(hours=1)
"""Older rows are removed. A reader that was away for so long compares everything instead."""
MOST_ROWS = 100_000
"""More at once are not read: comparing everything is then less work."""
_KEPT_AT_MOST = timedelta(days=1)

snapshot_change = Table(
    "snapshot_change",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("xact", BigInteger, nullable=False, comment="the transaction, as pg_current_xact_id()"),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False, comment="id of what changed; empty is all of a kind"),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index(None, "xact"),
)


class ChangeKind(StrEnum):
    """What a row is about."""

    GRANT = "grant"
    """A key; the subject is its id."""
    TERMS = "terms"
    """What holds for an organization or a project; the subject is its id."""
    ENDPOINTS = "endpoints"
    BUDGETS = "budgets"
    POLICIES = "policies"
    """Safety policies, or what one of them refers to."""


_KINDS = frozenset(kind.value for kind in ChangeKind)
# pg_current_xact_id() counts in 64 bits and never wraps; as text it becomes a plain number, for
# which drivers and tools need no type of their own (documentation of PostgreSQL, 9.27.1).
_RECORD = text("""
    INSERT INTO snapshot_change (xact, kind, subject)
    SELECT pg_current_xact_id()::text::bigint, :kind, unnest(CAST(:subjects AS text[]))
""")
# One statement, so that the horizon and the rows are of the same moment.
_READ = text("""
    SELECT now_is.horizon, change.id, change.xact, change.kind, change.subject
    FROM (
        SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon
    ) AS now_is
    LEFT JOIN LATERAL (
        SELECT * FROM snapshot_change WHERE xact >= :former ORDER BY xact LIMIT :most
    ) AS change ON true
""")


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """How far a reader has come."""

    horizon: int
    """Every transaction below it had ended and was read."""
    seen: frozenset[int] = frozenset()
    """Ids of rows at or above the horizon that were read nevertheless."""


@dataclass(frozen=True, slots=True)
class FeedChanges:
    """What has changed between two positions."""

    position: FeedPosition
    grants: frozenset[str] = frozenset()
    terms: frozenset[str] = frozenset()
    endpoints: bool = False
    budgets: bool = False
    policies: bool = False
    may_have_missed: bool = False
    """True when everything must be compared: at the start, after too many rows, or when the
    database was put back to an earlier state."""


def record_change(
    tx: sqlalchemy.Connection, kind: ChangeKind, subjects: Iterable[str] = ()
) -> None:
    """Record that something changed for the gateways, and announce it at the commit of `tx`.

    Call it in the transaction that makes the change. GRANT and TERMS take the ids of what changed,
    and do nothing without any; the other kinds take none.
    """
    by_id = kind in {ChangeKind.GRANT, ChangeKind.TERMS}
    named = list(subjects)
    assert by_id or not named, f"{kind} are compiled as a whole"
    if by_id and not named:
        return
    tx.execute(_RECORD, {"kind": kind.value, "subjects": named or [""]})
    announce(tx, SNAPSHOT_CHANNEL)


def read_feed(tx: sqlalchemy.Connection, former: FeedPosition | None) -> FeedChanges:
    """Return what has changed since `former`, for statements that follow in `tx`.

    What they then read is at least as new, because `tx` is READ COMMITTED. Without a former
    position it is the changes of the last hour, and earlier ones may have been missed.
    """
    rows = tx.execute(
        _READ, {"former": 0 if former is None else former.horizon, "most": MOST_ROWS + 1}
    ).all()
    horizon: int = rows[0].horizon
    found = [row for row in rows if row.id is not None]
    seen = frozenset[int]() if former is None else former.seen
    # Ids of transactions only grow, except when a backup takes the database back.
    is_set_back = former is not None and horizon < former.horizon
    if is_set_back or len(found) > MOST_ROWS:
        return FeedChanges(FeedPosition(horizon), may_have_missed=True)
    new = [row for row in found if row.id not in seen]
    return FeedChanges(
        FeedPosition(horizon, frozenset(row.id for row in found if row.xact >= horizon)),
        grants=_subjects(new, ChangeKind.GRANT),
        terms=_subjects(new, ChangeKind.TERMS),
        endpoints=any(row.kind == ChangeKind.ENDPOINTS for row in new),
        budgets=any(row.kind == ChangeKind.BUDGETS for row in new),
        policies=any(row.kind == ChangeKind.POLICIES for row in new),
        # A kind that a newer release writes while it takes over from this one.
        may_have_missed=former is None or any(row.kind not in _KINDS for row in new),
    )


def trim_feed(tx: sqlalchemy.Connection, position: FeedPosition) -> None:
    """Remove old rows that were read. Those of a database put back from a backup go after a day."""
    tx.execute(
        delete(snapshot_change).where(
            or_(
                and_(
                    snapshot_change.c.xact < position.horizon,
                    snapshot_change.c.at < func.now() - KEPT,
                ),
                snapshot_change.c.at < func.now() - _KEPT_AT_MOST,
            )
        )
    )


def _subjects(rows: list[sqlalchemy.Row[Any]], kind: ChangeKind) -> frozenset[str]:
    return frozenset(row.subject for row in rows if row.kind == kind)
