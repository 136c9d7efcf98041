"""What providers take for the models that are called at them: the cost side of margins."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, func, select

from tradewind.features.catalog.tables import model, offer
from tradewind.features.endpoints.tables import endpoint, endpoint_target
from tradewind.features.market.schemas import ProviderCost
from tradewind.features.providers.tables import provider_connection


def provider_costs(tx: Connection) -> list[ProviderCost]:
    """Return one row for each place where a model of everybody's is called, by model.

    What an administrator wrote down for a place counts before what the catalog was told of its
    host. A place of which nobody tells a price is left out.
    """
    # Typed by its columns, the row would fit no function that takes any row.
    statement: Any = (
        select(
            model.c.id,
            (model.c.publisher_slug + "/" + model.c.slug).label("name"),
            func.coalesce(provider_connection.c.host, provider_connection.c.id).label("host"),
            endpoint_target.c.cost_currency,
            endpoint_target.c.cost_input_nanos,
            endpoint_target.c.cost_output_nanos,
            endpoint_target.c.cost_cached_input_nanos,
            endpoint_target.c.cost_cache_write_nanos,
            endpoint_target.c.cost_meters,
            offer.c.currency,
            offer.c.input_nanos,
            offer.c.output_nanos,
            offer.c.cached_input_nanos,
            offer.c.cache_write_nanos,
            offer.c.meters,
        )
        .join(endpoint, endpoint.c.id == endpoint_target.c.endpoint_id)
        .join(model, model.c.id == endpoint.c.model_id)
        .join(provider_connection, provider_connection.c.id == endpoint_target.c.connection_id)
        .outerjoin(
            offer,
            (offer.c.model_id == model.c.id)
            & (offer.c.upstream_model == endpoint_target.c.upstream_model)
            & (offer.c.host == provider_connection.c.host)
            & (offer.c.region.in_(["", func.coalesce(endpoint_target.c.region, "")]))
            & (offer.c.status != "vanished"),
        )
        # What an organization calls over its own account, it pays itself.
        .where(endpoint.c.is_enabled, endpoint.c.organization_id.is_(None))
        .order_by(model.c.id, endpoint_target.c.id)
    )
    return [cost for row in tx.execute(statement) if (cost := _cost(row)) is not None]


def _cost(row: Row[Any]) -> ProviderCost | None:
    if row.cost_currency is not None:
        currency = row.cost_currency
        meters = _meters(
            row.cost_input_nanos,
            row.cost_output_nanos,
            row.cost_cached_input_nanos,
            row.cost_cache_write_nanos,
            row.cost_meters,
        )
    elif row.input_nanos is not None:
        currency = row.currency
        meters = _meters(
            row.input_nanos,
            row.output_nanos,
            row.cached_input_nanos,
            row.cache_write_nanos,
            row.meters,
        )
    else:
        return None
    return ProviderCost(row.id, row.name, currency, frozenset({row.host}), meters)


def _meters(
    read: int, written: int | None, cached: int | None, kept: int | None, more: Mapping[str, Any]
) -> dict[str, int]:
    named = {
        "input_tokens": read,
        "output_tokens": written,
        "cached_input_tokens": cached,
        "cache_write_tokens": kept,
    }
    return {meter: nanos for meter, nanos in named.items() if nanos is not None} | _counted(more)


def _counted(meters: Mapping[str, Any]) -> dict[str, int]:
    return {name: nanos for name, nanos in meters.items() if isinstance(nanos, int)}
