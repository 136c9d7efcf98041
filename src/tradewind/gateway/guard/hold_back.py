"""How much of a stream's end waits for what follows. Pure."""

from tradewind.gateway.guard.policies import Guard
from tradewind.snapshot.safety import Action, Direction

MOST_HOLD_BACK = 2_048
"""Of any check: a stream that holds back more than that is no stream."""


def hold_back_of(guard: Guard) -> int:
    """Return how many characters at the end of a stream so far may be the start of something that
    is to be blocked or redacted. What is only annotated holds up nobody.
    """
    acted = {
        _family(category)
        for of_policy in guard.rules
        for (category, direction), rules in of_policy.items()
        if direction is Direction.COMPLETION
        and any(rule.action in (Action.REDACT, Action.BLOCK) for rule in rules)
    }
    waits = [
        use.hold_back
        for use in guard.uses.get(Direction.COMPLETION, ())
        if use.check is not None and acted.intersection(map(_family, use.check.categories))
    ]
    return min(max(waits, default=0), MOST_HOLD_BACK)


def _family(category: str) -> str:
    return category.partition(":")[0].partition(".")[0]
