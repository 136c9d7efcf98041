"""Prices in force."""

from typing import Any

from sqlalchemy import Subquery, select
from sqlalchemy.dialects.postgresql import distinct_on

from tradewind.features.market.tables import price


def price_in_force() -> Subquery:
    """Return the newest price of each model, as a subquery with the columns of `price`."""
    newest: Any = (
        select(price)
        .ext(distinct_on(price.c.model_id))
        .order_by(price.c.model_id, price.c.created_at.desc(), price.c.id.desc())
    )
    return newest.subquery("price_in_force")
