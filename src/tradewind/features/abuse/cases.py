"""Cases: what a person looks at, tells the organization, and suspends."""

from typing import Any

import msgspec
from sqlalchemy import Connection, Row

from tradewind.core.acting import By
from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, InvalidInput, MalformedId, NotFound
from tradewind.core.ids import AbuseCaseId, OrganizationId
from tradewind.core.permissions import Permission, require
from tradewind.core.reasons import clean_reason
from tradewind.db.outbox import enqueue
from tradewind.features.abuse import rows
from tradewind.features.abuse.errors import AnotherPerson, CaseMove
from tradewind.features.abuse.ports import AbuseReaders, Suspend
from tradewind.features.abuse.repository import cases as repository
from tradewind.features.abuse.repository import opt_outs
from tradewind.features.abuse.repository.scores import lock_organization
from tradewind.features.abuse.rules.words import clean_text
from tradewind.features.abuse.schemas import (
    CaseRow,
    CaseState,
    Evidence,
    FlaggedCall,
    Level,
    Scored,
    TrailRow,
)
from tradewind.features.abuse.trail import Trail
from tradewind.features.accounts.schemas import Actor, may_review, require_reviewer
from tradewind.features.publishing.schemas import PLATFORM

CASE_OPENED = "abuse.case_opened"
NOTICED = "abuse.noticed"
SUSPENDED = "abuse.suspended"
QUEUE_MAX = 500
SHOWN_MAX = 200
CALLS_SHOWN = 100
_OF_PEOPLE = frozenset({CaseState.OPEN, CaseState.LOOKED_AT, CaseState.NOTICED})


