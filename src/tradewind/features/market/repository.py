"""All SQL of the market."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, insert, select

from tradewind.core.ids import ModelId, PriceId
from tradewind.features.market.tables import price


def add_price(
    tx: Connection,
    model_id: ModelId,
    currency: str,
    *,
    input_nanos: int,
    output_nanos: int,
    cached_input_nanos: int,
    cache_write_nanos: int | None,
    meters: Mapping[str, int],
    now: datetime,
) -> PriceId:
    price_id = PriceId.new()
    tx.execute(
        insert(price).values(
            id=price_id,
            model_id=model_id,
            currency=currency,
            input_nanos=input_nanos,
            output_nanos=output_nanos,
            cached_input_nanos=cached_input_nanos,
            cache_write_nanos=cache_write_nanos,
            meters=dict(meters),
            created_at=now,
        )
    )
    return price_id


def has_price(tx: Connection, model_id: ModelId) -> bool:
    found = tx.execute(select(price.c.id).where(price.c.model_id == model_id).limit(1))
    return found.first() is not None
