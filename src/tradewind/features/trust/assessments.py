"""Impact assessments: written by who owns the subject, decided about by reviewers."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Row

from tradewind.core.acting import By
from tradewind.core.clock import Clock
from tradewind.core.errors import InvalidInput, MalformedId, NotFound, PreconditionFailed
from tradewind.core.ids import AssessmentId, OrganizationId
from tradewind.core.permissions import Permission, require
from tradewind.core.reasons import clean_reason
from tradewind.features.accounts.schemas import Actor, may_review, require_reviewer
from tradewind.features.trust import repository, rows
from tradewind.features.trust.errors import AssessmentIncomplete
from tradewind.features.trust.ports import FindEvidence
from tradewind.features.trust.rules import assessments as rules
from tradewind.features.trust.schemas import (
    Assessment,
    AssessmentRow,
    AssessmentState,
    Subject,
)
from tradewind.features.trust.subjects import Subjects

SHOWN_MAX = 200
VERSIONS_SHOWN = 50
QUEUE_MAX = 500


class Assessments:
    def __init__(
        self,
        subjects: Subjects,
        find_evidence: FindEvidence,
        clock: Clock,
        *,
        allows_self_review: bool = False,
    ) -> None:
        """`allows_self_review` as `publishing.service.Publishing`."""
        self._subjects = subjects
        self._find_evidence = find_evidence
        self._clock = clock
        self._allows_self_review = allows_self_review

    # --- reading ---------------------------------------------------------------------------

    def list_own(self, tx: Connection, actor: Actor) -> list[AssessmentRow]:
        """Return the newest version of each subject of the actor's organization."""
        require(actor, Permission.PUBLISHING_READ)
        return self._rows(tx, repository.list_assessments(tx, actor.organization_id, SHOWN_MAX))

    def queue(self, tx: Connection, actor: Actor) -> list[AssessmentRow]:
        """Return what waits for a decision, the longest first."""
        require_reviewer(actor, Permission.REVIEWS_READ)
        return self._rows(tx, repository.waiting_assessments(tx, QUEUE_MAX))

    def ending(self, tx: Connection, actor: Actor, days: int) -> list[AssessmentRow]:
        """Return what has to be looked at again within `days`, and what is overdue."""
        require_reviewer(actor, Permission.REVIEWS_READ)
        before = self._clock.now() + timedelta(days=days)
        return self._rows(tx, repository.ending_assessments(tx, before, QUEUE_MAX))

    def get(self, tx: Connection, actor: Actor, assessment_id: str) -> AssessmentRow:
        """Raises NotFound, also for another organization's, but to reviewers what was handed in."""
        return self._row(tx, self._find(tx, actor, assessment_id))

    def of_subject(self, tx: Connection, actor: Actor, subject: Subject) -> list[AssessmentRow]:
        """Return the versions of a subject's form, the newest first. Raises NotFound."""
        self._subjects.require_seen(tx, actor, subject)
        found = self._rows(tx, repository.assessments_of(tx, str(subject), VERSIONS_SHOWN))
        if may_review(actor):
            return found
        return [row for row in found if row.organization_id == actor.organization_id]

    # --- writing ---------------------------------------------------------------------------

    def begin(self, tx: Connection, actor: Actor, by: By, subject: Subject) -> AssessmentRow:
        """Begin a version, with what the one before says. Idempotent: one that is not decided yet
        is returned.

        Raises NotFound for a subject that is not the organization's.
        """
        require(actor, Permission.PUBLISHING_WRITE)
        owned = self._subjects.require_owned(tx, actor, subject)
        repository.lock_subject(tx, str(subject))
        newest = next(iter(repository.assessments_of(tx, str(subject), 1)), None)
        if newest is not None and newest.state != AssessmentState.APPROVED.value:
            return self._row(tx, newest)
        content = Assessment(system_name=owned.title)
        if newest is not None and newest.organization_id == actor.organization_id:
            content = rows.assessment_row(newest).content
        assessment_id = AssessmentId.new()
        repository.add_assessment(
            tx,
            {
                "id": assessment_id,
                "subject": str(subject),
                "organization_id": actor.organization_id,
                "version": 1 if newest is None else newest.version + 1,
                "state": AssessmentState.DRAFT.value,
                "content": msgspec.to_builtins(content),
                "revision": 1,
                "submissions": 0,
                "created_by": by.name,
                "created_at": self._clock.now(),
            },
        )
        return self.get(tx, actor, assessment_id)

    def save(
        self,
        tx: Connection,
        actor: Actor,
        assessment_id: str,
        content: Assessment,
        *,
        revision: int | None = None,
    ) -> AssessmentRow:
        """Keep the content of one that is not handed in, complete or not, if nothing was changed
        since `revision`. Raises AssessmentMove (409), InvalidInput, PreconditionFailed (412).
        """
        row = self._lock_own(tx, actor, assessment_id, revision)
        if row.state is not AssessmentState.DRAFT:
            rules.check_move(row.state, AssessmentState.SUBMITTED, by_id="")
        rules.check_bounds(content)
        if content != row.content:
            repository.update_assessment(
                tx, row.assessment_id, {"content": msgspec.to_builtins(content)}
            )
        return self.get(tx, actor, assessment_id)

    def submit(
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        assessment_id: str,
        *,
        revision: int | None = None,
    ) -> AssessmentRow:
        """Hand it in. Raises AssessmentIncomplete (422), which names the fields."""
        row = self._lock_own(tx, actor, assessment_id, revision)
        rules.check_move(row.state, AssessmentState.SUBMITTED, by_id=by.id)
        absent = rules.absent(row.content)
        if absent:
            raise AssessmentIncomplete(
                f"{len(absent)} fields are empty: {', '.join(absent)}",
                hint="fill them in; what does not apply says so",
            )
        about = self._subjects.require_owned(tx, actor, row.subject).about
        use = self._find_evidence(tx, about).intended_use
        repository.update_assessment(
            tx,
            row.assessment_id,
            {
                "state": AssessmentState.SUBMITTED.value,
                "submissions": row.submissions + 1,
                "submitted_by_id": by.id,
                "submitted_by": by.name,
                "submitted_at": self._clock.now(),
                "intended_use": rules.use_digest(use) if use else "",
            },
        )
        self._note(tx, row, "assessment handed in", by, f"version {row.version}")
        return self.get(tx, actor, assessment_id)

    def withdraw(self, tx: Connection, actor: Actor, by: By, assessment_id: str) -> AssessmentRow:
        """Make what was handed in and not approved a draft again."""
        row = self._lock_own(tx, actor, assessment_id, None)
        rules.check_move(row.state, AssessmentState.DRAFT, by_id=by.id)
        repository.update_assessment(tx, row.assessment_id, {"state": AssessmentState.DRAFT.value})
        if row.state is AssessmentState.SUBMITTED:
            self._note(tx, row, "assessment taken back", by, f"version {row.version}")
        return self.get(tx, actor, assessment_id)

    def decide(
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        assessment_id: str,
        *,
        approves: bool,
        reason: str,
        revision: int | None = None,
    ) -> AssessmentRow:
        """Approve it or return it. One that is sensitive is approved once two people have done so;
        one return is enough to return it, and both decisions stay.

        Raises SecondPerson (403) for who handed it in or has decided, AssessmentMove (409),
        InvalidInput without a reason, PreconditionFailed (412).
        """
        require_reviewer(actor, Permission.REVIEWS_WRITE)
        row = _unchanged(self._row(tx, self._find(tx, actor, assessment_id, locks=True)), revision)
        to = AssessmentState.APPROVED if approves else AssessmentState.RETURNED
        rules.check_move(
            row.state,
            to,
            by_id=by.id,
            submitted_by_id=row.submitted_by_id,
            decisions=row.decisions,
            allows_self_review=self._allows_self_review,
        )
        reason, now = clean_reason(reason), self._clock.now()
        if approves and rules.restricted_uses_of(row.content):
            raise InvalidInput(
                "it is for what is ruled out here, so it cannot be approved",
                hint="return it, with the reason",
            )
        repository.add_decision(
            tx,
            {
                "assessment_id": row.assessment_id,
                "submission": row.submissions,
                "by_id": by.id,
                "by_name": by.name,
                "is_approval": approves,
                "reason": reason,
                "at": now,
            },
        )
        is_own = " of their own" if by.id == row.submitted_by_id else ""
        move = "assessment approved" if approves else "assessment returned"
        self._note(tx, row, move, by, f"version {row.version}{is_own}: {reason}")
        decided = self.get(tx, actor, assessment_id)
        if not approves:
            values: dict[str, Any] = {"state": to.value, "decided_at": now}
        elif rules.is_approved(decided.content, decided.decisions):
            days = self._subjects.rules(tx).rules.review_days
            values = {
                "state": to.value,
                "decided_at": now,
                "expires_at": now + timedelta(days=days),
            }
        else:
            return decided
        repository.update_assessment(tx, row.assessment_id, values)
        return self.get(tx, actor, assessment_id)

    # --- inside ----------------------------------------------------------------------------

    def _note(self, tx: Connection, row: AssessmentRow, move: str, by: By, detail: str) -> None:
        self._subjects.note(tx, row.subject, move, by, detail)

    def _lock_own(
        self, tx: Connection, actor: Actor, assessment_id: str, revision: int | None
    ) -> AssessmentRow:
        require(actor, Permission.PUBLISHING_WRITE)
        row = self._row(tx, self._find(tx, actor, assessment_id, locks=True))
        if row.organization_id != actor.organization_id:
            raise _not_found(assessment_id)
        return _unchanged(row, revision)

    def _find(
        self, tx: Connection, actor: Actor, assessment_id: str, *, locks: bool = False
    ) -> Row[Any]:
        is_reviewer = may_review(actor)
        if not is_reviewer:
            require(actor, Permission.PUBLISHING_READ)
        found = repository.find_assessment(tx, _parse(assessment_id), locks=locks)
        if found is None or not _is_shown(found, actor.organization_id, is_reviewer=is_reviewer):
            raise _not_found(assessment_id)
        return found

    def _row(self, tx: Connection, row: Row[Any]) -> AssessmentRow:
        return self._rows(tx, [row])[0]

    def _rows(self, tx: Connection, found: Sequence[Row[Any]]) -> list[AssessmentRow]:
        decisions = repository.decisions_of(tx, [row.id for row in found])
        return [rows.assessment_row(row, decisions.get(row.id, ())) for row in found]


def _is_shown(row: Row[Any], organization_id: OrganizationId, *, is_reviewer: bool) -> bool:
    """What was never handed in is its organization's alone."""
    if row.organization_id == organization_id:
        return True
    return is_reviewer and row.submissions > 0


def _unchanged(row: AssessmentRow, revision: int | None) -> AssessmentRow:
    if revision is not None and revision != row.revision:
        raise PreconditionFailed(
            f"the assessment {row.assessment_id} was changed by somebody else",
            hint="read it again and repeat the change",
        )
    return row


def _parse(assessment_id: str) -> AssessmentId:
    try:
        return AssessmentId.parse(assessment_id)
    except MalformedId:
        raise _not_found(assessment_id) from None


def _not_found(assessment_id: str) -> NotFound:
    return NotFound(f"there is no assessment {assessment_id[:64]!r}", hint="list the assessments")