class Cases:
    def __init__(
        self,
        clock: Clock,
        readers: AbuseReaders,
        suspend: Suspend,
        trail: Trail,
        *,
        allows_self_review: bool = False,
    ) -> None:
        self._clock = clock
        self._readers = readers
        self._suspend = suspend
        self._trail = trail
        self.allows_self_review = allows_self_review
        """One person may do what otherwise takes two; the trail says so."""

    # --- reading -----------------------------------------------------------------------------

    def queue(self, tx: Connection, actor: Actor) -> list[CaseRow]:
        """Return what is not closed: what nobody looked at first, the highest score first."""
        require_reviewer(actor, Permission.REVIEWS_READ)
        return self._named(tx, repository.open_cases(tx, QUEUE_MAX))

    def list_own(self, tx: Connection, actor: Actor) -> list[CaseRow]:
        """Return cases of the actor's organization, the newest first."""
        require(actor, Permission.SAFETY_READ)
        return self._named(tx, repository.cases_of(tx, actor.organization_id, SHOWN_MAX))

    def get(self, tx: Connection, actor: Actor, case_id: str) -> CaseRow:
        """Return a case of the actor's organization, or any for a reviewer. Raises NotFound."""
        return self._named(tx, [self._find(tx, actor, case_id)])[0]

    def trail(self, tx: Connection, actor: Actor, case_id: str) -> list[TrailRow]:
        row = self._find(tx, actor, case_id)
        return self._trail.of(tx, row.id, names_reviewers=may_review(actor))

    def flagged_calls(self, tx: Connection, actor: Actor, case_id: str) -> list[FlaggedCall]:
        """Return calls of the last week in which something was found; no texts."""
        row = self._find(tx, actor, case_id)
        now = self._clock.now()
        found = self._readers.flagged_calls(tx, row.organization_id, row.key_id, now, CALLS_SHOWN)
        return list(found)

    # --- opening -----------------------------------------------------------------------------

    def open_by_score(
        self, tx: Connection, organization_id: OrganizationId, key_id: str, scored: Scored
    ) -> None:
        """Open a case, or bring an open one up to date. Whoever calls this holds the lock."""
        found = repository.open_case_of(tx, organization_id, key_id)
        evidence = msgspec.to_builtins(scored.evidence)
        if found is not None:
            values = {"level": scored.level.value, "score": scored.score, "evidence": evidence}
            repository.update_case(tx, AbuseCaseId(found.id), values)
            if found.level != scored.level.value:
                move = f"its level is {scored.level.value} now"
                self._note(tx, found.id, organization_id, move, PLATFORM, f"score {scored.score}")
            return
        self._open(tx, organization_id, key_id, scored, by=PLATFORM, reason="")

    def open_by_person(
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        organization_id: str,
        *,
        key_id: str = "",
        reason: str,
    ) -> CaseRow:
        """Open a case that no score asked for: somebody complained. Idempotent while it is open.

        Raises NotFound, Conflict for an organization that nobody looks at.
        """
        require_reviewer(actor, Permission.REVIEWS_WRITE)
        reason = clean_reason(reason)
        organization = self._organization(tx, organization_id)
        if key_id and not self._readers.has_key(tx, organization, key_id):
            raise NotFound(f"there is no key {key_id[:64]!r} in this organization")
        lock_organization(tx, organization)
        found = repository.open_case_of(tx, organization, key_id)
        if found is not None:
            return self.get(tx, actor, found.id)
        if opt_outs.has_opted_out(tx, organization, self._clock.now()):
            raise Conflict(
                "this organization has opted out of being looked at",
                hint="revoke the opt-out first",
            )
        scored = Scored(0, Level.REVIEW, Evidence())
        case_id = self._open(tx, organization, key_id, scored, by=by, reason=reason)
        return self.get(tx, actor, case_id)

    # --- deciding ----------------------------------------------------------------------------

    def take(self, tx: Connection, actor: Actor, by: By, case_id: str) -> CaseRow:
        """Say that somebody looks at it. Idempotent."""
        row = self._to_decide(tx, actor, case_id)
        if row.state is CaseState.OPEN:
            self._move(tx, row, CaseState.LOOKED_AT, {"looked_by": by.name})
            self._note(tx, row.case_id, row.organization_id, "looked at", by, "")
        return self.get(tx, actor, case_id)

    def notice(self, tx: Connection, actor: Actor, by: By, case_id: str, text: str) -> CaseRow:
        """Tell the organization what it has to change. Raises CaseMove."""
        row = self._to_decide(tx, actor, case_id)
        text = clean_text(text, "a notice")
        if row.state not in _OF_PEOPLE:
            raise CaseMove(f"this case is {row.state.value}", hint="look at the case again")
        self._move(tx, row, CaseState.NOTICED, {"notice": text, "noticed_by_id": by.id})
        self._note(tx, row.case_id, row.organization_id, "notice sent", by, text)
        self._tell(tx, NOTICED, row, {"notice": text})
        return self.get(tx, actor, case_id)

    def suspend(self, tx: Connection, actor: Actor, by: By, case_id: str, reason: str) -> CaseRow:
        """Suspend the key of a case. An organization takes two people: the first one proposes it,
        another one does it.

        Raises CaseMove, AnotherPerson for who proposed it.
        """
        row = self._to_decide(tx, actor, case_id)
        reason = clean_reason(reason)
        if row.state is CaseState.SUSPENDED:
            raise CaseMove("this case has led to a suspension already", hint="lift it first")
        if not row.key_id and not self.allows_self_review:
            if not row.proposed_by_id:
                values = {
                    "proposed_by_id": by.id,
                    "proposed_by": by.name,
                    "proposed_reason": reason,
                }
                repository.update_case(tx, row.case_id, values)
                move = "suspension of the organization proposed"
                self._note(tx, row.case_id, None, move, by, reason)
                return self.get(tx, actor, case_id)
            if row.proposed_by_id == by.id:
                raise AnotherPerson(
                    "you proposed this suspension, so another person carries it out",
                    hint="ask another reviewer",
                )
        if row.key_id:
            self._suspend.suspend_key(tx, row.organization_id, row.key_id)
        else:
            self._suspend.suspend_organization(tx, row.organization_id)
        values = {
            "suspended_by_id": by.id,
            "suspended_at": self._clock.now(),
            "suspension_reason": reason,
        }
        self._move(tx, row, CaseState.SUSPENDED, values)
        alone = " by one person" if not row.key_id and self.allows_self_review else ""
        move = f"key {row.key_id} suspended" if row.key_id else f"organization suspended{alone}"
        self._note(tx, row.case_id, row.organization_id, move, by, reason)
        self._tell(tx, SUSPENDED, row, {"reason": reason})
        return self.get(tx, actor, case_id)

    def lift(self, tx: Connection, actor: Actor, by: By, case_id: str, reason: str) -> CaseRow:
        """End a suspension. Raises CaseMove."""
        row = self._to_decide(tx, actor, case_id)
        if row.state is not CaseState.SUSPENDED:
            raise CaseMove("nothing is suspended by this case", hint="look at the case again")
        self.lift_now(tx, row, by, clean_reason(reason))
        return self.get(tx, actor, case_id)

    def lift_now(self, tx: Connection, row: CaseRow, by: By, reason: str) -> None:
        """End a suspension for whoever may; the case goes on."""
        if row.key_id:
            self._suspend.lift_key(tx, row.organization_id, row.key_id)
        else:
            self._suspend.lift_organization(tx, row.organization_id)
        self._move(tx, row, CaseState.NOTICED, {"proposed_by_id": "", "proposed_by": ""})
        self._note(tx, row.case_id, row.organization_id, "suspension lifted", by, reason)

    def close(self, tx: Connection, actor: Actor, by: By, case_id: str, outcome: str) -> CaseRow:
        """Close a case; what was found before is not counted again. Raises CaseMove."""
        row = self._to_decide(tx, actor, case_id)
        outcome = clean_reason(outcome)
        if row.state is CaseState.SUSPENDED:
            raise CaseMove("a suspension stands", hint="lift it first")
        self.close_now(tx, row, by, outcome)
        return self.get(tx, actor, case_id)

    def close_now(self, tx: Connection, row: CaseRow, by: By, outcome: str) -> None:
        values = {"closed_at": self._clock.now(), "outcome": outcome}
        self._move(tx, row, CaseState.CLOSED, values)
        self._note(tx, row.case_id, row.organization_id, "closed", by, outcome)

    def locked(self, tx: Connection, actor: Actor, case_id: str) -> CaseRow:
        """Return a case that stays as it is for this transaction. Raises NotFound."""
        return rows.case_row(self._find(tx, actor, case_id, locks=True))

    def _to_decide(self, tx: Connection, actor: Actor, case_id: str) -> CaseRow:
        require_reviewer(actor, Permission.REVIEWS_WRITE)
        row = self.locked(tx, actor, case_id)
        if row.state is CaseState.CLOSED:
            raise CaseMove("this case is closed", hint="open another one")
        return row

    def _open(
        self,
        tx: Connection,
        organization_id: OrganizationId,
        key_id: str,
        scored: Scored,
        *,
        by: By,
        reason: str,
    ) -> AbuseCaseId:
        case_id = AbuseCaseId.new()
        is_new = repository.add_case(
            tx,
            {
                "id": case_id,
                "organization_id": organization_id,
                "key_id": key_id,
                "state": CaseState.OPEN.value,
                "level": scored.level.value,
                "score": scored.score,
                "evidence": msgspec.to_builtins(scored.evidence),
                "opened_at": self._clock.now(),
                "opened_by": by.name,
                "reason": reason,
            },
        )
        assert is_new, "whoever opens a case holds the organization's lock"
        why = reason or f"score {scored.score}, {scored.level.value}"
        self._note(tx, case_id, organization_id, "case opened", by, why)
        payload = {
            "case": case_id,
            "key": key_id,
            "level": scored.level.value,
            "score": scored.score,
            "patterns": list(scored.evidence.patterns),
        }
        enqueue(tx, CASE_OPENED, organization_id, payload, key=f"{CASE_OPENED} {case_id}")
        return case_id

    def _tell(self, tx: Connection, kind: str, row: CaseRow, facts: dict[str, str]) -> None:
        payload = {"case": row.case_id, "key": row.key_id, **facts}
        # A case may be noticed and suspended more than once.
        key = f"{kind} {row.case_id} {self._clock.now().isoformat()}"
        enqueue(tx, kind, row.organization_id, payload, key=key)

    def _move(self, tx: Connection, row: CaseRow, state: CaseState, values: dict[str, Any]) -> None:
        repository.update_case(tx, row.case_id, {"state": state.value, **values})

    def _note(  # noqa: PLR0917
        self,
        tx: Connection,
        case_id: str,
        organization_id: OrganizationId | None,
        move: str,
        by: By,
        detail: str,
    ) -> None:
        self._trail.note(tx, case_id, move, by, detail, organization_id=organization_id)

    def _named(self, tx: Connection, found: Any) -> list[CaseRow]:
        names = self._readers.names(tx, {row.organization_id for row in found})
        return [rows.case_row(row, names.get(row.organization_id, "")) for row in found]

    def _organization(self, tx: Connection, organization_id: str) -> OrganizationId:
        try:
            found = OrganizationId.parse(organization_id)
        except MalformedId:
            raise InvalidInput("this is no id of an organization") from None
        if found not in self._readers.names(tx, [found]):
            raise NotFound(f"there is no organization {organization_id[:64]!r}")
        return found

    def _find(self, tx: Connection, actor: Actor, case_id: str, *, locks: bool = False) -> Row[Any]:
        is_reviewer = may_review(actor)
        if not is_reviewer:
            require(actor, Permission.SAFETY_READ)
        try:
            found = repository.find_case(tx, AbuseCaseId.parse(case_id), locks=locks)
        except MalformedId:
            found = None
        if found is None or not (is_reviewer or found.organization_id == actor.organization_id):
            raise NotFound(f"there is no case {case_id[:64]!r}", hint="list the cases")
        return found
