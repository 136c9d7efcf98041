"""Prices that follow what a provider takes: its cost and so many percent."""

from collections.abc import Mapping, Sequence

from tradewind.core.pricing.charges import MOST_NANOS
from tradewind.features.market.schemas import Margin

HUNDREDTHS = 10_000
"""Hundredths of a percent in a whole."""


def priced(cost: Mapping[str, int], margin: Margin) -> dict[str, int]:
    """Return the price of each meter that the provider takes something for.

    What costs nothing stays at nothing unless there is a least price. Rounded up: a price below
    cost and margin is never what was asked for.
    """
    return {meter: _priced(nanos, margin) for meter, nanos in cost.items()}


def dearest(costs: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Return the highest cost of each meter, so that no place where a model is called loses
    money.
    """
    found: dict[str, int] = {}
    for cost in costs:
        for meter, nanos in cost.items():
            found[meter] = max(nanos, found.get(meter, 0))
    return found


def _priced(nanos: int, margin: Margin) -> int:
    with_margin = -(-nanos * (HUNDREDTHS + margin.percent) // HUNDREDTHS)
    wanted = max(with_margin, margin.least_nanos)
    stepped = -(-wanted // margin.step_nanos) * margin.step_nanos
    return min(MOST_NANOS, max(0, stepped))
