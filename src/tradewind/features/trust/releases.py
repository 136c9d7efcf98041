"""Releases: which gates a subject has to go through, and whether it may."""

import msgspec
from sqlalchemy import Connection

from tradewind.core.acting import By
from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, InvalidInput
from tradewind.core.permissions import Permission
from tradewind.core.reasons import clean_reason
from tradewind.features.accounts.schemas import Actor, require_reviewer
from tradewind.features.trust import repository, rows
from tradewind.features.trust.errors import ReleaseBlocked
from tradewind.features.trust.ports import FindEvidence
from tradewind.features.trust.rules.gates import gates_of, results_of
from tradewind.features.trust.schemas import (
    AssessmentRow,
    AssessmentState,
    GateReport,
    OwnedSubject,
    Release,
    ReleaseRules,
    RulesRow,
    Subject,
)
from tradewind.features.trust.subjects import Subjects

_VERSIONS_LOOKED_AT = 10
_WAIVERS_LOOKED_AT = 100
_RULES_SHOWN = 50
_DAYS_MAX = 3_660
_LIMITS_MAX = 50


class Releases:
    def __init__(self, subjects: Subjects, find_evidence: FindEvidence, clock: Clock) -> None:
        self._subjects = subjects
        self._find_evidence = find_evidence
        self._clock = clock

    def report(
        self, tx: Connection, actor: Actor, subject: Subject, release: Release
    ) -> GateReport:
        """Return what each gate of a release says. Raises NotFound."""
        return self._report(tx, self._subjects.require_seen(tx, actor, subject), release)

    def require(self, tx: Connection, subject: Subject, release: Release) -> None:
        """Raise ReleaseBlocked, which names what is missing, unless every gate is open.

        For whoever is about to release it and has checked who asks.
        """
        report = self._report(tx, self._subjects.require_known(tx, subject), release)
        if report.open:
            first = report.open[0]
            missing = "; ".join(
                f"{result.gate.value.replace('_', ' ')}: {result.detail}" for result in report.open
            )
            raise ReleaseBlocked(
                f"{subject} cannot be released yet, {len(report.open)} gates are not passed:"
                f" {missing}",
                hint=f"{first.advice}; or ask for a waiver" if first.advice else None,
            )

    def rules(self, tx: Connection) -> RulesRow:
        return self._subjects.rules(tx)

    def history(self, tx: Connection, actor: Actor) -> list[RulesRow]:
        """Return the versions of the rules, the newest first."""
        require_reviewer(actor, Permission.REVIEWS_READ)
        return [rows.rules_row(row) for row in repository.list_rules(tx, _RULES_SHOWN)]

    def set_rules(
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        new: ReleaseRules,
        *,
        reason: str,
        version: int | None = None,
    ) -> RulesRow:
        """Have another version hold from now on, if `version` is the one that holds.

        Raises InvalidInput, Conflict.
        """
        require_reviewer(actor, Permission.REVIEWS_WRITE)
        _check(new)
        current = self.rules(tx)
        if version is not None and version != current.version:
            raise Conflict(
                f"the rules are at version {current.version}",
                hint="read them again and repeat the change",
            )
        if new == current.rules:
            return current
        is_added = repository.add_rules(
            tx,
            {
                "version": current.version + 1,
                "content": msgspec.to_builtins(new),
                "made_by_id": by.id,
                "made_by": by.name,
                "made_at": self._clock.now(),
                "reason": clean_reason(reason),
            },
        )
        if not is_added:
            raise Conflict(
                "somebody else changed the rules", hint="read them again and repeat the change"
            )
        return self.rules(tx)

    def _report(self, tx: Connection, owned: OwnedSubject, release: Release) -> GateReport:
        current, about = self.rules(tx), owned.about
        gates = gates_of(current.rules, owned.subject.kind, release)
        waivers = [
            rows.waiver_row(row)
            for each in {str(owned.subject), str(about)}
            for row in repository.waivers_of(tx, each, _WAIVERS_LOOKED_AT)
        ]
        results = results_of(
            gates,
            current.rules,
            evidence=self._find_evidence(tx, about),
            assessment=self._assessment(tx, about),
            waivers=waivers,
            now=self._clock.now(),
        )
        return GateReport(owned.subject, release, current.version, results)

    def _assessment(self, tx: Connection, subject: Subject) -> AssessmentRow | None:
        """Return the newest that is approved, else the newest that waits, else the newest."""
        found = repository.assessments_of(tx, str(subject), _VERSIONS_LOOKED_AT)
        decisions = repository.decisions_of(tx, [row.id for row in found])
        versions = [rows.assessment_row(row, decisions.get(row.id, ())) for row in found]
        for state in (AssessmentState.APPROVED, AssessmentState.SUBMITTED):
            for version in versions:
                if version.state is state:
                    return version
        return versions[0] if versions else None


def _check(new: ReleaseRules) -> None:
    """Raise InvalidInput for what can never be, naming the field."""
    rates = {"asr_limit": new.asr_limit, "over_refusal_limit": new.over_refusal_limit}
    rates |= {f"asr_limits.{harm}": limit for harm, limit in new.asr_limits.items()}
    for name, value in rates.items():
        if not 0 <= value <= 1000:
            raise InvalidInput(f"{name} is not between 0 and 1000 parts per thousand")
    days = {
        "red_team_days": new.red_team_days,
        "review_days": new.review_days,
        "waiver_days": new.waiver_days,
    }
    for name, value in days.items():
        if not 1 <= value <= _DAYS_MAX:
            raise InvalidInput(f"{name} is not between 1 and {_DAYS_MAX}")
    if not 1 <= new.least_attacks <= 100_000:
        raise InvalidInput("least_attacks is not between 1 and 100000")
    if len(new.asr_limits) > _LIMITS_MAX or any(len(harm) > 100 for harm in new.asr_limits):
        raise InvalidInput(f"asr_limits has more than {_LIMITS_MAX} harms, or a very long one")
