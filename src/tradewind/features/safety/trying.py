"""Trying a policy on a text, with the checks themselves, before anybody's calls are held to it."""

import time
from collections.abc import Iterator, Sequence

from sqlalchemy import Connection

from tradewind.core.errors import InvalidInput
from tradewind.core.permissions import Permission, require
from tradewind.features.accounts.schemas import Actor
from tradewind.features.safety.compiling import names_of_data
from tradewind.features.safety.installed import InstalledChecks, is_local
from tradewind.features.safety.policies import Policies
from tradewind.features.safety.repository import data
from tradewind.features.safety.rules.judging import gravest, redacted, what_follows
from tradewind.features.safety.rules.limits import TRIED_CHARACTERS_MAX
from tradewind.features.safety.schemas import (
    CheckDraft,
    PolicyContent,
    Tried,
    TriedFinding,
)
from tradewind.plugins.checks.base import CheckFailed, Content, LocalCheck, Verdict
from tradewind.snapshot.safety import Action, Direction

_FINDINGS_MAX = 200


class Trying:
    """Runs local checks in this process. Nothing of a text is kept or logged."""

    def __init__(self, installed: InstalledChecks, policies: Policies) -> None:
        self._installed = installed
        self._policies = policies

    def try_policy(
        self,
        tx: Connection,
        actor: Actor,
        content: PolicyContent,
        text: str,
        direction: Direction,
    ) -> Tried:
        """Return what a policy, saved or not, would make of a text.

        Checks that ask a service or a model are named and not asked. Raises PolicyRefused, and
        InvalidInput for more than 50,000 characters. Takes about 6 ms of a core a kilobyte.
        """
        require(actor, Permission.SAFETY_READ)
        if len(text) > TRIED_CHARACTERS_MAX:
            raise InvalidInput(
                f"the text has more than {TRIED_CHARACTERS_MAX:,} characters", hint="try a part"
            )
        self._policies.check(tx, actor, content)
        began = time.perf_counter()
        findings: list[TriedFinding] = []
        failures: list[tuple[str, str]] = []
        not_tried: list[str] = []
        runner = CheckRunner(tx, self._installed, content, actor.organization_id)
        for check in content.checks:
            if direction not in check.directions:
                continue
            if not runner.can_run(check):
                not_tried.append(check.name)
                continue
            try:
                (verdict,) = runner.run(check, [Content(text, direction)])
            except CheckFailed as error:
                failures.append((check.name, str(error)))
                continue
            findings += _judged(content, verdict, direction)
        findings.sort(key=lambda each: (-each.severity, each.start))
        findings = findings[:_FINDINGS_MAX]
        is_redacted = any(each.action is Action.REDACT for each in findings)
        return Tried(
            action=gravest(each.action for each in findings if each.severity),
            findings=tuple(findings),
            failures=tuple(failures),
            not_tried=tuple(not_tried),
            redacted=redacted(text, findings) if is_redacted else None,
            took_ms=(time.perf_counter() - began) * 1000,
        )


class CheckRunner:
    """Runs the local checks of one policy, with their data."""

    def __init__(
        self,
        tx: Connection,
        installed: InstalledChecks,
        content: PolicyContent,
        organization_id: str | None,
    ) -> None:
        self._tx = tx
        self._installed = installed
        self._references = data.references(tx, set(names_of_data(content)), organization_id)

    def can_run(self, check: CheckDraft) -> bool:
        """Say whether it works here, without asking anybody."""
        found = self._installed.find(check.name)
        return found is not None and is_local(found)

    def run(self, check: CheckDraft, contents: Sequence[Content]) -> list[Verdict]:
        """Raises CheckFailed."""
        found = self._installed.find(check.name)
        if found is None or not is_local(found):
            raise CheckFailed(f"{check.name} is not here")
        local: LocalCheck = found  # pyright: ignore[reportAssignmentType]
        prepared = list(self._prepared(local, check))
        if check.data and not prepared:
            # A list without terms finds nothing.
            return [Verdict(local.name, local.version) for _ in contents]
        return local.examine(contents, check.options, prepared)

    def _prepared(self, local: LocalCheck, check: CheckDraft) -> Iterator[object]:
        for each in check.data:
            reference = self._references.get(each)
            if reference is None or not reference.digest:
                continue
            raw = data.find(self._tx, reference.digest)
            if raw is None:
                raise CheckFailed(f"the data of {reference.name} are gone")
            yield self._installed.prepare(local, reference.name, reference.digest, raw)


def _judged(
    content: PolicyContent, verdict: Verdict, direction: Direction
) -> Iterator[TriedFinding]:
    for found in verdict.findings:
        follows = what_follows(content, found.category, direction, found.severity)
        yield TriedFinding(
            check=verdict.check,
            check_version=verdict.version,
            category=found.category,
            severity=found.severity,
            score=found.score,
            start=found.start,
            end=found.end,
            source=found.source,
            label=found.label,
            threshold=follows.threshold,
            action=follows.action,
        )
