"""What the archive decides by. Pure: no clock, no file, no database."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

GRACE = timedelta(hours=6)
"""After a day's end, before it is written: most of what comes late has come by then."""

COLUMNS: Mapping[str, str] = {
    "event_id": "UUID",
    "at": "TIMESTAMPTZ",
    "organization_id": "VARCHAR",
    "project_id": "VARCHAR",
    "key_id": "VARCHAR",
    "operation": "VARCHAR",
    "model": "VARCHAR",
    "deployment_id": "VARCHAR",
    "price_id": "VARCHAR",
    "currency": "VARCHAR",
    "is_stream": "BOOLEAN",
    "outcome": "VARCHAR",
    "http_status": "SMALLINT",
    "input_tokens": "BIGINT",
    "cached_input_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "cache_write_tokens": "BIGINT",
    "meters": "VARCHAR",
    "usage_source": "VARCHAR",
    "cost_nanos": "BIGINT",
    "first_token_us": "BIGINT",
    "duration_us": "BIGINT",
    "provider_cost_nanos": "BIGINT",
    "provider_currency": "VARCHAR",
    "is_batch": "BOOLEAN",
    "host": "VARCHAR",
    "region": "VARCHAR",
    "corrects": "UUID",
}
"""Of `usage_event` and of the files, with DuckDB's types; `meters` is JSON."""

SUMMED: tuple[str, ...] = (
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "duration_us",
)


class Totals(NamedTuple):
    events: int
    requests: int
    """Events that correct none."""
    sums: dict[str, int]
    cost_nanos: dict[str, int]
    """By currency, as the next."""
    provider_cost_nanos: dict[str, int]


def totals_of(rows: Iterable[Sequence[Any]]) -> Totals:
    """Return what the rows of `repository.sums.SUMS` say together."""
    events = requests = 0
    sums: dict[str, int] = dict.fromkeys(SUMMED, 0)
    costs: dict[str, int] = {}
    provider_costs: dict[str, int] = {}
    for currency, provider_currency, count, calls, *rest in rows:
        *summed, cost, provider_cost = rest
        events += count
        requests += calls
        for name, value in zip(SUMMED, summed, strict=True):
            sums[name] += int(value)
        costs[currency] = costs.get(currency, 0) + int(cost)
        if provider_currency is not None:
            before = provider_costs.get(provider_currency, 0)
            provider_costs[provider_currency] = before + int(provider_cost or 0)
    return Totals(events, requests, sums, costs, provider_costs)


def told(totals: Totals) -> dict[str, Any]:
    """Return totals as JSON: sums as texts, because they may be longer than its numbers."""
    return {
        "events": str(totals.events),
        "requests": str(totals.requests),
        "sums": _texts(totals.sums),
        "cost_nanos": _texts(totals.cost_nanos),
        "provider_cost_nanos": _texts(totals.provider_cost_nanos),
    }


def read(kept: Mapping[str, Any]) -> Totals:
    """Return what `told` made."""
    return Totals(
        int(kept["events"]),
        int(kept["requests"]),
        _numbers(kept["sums"]),
        _numbers(kept["cost_nanos"]),
        _numbers(kept["provider_cost_nanos"]),
    )


def location_of(day: date, part: int, sha256: bytes) -> str:
    """Return where a file is kept: another content is another file, so none is ever replaced."""
    return f"usage/{day:%Y/%m/%d}/part_{part}_{sha256.hex()[:16]}.parquet"


def begin_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def last_closed(now: datetime) -> date:
    """Return the newest day that is over by GRACE."""
    return (now.astimezone(UTC) - GRACE).date() - timedelta(days=1)


def last_to_leave(now: datetime, keep_days: int) -> date | None:
    """Return the newest day whose events leave the tables; None where all stay."""
    return last_closed(now) - timedelta(days=keep_days - 1) if keep_days else None


def _texts(numbers: Mapping[str, int]) -> dict[str, str]:
    return {name: str(number) for name, number in sorted(numbers.items())}


def _numbers(texts: Mapping[str, str]) -> dict[str, int]:
    return {name: int(text) for name, text in texts.items()}
