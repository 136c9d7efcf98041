"""All SQL of metering. Raw psycopg, because COPY and big batches are what it is for.

Every function runs in the transaction of whoever calls it, and commits nothing.
"""

import itertools
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import LiteralString, NamedTuple
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from tradewind.features.metering.rules import EventRow, LogRow
from tradewind.features.metering.schemas import EventKey, KeptCorrection, News
from tradewind.usage.frames import Damage
from tradewind.usage.segments import SegmentName, Writer

Connection = psycopg.Connection

# Of the staging tables and of the binary COPY into them, which knows no bpchar.
_EVENT_TYPES: dict[str, LiteralString] = {
    "event_id": "uuid",
    "at": "timestamptz",
    "organization_id": "text",
    "project_id": "text",
    "key_id": "text",
    "operation": "text",
    "model": "text",
    "deployment_id": "text",
    "price_id": "text",
    "currency": "text",
    "is_stream": "bool",
    "outcome": "text",
    "http_status": "int2",
    "input_tokens": "int8",
    "cached_input_tokens": "int8",
    "output_tokens": "int8",
    "cache_write_tokens": "int8",
    "meters": "jsonb",
    "usage_source": "text",
    "cost_nanos": "int8",
    "first_token_us": "int8",
    "duration_us": "int8",
    "provider_cost_nanos": "int8",
    "provider_currency": "text",
    "is_batch": "bool",
    "host": "text",
    "region": "text",
    "corrects": "uuid",
}
_LOG_TYPES: dict[str, LiteralString] = {
    "event_id": "uuid",
    "at": "timestamptz",
    "organization_id": "text",
    "project_id": "text",
    "key_id": "text",
    "operation": "text",
    "surface": "text",
    "requested_model": "text",
    "model": "text",
    "host": "text",
    "http_status": "int2",
    "error_code": "text",
    "attempts": "jsonb",
    "queued_us": "int8",
    "overhead_us": "int8",
    "trace_parent": "text",
    "user_agent": "text",
    "tags": "jsonb",
}
_COLUMNS = sql.SQL(", ").join(map(sql.Identifier, EventRow._fields))
_LOG_COLUMNS = sql.SQL(", ").join(map(sql.Identifier, LogRow._fields))
# In the order in which readers take them: who makes partitions locks the tables one after the
# other, and in the other order would end in a deadlock with whoever reads both.
PARTITIONED = ("request_log", "usage_event")
_PARTITION_LOCK = 0x7477_7061_7274
"""Of the transactions that make partitions; any number that nobody else uses."""


class SegmentState(NamedTuple):
    """How far a segment is taken over."""

    read_offset: int = 0
    next_sequence: int = 0
    is_finished: bool = False
    quarantined_bytes: int = 0


class OpenCall(NamedTuple):
    event_id: UUID
    opened: bytes
    output_tokens: int | None


def store_events(tx: Connection, rows: Sequence[EventRow], writer: Writer | None = None) -> int:
    """Add what is new of `rows` to `usage_event` and to the sums of `usage_hour` and of their
    writer; return how many.

    About 20 us of CPU a row, client and server together. The keys of the hours are sorted, so that
    two shippers cannot lock each other out.
    """
    if not rows:
        return 0
    tx.execute(_CREATE_STAGE)
    with tx.cursor() as cursor, cursor.copy(_COPY_TO_STAGE) as copy:
        copy.set_types([_EVENT_TYPES[field] for field in EventRow._fields])
        for row in rows:
            if row.meters is None:
                copy.write_row(row)
            else:
                copy.write_row(
                    [Jsonb(value) if isinstance(value, dict) else value for value in row]
                )
    # What only some events have is summed where one of these has it.
    parts = _Parts(
        of_writer=writer is not None,
        of_meters=any(row.meters is not None or row.is_batch for row in rows),
        of_hosts=any(row.provider_cost_nanos is not None for row in rows),
    )
    values = [] if writer is None else [writer.node, writer.boot_ns]
    found = tx.execute(_STORE[parts], values).fetchone()
    assert found is not None
    return found[0]


