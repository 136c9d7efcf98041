"""Whether hours of days that left the tables are the sums of their files and of late events."""

from collections.abc import Iterator

from sqlalchemy import Connection, text

from tradewind.features.ledger.schemas import Difference, NamedCheck, Tell

_NAME = "archive"
# Not of a day that is on its way out: whoever takes it compares it with its file.
_DIFFERENCES = text("""
    WITH gone AS (
        SELECT day, CAST(day AS timestamp) AT TIME ZONE 'UTC' AS since,
            CAST(day + 1 AS timestamp) AT TIME ZONE 'UTC' AS until
        FROM usage_archive GROUP BY day
        HAVING bool_or(state = 'dropped') AND NOT bool_or(state = 'detached')
    ), filed AS (
        SELECT part.day, told.measure, told.value
        FROM gone JOIN usage_archive AS part ON part.day = gone.day AND part.state = 'dropped'
        CROSS JOIN LATERAL (
            SELECT 'requests' AS measure, CAST(part.totals ->> 'requests' AS numeric) AS value
            UNION ALL
            SELECT key, CAST(value AS numeric) FROM jsonb_each_text(part.totals -> 'sums')
            UNION ALL
            SELECT key, CAST(value AS numeric) FROM jsonb_each_text(part.totals -> 'cost_nanos')
        ) AS told
    ), live AS (
        SELECT gone.day, told.measure, told.value
        FROM gone JOIN usage_event ON at >= gone.since AND at < gone.until
        CROSS JOIN LATERAL (VALUES
            ('requests', CASE WHEN corrects IS NULL THEN 1 ELSE 0 END),
            ('input_tokens', input_tokens), ('cached_input_tokens', cached_input_tokens),
            ('cache_write_tokens', cache_write_tokens), ('output_tokens', output_tokens),
            ('duration_us', duration_us), (CAST(currency AS text), cost_nanos)
        ) AS told (measure, value)
    ), found AS (
        SELECT day, measure, sum(value) AS value
        FROM (SELECT * FROM filed UNION ALL SELECT * FROM live) AS events
        GROUP BY 1, 2
    ), rolled AS (
        SELECT gone.day, told.measure, sum(told.value) AS value
        FROM gone JOIN usage_hour ON hour >= gone.since AND hour < gone.until
        CROSS JOIN LATERAL (VALUES
            ('requests', CAST(requests AS numeric)), ('input_tokens', input_tokens),
            ('cached_input_tokens', cached_input_tokens),
            ('cache_write_tokens', cache_write_tokens), ('output_tokens', output_tokens),
            ('duration_us', duration_us_total), (CAST(currency AS text), cost_nanos)
        ) AS told (measure, value)
        GROUP BY 1, 2
    )
    SELECT day, measure, coalesce(rolled.value, 0) - coalesce(found.value, 0) AS apart
    FROM rolled FULL JOIN found USING (day, measure)
    WHERE coalesce(rolled.value, 0) <> coalesce(found.value, 0)
    ORDER BY 1, 2
""")


def archive_checks() -> tuple[NamedCheck, ...]:
    return (NamedCheck(_NAME, _archive),)


def _archive(tx: Connection, tell: Tell) -> Iterator[Difference]:
    tell(0, 1)
    for row in tx.execute(_DIFFERENCES):
        is_cost = row.measure.isupper()
        yield Difference(
            _NAME,
            row.day.isoformat(),
            f"the hours of the day and the files of it differ by {int(row.apart):+}"
            + (f" nanos of {row.measure}" if is_cost else f" {row.measure}"),
            int(row.apart) if is_cost else 0,
        )
    tell(1, 1)
