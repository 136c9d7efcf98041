"""What is given away or refused because nobody said a price: for whoever runs the platform."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, or_, select, text

from tradewind.features.endpoints.tables import endpoint
from tradewind.readmodels.own_accounts import is_own_price
from tradewind.readmodels.prices import own_price_in_force, price_in_force

SPAN = timedelta(days=7)
"""How far back calls are counted."""
METER_SPAN = timedelta(days=1)
"""How far back single events are looked at for meters without a price."""
MOST_ROWS = 500
_MOST_ENDPOINTS = 100_000


class Gap(StrEnum):
    MISSING = "missing"
    """No price is in force: its calls are refused as if there were no such model."""
    ZERO = "zero"
    """All is zero, and nobody said that it is free: its calls are given away."""
    METER = "meter"
    """Units of a meter were used that the price does not name: those are given away."""


@dataclass(frozen=True, slots=True)
class Unpriced:
    model: str
    """publisher/slug."""
    gap: Gap
    meters: tuple[str, ...]
    """Without a price; only of METER."""
    calls: int
    """Given away, or refused."""
    organizations: int
    """Who made them."""
    last_at: datetime | None
    price_id: str | None


_IS_ZERO = (
    "price.input_nanos = 0 AND price.output_nanos = 0 AND price.cached_input_nanos = 0"
    " AND coalesce(price.cache_write_nanos, 0) = 0"
    " AND NOT jsonb_path_exists(price.meters, '$.* ? (@ != 0)')"
)
_IN_FORCE = """
    SELECT DISTINCT ON (price.model_id) price.*
    FROM price
    WHERE price.organization_id IS NULL AND price.effective_at <= :now
    ORDER BY price.model_id, price.effective_at DESC, price.created_at DESC, price.id DESC
"""
# A model that is served and has no price: the gateways do not know it, so that its calls are in the
# log of requests only, among those for models that are not there.
_MISSING = text("""
    WITH unknown AS (
        SELECT endpoint.name, endpoint.aliases, endpoint.model_id
        FROM endpoint
        WHERE endpoint.id = ANY (:unpriced)
    ),
    asked AS (
        SELECT request_log.requested_model, count(*) AS calls,
            array_agg(DISTINCT request_log.organization_id) AS organizations,
            max(request_log.at) AS last_at
        FROM request_log
        WHERE request_log.at >= :since AND request_log.model = ''
            AND request_log.requested_model IN (
                SELECT name FROM unknown UNION SELECT unnest(aliases) FROM unknown
            )
        GROUP BY request_log.requested_model
    )
    SELECT model.publisher_slug || '/' || model.slug AS name,
        coalesce(sum(asked.calls), 0) AS calls,
        coalesce(max(cardinality(asked.organizations)), 0) AS organizations,
        max(asked.last_at) AS last_at
    FROM unknown
    JOIN model ON model.id = unknown.model_id
    LEFT JOIN asked ON asked.requested_model = unknown.name
        OR asked.requested_model = ANY (unknown.aliases)
    GROUP BY 1
    ORDER BY 2 DESC, 1
    LIMIT :most
""")
_ZERO = text(f"""
    WITH in_force AS ({_IN_FORCE}),
    zero AS (
        SELECT price.id, price.model_id FROM price
        WHERE price.is_charged AND NOT price.is_free AND {_IS_ZERO}
    ),
    used AS (
        SELECT zero.model_id, sum(usage_hour.requests) AS calls,
            count(DISTINCT usage_hour.organization_id) AS organizations,
            max(usage_hour.hour) AS last_at
        FROM usage_hour
        JOIN zero ON zero.id = usage_hour.price_id
        WHERE usage_hour.hour >= :since
        GROUP BY zero.model_id
    )
    SELECT model.publisher_slug || '/' || model.slug AS name, in_force.id AS price_id,
        coalesce(used.calls, 0) AS calls, coalesce(used.organizations, 0) AS organizations,
        used.last_at
    FROM in_force
    JOIN zero ON zero.id = in_force.id
    JOIN model ON model.id = in_force.model_id
    LEFT JOIN used ON used.model_id = in_force.model_id
    WHERE used.calls IS NOT NULL
        OR EXISTS (
            SELECT FROM endpoint
            WHERE endpoint.model_id = in_force.model_id AND endpoint.is_enabled
                AND NOT endpoint.id = ANY (:own)
        )
    ORDER BY calls DESC, name
    LIMIT :most
