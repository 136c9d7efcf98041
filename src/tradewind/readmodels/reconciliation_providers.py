"""What gateways noted of a provider's hosts, beside what the provider says of the same days."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from tradewind.core.money import format_nanos
from tradewind.features.ledger.schemas import Difference
from tradewind.features.reconciliation.schemas import Measure

TOLERATED_PPM = 1_000
"""Providers round each of their lines: a thousandth of a day's amount is no alarm."""
TOLERATED_NANOS = 10_000_000
"""Nor is a cent, or one token or call in a thousand and a hundred of them."""
_TOLERATED_COUNT = 100
MOST_SHOWN = 400
_SETTLING = timedelta(hours=24)
"""For so long after its end a day is not compared: providers add to it late."""


@dataclass(frozen=True, slots=True)
class ProviderDay:
    """One measure of one host and day, both sides. Costs are nanos."""

    host: str
    day: date
    measure: Measure
    currency: str
    theirs: int
    ours: int

    @property
    def difference(self) -> int:
        return self.ours - self.theirs

    @property
    def is_tolerated(self) -> bool:
        least = TOLERATED_NANOS if self.measure is Measure.COST else _TOLERATED_COUNT
        most = max(least, max(abs(self.theirs), abs(self.ours)) * TOLERATED_PPM // 1_000_000)
        return abs(self.difference) <= most


# Of a day and measure the newest statement counts. Costs are in the hourly sums by host; counts
# are only in the events, for as long as these are kept.
_DAYS = text("""
    WITH stated AS (
        SELECT DISTINCT ON (statement.host, line.day, line.measure, line.currency)
            statement.host, line.day, line.measure, line.currency, line.quantity
        FROM provider_statement_line AS line
        JOIN provider_statement AS statement ON statement.number = line.statement
        ORDER BY statement.host, line.day, line.measure, line.currency, line.statement DESC
    ), costs AS (
        SELECT stated.host, stated.day, stated.currency, (
            SELECT coalesce(sum(used.provider_cost_nanos), 0) FROM usage_hour_host AS used
            WHERE used.host = stated.host AND used.provider_currency = stated.currency
                AND used.hour >= stated.day::timestamp AT TIME ZONE 'UTC'
                AND used.hour < (stated.day + 1)::timestamp AT TIME ZONE 'UTC'
        ) AS nanos
        FROM stated WHERE stated.measure = 'cost'
    ), counted_days AS (
        SELECT DISTINCT host, day FROM stated WHERE measure <> 'cost' AND day >= (
            SELECT (min(at) AT TIME ZONE 'UTC')::date + 1 FROM usage_event
        )
    ), counts AS (
        SELECT counted_days.host, counted_days.day, sums.*
        FROM counted_days CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE corrects IS NULL) AS requests,
                coalesce(sum(input_tokens) FILTER (WHERE corrects IS NULL), 0) AS input_tokens,
                coalesce(sum(output_tokens) FILTER (WHERE corrects IS NULL), 0) AS output_tokens
            FROM usage_event
            WHERE usage_event.host = counted_days.host
                AND at >= counted_days.day::timestamp AT TIME ZONE 'UTC'
                AND at < (counted_days.day + 1)::timestamp AT TIME ZONE 'UTC'
        ) AS sums
    )
    SELECT stated.host, stated.day, stated.measure, stated.currency, stated.quantity AS theirs,
        CASE stated.measure
            WHEN 'cost' THEN costs.nanos
            WHEN 'requests' THEN counts.requests
            WHEN 'input_tokens' THEN counts.input_tokens
            ELSE counts.output_tokens
        END AS ours
    FROM stated
    LEFT JOIN costs ON stated.measure = 'cost' AND costs.host = stated.host
        AND costs.day = stated.day AND costs.currency = stated.currency
    LEFT JOIN counts ON stated.measure <> 'cost' AND counts.host = stated.host
        AND counts.day = stated.day
    WHERE stated.day < :before AND (stated.measure = 'cost' OR counts.host IS NOT NULL)
    ORDER BY stated.day DESC, stated.host, stated.measure, stated.currency
    LIMIT :most
""")


def read_provider_days(
    tx: Connection, now: datetime, *, most: int = MOST_SHOWN
) -> list[ProviderDay]:
    """Return every day that statements are of and that is over, the newest first."""
    before = (now.astimezone(UTC) - _SETTLING).date()
    statement: Any = tx.execute(_DAYS, {"before": before, "most": most})
    return [
        ProviderDay(
            row.host,
            row.day,
            Measure(row.measure),
            row.currency,
            int(row.theirs),
            int(row.ours),
        )
        for row in statement
    ]


def provider_differences(tx: Connection, now: datetime) -> Iterator[Difference]:
    """Yield what is beyond what rounding explains."""
    for each in read_provider_days(tx, now, most=100_000):
        if not each.is_tolerated:
            nanos = each.difference if each.measure is Measure.COST else 0
            yield Difference(
                "providers",
                f"{each.host} {each.day}",
                f"{each.measure.value.replace('_', ' ')}: {_said(each, each.ours)} by our events,"
                f" {_said(each, each.theirs)} by the provider",
                nanos,
            )


def _said(each: ProviderDay, quantity: int) -> str:
    if each.measure is Measure.COST:
        return f"{format_nanos(quantity)} {each.currency}"
    return f"{quantity:,}"
