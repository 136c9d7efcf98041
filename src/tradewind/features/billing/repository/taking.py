"""What an invoice takes: settled usage by watermark, and what plans charged before."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func, select, text

from tradewind.features.billing.schemas import LineKind, Watermark
from tradewind.features.billing.tables import invoice, invoice_line, settlement_line

_LINE_KEYS = (
    "organization_id",
    "currency",
    "project_id",
    "model",
    "operation",
    "price_id",
    "seller",
    "is_late",
)
_BY_LINE = ", ".join(_LINE_KEYS)
_WANTED = """
    WITH wanted AS MATERIALIZED (
        SELECT wanted.organization_id, wanted.currency, wanted.after_hour, wanted.after_number
        FROM unnest(CAST(:organizations AS text[]), CAST(:currencies AS text[]),
            CAST(:after_hours AS timestamptz[]), CAST(:after_numbers AS bigint[]))
            AS wanted (organization_id, currency, after_hour, after_number)
    )"""
# A line is taken by the first invoice whose watermark reaches it: those of an organization and
# currency rise in both parts, so nothing has to be written to a line. The two halves of the union
# are each one range of an index: what is new by its hour, and what is new by its number alone.
_TAKE = text(f"""
    {_WANTED}, line AS (
        SELECT settlement_line.*, false AS is_late
        FROM wanted JOIN settlement_line USING (organization_id, currency)
        WHERE hour >= coalesce(after_hour, '-infinity') AND hour < :period_end AND number <= :up_to
        UNION ALL
        SELECT settlement_line.*, true
        FROM wanted JOIN settlement_line USING (organization_id, currency)
        WHERE number > after_number AND number <= :up_to AND hour < after_hour
    )
    SELECT {_BY_LINE},
        min(hour) AS hour_from, max(hour) + interval '1 hour' AS hour_to, count(*) AS lines,
        sum(requests) AS requests, sum(input_tokens) AS input_tokens,
        sum(cached_input_tokens) AS cached_input_tokens, sum(output_tokens) AS output_tokens,
        sum(cache_write_tokens) AS cache_write_tokens,
        sum(cost_nanos) AS cost_nanos, sum(fee_nanos) AS fee_nanos
    FROM line
    GROUP BY {_BY_LINE}
    ORDER BY organization_id, currency
""")  # noqa: S608  no outside text
# Few lines have meters: this begins at those.
_METERED = text(f"""
    {_WANTED}, line AS (
        SELECT settlement_line.*, metered.meter, metered.is_batch, metered.quantity,
            coalesce(metered.hour < after_hour, false) AS is_late
        FROM wanted JOIN settlement_meter AS metered USING (organization_id)
        JOIN settlement_line ON settlement_line.number = metered.line
            AND settlement_line.currency = wanted.currency
        WHERE metered.hour < :period_end AND metered.line <= :up_to
            AND (after_hour IS NULL OR metered.hour >= after_hour OR metered.line > after_number)
    )
    SELECT {_BY_LINE}, meter, sum(quantity) AS quantity
    FROM line
    GROUP BY {_BY_LINE}, meter
""")  # noqa: S608  no outside text
_CURRENCIES = text("""
    WITH wanted AS (
        SELECT unnest(CAST(:organizations AS text[])) AS organization_id
    )
    SELECT DISTINCT wanted.organization_id, account.currency
    FROM wanted JOIN ledger_account AS account
        ON account.owner = wanted.organization_id AND account.kind = 'unbilled'
""")
_WATERMARKS = text("""
    SELECT DISTINCT ON (organization_id, currency) organization_id, currency, period_end, up_to
    FROM invoice
    WHERE organization_id = ANY(:organizations) AND number IS NOT NULL
    ORDER BY organization_id, currency, period_end DESC, up_to DESC
""")
_TERM_USAGE = text("""
    SELECT hour, sum(requests) AS requests, sum(input_tokens) AS input_tokens,
        sum(cached_input_tokens) AS cached_input_tokens, sum(output_tokens) AS output_tokens,
        sum(cache_write_tokens) AS cache_write_tokens, sum(cost_nanos) AS cost_nanos
    FROM settlement_line
    WHERE organization_id = :organization AND currency = :currency AND model = ANY(:models)
        AND hour >= :since AND hour < :until AND number <= :up_to
    GROUP BY hour
""")
_TERM_METERS = text("""
    SELECT line.hour, metered.meter, metered.is_batch, sum(metered.quantity) AS quantity
    FROM settlement_meter AS metered
    JOIN settlement_line AS line ON line.number = metered.line
    WHERE metered.organization_id = :organization AND line.currency = :currency
        AND line.model = ANY(:models)
        AND metered.hour >= :since AND metered.hour < :until AND metered.line <= :up_to
    GROUP BY 1, 2, 3