def store_log(tx: Connection, rows: Sequence[LogRow]) -> None:
    """Add what is new of `rows` to `request_log`."""
    if not rows:
        return
    tx.execute(_CREATE_LOG_STAGE)
    with tx.cursor() as cursor, cursor.copy(_COPY_TO_LOG_STAGE) as copy:
        copy.set_types([_LOG_TYPES[field] for field in LogRow._fields])
        for row in rows:
            copy.write_row(
                [Jsonb(value) if isinstance(value, dict | list) else value for value in row]
            )
    tx.execute(_STORE_LOG)


def _stage(name: LiteralString, types: dict[str, LiteralString]) -> sql.Composed:
    return sql.SQL("CREATE TEMPORARY TABLE IF NOT EXISTS {} ({}) ON COMMIT DELETE ROWS").format(
        sql.Identifier(name),
        sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(field), sql.SQL(kind))
            for field, kind in types.items()
        ),
    )


_CREATE_STAGE = _stage("usage_stage", _EVENT_TYPES)
_COPY_TO_STAGE = sql.SQL("COPY usage_stage ({}) FROM STDIN (FORMAT binary)").format(_COLUMNS)
_CREATE_LOG_STAGE = _stage("log_stage", _LOG_TYPES)
_COPY_TO_LOG_STAGE = sql.SQL("COPY log_stage ({}) FROM STDIN (FORMAT binary)").format(_LOG_COLUMNS)
_STORE_LOG = sql.SQL(
    "INSERT INTO request_log ({columns}) SELECT {columns} FROM log_stage"
    " ON CONFLICT (at, event_id) DO NOTHING"
).format(columns=_LOG_COLUMNS)


class _Parts(NamedTuple):
    """Which further sums a batch of events is taken into."""

    of_writer: bool
    of_meters: bool
    of_hosts: bool


