"""What the worker does for a dry run: bounded, in steps, and given up when somebody cancels it."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.ids import request_id
from tradewind.db.database import Database
from tradewind.features.safety.compiling import names_of_data
from tradewind.features.safety.dry_runs import OPEN, run_row
from tradewind.features.safety.installed import InstalledChecks
from tradewind.features.safety.ports import FlaggedCall, KeptCall, PastReaders
from tradewind.features.safety.repository import data, dry_runs
from tradewind.features.safety.rules.judging import rule_for
from tradewind.features.safety.rules.kept_texts import answer_texts, prompt_texts
from tradewind.features.safety.rules.limits import (
    DRY_RUN_CALLS_MAX,
    DRY_RUN_CONTENTS_MAX,
    DRY_RUN_WINDOW,
)
from tradewind.features.safety.rules.past_calls import (
    CheckKey,
    History,
    Needed,
    PastFlag,
    checks_run,
    consequences,
    hidden,
    missing,
    needed_by,
)
from tradewind.features.safety.rules.words import words_of_rule
from tradewind.features.safety.schemas import (
    CheckDraft,
    DryRunRow,
    PolicyContent,
    RunState,
)
from tradewind.features.safety.trying import CheckRunner
from tradewind.plugins.checks.base import CheckFailed, Content
from tradewind.snapshot.safety import Action, Direction

_log = logging.getLogger(__name__)

_SILENT = timedelta(minutes=5)
_TOLD_EVERY = 50
_SEGMENTS_MAX = 100
_EXAMPLES_MAX = 50

NOT_KEPT = "contents_not_kept"
ASKS = "asks_somebody"
CUT = "contents_cut"
FAILED = "check_failed"
TOO_OLD = "policies_changed_too_often"
TOO_MANY = "too_many_calls"

Pair = tuple[CheckDraft, Direction]


@dataclass
class _Sums:
    calls: int = 0
    by_flags: int = 0
    by_contents: int = 0
    not_judged: Counter[str] = field(default_factory=Counter[str])
    would: Counter[str] = field(default_factory=Counter[str])
    then: Counter[str] = field(default_factory=Counter[str])
    newly_blocked: int = 0
    no_longer_blocked: int = 0
    rules: Counter[tuple[str, Direction]] = field(default_factory=Counter[tuple[str, Direction]])
    examples: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


class Cancelled(Exception):
    """Somebody ended the run meanwhile, or another worker has it."""


class DryRunWork:
    def __init__(self, clock: Clock, installed: InstalledChecks, past: PastReaders) -> None:
        self._clock = clock
        self._installed = installed
        self._past = past

    def run_next(self, database: Database) -> bool:
        """Take the run that has waited longest and bring it to its end. False: none waits."""
        now = self._clock.now()
        with database.transaction() as tx:
            # Not begun again: what ended one worker would end the next.
            dry_runs.fail_silent(tx, now, now - _SILENT)
            row = dry_runs.take_waiting(tx, now)
        if row is None:
            return False
        run = run_row(row)
        try:
            result = _Run(self, database, run).result()
        except Cancelled:
            _log.info("the dry run %s was ended", run.run_id)
            return True
        with database.transaction() as tx:
            dry_runs.update_run(
                tx,
                run.run_id,
                {
                    "state": RunState.DONE.value,
                    "ended_at": self._clock.now(),
                    "result": result,
                },
                states=OPEN,
            )
        return True

    @property
    def clock(self) -> Clock:
        return self._clock

    @property
    def installed(self) -> InstalledChecks:
        return self._installed

    @property
    def past(self) -> PastReaders:
        return self._past


class _Run:
    """One dry run. The database is asked in short transactions, so that nothing waits for it."""

    def __init__(self, work: DryRunWork, database: Database, run: DryRunRow) -> None:
        self._work = work
        self._database = database
        self._run = run
        self._draft: PolicyContent = run.content
        assert run.created_at is not None
        # Of the time when it was asked for: a second worker that takes it over judges the same.
        self._until: datetime = run.created_at
        self._since = run.created_at - DRY_RUN_WINDOW
        self._sums = _Sums()
        self._done = 0
        self._total = 0
        self._ran: dict[tuple[int, str], frozenset[CheckKey]] = {}

    def result(self) -> dict[str, Any]:
        """Raises Cancelled."""
        past, owner = self._work.past, self._run.organization_id
        with self._database.transaction() as tx:
            history = past.history(tx, owner)
            own = data.references(tx, set(names_of_data(self._draft)), owner)
            self._needed: Needed = needed_by(self._draft, self._work.installed.facts(), own)
            bounds = self._bounds(history)
            counts = [past.count_calls(tx, owner, *span) for span in pairwise(bounds)]
            earlier = past.count_calls(tx, owner, self._since, bounds[0])
            flagged = past.flagged_calls(tx, owner, bounds[0], self._until, DRY_RUN_CALLS_MAX + 1)
            kept = past.kept_calls(tx, owner, bounds[0], self._until, DRY_RUN_CONTENTS_MAX)
        self._history, self._bounds_of = history, bounds
        sums = self._sums
        sums.calls = sum(sum(found.values()) for found in [earlier, *counts])
        sums.not_judged[TOO_OLD] += sum(earlier.values())
        waiting = {call.event_id: call for call in flagged[:DRY_RUN_CALLS_MAX]}
        self._total = len(kept) + len(waiting)
        unflagged = self._unflagged(counts, flagged)
        self._look_again(kept, waiting, unflagged)
        for call in waiting.values():
            self._judge_flagged(call)
            self._step()
        for place, count in unflagged.items():
            reason = self._reason(self._missing(place, frozenset()))
            if reason is None:
                sums.by_flags += count
            elif count:
                sums.not_judged[reason] += count
        return self._told()

    # --- what ran then ---------------------------------------------------------------------

    def _bounds(self, history: History) -> list[datetime]:
        """Return the moments between which the same policies held, the first and last included."""
        moments = history.moments(self._since, self._until)
        if len(moments) < _SEGMENTS_MAX:
            return [self._since, *moments, self._until]
        return [*moments[-_SEGMENTS_MAX:], self._until]

    def _place(self, at: datetime, project_id: str) -> tuple[int, str]:
        number = sum(1 for bound in self._bounds_of[1:-1] if bound <= at)
        return number, project_id

    def _missing(self, place: tuple[int, str], failed: frozenset[str]) -> list[Pair]:
        """Return the checks that a call at that time did not have and that the rules need."""
        ran = self._ran.get(place)
        if ran is None:
            at = self._bounds_of[place[0]]
            ran = checks_run(self._history.contents_at(place[1], at))
            self._ran[place] = ran
        if failed:
            ran = frozenset(key for key in ran if key[0] not in failed)
        return missing(self._needed, ran)

    def _reason(self, absent: Sequence[Pair]) -> str | None:
        """Return why a call whose contents are not there cannot be judged; None: it can."""
        if not absent:
            return None
        return NOT_KEPT if all(self._is_local(check) for check, _ in absent) else ASKS

    def _is_local(self, check: CheckDraft) -> bool:
        facts = self._work.installed.facts().get(check.name)
        return facts is not None and facts.kind == "local"

    def _unflagged(
        self, counts: Sequence[Any], flagged: Sequence[FlaggedCall]
    ) -> Counter[tuple[int, str]]:
        """Return how many calls had nothing to say of them, by time and project."""
        found: Counter[tuple[int, str]] = Counter()
        for number, of_projects in enumerate(counts):
            for project_id, count in of_projects.items():
                found[number, project_id] += count
        for call in flagged[:DRY_RUN_CALLS_MAX]:
            place = self._place(call.at, call.project_id)
            found[place] = max(0, found[place] - 1)
        if len(flagged) > DRY_RUN_CALLS_MAX:
            # The oldest of them are not known one by one, so nothing before is either.
            oldest = self._place(flagged[DRY_RUN_CALLS_MAX - 1].at, "")[0]
            for place in list(found):
                if place[0] <= oldest:
                    self._sums.not_judged[TOO_MANY] += found.pop(place)
        return found

    # --- judging ---------------------------------------------------------------------------

    def _look_again(
        self,
        kept: Sequence[KeptCall],
        waiting: dict[UUID, FlaggedCall],
        unflagged: Counter[tuple[int, str]],
    ) -> None:
        """Judge the calls that need their contents, and have them. What is judged here is taken out
        of `waiting` and `unflagged`.
        """
        for at in range(0, len(kept), _TOLD_EVERY):
            with self._database.transaction() as tx:
                runner = CheckRunner(
                    tx, self._work.installed, self._draft, self._run.organization_id
                )
                for call in kept[at : at + _TOLD_EVERY]:
                    self._look_at(runner, call, waiting, unflagged)
            self._step(len(kept[at : at + _TOLD_EVERY]))

    def _look_at(
        self,
        runner: CheckRunner,
        call: KeptCall,
        waiting: dict[UUID, FlaggedCall],
        unflagged: Counter[tuple[int, str]],
    ) -> None:
        known = waiting.get(call.event_id)
        place = self._place(call.at, call.project_id)
        absent = self._absent(known, place)
        if not absent or not all(self._is_local(check) for check, _ in absent):
            return
        if known is None and not unflagged[place]:
            return
        if call.is_cut:
            reason, fresh = CUT, []
        else:
            reason, fresh = self._fresh(runner, absent, call)
        waiting.pop(call.event_id, None)
        if known is None:
            unflagged[place] -= 1
            known = FlaggedCall(call.at, call.event_id, call.project_id, "", (), frozenset())
        if reason:
            self._sums.not_judged[reason] += 1
            return
        self._sums.by_contents += 1
        self._count(known, [*known.flags, *fresh])

    def _absent(self, known: FlaggedCall | None, place: tuple[int, str]) -> list[Pair]:
        if known is None:
            return self._missing(place, frozenset())
        absent = self._missing(place, known.failed)
        there = {(check.name, direction) for check, direction in absent}
        for name, direction in hidden(self._needed, known.flags) - there:
            absent += [
                pair for pair in self._needed.checks if (pair[0].name, pair[1]) == (name, direction)
            ]
        return absent

    def _judge_flagged(self, call: FlaggedCall) -> None:
        reason = self._reason(self._absent(call, self._place(call.at, call.project_id)))
        if reason is not None:
            self._sums.not_judged[reason] += 1
            return
        self._sums.by_flags += 1
        self._count(call, call.flags)

    def _fresh(
        self, runner: CheckRunner, absent: Sequence[Pair], call: KeptCall
    ) -> tuple[str, list[PastFlag]]:
        """Return what the checks find in kept contents, or why they could not tell."""
        texts: list[Content] = []
        for raw, read in ((call.prompt, prompt_texts), (call.answer, answer_texts)):
            if raw:
                try:
                    texts += read(msgspec.json.decode(raw))
                except (msgspec.MsgspecError, RecursionError):
                    return CUT, []
        found: list[PastFlag] = []
        for check, direction in absent:
            of_direction = [each for each in texts if each.direction is direction]
            if not of_direction:
                continue
            try:
                verdicts = runner.run(check, of_direction)
            except CheckFailed:
                return FAILED, []
            found += [
                PastFlag(each.category, direction, each.severity, verdict.check)
                for verdict in verdicts
                for each in verdict.findings
            ]
        return "", found

    def _count(self, call: FlaggedCall, flags: Sequence[PastFlag]) -> None:
        sums = self._sums
        follows = consequences(self._draft, flags)
        would = follows[0].action if follows else None
        if would is not None:
            sums.would[would.value] += 1
        if call.action:
            sums.then[call.action] += 1
        is_blocked = would is Action.BLOCK
        was_blocked = call.action == Action.BLOCK.value
        sums.newly_blocked += is_blocked and not was_blocked
        sums.no_longer_blocked += was_blocked and not is_blocked
        hit: set[tuple[str, Direction]] = set()
        for each in follows:
            rule = rule_for(self._draft, each.flag.category, each.flag.direction)
            if rule is not None and each.flag.severity >= rule.threshold:
                hit.add((rule.category, rule.direction))
        sums.rules.update(hit)
        if is_blocked and not was_blocked and len(sums.examples) < _EXAMPLES_MAX:
            gravest = follows[0].flag
            sums.examples.append(
                {
                    "request": request_id(call.event_id.bytes),
                    "at": call.at.isoformat(),
                    "category": gravest.category,
                    "direction": gravest.direction.value,
                    "severity": gravest.severity,
                    "check": gravest.check,
                    "then": call.action,
                }
            )

    # --- telling ---------------------------------------------------------------------------

    def _step(self, done: int = 1) -> None:
        """Count what is done, and say so now and then. Raises Cancelled."""
        before, self._done = self._done, self._done + done
        if before // _TOLD_EVERY == self._done // _TOLD_EVERY and self._done < self._total:
            return
        with self._database.transaction() as tx:
            self._tell(tx)

    def _tell(self, tx: Connection) -> None:
        values = {
            "done": self._done,
            "total": self._total,
            "beat_at": self._work.clock.now(),
        }
        if not dry_runs.update_run(tx, self._run.run_id, values, states=OPEN):
            raise Cancelled

    def _told(self) -> dict[str, Any]:
        sums = self._sums
        return {
            "since": self._since.isoformat(),
            "until": self._until.isoformat(),
            "calls": sums.calls,
            "judged_by_findings": sums.by_flags,
            "judged_by_contents": sums.by_contents,
            "not_judged": {reason: count for reason, count in sums.not_judged.items() if count},
            "would": dict(sums.would),
            "then": dict(sums.then),
            "newly_blocked": sums.newly_blocked,
            "no_longer_blocked": sums.no_longer_blocked,
            "rules": [
                {
                    "category": rule.category,
                    "direction": rule.direction.value,
                    "words": words_of_rule(rule),
                    "calls": sums.rules[rule.category, rule.direction],
                }
                for rule in self._draft.rules
            ],
            "examples": sums.examples,
        }
