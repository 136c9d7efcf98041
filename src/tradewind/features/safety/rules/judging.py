"""What follows from findings under one policy: for trials and dry runs, as gateways do it."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tradewind.features.safety.schemas import PolicyContent, RuleDraft, TriedFinding
from tradewind.snapshot.safety import Action, Direction

GRAVITY = {action: gravity for gravity, action in enumerate(Action)}


class Following(NamedTuple):
    action: Action
    threshold: int | None
    """None: no rule is about the category in this direction."""


def what_follows(
    content: PolicyContent, category: str, direction: Direction, severity: int
) -> Following:
    """Return what a policy makes of a finding. Below its rule's threshold it is annotated."""
    rule = rule_for(content, category, direction)
    if rule is None:
        return Following(Action.ANNOTATE, None)
    return Following(rule.action if severity >= rule.threshold else Action.ANNOTATE, rule.threshold)


def rule_for(content: PolicyContent, category: str, direction: Direction) -> RuleDraft | None:
    """Return the rule about a category; of a part, its own comes before that of the whole."""
    for wanted in (category, category.partition(".")[0]):
        for rule in content.rules:
            if rule.category == wanted and rule.direction is direction:
                return rule
    return None


def gravest(actions: Iterable[Action]) -> Action | None:
    """Return the gravest action, None of none."""
    return max(actions, key=GRAVITY.__getitem__, default=None)


def redacted(text: str, findings: Sequence[TriedFinding]) -> str:
    """Return a text with the spans that are redacted as placeholders; the same value has the same
    one. Spans that overlap become one.
    """
    spans = sorted(
        (found.start, found.end, found.label or found.category.upper())
        for found in findings
        if found.action is Action.REDACT and found.end > found.start
    )
    merged: list[tuple[int, int, str]] = []
    for start, end, label in spans:
        if merged and start < merged[-1][1]:
            former = merged[-1]
            merged[-1] = former[0], max(former[1], end), former[2]
        else:
            merged.append((start, end, label))
    named: dict[tuple[str, str], str] = {}
    counts: dict[str, int] = {}
    parts: list[str] = []
    at = 0
    for start, end, label in merged:
        key = label, text[start:end]
        if key not in named:
            counts[label] = counts.get(label, 0) + 1
            named[key] = f"<{label}_{counts[label]}>"
        parts += [text[at:start], named[key]]
        at = end
    return "".join([*parts, text[at:]])
