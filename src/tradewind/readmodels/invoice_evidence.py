"""What an invoice was made from: its settlement lines, and the calls of their hours."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Row, text

from tradewind.core.money import format_nanos
from tradewind.features.billing.papers.tables import table
from tradewind.features.metering.archive.errors import UsageArchived

SETTLEMENT_COLUMNS = (
    "number",
    "settlement",
    "hour",
    "project_id",
    "key_id",
    "model",
    "operation",
    "price_id",
    "currency",
    "seller",
    "requests",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "cache_write_tokens",
    "cost",
    "settled_at",
)
EVENT_COLUMNS = (
    "event_id",
    "at",
    "project_id",
    "key_id",
    "model",
    "operation",
    "outcome",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "price_id",
    "currency",
    "cost",
    "input_price",
    "cached_input_price",
    "cache_write_price",
    "output_price",
    "meters",
    "meter_prices",
    "usage_source",
    "corrects",
)
EVENTS_MOST = 5_000_000
_AT_ONCE = 10_000

_EVENTS = text("""
    SELECT event.*, price.meters AS meter_prices, price.input_nanos,
        price.cached_input_nanos, price.output_nanos,
        coalesce(price.cache_write_nanos, price.input_nanos) AS cache_write_nanos
    FROM usage_event AS event
    JOIN price ON price.id = event.price_id
    WHERE event.organization_id = :organization AND (event.at, event.event_id) > (:at, :event)
        AND event.at < :until
        AND EXISTS (
            SELECT FROM settlement_line AS line
            JOIN invoice ON invoice.id = :invoice
            WHERE line.organization_id = event.organization_id
                AND line.hour = date_trunc('hour', event.at, 'UTC')
                AND line.project_id = event.project_id AND line.key_id = event.key_id
                AND line.model = event.model AND line.operation = event.operation
                AND line.price_id = event.price_id AND line.currency = invoice.currency
                AND line.hour < invoice.period_end AND line.number <= invoice.up_to
                AND (invoice.after_hour IS NULL OR line.hour >= invoice.after_hour
                    OR line.number > invoice.after_number)
        )
    ORDER BY event.at, event.event_id
    LIMIT :most
""")
_SPAN = text("""
    SELECT organization_id, period_end,
        (SELECT min(hour_from) FROM invoice_line WHERE invoice_id = invoice.id) AS since
    FROM invoice WHERE id = :invoice
""")
_GONE = text("""
    SELECT DISTINCT day FROM usage_archive
    WHERE state IN ('detached', 'dropped')
        AND day >= CAST(CAST(:since AS timestamptz) AT TIME ZONE 'UTC' AS date)
        AND day < CAST(CAST(:until AS timestamptz) AT TIME ZONE 'UTC' AS date)
    ORDER BY 1
""")
_NO_EVENT = "00000000-0000-0000-0000-000000000000"


def settlement_csv(lines: Iterable[Row[Any]]) -> str:
    rows = (
        {
            **{name: getattr(line, name) for name in SETTLEMENT_COLUMNS if name != "cost"},
            "hour": line.hour.isoformat(),
            "settled_at": line.settled_at.isoformat(),
            "cost": format_nanos(int(line.cost_nanos)),
        }
        for line in lines
    )
    return table(SETTLEMENT_COLUMNS, rows)


def events_csv(tx: Connection, invoice_id: str) -> str:
    """Return the calls of the hours that an invoice takes, with the prices of a million tokens.

    Of an hour that came in part on a later invoice, the later calls are among them: an hour is what
    is settled, and its lines say how much of it when. Raises UsageArchived when calls of its days
    left the tables: a list that is not whole would be no evidence.
    """
    return table(EVENT_COLUMNS, _events(tx, invoice_id))


def _events(tx: Connection, invoice_id: str) -> Iterator[dict[str, Any]]:
    span = tx.execute(_SPAN, {"invoice": invoice_id}).first()
    if span is None or span.since is None:
        return
    gone = tx.execute(_GONE, {"since": span.since, "until": span.period_end}).scalars().all()
    if gone:
        raise UsageArchived(gone[0], gone[-1])
    place: tuple[Any, Any] = (span.since, _NO_EVENT)
    written = 0
    while written < EVENTS_MOST:
        rows = tx.execute(
            _EVENTS,
            {
                "invoice": invoice_id,
                "organization": span.organization_id,
                "at": place[0],
                "event": place[1],
                "until": span.period_end,
                "most": _AT_ONCE,
            },
        ).all()
        for row in rows:
            yield _event(row)
        if len(rows) < _AT_ONCE:
            return
        written += len(rows)
        place = (rows[-1].at, rows[-1].event_id)


def _event(row: Row[Any]) -> dict[str, Any]:
    return {
        "event_id": row.event_id,
        "at": row.at.isoformat(),
        "project_id": row.project_id,
        "key_id": row.key_id,
        "model": row.model,
        "operation": row.operation,
        "outcome": row.outcome,
        "input_tokens": row.input_tokens,
        "cached_input_tokens": row.cached_input_tokens,
        "cache_write_tokens": row.cache_write_tokens,
        "output_tokens": row.output_tokens,
        "price_id": row.price_id,
        "currency": row.currency,
        "cost": format_nanos(row.cost_nanos),
        "input_price": format_nanos(row.input_nanos),
        "cached_input_price": format_nanos(row.cached_input_nanos),
        "cache_write_price": format_nanos(row.cache_write_nanos),
        "output_price": format_nanos(row.output_nanos),
        "meters": json.dumps(row.meters or {}, sort_keys=True),
        "meter_prices": _prices(row.meter_prices),
        "usage_source": row.usage_source,
        "corrects": row.corrects or "",
    }


def _prices(meters: Mapping[str, int]) -> str:
    return json.dumps({name: format_nanos(nanos) for name, nanos in sorted(meters.items())})
