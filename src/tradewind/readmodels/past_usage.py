"""What was used of models, hour by hour, for those who try out a plan on it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Text, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from tradewind.core.ids import OrganizationId
from tradewind.features.catalog.tables import model
from tradewind.features.market.simulator import PastUse
from tradewind.features.market.tables import price
from tradewind.features.metering.tables import usage_hour


def past_use(  # noqa: PLR0917  as the simulator calls it
    tx: Connection,
    organization_id: OrganizationId | None,
    models: Sequence[str],
    since: datetime,
    until: datetime,
    limit: int,
) -> list[PastUse]:
    """Return what was used in whole hours of a span, by organization, model and hour.

    A call is of the model whose price it was rated with, whatever its endpoint was called.
    """
    name = (model.c.publisher_slug + "/" + model.c.slug).label("name")
    fields = ("requests", "input_tokens", "cached_input_tokens", "cache_write_tokens")
    statement: Any = (
        select(
            usage_hour.c.organization_id,
            name,
            usage_hour.c.hour,
            usage_hour.c.currency,
            func.sum(usage_hour.c.cost_nanos).label("cost_nanos"),
            *[func.sum(usage_hour.c[field]).label(field) for field in (*fields, "output_tokens")],
        )
        .join(price, price.c.id == usage_hour.c.price_id)
        .join(model, model.c.id == price.c.model_id)
        .where(usage_hour.c.hour >= since, usage_hour.c.hour < until)
        .group_by(usage_hour.c.organization_id, name, usage_hour.c.hour, usage_hour.c.currency)
        .limit(limit)
    )
    if organization_id is not None:
        statement = statement.where(usage_hour.c.organization_id == organization_id)
    if models:
        wanted = bindparam("models", list(models), type_=ARRAY(Text))
        statement = statement.where(model.c.publisher_slug + "/" + model.c.slug == func.any(wanted))
    return [
        PastUse(
            row.organization_id,
            row.name,
            row.hour,
            _quantities(row),
            row.currency,
            int(row.cost_nanos),
        )
        for row in tx.execute(statement)
    ]


def _quantities(row: Any) -> dict[str, int]:
    cached, written = int(row.cached_input_tokens), int(row.cache_write_tokens)
    found = {
        "requests": int(row.requests),
        # Each unit is counted by one meter alone.
        "input_tokens": int(row.input_tokens) - cached - written,
        "cached_input_tokens": cached,
        "cache_write_tokens": written,
        "output_tokens": int(row.output_tokens),
    }
    return {meter: quantity for meter, quantity in found.items() if quantity}
