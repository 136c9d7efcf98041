"""All SQL of the market."""

from datetime import datetime

from sqlalchemy import Connection, insert

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
            created_at=now,
        )
    )
    return price_id
