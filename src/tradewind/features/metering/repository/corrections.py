"""What is new in the books, and what corrects it."""

from datetime import datetime
from uuid import UUID

import psycopg
from psycopg import sql

from tradewind.features.metering.schemas import EventKey, KeptCorrection, News


def take_news(tx: psycopg.Connection, limit: int) -> list[News]:
    """Remove and return the oldest news. What another transaction takes is left out."""
    rows = tx.execute(
        "DELETE FROM usage_news WHERE number IN ("
        " SELECT number FROM usage_news ORDER BY number LIMIT %s FOR UPDATE SKIP LOCKED)"
        " RETURNING number, organization_id, at, event_id",
        [limit],
    ).fetchall()
    return [News(*row[1:]) for row in sorted(rows, key=lambda row: row[0])]


def lock_correction(tx: psycopg.Connection, event_id: UUID, key: str) -> None:
    """Let only one transaction correct an event, and only one use a key, until it ends."""
    for name in (f"usage correction {key}", f"usage event {event_id}"):
        tx.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def find_events(
    tx: psycopg.Connection, event_id: UUID, since: datetime, until: datetime
) -> list[EventKey]:
    """Return the key of an event of a time, and behind it those of what corrected it."""
    rows = tx.execute(
        "SELECT at, event_id FROM usage_event"
        " WHERE at BETWEEN %s AND %s AND (event_id = %s OR corrects = %s)"
        " ORDER BY event_id <> %s, event_id",
        [since, until, event_id, event_id, event_id],
    )
    return [EventKey(*row) for row in rows]


def find_correction(tx: psycopg.Connection, key: str) -> KeptCorrection | None:
    row = tx.execute(
        sql.SQL("SELECT {} FROM usage_correction WHERE key = %s").format(_CORRECTION_COLUMNS),
        [key],
    ).fetchone()
    return None if row is None else KeptCorrection(*row)


def add_correction(tx: psycopg.Connection, correction: KeptCorrection) -> None:
    tx.execute(
        sql.SQL("INSERT INTO usage_correction ({}) VALUES ({})").format(
            _CORRECTION_COLUMNS, sql.SQL(", ").join([sql.Placeholder()] * len(correction))
        ),
        correction,
    )


_CORRECTION_COLUMNS = sql.SQL(", ").join(map(sql.Identifier, KeptCorrection._fields))
