"""Reads the masks of a stored catalog: everything of it that is kept in memory."""

import sys
from array import array
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, LiteralString, cast

import psycopg
from sqlalchemy import Connection, text

from tradewind.readmodels.catalog_search.filling import CALLABLE_BY, LISTED_VALUE, OWN
from tradewind.readmodels.catalog_search.masks import Members, Order, as_mask, members_of
from tradewind.readmodels.catalog_search.packed import Packed
from tradewind.readmodels.catalog_search.query import Sort
from tradewind.readmodels.catalog_search.state import StoredState

_RULE = 'offers DESC, released DESC, name COLLATE "C", model_id COLLATE "C"'
_ORDERS: Mapping[Sort, LiteralString] = {
    Sort.RELEVANCE: _RULE,
    Sort.NEWEST: f"released DESC, {_RULE}",
    Sort.PRICE: f"price NULLS LAST, {_RULE}",
    Sort.CONTEXT: f"context DESC, {_RULE}",
    Sort.NAME: f'name COLLATE "C", {_RULE}',
}
_LIVE = "catalog_search_entry WHERE number >= %(first)s AND number < %(next)s"
# Numbers come as four bytes each: a million of them as rows would take seconds to read.
_ORDER = """
    SELECT string_agg(int4send((number - %(first)s)::integer), ''::bytea ORDER BY {order})
    FROM {live}
"""
_PRICES = f"""
    SELECT string_agg(int8send(price), ''::bytea ORDER BY price)
    FROM {_LIVE} AND price IS NOT NULL
"""  # noqa: S608  constants alone
_SETS = f"""
    SELECT known.facet, known.value, known.label, had.numbers
    FROM (
        SELECT value_id,
            string_agg(int4send((number - %(first)s)::integer), ''::bytea) AS numbers
        FROM (SELECT number, unnest(facets) AS value_id FROM {_LIVE}) AS each
        GROUP BY value_id
    ) AS had
    JOIN catalog_search_value AS known ON known.id = had.value_id
"""  # noqa: S608  constants alone
_TAKE_TIME = text("""
    SELECT set_config('statement_timeout', '120s', true), set_config('work_mem', '64MB', true)
""")


def load_masks(tx: Connection, state: StoredState) -> Packed:
    """Read the masks of what answers: some seconds for a million models."""
    tx.execute(_TAKE_TIME)
    size = state.next - state.first
    span = {"first": state.first, "next": state.next}
    facets: defaultdict[str, dict[str, Members]] = defaultdict(dict)
    labels: dict[tuple[str, str], str] = {}
    for facet, value, label, numbers in read_binary(tx, _SETS, span):
        facets[facet][value] = members_of(sorted(_numbers(numbers)), size)
        if label:
            labels[facet, value] = label
    listed = facets.pop(LISTED_VALUE[0], {}).get(LISTED_VALUE[1], 0)
    orders: dict[Sort, Order] = {}
    for sort, order in _ORDERS.items():
        [(numbers,)] = read_binary(tx, _ORDER.format(order=order, live=_LIVE), span)
        orders[sort] = Order(_numbers(numbers), size)
    return Packed(
        size=size,
        listed=as_mask(listed, size),
        own=facets.pop(OWN, {}),
        callable_by=facets.pop(CALLABLE_BY, {}),
        facets=facets,
        labels=labels,
        # The rule itself begins with the number of offers.
        orders={**orders, Sort.OFFERS: orders[Sort.RELEVANCE]},
        prices=_prices(tx, span),
    )


def read_binary(
    tx: Connection, statement: LiteralString, values: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    """Return rows whose bytes come as they are: as text each would be two digits."""
    connection = cast("psycopg.Connection", tx.connection.driver_connection)
    with connection.cursor(binary=True) as cursor:
        return cursor.execute(statement, values).fetchall()


def _prices(tx: Connection, span: Mapping[str, int]) -> "array[int]":
    [(packed,)] = read_binary(tx, _PRICES, span)
    prices = array("q", packed or b"")
    if sys.byteorder == "little":
        prices.byteswap()
    return prices


def _numbers(packed: bytes | None) -> "array[int]":
    numbers = array("I", packed or b"")
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers
