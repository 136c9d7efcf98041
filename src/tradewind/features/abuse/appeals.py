"""Appeals: an organization says why a notice or a suspension is wrong, and another person decides
than who gave it.
"""

from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core.acting import By
from tradewind.core.clock import Clock
from tradewind.core.errors import MalformedId, NotFound
from tradewind.core.ids import AppealId
from tradewind.core.permissions import Permission, require
from tradewind.core.reasons import clean_reason
from tradewind.db.outbox import enqueue
from tradewind.features.abuse import rows
from tradewind.features.abuse.cases import Cases
from tradewind.features.abuse.errors import AnotherPerson, CaseMove
from tradewind.features.abuse.repository import cases as repository
from tradewind.features.abuse.rules.words import clean_text
from tradewind.features.abuse.schemas import AppealRow, AppealState, CaseRow, CaseState
from tradewind.features.abuse.trail import Trail
from tradewind.features.accounts.schemas import Actor, may_review, require_reviewer

APPEAL_DECIDED = "abuse.appeal_decided"
APPEALS_MAX = 10
"""Of one case."""
QUEUE_MAX = 500
_APPEALABLE = frozenset({CaseState.NOTICED, CaseState.SUSPENDED})


class Appeals:
    def __init__(self, clock: Clock, cases: Cases, trail: Trail) -> None:
        self._clock = clock
        self._cases = cases
        self._trail = trail

    def queue(self, tx: Connection, actor: Actor) -> list[AppealRow]:
        """Return what waits for a decision, the longest first."""
        require_reviewer(actor, Permission.REVIEWS_READ)
        return [rows.appeal_row(row) for row in repository.waiting_appeals(tx, QUEUE_MAX)]

    def of_case(self, tx: Connection, actor: Actor, case_id: str) -> list[AppealRow]:
        """Return the appeals of a case, the newest first. Raises NotFound."""
        row = self._cases.get(tx, actor, case_id)
        return [
            rows.appeal_row(each) for each in repository.appeals_of(tx, row.case_id, APPEALS_MAX)
        ]

    def make(self, tx: Connection, actor: Actor, by: By, case_id: str, reason: str) -> AppealRow:
        """Appeal, for the organization of the case. Idempotent while one waits.

        Raises NotFound also for a reviewer of another organization: it is not theirs to appeal.
        """
        require(actor, Permission.SAFETY_WRITE)
        case = self._cases.locked(tx, actor, case_id)
        if case.organization_id != actor.organization_id:
            raise NotFound(f"your organization has no case {case_id[:64]!r}")
        reason = clean_text(reason, "an appeal")
        for row in self.of_case(tx, actor, case_id):
            if row.state is AppealState.WAITING:
                return row
        if case.state not in _APPEALABLE:
            raise CaseMove(
                f"this case is {case.state.value}, so there is nothing to appeal against",
                hint="an appeal is against a notice or a suspension",
            )
        if repository.count_appeals(tx, case.case_id) >= APPEALS_MAX:
            raise CaseMove(f"{APPEALS_MAX} appeals were decided in this case")
        appeal_id = AppealId.new()
        values = {
            "id": appeal_id,
            "case_id": case.case_id,
            "state": AppealState.WAITING.value,
            "reason": reason,
            "made_by_id": by.id,
            "made_by": by.name,
            "made_at": self._clock.now(),
        }
        repository.add_appeal(tx, values)
        self._trail.note(
            tx,
            case.case_id,
            "appealed",
            by,
            reason,
            organization_id=case.organization_id,
            is_by_platform=False,
        )
        return rows.appeal_row(self._find(tx, actor, appeal_id))

    def decide(
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        appeal_id: str,
        *,
        grants: bool,
        reason: str,
    ) -> AppealRow:
        """Grant an appeal, which lifts the suspension and closes the case, or refuse it.

        Raises AnotherPerson for who suspended, proposed that, gave the notice, or appealed.
        """
        require_reviewer(actor, Permission.REVIEWS_WRITE)
        reason = clean_reason(reason)
        # The case first, as everywhere, so that two decisions never wait for each other.
        case = self._cases.locked(tx, actor, self._find(tx, actor, appeal_id).case_id)
        row = rows.appeal_row(self._find(tx, actor, appeal_id, locks=True))
        if row.state is not AppealState.WAITING:
            raise CaseMove(f"this appeal was {row.state.value} already")
        is_own = by.id in _people_of(case) | {row.made_by_id}
        if is_own and not self._cases.allows_self_review:
            raise AnotherPerson(
                "you had a part in what this appeal is about, so another person decides",
                hint="ask another reviewer",
            )
        state = AppealState.GRANTED if grants else AppealState.REFUSED
        values = {
            "state": state.value,
            "decided_by_id": by.id,
            "decided_at": self._clock.now(),
            "decision_reason": reason,
        }
        repository.update_appeal(tx, row.appeal_id, values)
        alone = ", by who had a part in it" if is_own else ""
        self._trail.note(
            tx,
            case.case_id,
            f"appeal {state.value}{alone}",
            by,
            reason,
            organization_id=case.organization_id,
        )
        if grants and case.state is not CaseState.CLOSED:
            if case.state is CaseState.SUSPENDED:
                self._cases.lift_now(tx, case, by, "the appeal was granted")
            self._cases.close_now(tx, case, by, "the appeal was granted")
        payload = {"case": case.case_id, "appeal": row.appeal_id, "decision": state.value}
        payload["reason"] = reason
        key = f"{APPEAL_DECIDED} {row.appeal_id}"
        enqueue(tx, APPEAL_DECIDED, case.organization_id, payload, key=key)
        return rows.appeal_row(self._find(tx, actor, appeal_id))

    def _find(
        self, tx: Connection, actor: Actor, appeal_id: str, *, locks: bool = False
    ) -> Row[Any]:
        try:
            found = repository.find_appeal(tx, AppealId.parse(appeal_id), locks=locks)
        except MalformedId:
            found = None
        is_seen = found is not None and (
            may_review(actor) or found.organization_id == actor.organization_id
        )
        if found is None or not is_seen:
            raise NotFound(f"there is no appeal {appeal_id[:64]!r}", hint="list the appeals")
        return found


def _people_of(case: CaseRow) -> set[str]:
    """Return who decided what an appeal is against."""
    return {case.suspended_by_id, case.proposed_by_id, case.noticed_by_id} - {""}
