"""What follows from what checks found. Pure."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from tradewind.gateway.guard.policies import GRAVITY, Guard, Use
from tradewind.plugins.checks.base import Content, Finding, Verdict
from tradewind.snapshot.safety import Action, Direction
from tradewind.usage.event import Flag


class Judged(msgspec.Struct, frozen=True):
    """One finding and what follows from it."""

    content: int
    """Index of the content it stands in."""
    finding: Finding
    action: Action
    check: str
    version: str
    threshold: int
    """Severity from which on the action follows, or, of one that stayed below it, would have
    followed; 0 where no rule speaks of the category."""
    direction: Direction


class Judgement(msgspec.Struct, frozen=True):
    """What comes of one examination of contents."""

    action: Action = Action.ANNOTATE
    """The gravest that any finding has."""
    flags: tuple[Flag, ...] = ()
    """The gravest finding of each category and direction, also where it is of severity 0."""
    findings: tuple[Judged, ...] = ()
    """All of them, in the order of contents and of where they stand."""
    failures: tuple[tuple[str, str], ...] = ()
    """Checks that could not tell, and why, whether or not the call passes without them."""
    refusal: Literal["policy", "unavailable"] | None = None
    """Why the contents may not pass: a finding is blocked, or a check failed that has to tell."""


NOTHING_FOUND = Judgement()


class Failure(NamedTuple):
    """A use that could not tell."""

    use: Use
    why: str
    """`timeout`, `crash`, `garbage`, `busy`, `down`, `data`, `unknown`."""


def judge(
    guard: Guard,
    contents: Sequence[Content],
    verdicts: Sequence[Sequence[Verdict]],
    failures: Sequence[Failure] = (),
) -> Judgement:
    """`verdicts` are those of each use that could tell: one for each of the contents."""
    judged: list[Judged] = []
    for of_use in verdicts:
        for index, verdict in enumerate(of_use):
            content = contents[index]
            for finding in verdict.findings:
                # What ended within the look-back was judged when that text was looked at first.
                if finding.end and finding.end <= content.look_back:
                    continue
                action, threshold = guard.action_of(
                    finding.category, content.direction, finding.severity
                )
                judged.append(
                    Judged(
                        index,
                        finding,
                        action,
                        verdict.check,
                        verdict.version,
                        threshold,
                        content.direction,
                    )
                )
    judged.sort(key=lambda one: (one.content, one.finding.start))
    action = max((one.action for one in judged), key=GRAVITY.__getitem__, default=Action.ANNOTATE)
    told = [(failure.use.name, failure.why) for failure in failures]
    told += [(name, "missing") for name in guard.missing]
    refusal = None
    if action is Action.BLOCK:
        refusal = "policy"
    elif guard.missing or any(not failure.use.fails_open for failure in failures):
        refusal = "unavailable"
    return Judgement(action, flags_of(judged), tuple(judged), tuple(told), refusal)


def flags_of(judged: Sequence[Judged]) -> tuple[Flag, ...]:
    """Return the gravest of each category and direction, in the order of the names."""
    gravest: dict[tuple[str, str], Judged] = {}
    for one in judged:
        key = one.finding.category, one.direction.value
        known = gravest.get(key)
        if known is None or _gravity(one) > _gravity(known):
            gravest[key] = one
    return tuple(
        Flag(
            category,
            direction,
            one.finding.severity,
            one.finding.score,
            one.action.value,
            one.check,
            one.version,
        )
        for (category, direction), one in sorted(gravest.items())
    )


def gravest_flags(*of_judgements: Sequence[Flag]) -> tuple[Flag, ...]:
    """Return the gravest flag of each category and direction that several judgements have."""
    gravest: dict[tuple[str, str], Flag] = {}
    for flags in of_judgements:
        for flag in flags:
            key = flag.category, flag.direction
            known = gravest.get(key)
            if known is None or _gravity_of_flag(flag) > _gravity_of_flag(known):
                gravest[key] = flag
    return tuple(flag for _, flag in sorted(gravest.items()))


def _gravity(judged: Judged) -> tuple[int, int, float]:
    finding = judged.finding
    return GRAVITY[judged.action], finding.severity, finding.score


def _gravity_of_flag(flag: Flag) -> tuple[int, int, float]:
    return GRAVITY[Action(flag.action)], flag.severity, flag.score
