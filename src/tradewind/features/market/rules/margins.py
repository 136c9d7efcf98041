"""Prices that follow what a provider takes: its cost and so many percent. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from tradewind.core.errors import InvalidInput
from tradewind.core.pricing.charges import MOST_NANOS
from tradewind.features.market.rules.prices import problems_of
from tradewind.features.market.schemas import (
    Margin,
    MarginRow,
    NewMargin,
    PriceRow,
    PriceSource,
    PriceTerms,
    ProviderCost,
    Rate,
    Scope,
)

HUNDREDTHS = 10_000
"""Hundredths of a percent in a whole."""
_LONGEST_TARGET = 160


def priced(cost: Mapping[str, int], margin: Margin) -> dict[str, int]:
    """Return the price of each meter that the provider takes something for.

    What costs nothing stays at nothing unless there is a least price. Rounded up: a price below
    cost and margin is never what was asked for.
    """
    return {meter: _priced(nanos, margin) for meter, nanos in cost.items()}


def dearest(costs: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the highest cost of each meter, so that no place where a model is called loses
    money.
    """
    found: dict[str, int] = {}
    for cost in costs:
        for meter, nanos in cost.items():
            found[meter] = max(nanos, found.get(meter, 0))
    return found


def converted(cost: Mapping[str, int], rate: Rate) -> dict[str, int]:
    """Return a cost in another currency, each meter rounded up to a nano: before the margin is
    added, nothing is lost by the exchange.
    """
    return {meter: -(-nanos * rate.parts // rate.whole) for meter, nanos in cost.items()}


def currency_of(costs: Sequence[ProviderCost], former: PriceRow | None, otherwise: str) -> str:
    """Return what a model is priced in: as before, else as its places are, else `otherwise`."""
    if former is not None:
        return former.currency
    currencies = {cost.currency for cost in costs}
    return currencies.pop() if len(currencies) == 1 else otherwise


def terms_of(
    costs: Mapping[str, int], margin: Margin, currency: str, former: PriceRow | None
) -> PriceTerms:
    """Return what a model costs by a margin; who is paid stays as it was."""
    return PriceTerms(
        currency,
        priced(costs, margin),
        "" if former is None else former.seller,
        former is None or former.is_charged,
    )


def problem_of(terms: PriceTerms) -> str:
    """Return why a margin leaves a model alone; empty when it does not."""
    if not any(terms.meters.values()):
        return "its providers take nothing, and what that is worth a person says"
    return next(problems_of(terms), "")


def rule_of(rows: Sequence[MarginRow], costs: Sequence[ProviderCost]) -> MarginRow | None:
    """Return the narrowest margin that holds for a model."""
    name = costs[0].model
    hosts = frozenset[str]().union(*(cost.hosts for cost in costs))
    for scope in Scope:
        for row in rows:
            if row.scope is scope and (
                (scope is Scope.MODEL and row.target == name)
                or (scope is Scope.PUBLISHER and row.target == name.partition("/")[0])
                or (scope is Scope.HOST and row.target in hosts)
                or scope is Scope.ALL
            ):
                return row
    return None


def follows(rule: MarginRow, prices: Iterable[PriceRow]) -> bool:
    """Say whether a margin sets the price of a model that has these: whoever spoke last does."""
    last = max(prices, key=lambda row: row.created_at, default=None)
    return last is None or last.source is PriceSource.MARGIN or last.created_at < rule.updated_at


def check_margin(new: NewMargin) -> None:
    """Raises InvalidInput."""
    margin = new.margin
    if (new.scope is Scope.ALL) != (not new.target) or len(new.target) > _LONGEST_TARGET:
        raise InvalidInput("a margin is for a model, a publisher, a host, or for all and nothing")
    if not -10_000 <= margin.percent <= 10_000_000:
        raise InvalidInput("a margin is between -100 and 100,000 percent")
    if not 0 <= margin.least_nanos <= 10**15 or not 1 <= margin.step_nanos <= 10**12:
        raise InvalidInput("the least price or the step of a margin is out of range")


def _priced(nanos: int, margin: Margin) -> int:
    with_margin = -(-nanos * (HUNDREDTHS + margin.percent) // HUNDREDTHS)
    wanted = max(with_margin, margin.least_nanos)
    stepped = -(-wanted // margin.step_nanos) * margin.step_nanos
    return min(MOST_NANOS, max(0, stepped))