_BY_WRITER = sql.SQL(
    """, by_writer AS (
        INSERT INTO usage_writer_day AS kept (
            node, boot_ns, organization_id, day, project_id, key_id, currency, cost_nanos
        )
        SELECT
            %s, %s, organization_id, (at AT TIME ZONE 'UTC')::date, project_id, key_id, currency,
            sum(cost_nanos)
        FROM added
        WHERE cost_nanos <> 0
        GROUP BY 3, 4, 5, 6, 7
        ORDER BY 3, 4, 5, 6, 7
        ON CONFLICT (
            node, boot_ns, organization_id, day, project_id, key_id, currency
        ) DO UPDATE SET cost_nanos = kept.cost_nanos + excluded.cost_nanos
    )"""
)
_BY_METER = sql.SQL(
    """, by_meter AS (
        INSERT INTO usage_hour_meter AS kept (
            organization_id, hour, project_id, key_id, model, operation, price_id, currency,
            meter, is_batch, quantity
        )
        SELECT
            organization_id, date_trunc('hour', at, 'UTC'), project_id, key_id, model, operation,
            price_id, currency, meter, is_batch, sum(quantity)
        FROM added, LATERAL (
            SELECT key AS meter, value::bigint AS quantity FROM jsonb_each_text(meters)
            UNION ALL
            SELECT * FROM (VALUES
                ('input_tokens', input_tokens),
                ('cached_input_tokens', cached_input_tokens),
                ('cache_write_tokens', cache_write_tokens),
                ('output_tokens', output_tokens)
            ) AS tokens (meter, quantity)
            WHERE is_batch AND quantity <> 0
        ) AS counted
        WHERE meters IS NOT NULL OR is_batch
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
        ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
        ON CONFLICT (
            organization_id, hour, project_id, key_id, model, operation, price_id, currency,
            meter, is_batch
        ) DO UPDATE SET quantity = kept.quantity + excluded.quantity
    )"""
)
_BY_HOST = sql.SQL(
    """, by_host AS (
        INSERT INTO usage_hour_host AS kept (
            organization_id, hour, project_id, key_id, model, operation, price_id, currency,
            host, provider_currency, requests, provider_cost_nanos
        )
        SELECT
            organization_id, date_trunc('hour', at, 'UTC'), project_id, key_id, model, operation,
            price_id, currency, host, provider_currency, count(*), sum(provider_cost_nanos)
        FROM added
        WHERE provider_cost_nanos IS NOT NULL
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
        ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
        ON CONFLICT (
            organization_id, hour, project_id, key_id, model, operation, price_id, currency,
            host, provider_currency
        ) DO UPDATE SET
            requests = kept.requests + excluded.requests,
            provider_cost_nanos = kept.provider_cost_nanos + excluded.provider_cost_nanos
    )"""
)
# One row for each organization of a batch: whoever looks at new events takes the row away.
_AS_NEWS = sql.SQL(
    """, news AS (
        INSERT INTO usage_news (organization_id, at, event_id)
        SELECT organization_id, array_agg(at ORDER BY at, event_id),
            array_agg(event_id ORDER BY at, event_id)
        FROM added GROUP BY 1
    )"""
)
_STORE_TEXT = sql.SQL(
    """
    WITH added AS (
        INSERT INTO usage_event ({columns}) SELECT {columns} FROM usage_stage
        ON CONFLICT (at, event_id) DO NOTHING
        RETURNING *
    ), summed AS (
        INSERT INTO usage_hour AS kept (
            organization_id, hour, project_id, key_id, model, operation, price_id, currency,
            requests, failed, cancelled, orphaned,
            input_tokens, cached_input_tokens, output_tokens, cache_write_tokens, cost_nanos,
            first_token_count, first_token_us_total, duration_us_total
        )
        SELECT
            organization_id, date_trunc('hour', at, 'UTC') AS hour, project_id, key_id, model,
            operation, price_id, currency,
            count(*) FILTER (WHERE corrects IS NULL),
            count(*) FILTER (WHERE outcome = 'failed'),
            count(*) FILTER (WHERE outcome = 'cancelled'),
            count(*) FILTER (WHERE outcome = 'orphaned'),
            sum(input_tokens), sum(cached_input_tokens), sum(output_tokens),
            sum(cache_write_tokens), sum(cost_nanos),
            count(first_token_us), coalesce(sum(first_token_us), 0), sum(duration_us)
        FROM added
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
        ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
        ON CONFLICT (
            organization_id, hour, project_id, key_id, model, operation, price_id, currency
        ) DO UPDATE SET
            requests = kept.requests + excluded.requests,
            failed = kept.failed + excluded.failed,
            cancelled = kept.cancelled + excluded.cancelled,
            orphaned = kept.orphaned + excluded.orphaned,
            input_tokens = kept.input_tokens + excluded.input_tokens,
            cached_input_tokens = kept.cached_input_tokens + excluded.cached_input_tokens,
            output_tokens = kept.output_tokens + excluded.output_tokens,
            cache_write_tokens = kept.cache_write_tokens + excluded.cache_write_tokens,
            cost_nanos = kept.cost_nanos + excluded.cost_nanos,
            first_token_count = kept.first_token_count + excluded.first_token_count,
            first_token_us_total = kept.first_token_us_total + excluded.first_token_us_total,
            duration_us_total = kept.duration_us_total + excluded.duration_us_total
    ){parts}
    SELECT count(*) FROM added
    """
)


def _store(parts: _Parts) -> sql.Composed:
    wanted = [
        text
        for text, is_wanted in zip((_BY_WRITER, _BY_METER, _BY_HOST), parts, strict=True)
        if is_wanted
    ]
    return _STORE_TEXT.format(columns=_COLUMNS, parts=sql.Composed([*wanted, _AS_NEWS]))


_STORE = {
    parts: _store(parts)
    for parts in map(_Parts._make, itertools.product((False, True), repeat=len(_Parts._fields)))
}


def find_segments(
    tx: Connection, names: Collection[SegmentName]
) -> dict[SegmentName, SegmentState]:
    """Return how far these segments are taken over; those not begun are missing."""
    rows = tx.execute(
        "SELECT node, boot_ns, number, read_offset, next_sequence, is_finished, quarantined_bytes"
        " FROM journal_segment WHERE name = ANY(%s)",
        [[str(name) for name in names]],
    )
    return {SegmentName(*row[:3]): SegmentState(*row[3:]) for row in rows}


def begin_segment(tx: Connection, name: SegmentName) -> None:
    """Add a segment at its start. Idempotent."""
    tx.execute(
        "INSERT INTO journal_segment (name, node, boot_ns, number, read_offset, next_sequence,"
        " is_finished, quarantined_bytes, missing_frames, is_summed_by_writer)"
        " VALUES (%s, %s, %s, %s, 0, 0, false, 0, 0, true) ON CONFLICT DO NOTHING",
        [str(name), *name],
    )