""")  # noqa: S608  put together of this file's own text
# Tokens of these kinds cost what the tokens they are a part of do.
_METER = text(f"""
    WITH in_force AS ({_IN_FORCE})
    SELECT model.publisher_slug || '/' || model.slug AS name, in_force.id AS price_id,
        array_agg(DISTINCT meter.name ORDER BY meter.name) AS meters,
        count(DISTINCT usage_event.event_id) AS calls,
        count(DISTINCT usage_event.organization_id) AS organizations,
        max(usage_event.at) AS last_at
    FROM usage_event
    JOIN price ON price.id = usage_event.price_id
    JOIN in_force ON in_force.model_id = price.model_id
    JOIN model ON model.id = in_force.model_id
    CROSS JOIN LATERAL jsonb_object_keys(usage_event.meters) AS meter (name)
    WHERE usage_event.at >= :since AND usage_event.meters IS NOT NULL
        AND price.organization_id IS NULL
        AND in_force.is_charged AND NOT in_force.is_free
        AND NOT in_force.meters ? meter.name
        AND meter.name NOT IN (
            'reasoning_tokens', 'audio_input_tokens', 'audio_output_tokens', 'requests',
            'input_tokens', 'output_tokens', 'cached_input_tokens', 'cache_write_tokens'
        )
        AND NOT ({_IS_ZERO.replace("price.", "in_force.")})
    GROUP BY 1, 2
    ORDER BY calls DESC, name
    LIMIT :most
""")  # noqa: S608  put together of this file's own text


def unpriced(tx: Connection, now: datetime, *, span: timedelta = SPAN) -> list[Unpriced]:
    """Return every gap: what is refused first, then what is given away, the most called first.

    Without calls a model is named too when an endpoint serves it: the next call is the first.
    """
    asked = {"now": now, "since": now - span, "most": MOST_ROWS}
    recent = {**asked, "since": now - min(span, METER_SPAN)}
    unpriced_ids, own_ids = _endpoints(tx, now)
    missing = [
        _row(row, Gap.MISSING) for row in tx.execute(_MISSING, {**asked, "unpriced": unpriced_ids})
    ]
    zero = [_row(row, Gap.ZERO) for row in tx.execute(_ZERO, {**asked, "own": own_ids})]
    meter = [_row(row, Gap.METER) for row in tx.execute(_METER, recent)]
    return [*missing, *zero, *meter]


def alarmed_today(tx: Connection, now: datetime) -> int:
    """Return how many models the worker found without a price today or yesterday. Cheap."""
    days = [now.astimezone(UTC).date() - timedelta(days=back) for back in (0, 1)]
    return tx.execute(
        text("SELECT count(DISTINCT model) FROM price_alarm WHERE day = ANY (:days)"),
        {"days": days},
    ).scalar_one()


def _endpoints(tx: Connection, now: datetime) -> tuple[list[str], list[str]]:
    """Return the enabled endpoints without a price, and those that are counted at a price of their
    organization's own: these are no gap, whatever everybody's price says.
    """
    prices, own = price_in_force(now), own_price_in_force(now)
    found: Any = (
        select(endpoint.c.id, own.c.id.label("own_id"))
        .select_from(endpoint)
        .outerjoin(prices, prices.c.model_id == endpoint.c.model_id)
        .outerjoin(own, is_own_price(own))
        .where(endpoint.c.is_enabled, or_(own.c.id.is_not(None), prices.c.id.is_(None)))
        .limit(_MOST_ENDPOINTS)
    )
    rows = tx.execute(found).all()
    without = [row.id for row in rows if row.own_id is None]
    return without, [row.id for row in rows if row.own_id is not None]


def _row(row: Any, gap: Gap) -> Unpriced:
    return Unpriced(
        row.name,
        gap,
        tuple(row.meters) if gap is Gap.METER else (),
        int(row.calls),
        row.organizations,
        row.last_at,
        None if gap is Gap.MISSING else row.price_id,
    )
