"""What waits at the end of a stream so far."""

import pytest

from tests.gateway.guard.answer_parts import EVERYWHERE, LONGEST_FINDING, Words
from tradewind.gateway.guard.hold_back import MOST_HOLD_BACK, hold_back_of
from tradewind.gateway.guard.policies import guard_of
from tradewind.snapshot.safety import Action, CheckUse, Direction, Policy, Rule


class Endless(Words):
    name = "endless"
    categories = frozenset({"custom"})
    hold_back = 100_000


def hold_back(*rules):
    uses = (
        CheckUse("words", EVERYWHERE),
        CheckUse("endless", EVERYWHERE),
        CheckUse("gone", EVERYWHERE),
    )
    checks = {"words": Words(), "endless": Endless()}
    guard = guard_of(["p"], {"p": Policy("p", 1, "p", rules, uses)}, checks)
    assert guard is not None
    return hold_back_of(guard)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], 0),
        ([Rule("pii", Direction.COMPLETION, 4, Action.ANNOTATE)], 0),
        ([Rule("pii", Direction.PROMPT, 4, Action.REDACT)], 0),
        ([Rule("pii", Direction.COMPLETION, 4, Action.REDACT)], LONGEST_FINDING),
        ([Rule("pii.email", Direction.COMPLETION, 4, Action.REDACT)], LONGEST_FINDING),
        ([Rule("violence", Direction.COMPLETION, 4, Action.BLOCK)], LONGEST_FINDING),
        ([Rule("custom:rivals", Direction.COMPLETION, 4, Action.BLOCK)], MOST_HOLD_BACK),
    ],
)
def test_only_what_is_acted_on_holds_anything_up(rules, expected):
    assert hold_back(*rules) == expected
