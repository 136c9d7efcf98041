"""The policies that hold for a call as one guard. Pure.

Policies add up: a finding is held to the rules of each of them and the gravest action follows, each
check of each of them runs, and one that two of them want runs once where they want the same of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import msgspec

from tradewind.plugins.checks.base import AnyCheck
from tradewind.snapshot.safety import (
    Action,
    CheckUse,
    DataReference,
    Direction,
    Policy,
    Rule,
    Streaming,
)

GRAVITY = {action: gravity for gravity, action in enumerate(Action)}
"""Actions in the order of gravity, which is that of their definition."""
_MOST_USES = 32
"""Checks of one direction; what is beyond them is a failure and not left out."""


class Use(msgspec.Struct, frozen=True, eq=False):
    """One check and what the policies together want of it, in one direction."""

    name: str
    check: AnyCheck | None
    """None where this gateway has no such check: a failure whenever it should run."""
    deadline_s: float
    """The longest that any of the policies allows."""
    fails_open: bool
    """Whether all of them let the call pass when it cannot tell."""
    options: Mapping[str, str]
    data: tuple[DataReference, ...]

    @property
    def hold_back(self) -> int:
        return getattr(self.check, "hold_back", 0)


class Guard(msgspec.Struct, frozen=True, eq=False, dict=True):
    """What holds for the calls of one lane."""

    policies: tuple[tuple[str, int], ...]
    """Ids and versions."""
    uses: dict[Direction, tuple[Use, ...]]
    streaming: Streaming
    """ASYNCHRONOUS only where all of them say so."""
    rules: tuple[dict[tuple[str, Direction], tuple[Rule, ...]], ...]
    """Of each policy, by category and direction."""
    missing: tuple[str, ...] = ()
    """Ids of policies that are bound and that the snapshot does not have, and names of checks
    beyond what one call runs. Nothing passes such a guard."""

    def action_of(self, category: str, direction: Direction, severity: int) -> tuple[Action, int]:
        """Return what follows from a finding, and the lowest threshold for that; the threshold is 0
        where no rule speaks of the category.

        A finding that no rule takes up is annotated; its threshold is then the lowest of the rules
        it stayed below.
        """
        action, threshold = Action.ANNOTATE, 0
        for rule in self._rules_of(category, direction):
            if severity < rule.threshold:
                if not threshold and action is Action.ANNOTATE:
                    threshold = rule.threshold
                continue
            if GRAVITY[rule.action] > GRAVITY[action]:
                action, threshold = rule.action, rule.threshold
            elif rule.action is action:
                threshold = min(threshold, rule.threshold) or rule.threshold
        return action, threshold

    def may(self, action: Action, direction: Direction) -> bool:
        """Say whether findings in this direction may have this action at all."""
        return (action, direction) in self._possible

    @cached_property
    def wants_sources(self) -> bool:
        """Whether answers are compared with what the prompt brought along."""
        return any(
            use.check is not None and "ungrounded_material" in use.check.categories
            for use in self.uses[Direction.COMPLETION]
        )

    @cached_property
    def _possible(self) -> frozenset[tuple[Action, Direction]]:
        return frozenset(
            (rule.action, direction)
            for of_policy in self.rules
            for (_, direction), rules in of_policy.items()
            for rule in rules
        )

    def _rules_of(self, category: str, direction: Direction) -> Iterable[Rule]:
        """Return the rules of each policy: those for a part of a category come before, and stand
        for, those of the whole in the same policy.
        """
        whole = category.partition(".")[0]
        for of_policy in self.rules:
            found = of_policy.get((category, direction))
            if found is None and whole != category:
                found = of_policy.get((whole, direction))
            if found is not None:
                yield from found


OFF = Guard((), dict.fromkeys(Direction, ()), Streaming.ASYNCHRONOUS, ())
"""What holds where policies were switched off: nothing, and the log says so."""


def guard_of(
    bound: Sequence[str], policies: Mapping[str, Policy], checks: Mapping[str, AnyCheck]
) -> Guard | None:
    """Return the union of the bound policies; None where nothing is bound. `bound` may say an id
    twice.
    """
    if not bound:
        return None
    ids = tuple(dict.fromkeys(bound))
    held = [policies[id_] for id_ in ids if id_ in policies]
    missing = [id_ for id_ in ids if id_ not in policies]
    uses: dict[Direction, tuple[Use, ...]] = {}
    for direction in Direction:
        found = _uses_of(held, direction, checks)
        uses[direction] = found[:_MOST_USES]
        missing += [use.name for use in found[_MOST_USES:]]
    is_buffered = any(policy.streaming is Streaming.BUFFERED for policy in held)
    return Guard(
        tuple((policy.id, policy.version) for policy in held),
        uses,
        Streaming.BUFFERED if is_buffered or not held else Streaming.ASYNCHRONOUS,
        tuple(_by_category(policy) for policy in held),
        tuple(missing),
    )


def _uses_of(
    policies: Sequence[Policy], direction: Direction, checks: Mapping[str, AnyCheck]
) -> tuple[Use, ...]:
    """Return each check once for each set of options that is wanted of it: lists of several
    policies are looked for in one go.
    """
    wanted: dict[tuple[str, tuple[tuple[str, str], ...]], list[CheckUse]] = {}
    for policy in policies:
        for use in policy.checks:
            if direction in use.directions:
                key = use.name, tuple(sorted(use.options.items()))
                wanted.setdefault(key, []).append(use)
    return tuple(
        Use(
            name,
            checks.get(name),
            max(use.deadline_ms for use in of_name) / 1000,
            all(use.fails_open for use in of_name),
            dict(options),
            tuple({reference: None for use in of_name for reference in use.data}),
        )
        for (name, options), of_name in wanted.items()
    )


def _by_category(policy: Policy) -> dict[tuple[str, Direction], tuple[Rule, ...]]:
    rules: dict[tuple[str, Direction], tuple[Rule, ...]] = {}
    for rule in policy.rules:
        key = rule.category, rule.direction
        rules[key] = (*rules.get(key, ()), rule)
    return rules
