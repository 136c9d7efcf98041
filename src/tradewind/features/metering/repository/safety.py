"""What checks found in calls, into its table and into the sums of its hours."""

from collections import Counter
from collections.abc import Sequence
from typing import LiteralString

import msgspec
import psycopg
from psycopg import sql
from psycopg.types.json import set_json_dumps

from tradewind.features.metering.safety_rows import HourKey, SafetyRow

_TYPES: dict[str, LiteralString] = {
    "event_id": "uuid",
    "at": "timestamptz",
    "organization_id": "text",
    "project_id": "text",
    "key_id": "text",
    "model": "text",
    "action": "text",
    "policies": "jsonb",
    "flags": "jsonb",
    "failures": "jsonb",
    "blocked_at": "int8",
    "examined_us": "int8",
}
_COLUMNS = sql.SQL(", ").join(map(sql.Identifier, SafetyRow._fields))
_CREATE_STAGE = sql.SQL(
    "CREATE TEMPORARY TABLE IF NOT EXISTS safety_stage ({}) ON COMMIT DELETE ROWS"
).format(
    sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind))
        for name, kind in _TYPES.items()
    )
)
_COPY = sql.SQL("COPY safety_stage ({}) FROM STDIN (FORMAT binary)").format(_COLUMNS)
_STORE = sql.SQL(
    "INSERT INTO usage_safety ({columns}) SELECT {columns} FROM safety_stage"
    " ON CONFLICT (at, event_id) DO NOTHING RETURNING event_id"
).format(columns=_COLUMNS)
_ADD_TO_HOURS = """
    INSERT INTO safety_hour AS kept (
        organization_id, hour, project_id, key_id, category, direction, band, action, calls
    )
    SELECT * FROM unnest(
        %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
        %s::text[], %s::bigint[]
    )
    ON CONFLICT (
        organization_id, hour, project_id, key_id, category, direction, band, action
    ) DO UPDATE SET calls = kept.calls + excluded.calls
"""


def store_safety(tx: psycopg.Connection, rows: Sequence[SafetyRow]) -> list[SafetyRow]:
    """Add what is new of `rows` to `usage_safety`, and return it."""
    if not rows:
        return []
    tx.execute(_CREATE_STAGE)
    with tx.cursor() as cursor:
        set_json_dumps(msgspec.json.encode, cursor)
        with cursor.copy(_COPY) as copy:
            copy.set_types(list(_TYPES.values()))
            for row in rows:
                copy.write_row(row)
    new = {found[0] for found in tx.execute(_STORE)}
    return [row for row in rows if row.event_id in new]


def add_to_hours(tx: psycopg.Connection, counts: Counter[HourKey]) -> None:
    """Add counts to their hours; sorted, so that two shippers cannot lock each other out."""
    if not counts:
        return
    keys = sorted(counts)
    columns = [list(column) for column in zip(*keys, strict=True)]
    tx.execute(_ADD_TO_HOURS, [*columns, [counts[key] for key in keys]])
