"""Prices of other gateways in nanos per million tokens, without a float between. Pure."""

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple

from tradewind.features.endpoints.rules import PRICE_MAX_NANOS

_NUMBER = re.compile(r"[0-9]{1,20}(?:\.[0-9]{0,40})?(?:[eE][+-]?[0-9]{1,3})?|\.[0-9]{1,40}")
# Enough for the product of two such numbers; what does not fit is told as rounded, never lost.
_CONTEXT = Context(prec=200, rounding=ROUND_HALF_EVEN)
_FROM_TOKEN = 15
"""USD for a token to nanos for a million: 10^9 nanos, 10^6 tokens."""
_FROM_RATIO = Decimal(2 * 10**9)
"""A ratio of 1 is 0.002 USD for 1,000 tokens, which is 2 USD for a million."""


class Nanos(NamedTuple):
    value: int
    """Of USD, for a million tokens."""
    is_exact: bool


def decimal_of(value: object) -> Decimal | None:
    """Return a number as it was written, None for what is none, is negative or is not finite."""
    if isinstance(value, bool):
        return None
    if isinstance(value, Decimal):
        value = str(value)
    elif isinstance(value, int):
        return Decimal(value) if 0 <= value < 10**20 else None
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return Decimal(value)
    return None


def of_token_price(dollars: Decimal) -> Nanos | None:
    """Return USD for one token in nanos for a million. None when it is too much for a price."""
    return _whole(_CONTEXT.scaleb(dollars, _FROM_TOKEN))


def of_ratios(*ratios: Decimal) -> Nanos | None:
    """Return the product of one-api's ratios as a price. None when it is too much for one.

    Sources: docs.newapi.pro, "Ratio Settings" (1 USD is 500,000 quota; a ratio of 1.25 is 2.5 USD
    for a million tokens); one-api, relay/billing/ratio/model.go ("1 === $0.002 / 1K tokens").
    """
    product = _FROM_RATIO
    for ratio in ratios:
        product = _CONTEXT.multiply(product, ratio)
    return _whole(product)


def _whole(nanos: Decimal) -> Nanos | None:
    if nanos > PRICE_MAX_NANOS:
        return None
    whole = nanos.to_integral_value(ROUND_HALF_EVEN, context=_CONTEXT)
    return Nanos(int(whole), whole == nanos)