""")


def newest_line(tx: Connection) -> int:
    """Return up to which number settlement lines are committed: one settlement is under way at a
    time, so none below it can still appear.
    """
    return tx.execute(select(func.coalesce(func.max(settlement_line.c.number), 0))).scalar_one()


def watermarks(tx: Connection, organization_ids: Sequence[str]) -> dict[tuple[str, str], Watermark]:
    """Return up to where the invoices of these took, by organization and currency."""
    rows = tx.execute(_WATERMARKS, {"organizations": list(organization_ids)})
    return {
        (row.organization_id, row.currency): Watermark(row.period_end, row.up_to) for row in rows
    }


def settled_currencies(
    tx: Connection, organization_ids: Sequence[str]
) -> Sequence[tuple[str, str]]:
    rows = tx.execute(_CURRENCIES, {"organizations": list(organization_ids)})
    return [(row.organization_id, row.currency) for row in rows]


class Taken(NamedTuple):
    """Usage that is on no invoice, summed by what a line of an invoice is about."""

    row: Row[Any]
    meters: Mapping[str, int]
    """Rarer ones, by name."""


def take_usage(
    tx: Connection,
    after: Mapping[tuple[str, str], Watermark],
    *,
    period_end: datetime,
    up_to: int,
) -> list[Taken]:
    wanted = {
        "organizations": [organization_id for organization_id, _ in after],
        "currencies": [currency for _, currency in after],
        "after_hours": [mark.hour for mark in after.values()],
        "after_numbers": [mark.number for mark in after.values()],
        "period_end": period_end,
        "up_to": up_to,
    }
    meters: dict[tuple[Any, ...], dict[str, int]] = defaultdict(dict)
    for row in tx.execute(_METERED, wanted):
        meters[_line_key(row)][row.meter] = int(row.quantity)
    rows = tx.execute(_TAKE, wanted).all()
    return [Taken(row, meters.get(_line_key(row), {})) for row in rows]


def _line_key(row: Row[Any]) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in _LINE_KEYS)


class TermHour(NamedTuple):
    row: Row[Any]
    meters: Mapping[tuple[str, bool], int]
    """Rarer ones, by name and whether in a batch."""


def term_usage(
    tx: Connection,
    organization_id: str,
    currency: str,
    models: Sequence[str],
    *,
    span: tuple[datetime, datetime],
    up_to: int,
) -> list[TermHour]:
    """Return what was used and settled of models in a term, hour by hour."""
    wanted = {
        "organization": organization_id,
        "currency": currency,
        "models": list(models),
        "since": span[0],
        "until": span[1],
        "up_to": up_to,
    }
    meters: dict[datetime, dict[tuple[str, bool], int]] = defaultdict(dict)
    for row in tx.execute(_TERM_METERS, wanted):
        meters[row.hour][row.meter, row.is_batch] = int(row.quantity)
    rows = tx.execute(_TERM_USAGE, wanted).all()
    return [TermHour(row, meters.get(row.hour, {})) for row in rows]


def charged_before(tx: Connection, source_key: str) -> dict[LineKind, int]:
    """Return what finalized invoices charged for a source, by kind."""
    rows = tx.execute(
        select(invoice_line.c.kind, func.sum(invoice_line.c.exact_nanos).label("nanos"))
        .join(invoice)
        .where(invoice_line.c.source_key == source_key, invoice.c.number.is_not(None))
        .group_by(invoice_line.c.kind)
    )
    return {LineKind(row.kind): int(row.nanos) for row in rows}


def charged_keys(tx: Connection, keys: Sequence[str]) -> set[str]:
    """Return which of these charges are on a finalized invoice."""
    if not keys:
        return set()
    found = (
        select(invoice_line.c.source_key)
        .join(invoice)
        .where(invoice_line.c.source_key.in_(keys), invoice.c.number.is_not(None))
    )
    return set(tx.execute(found).scalars())


_TAKEN_LINES = text("""
    SELECT line.* FROM settlement_line AS line
    JOIN invoice ON invoice.organization_id = line.organization_id
        AND invoice.currency = line.currency
    WHERE invoice.id = :invoice AND line.number > :after
        AND line.hour < invoice.period_end AND line.number <= invoice.up_to
        AND (invoice.after_hour IS NULL OR line.hour >= invoice.after_hour
            OR line.number > invoice.after_number)
    ORDER BY line.number
    LIMIT :most
""")
_AT_ONCE = 5_000


def taken_lines(tx: Connection, invoice_id: str) -> Iterator[Row[Any]]:
    """Yield the settlement lines that an invoice takes, in the order of their numbers."""
    after = 0
    while True:
        rows = tx.execute(
            _TAKEN_LINES, {"invoice": invoice_id, "after": after, "most": _AT_ONCE}
        ).all()
        yield from rows
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1].number