def advance_segment(
    tx: Connection,
    name: SegmentName,
    read_offset: int,
    new: SegmentState,
    *,
    missing_frames: int,
) -> bool:
    """Move a segment on from `read_offset`. False, and nothing done, when it is not there."""
    moved = tx.execute(
        "UPDATE journal_segment SET read_offset = %s, next_sequence = %s, is_finished = %s,"
        " quarantined_bytes = %s, missing_frames = missing_frames + %s, updated_at = now()"
        " WHERE name = %s AND read_offset = %s AND NOT is_finished",
        [*new, missing_frames, str(name), read_offset],
    )
    return moved.rowcount == 1


def note_quarantine(tx: Connection, place: str, damages: Sequence[Damage]) -> None:
    """Remember what was passed over, for whoever investigates. `place` is a segment's name."""
    if damages:
        with tx.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO journal_quarantine (segment, start_offset, end_offset, reason)"
                " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
                [
                    (place, damage.start, damage.end, damage.reason.replace("\0", "\\0"))
                    for damage in damages
                ],
            )


def add_open_calls(tx: Connection, writer: Writer, opened: Mapping[bytes, bytes]) -> None:
    """Keep the OPEN records of calls without an end. Idempotent."""
    if opened:
        tx.execute(
            "INSERT INTO journal_open (event_id, node, boot_ns, opened)"
            " SELECT event_id, %s, %s, opened"
            " FROM unnest(%s::uuid[], %s::bytea[]) AS given (event_id, opened)"
            " ON CONFLICT DO NOTHING",
            [writer.node, writer.boot_ns, [UUID(bytes=key) for key in opened], [*opened.values()]],
        )


def note_progress(tx: Connection, progress: Mapping[bytes, int]) -> None:
    """Raise the output tokens of open calls. Of others nothing is kept."""
    if progress:
        tx.execute(
            "UPDATE journal_open SET output_tokens ="
            " greatest(journal_open.output_tokens, given.output_tokens)"
            " FROM unnest(%s::uuid[], %s::int8[]) AS given (event_id, output_tokens)"
            " WHERE journal_open.event_id = given.event_id",
            [[UUID(bytes=key) for key in progress], [*progress.values()]],
        )


def drop_open_calls(tx: Connection, event_ids: Collection[bytes]) -> None:
    """Forget calls whose end is stored."""
    if event_ids:
        tx.execute(
            "DELETE FROM journal_open WHERE event_id = ANY(%s::uuid[])",
            [[UUID(bytes=event_id) for event_id in event_ids]],
        )


def take_open_calls(tx: Connection, writer: Writer, limit: int) -> list[OpenCall]:
    """Remove and return up to `limit` open calls of a writer."""
    rows = tx.execute(
        "DELETE FROM journal_open WHERE event_id IN ("
        " SELECT event_id FROM journal_open WHERE node = %s AND boot_ns = %s"
        " ORDER BY event_id LIMIT %s FOR UPDATE)"
        " RETURNING event_id, opened, output_tokens",
        [writer.node, writer.boot_ns, limit],
    )
    return [OpenCall(*row) for row in rows]


def find_partitions(tx: Connection, table: LiteralString) -> set[str]:
    """Return the names of a table's partitions."""
    rows = tx.execute(
        "SELECT child.relname FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid"
        " WHERE inhparent = %s::regclass",
        [table],
    )
    return {row[0] for row in rows}


def lock_partitions(tx: Connection) -> None:
    """Let only one transaction make partitions, until it ends."""
    tx.execute("SELECT pg_advisory_xact_lock(%s)", [_PARTITION_LOCK])


def create_default_partition(tx: Connection, table: LiteralString) -> None:
    """For rows of days that have no partition of their own. Idempotent."""
    tx.execute(
        sql.SQL("CREATE TABLE IF NOT EXISTS {} PARTITION OF {} DEFAULT").format(
            sql.Identifier(f"{table}_default"), sql.Identifier(table)
        )
    )


def partition_name(table: LiteralString, day: date) -> str:
    return f"{table}_{day:%Y%m%d}"


