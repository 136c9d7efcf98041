"""Why a call would go where: every target of an endpoint with the rule that keeps or drops it.

For people who set routes up, so it runs on a snapshot alone, in any process: all targets count as
healthy, idle and not measured.
"""

from collections.abc import Mapping
from typing import NamedTuple

from tradewind.gateway.routing.ask import RouteAsk
from tradewind.gateway.routing.conditions import fitting, rules_of
from tradewind.gateway.routing.plan import Plan, Seen, Standing
from tradewind.plugins.providers.base import Provider
from tradewind.snapshot.contents import Endpoint, Target

FURTHER = "beyond the attempts of one call"
SHORT = "its context may be too short, and others' is not"


class Explained(NamedTuple):
    """What would become of one target."""

    target: Target
    rank: int | None
    """1 is tried first; None is not tried."""
    why: str
    """The rule that chose it at its rank, or the one that dropped it."""

    @property
    def is_allowed(self) -> bool:
        return self.rank is not None


def explain(
    endpoint: Endpoint, ask: RouteAsk, now: float, providers: Mapping[str, Provider]
) -> list[Explained]:
    """Return every target, those that would be tried first in their order. Never refuses."""
    left = endpoint.targets
    dropped: list[Explained] = []
    for rule in rules_of(endpoint, ask, providers):
        kept: list[Target] = []
        for target in left:
            if rule.keeps(target):
                kept.append(target)
            else:
                dropped.append(Explained(target, None, f"does not fulfil {rule.text}"))
        left = tuple(kept)
    fit = fitting(endpoint, ask, left)
    short = [Explained(target, None, SHORT) for target in left if target not in fit]
    plan = Plan(Seen(), ask, fit, Standing(endpoint))
    tried: list[Explained] = []
    while (choice := plan.next(now, "failure" if tried else "")) is not None:
        tried.append(Explained(choice.target, len(tried) + 1, choice.why))
    chosen = [each.target for each in tried]
    further = [Explained(target, None, FURTHER) for target in fit if target not in chosen]
    return [*tried, *further, *short, *dropped]
