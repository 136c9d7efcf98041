"""What makes one target better than another. Pure; each rule narrows a choice to its best.

A measured value within a quarter of the best one counts as equal to it: else all calls would go to
one target until it is slow, and then all to the next.
"""

from collections.abc import Callable, Sequence

from tradewind.gateway.routing.ask import Why
from tradewind.gateway.routing.conditions import names_of
from tradewind.gateway.routing.speeds import Speeds
from tradewind.snapshot.contents import Endpoint, Target
from tradewind.wire.routing import Percentiles, ProviderWish

_AS_GOOD = 1.25
# Chats read several times what they write.
_INPUT_SHARE = 3

SORTS = {
    "load": "",
    "price": Why.CHEAPEST,
    "latency": Why.FIRST_TOKEN,
    "throughput": Why.THROUGHPUT,
}
"""The ways an endpoint, a name's policy or a request may ask for; what each says of a choice."""


def best_by(
    targets: Sequence[Target], rank: Callable[[Target], float | int | tuple[float, ...]]
) -> Sequence[Target]:
    """Return those with the lowest rank, in their order."""
    ranks = list(map(rank, targets))
    best = min(ranks)
    return [target for target, its in zip(targets, ranks, strict=True) if its == best]


def place_in_order(target: Target, order: Sequence[str]) -> int:
    """Return where the first of its names stands in the list; behind it when none does. `order` is
    in lower case.
    """
    names = names_of(target)
    return next((place for place, name in enumerate(order) if name in names), len(order))


def cheapest(targets: Sequence[Target], endpoint: Endpoint) -> Sequence[Target]:
    """Return the targets with the lowest cost: own ones have none, and one in another currency than
    the price's cannot be compared, so it comes last.
    """
    currency = endpoint.price.currency

    def rank(target: Target) -> tuple[float, ...]:
        cost = target.cost
        if cost is None:
            return (0, 0)
        amount = _INPUT_SHARE * cost.input_nanos + cost.output_nanos
        return (0 if cost.currency == currency else 1, amount)

    return best_by(targets, rank)


def unmeasured(
    targets: Sequence[Target], measure: Callable[[str], float | None], in_flight: dict[str, int]
) -> Sequence[Target]:
    """Return the targets that nothing is known of and that no call is finding it out of."""
    return [
        target
        for target in targets
        if target.replica_id not in in_flight and measure(target.replica_id) is None
    ]


def fastest(
    targets: Sequence[Target], measure: Callable[[str], float | None], *, lowest: bool
) -> Sequence[Target]:
    """Return the targets with about the best measured value; all when none was measured."""
    measured = [(target, measure(target.replica_id)) for target in targets]
    known = [value for _, value in measured if value is not None]
    if not known:
        return targets
    if lowest:
        bound = min(known) * _AS_GOOD
        return [target for target, value in measured if value is not None and value <= bound]
    bound = max(known) / _AS_GOOD
    return [target for target, value in measured if value is not None and value >= bound]


def preferred(
    targets: Sequence[Target], wish: ProviderWish, speeds: Speeds, now: float
) -> Sequence[Target]:
    """Return the targets that are as fast as the request would like; all when none is. One that was
    not measured may be.
    """
    latency = typical(wish.preferred_max_latency, lowest=True)
    if latency is not None:
        targets = [
            target
            for target in targets
            if (speeds.first_token_s(target.replica_id, now) or 0.0) <= latency
        ] or targets
    throughput = typical(wish.preferred_min_throughput, lowest=False)
    if throughput is not None:
        targets = [
            target
            for target in targets
            if (value := speeds.tokens_per_s(target.replica_id, now)) is None or value >= throughput
        ] or targets
    return targets


def typical(preference: float | Percentiles | None, *, lowest: bool) -> float | None:
    """Return the bound for an average, from a number or the most lenient of the percentiles."""
    if not isinstance(preference, Percentiles):
        return preference
    said = (preference.p50, preference.p75, preference.p90, preference.p99)
    bounds = [bound for bound in said if bound is not None]
    if not bounds:
        return None
    return max(bounds) if lowest else min(bounds)
