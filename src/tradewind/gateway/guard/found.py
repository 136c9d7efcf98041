"""What was found in an answer so far, choice by choice, and what is told of it. Pure. Bounded."""

from collections.abc import Sequence
from typing import Any

import msgspec

from tradewind.gateway.guard.annotations import (
    MOST_EVIDENCE,
    evidence,
    evidence_of,
    filter_results,
    is_worth_telling,
)
from tradewind.gateway.guard.answer_text import Key
from tradewind.gateway.guard.judging import Judged, Judgement, gravest_flags
from tradewind.gateway.guard.policies import GRAVITY
from tradewind.gateway.guard.words import Told
from tradewind.snapshot.safety import Action
from tradewind.usage.event import Flag

_Failure = tuple[str, str]


class _Noted:
    """One finding, at its place in the text that the client knows."""

    __slots__ = ("judged", "place")

    def __init__(self, judged: Judged, place: str) -> None:
        self.judged = judged
        self.place = place


class FoundInAnswer:
    """Of all choices of one answer."""

    __slots__ = ("_failures", "_flags", "_noted", "_policies", "_prompt")

    def __init__(self, policies: Sequence[tuple[str, int]], prompt: Judgement) -> None:
        """`policies` are ids and versions."""
        self._policies = policies
        self._prompt = prompt
        self._flags: dict[int, tuple[Flag, ...]] = {}
        self._failures: dict[int, dict[_Failure, None]] = {}
        self._noted: dict[int, dict[tuple[object, ...], _Noted]] = {}

    def note(self, key: Key, offset: int, judgement: Judgement) -> None:
        """`offset` is where the content that was judged starts in its channel."""
        index = key[0]
        self._flags[index] = gravest_flags(self._flags.get(index, ()), judgement.flags)
        self._failures.setdefault(index, {}).update(dict.fromkeys(judgement.failures))
        noted = self._noted.setdefault(index, {})
        place = key[2].rstrip("0123456789")
        for one in judgement.findings:
            if is_worth_telling(one):
                _keep(noted, key, _at(one, offset), place)

    @property
    def flags(self) -> tuple[Flag, ...]:
        return gravest_flags(*self._flags.values())

    @property
    def failures(self) -> tuple[_Failure, ...]:
        every = [failure for failures in self._failures.values() for failure in failures]
        return tuple(dict.fromkeys(every))

    def told(self, index: int) -> Told:
        """Return what is told of a choice."""
        noted = sorted(
            self._noted.get(index, {}).values(), key=lambda one: -GRAVITY[one.judged.action]
        )
        failures = list(self._failures.get(index, ()))
        results = filter_results(
            self._flags.get(index, ()), [one.judged for one in noted], failures
        )
        findings = [{**evidence_of(one.judged, place=one.place), "choice": index} for one in noted]
        findings += self._of_prompt()
        failed = [*self._prompt.failures, *failures]
        told = evidence(self._policies, findings, failed)
        return Told(results, told, bool(findings or failed))

    def told_of_prompt(self) -> dict[str, Any]:
        """Return the evidence of the prompt alone."""
        return evidence(self._policies, self._of_prompt(), self._prompt.failures)

    def _of_prompt(self) -> list[dict[str, Any]]:
        worth = [one for one in self._prompt.findings if is_worth_telling(one)]
        worth.sort(key=lambda one: -GRAVITY[one.action])
        return [evidence_of(one) for one in worth[:MOST_EVIDENCE]]


def _at(one: Judged, offset: int) -> Judged:
    finding = one.finding
    if not offset or not finding.end:
        return one
    placed = msgspec.structs.replace(
        finding, start=finding.start + offset, end=finding.end + offset
    )
    return msgspec.structs.replace(one, finding=placed)


def _keep(noted: dict[tuple[object, ...], _Noted], key: Key, one: Judged, place: str) -> None:
    """Windows overlap, so the same may be found twice; of what holds for a window as a whole the
    gravest stands for all.
    """
    finding = one.finding
    what = key, finding.category, one.check, finding.source, finding.start, one.action
    known = noted.get(what)
    if known is not None:
        if known.judged.finding.severity < finding.severity:
            noted[what] = _Noted(one, place)
        return
    # What only annotates must not take the room of what blocks.
    most = MOST_EVIDENCE if one.action is Action.ANNOTATE else 2 * MOST_EVIDENCE
    if len(noted) < most:
        noted[what] = _Noted(one, place)