def create_partition(tx: Connection, table: LiteralString, day: date) -> None:
    """Give a day its partition, and move into it what the default partition has of that day.

    Nothing happens when a table of that name exists: the day was exported and detached, and what
    still comes for it stays in the default partition.
    """
    name = partition_name(table, day)
    found = tx.execute("SELECT to_regclass(%s)", [name]).fetchone()
    if found is not None and found[0] is not None:
        return
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    end = begin + timedelta(days=1)
    parts = {
        "table": sql.Identifier(table),
        "default": sql.Identifier(f"{table}_default"),
        "name": sql.Identifier(name),
        "begin": sql.Literal(begin),
        "end": sql.Literal(end),
    }
    tx.execute(sql.SQL("CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS)").format(**parts))
    tx.execute(
        sql.SQL(
            "WITH moved AS ("
            " DELETE FROM {default} WHERE at >= {begin} AND at < {end} RETURNING *"
            ") INSERT INTO {name} SELECT * FROM moved"
        ).format(**parts)
    )
    tx.execute(
        sql.SQL(
            "ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({begin}) TO ({end})"
        ).format(**parts)
    )


def drop_partitions_before(tx: Connection, table: LiteralString, day: date) -> int:
    """Drop the partitions of days before this one, and what the default one has of them; return
    how many were dropped.
    """
    oldest_kept = partition_name(table, day)
    gone = [
        name
        for name in find_partitions(tx, table)
        if not name.endswith("_default") and name < oldest_kept
    ]
    for name in gone:
        tx.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
    tx.execute(
        sql.SQL("DELETE FROM {} WHERE at < {}").format(
            sql.Identifier(f"{table}_default"),
            sql.Literal(datetime(day.year, day.month, day.day, tzinfo=UTC)),
        )
    )
    return len(gone)


def prune_segments(tx: Connection, before: datetime) -> None:
    """Forget segments that were finished before a time, and their quarantine."""
    tx.execute(
        "WITH gone AS (DELETE FROM journal_segment WHERE is_finished AND updated_at < %s"
        " RETURNING name)"
        " DELETE FROM journal_quarantine USING gone WHERE segment = gone.name",
        [before],
    )
    tx.execute(
        "DELETE FROM usage_writer_day AS kept WHERE NOT EXISTS (SELECT FROM journal_segment AS one"
        " WHERE (one.node, one.boot_ns) = (kept.node, kept.boot_ns))"
    )


def take_news(tx: Connection, limit: int) -> list[News]:
    """Remove and return the oldest news. What another transaction takes is left out."""
    rows = tx.execute(
        "DELETE FROM usage_news WHERE number IN ("
        " SELECT number FROM usage_news ORDER BY number LIMIT %s FOR UPDATE SKIP LOCKED)"
        " RETURNING number, organization_id, at, event_id",
        [limit],
    ).fetchall()
    return [News(*row[1:]) for row in sorted(rows, key=lambda row: row[0])]


def lock_correction(tx: Connection, event_id: UUID, key: str) -> None:
    """Let only one transaction correct an event, and only one use a key, until it ends."""
    for name in (f"usage correction {key}", f"usage event {event_id}"):
        tx.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def find_events(tx: Connection, event_id: UUID, since: datetime, until: datetime) -> list[EventKey]:
    """Return the key of an event of a time, and behind it those of what corrected it."""
    rows = tx.execute(
        "SELECT at, event_id FROM usage_event"
        " WHERE at BETWEEN %s AND %s AND (event_id = %s OR corrects = %s)"
        " ORDER BY event_id <> %s, event_id",
        [since, until, event_id, event_id, event_id],
    )
    return [EventKey(*row) for row in rows]


def find_correction(tx: Connection, key: str) -> KeptCorrection | None:
    row = tx.execute(
        sql.SQL("SELECT {} FROM usage_correction WHERE key = %s").format(_CORRECTION_COLUMNS),
        [key],
    ).fetchone()
    return None if row is None else KeptCorrection(*row)


def add_correction(tx: Connection, correction: KeptCorrection) -> None:
    tx.execute(
        sql.SQL("INSERT INTO usage_correction ({}) VALUES ({})").format(
            _CORRECTION_COLUMNS, sql.SQL(", ").join([sql.Placeholder()] * len(correction))
        ),
        correction,
    )


_CORRECTION_COLUMNS = sql.SQL(", ").join(map(sql.Identifier, KeptCorrection._fields))
