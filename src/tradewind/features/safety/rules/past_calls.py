"""What a policy would have made of calls that are over. Pure.

A call is judged again exactly where every check that a rule needs ran on it then, with the same
options and data: its findings were kept, and one that was not kept was of severity 0. Elsewhere the
checks have to look at the call's contents, or it cannot be judged.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from tradewind.features.safety.rules.content import looks_for
from tradewind.features.safety.rules.judging import GRAVITY, what_follows
from tradewind.features.safety.schemas import CheckDraft, CheckFacts, DataRow, PolicyContent
from tradewind.snapshot.safety import Action, Direction

CheckKey = tuple[str, Direction, tuple[tuple[str, str], ...], tuple[str, ...]]
"""What has to be the same for a check to have done the same: name, direction, options, data."""


class PastFlag(NamedTuple):
    category: str
    direction: Direction
    severity: int
    check: str


class Consequence(NamedTuple):
    """What one finding would have led to."""

    action: Action
    flag: PastFlag


@dataclass(frozen=True, slots=True)
class HeldPolicy:
    """A policy and when it held for whom."""

    policy_id: str
    subject_id: str
    """Of an organization or a project; empty is everybody, as the platform's own two."""
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class History:
    """Which policies held for an organization in a window of time."""

    organization_id: str
    default: str
    floor: str
    held: Sequence[HeldPolicy]
    versions: Mapping[str, Sequence[tuple[datetime, PolicyContent]]]
    """By policy, the oldest first."""

    def moments(self, since: datetime, until: datetime) -> list[datetime]:
        """Return when something changed within a window, in order."""
        found = {moment for each in self.held for moment in (each.since, each.until) if moment}
        found.update(moment for said in self.versions.values() for moment, _ in said)
        return sorted(moment for moment in found if since < moment < until)

    def contents_at(self, project_id: str, at: datetime) -> list[PolicyContent]:
        """Return what held for calls of a project at a moment."""
        open_then = [
            each
            for each in self.held
            if each.since <= at and (each.until is None or at < each.until)
        ]
        own = [each.policy_id for each in open_then if each.subject_id == self.organization_id]
        of_project = [each.policy_id for each in open_then if each.subject_id == project_id]
        order = dict.fromkeys((self.floor, *(own or [self.default]), *of_project))
        return [content for each in order if (content := self._version_at(each, at)) is not None]

    def _version_at(self, policy_id: str, at: datetime) -> PolicyContent | None:
        found = [content for since, content in self.versions.get(policy_id, ()) if since <= at]
        return found[-1] if found else None


@dataclass(frozen=True, slots=True)
class Needed:
    """What a policy's rules need to be judged: each check with the directions that matter."""

    checks: tuple[tuple[CheckDraft, Direction], ...]
    finders: Mapping[tuple[str, Direction], frozenset[str]] = field(
        default_factory=dict[tuple[str, Direction], frozenset[str]]
    )
    """By category and direction of a rule: names of the checks that find it."""


def needed_by(
    draft: PolicyContent, facts: Mapping[str, CheckFacts], data: Mapping[str, DataRow]
) -> Needed:
    """Return what the rules need that do more than annotate."""
    checks: dict[tuple[str, Direction], tuple[CheckDraft, Direction]] = {}
    finders: dict[tuple[str, Direction], frozenset[str]] = {}
    for rule in draft.rules:
        if rule.action is Action.ANNOTATE:
            continue
        found = [
            check
            for check in draft.checks
            if rule.direction in check.directions
            and check.name in facts
            and looks_for(
                facts[check.name], rule.category, [data[id_] for id_ in check.data if id_ in data]
            )
        ]
        finders[rule.category, rule.direction] = frozenset(check.name for check in found)
        for check in found:
            checks[check.name, rule.direction] = check, rule.direction
    return Needed(tuple(checks.values()), finders)


def checks_run(contents: Iterable[PolicyContent]) -> frozenset[CheckKey]:
    """Return what ran under these policies."""
    return frozenset(
        key_of(check, direction)
        for content in contents
        for check in content.checks
        for direction in check.directions
    )


def key_of(check: CheckDraft, direction: Direction) -> CheckKey:
    return check.name, direction, tuple(sorted(check.options.items())), tuple(sorted(check.data))


def missing(needed: Needed, ran: frozenset[CheckKey]) -> list[tuple[CheckDraft, Direction]]:
    """Return the checks that have to look at a call's contents before it can be judged."""
    return [
        (check, direction)
        for check, direction in needed.checks
        if key_of(check, direction) not in ran
    ]


def hidden(needed: Needed, flags: Iterable[PastFlag]) -> set[tuple[str, Direction]]:
    """Return checks, by name and direction, whose findings another check's graver one hides: only
    the gravest of a category was kept.
    """
    return {
        (name, flag.direction)
        for flag in flags
        for (category, direction), names in needed.finders.items()
        if direction is flag.direction
        and flag.category in {category, category.partition(".")[0]}
        and flag.check not in names
        for name in names
    }


def consequences(draft: PolicyContent, flags: Iterable[PastFlag]) -> list[Consequence]:
    """Return what follows from findings of the draft's own checks, the gravest first."""
    own = {(check.name, each) for check in draft.checks for each in check.directions}
    found = [
        Consequence(what_follows(draft, flag.category, flag.direction, flag.severity).action, flag)
        for flag in flags
        if flag.severity > 0 and (flag.check, flag.direction) in own
    ]
    found.sort(key=lambda each: (-GRAVITY[each.action], -each.flag.severity))
    return found
