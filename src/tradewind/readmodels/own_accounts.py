"""Which endpoints call nothing but accounts of their own organization, which pays those itself,
and which price an endpoint therefore has.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Label, Subquery, and_, case, exists, func, select

from tradewind.features.endpoints.tables import endpoint, endpoint_target
from tradewind.features.providers.tables import provider_connection

_OF_PRICES = (
    "currency",
    "input_nanos",
    "output_nanos",
    "cached_input_nanos",
    "cache_write_nanos",
    "meters",
    "is_charged",
)


def is_own_price(own: Subquery) -> ColumnElement[bool]:
    """Return the condition to join `own_price_in_force` to endpoints by."""
    return and_(
        own.c.model_id == endpoint.c.model_id,
        own.c.organization_id == endpoint.c.organization_id,
        calls_own_accounts(),
    )


def columns_of_price(prices: Subquery, own: Subquery) -> Iterator[Label[Any]]:
    """Yield the price of an endpoint, `price_id` first: the own one before everybody's."""
    yield func.coalesce(own.c.id, prices.c.id).label("price_id")
    for name in _OF_PRICES:
        yield case((own.c.id.is_not(None), own.c[name]), else_=prices.c[name]).label(name)


def calls_own_accounts() -> ColumnElement[bool]:
    """Return a condition on `endpoint`: each of its targets is an account of its organization.

    One target of the platform's is enough for all calls to be charged: which target answers is
    known only afterwards, and what a call may cost is held before it.
    """
    of_others = (
        select(endpoint_target.c.id)
        .outerjoin(provider_connection, provider_connection.c.id == endpoint_target.c.connection_id)
        .where(
            endpoint_target.c.endpoint_id == endpoint.c.id,
            provider_connection.c.organization_id.is_distinct_from(endpoint.c.organization_id),
        )
        # Whoever asks may name targets too: these are all of the endpoint.
        .correlate(endpoint)
    )
    any_target = (
        select(endpoint_target.c.id)
        .where(endpoint_target.c.endpoint_id == endpoint.c.id)
        .correlate(endpoint)
    )
    return and_(endpoint.c.organization_id.is_not(None), exists(any_target), ~exists(of_others))
