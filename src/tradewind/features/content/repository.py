"""All SQL of contents. Raw psycopg, as metering's is, whose partitions these are made like."""

from collections.abc import Sequence
from datetime import datetime

import psycopg
from psycopg import sql

from tradewind.features.content.schemas import ContentRow

Connection = psycopg.Connection

_COLUMNS = sql.SQL(", ").join(map(sql.Identifier, ContentRow._fields))
_ADD = sql.SQL("INSERT INTO request_content ({}) VALUES ({}) ON CONFLICT DO NOTHING").format(
    _COLUMNS, sql.SQL(", ").join(sql.Placeholder() * len(ContentRow._fields))
)


def add(tx: Connection, rows: Sequence[ContentRow]) -> None:
    """Insert those that are not there."""
    with tx.cursor() as cursor:
        cursor.executemany(_ADD, rows)


def organizations(tx: Connection) -> list[str]:
    """Return whose content there is: one look into the index for each, however many rows."""
    rows = tx.execute(
        "WITH RECURSIVE found (id) AS ("
        " SELECT min(organization_id) FROM request_content"
        " UNION ALL"
        " SELECT (SELECT min(organization_id) FROM request_content WHERE organization_id > id)"
        " FROM found WHERE id IS NOT NULL"
        ") SELECT id FROM found WHERE id IS NOT NULL"
    )
    return [row[0] for row in rows]


def remove_older(tx: Connection, organization_id: str, than: datetime | None, most: int) -> int:
    """Delete some of an organization's rows, of any age with None; return how many."""
    return tx.execute(
        "DELETE FROM request_content WHERE (at, event_id) IN ("
        " SELECT at, event_id FROM request_content"
        " WHERE organization_id = %(organization_id)s"
        " AND (%(than)s::timestamptz IS NULL OR at < %(than)s)"
        " ORDER BY at LIMIT %(most)s)",
        {"organization_id": organization_id, "than": than, "most": most},
    ).rowcount
