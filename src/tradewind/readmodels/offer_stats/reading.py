"""What pages show of it: a model at each of its hosts, over a day and over a month."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select

from tradewind.features.metering.tables import usage_hour
from tradewind.readmodels.offer_stats.histograms import merged, percentile
from tradewind.readmodels.offer_stats.roll_up import hour_of
from tradewind.readmodels.offer_stats.tables import offer_day, offer_hour

_HOURS = 24
_DAYS = 30


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one model at one host over one span of time."""

    attempts: int
    failed: int
    minutes: int
    """In which it was asked."""
    minutes_down: int
    """In which it was asked and answered nobody."""
    streams: int
    """Calls that tell the first token; of none the rest is None."""
    first_token_us_p50: int | None
    first_token_us_p95: int | None
    speed_p50: int | None
    """Thousandths of a token a second."""

    @property
    def minutes_up(self) -> int:
        return self.minutes - self.minutes_down


@dataclass(frozen=True, slots=True)
class HostStats:
    """None is a span in which nobody called it there."""

    day: Measured | None
    """The last 24 hours, to the full hour."""
    month: Measured | None
    """The last 30 days, to the full day."""


@dataclass(frozen=True, slots=True)
class AverageChat:
    """What an organization's chats of the last 30 days were like."""

    calls: int
    input_tokens: int
    cached_input_tokens: int
    """Part of input_tokens."""
    output_tokens: int

    def cost_nanos(
        self, input_nanos: int, output_nanos: int | None, cached_input_nanos: int | None
    ) -> int:
        """Return what a thousand of them cost at these prices of 1,000,000 tokens."""
        cached = input_nanos if cached_input_nanos is None else cached_input_nanos
        fresh = self.input_tokens - self.cached_input_tokens
        sum_nanos = fresh * input_nanos + self.cached_input_tokens * cached
        sum_nanos += self.output_tokens * (output_nanos or 0)
        return -(-sum_nanos * 1000 // (self.calls * 1_000_000))


def read_stats(
    tx: Connection, models: Collection[str], now: datetime
) -> dict[tuple[str, str], HostStats]:
    """Return what was measured of these models ("publisher/slug"), by model and host."""
    day = _read(tx, offer_hour, offer_hour.c.hour > hour_of(now) - timedelta(hours=_HOURS), models)
    today = now.astimezone(UTC).date()
    month = _read(tx, offer_day, offer_day.c.day > today - timedelta(days=_DAYS), models)
    return {place: HostStats(day.get(place), month.get(place)) for place in {**day, **month}}


def read_average_chat(tx: Connection, organization_id: str, now: datetime) -> AverageChat | None:
    """Return what the answered chats of an organization have in common; None without any."""
    row = tx.execute(
        select(
            func.coalesce(func.sum(usage_hour.c.requests - usage_hour.c.failed), 0).label("calls"),
            func.coalesce(func.sum(usage_hour.c.input_tokens), 0).label("input"),
            func.coalesce(func.sum(usage_hour.c.cached_input_tokens), 0).label("cached"),
            func.coalesce(func.sum(usage_hour.c.output_tokens), 0).label("output"),
        ).where(
            usage_hour.c.organization_id == organization_id,
            usage_hour.c.operation == "chat",
            usage_hour.c.hour > now - timedelta(days=_DAYS),
        )
    ).one()
    calls = int(row.calls)
    if calls <= 0:
        return None
    return AverageChat(calls, int(row.input), int(row.cached), int(row.output))


def _read(
    tx: Connection, table: Any, recent: Any, models: Collection[str]
) -> dict[tuple[str, str], Measured]:
    found: defaultdict[tuple[str, str], list[Row[Any]]] = defaultdict(list)
    for row in tx.execute(select(table).where(table.c.model.in_(list(models)), recent)):
        found[row.model, row.host].append(row)
    return {place: _measured(rows) for place, rows in found.items()}


def _measured(rows: Iterable[Row[Any]]) -> Measured:
    rows = list(rows)
    first = merged(_histogram(row.first_token_us) for row in rows)
    speed = merged(_histogram(row.speed) for row in rows)
    return Measured(
        attempts=sum(row.attempts for row in rows),
        failed=sum(row.failed for row in rows),
        minutes=sum(row.minutes for row in rows),
        minutes_down=sum(row.minutes_down for row in rows),
        streams=sum(first.values()),
        first_token_us_p50=percentile(first, 50),
        first_token_us_p95=percentile(first, 95),
        speed_p50=percentile(speed, 50),
    )


def _histogram(stored: Mapping[str, int]) -> dict[int, int]:
    return {int(bucket): count for bucket, count in stored.items()}
