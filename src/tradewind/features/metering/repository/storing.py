"""Events and log rows into their tables, and events into the sums of their hours."""

import itertools
from collections.abc import Sequence
from typing import LiteralString, NamedTuple

import msgspec
import psycopg
from psycopg import sql
from psycopg.types.json import set_json_dumps

from tradewind.features.metering.rules import EventRow, LogRow
from tradewind.usage.segments import Writer

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


def store_events(
    tx: psycopg.Connection, rows: Sequence[EventRow], writer: Writer | None = None
) -> int:
    """Add what is new of `rows` to `usage_event` and to the sums of `usage_hour` and of their
    writer; return how many.

    About 15 us of CPU a row, client and server together. The keys of the hours are sorted, so that
    two shippers cannot lock each other out.
    """
    if not rows:
        return 0
    tx.execute(_CREATE_STAGE)
    _copy(tx, _COPY_TO_STAGE, [_EVENT_TYPES[field] for field in EventRow._fields], rows)
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


def store_log(
    tx: psycopg.Connection, rows: Sequence[LogRow], *, is_likely_new: bool = False
) -> None:
    """Add what is new of `rows` to `request_log`.

    What is likely to be new goes straight into the table, at two thirds of the cost; it is begun
    again by way of the stage when one of them is there already.
    """
    if not rows:
        return
    types = [_LOG_TYPES[field] for field in LogRow._fields]
    if is_likely_new:
        try:
            with tx.transaction():
                _copy(tx, _COPY_TO_LOG, types, rows)
        except psycopg.errors.UniqueViolation:
            pass
        else:
            return
    tx.execute(_CREATE_LOG_STAGE)
    _copy(tx, _COPY_TO_LOG_STAGE, types, rows)
    tx.execute(_STORE_LOG)


def _copy(
    tx: psycopg.Connection,
    statement: sql.Composed,
    types: Sequence[str],
    rows: Sequence[EventRow] | Sequence[LogRow],
) -> None:
    with tx.cursor() as cursor:
        # Half of what a row of the log costs us would be the standard library's JSON.
        set_json_dumps(msgspec.json.encode, cursor)
        with cursor.copy(statement) as copy:
            copy.set_types(types)
            write = copy.write_row
            for row in rows:
                write(row)


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
_COPY_TO_LOG = sql.SQL("COPY request_log ({}) FROM STDIN (FORMAT binary)").format(_LOG_COLUMNS)
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
            node, boot_ns, organization_id, day, project_id, key_id, price_id, currency, cost_nanos
        )
        SELECT
            %s, %s, organization_id, (hour AT TIME ZONE 'UTC')::date, project_id, key_id, price_id,
            currency, sum(cost_nanos)
        FROM summed
        WHERE cost_nanos <> 0
        GROUP BY 3, 4, 5, 6, 7, 8
        ORDER BY 3, 4, 5, 6, 7, 8
        ON CONFLICT (
            node, boot_ns, organization_id, day, project_id, key_id, price_id, currency
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
            organization_id, date_bin('1 hour', at, 'epoch'), project_id, key_id, model, operation,
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
            organization_id, date_bin('1 hour', at, 'epoch'), project_id, key_id, model, operation,
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
# What the sums need of an event: all 28 columns of a batch would be copied once more.
_RETURNED = (
    *("organization_id", "at", "event_id", "project_id", "key_id", "model", "operation"),
    *("price_id", "currency", "corrects", "outcome"),
    *("input_tokens", "cached_input_tokens", "output_tokens", "cache_write_tokens"),
    *("cost_nanos", "first_token_us", "duration_us"),
)
_RETURNED_FOR = {
    "of_meters": ("meters", "is_batch"),
    "of_hosts": ("host", "provider_cost_nanos", "provider_currency"),
}
# One row for each organization of a batch: whoever looks at new events takes the row away.
_AS_NEWS = sql.SQL(
    """, news AS (
        INSERT INTO usage_news (organization_id, at, event_id)
        SELECT organization_id, array_agg(at ORDER BY at, event_id),
            array_agg(event_id ORDER BY at, event_id)
        FROM added GROUP BY 1
    )"""
)
# date_bin is a division; date_trunc would look up the time zone for each row.
_STORE_TEXT = sql.SQL(
    """
    WITH added AS (
        INSERT INTO usage_event ({columns}) SELECT {columns} FROM usage_stage
        ON CONFLICT (at, event_id) DO NOTHING
        RETURNING {returned}
    ), summed AS (
        SELECT
            organization_id, date_bin('1 hour', at, 'epoch') AS hour, project_id, key_id, model,
            operation, price_id, currency,
            count(*) FILTER (WHERE corrects IS NULL) AS requests,
            count(*) FILTER (WHERE outcome = 'failed') AS failed,
            count(*) FILTER (WHERE outcome = 'cancelled') AS cancelled,
            count(*) FILTER (WHERE outcome = 'orphaned') AS orphaned,
            sum(input_tokens) AS input_tokens, sum(cached_input_tokens) AS cached_input_tokens,
            sum(output_tokens) AS output_tokens, sum(cache_write_tokens) AS cache_write_tokens,
            sum(cost_nanos) AS cost_nanos, count(first_token_us) AS first_token_count,
            coalesce(sum(first_token_us), 0) AS first_token_us_total,
            sum(duration_us) AS duration_us_total
        FROM added
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
    ), by_hour AS (
        INSERT INTO usage_hour AS kept (
            organization_id, hour, project_id, key_id, model, operation, price_id, currency,
            requests, failed, cancelled, orphaned,
            input_tokens, cached_input_tokens, output_tokens, cache_write_tokens, cost_nanos,
            first_token_count, first_token_us_total, duration_us_total
        )
        SELECT * FROM summed
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
    returned = [*_RETURNED]
    for part, columns in _RETURNED_FOR.items():
        if getattr(parts, part):
            returned += columns
    return _STORE_TEXT.format(
        columns=_COLUMNS,
        returned=sql.SQL(", ").join(map(sql.Identifier, returned)),
        parts=sql.Composed([*wanted, _AS_NEWS]),
    )


_STORE = {
    parts: _store(parts)
    for parts in map(_Parts._make, itertools.product((False, True), repeat=len(_Parts._fields)))
}
