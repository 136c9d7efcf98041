"""Waivers: one person asks to go past a gate for a time, another one grants it."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core.acting import By
from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, InvalidInput, MalformedId, NotFound
from tradewind.core.ids import WaiverId
from tradewind.core.permissions import Permission, require
from tradewind.core.reasons import clean_reason
from tradewind.features.accounts.schemas import Actor, may_review, require_reviewer
from tradewind.features.trust import repository, rows
from tradewind.features.trust.errors import NotWaivable, SecondPerson
from tradewind.features.trust.schemas import (
    NEVER_WAIVED,
    Gate,
    Subject,
    WaiverRow,
    WaiverState,
)
from tradewind.features.trust.subjects import Subjects

SHOWN_MAX = 200
QUEUE_MAX = 500


class Waivers:
    def __init__(
        self, subjects: Subjects, clock: Clock, *, allows_self_review: bool = False
    ) -> None:
        self._subjects = subjects
        self._clock = clock
        self._allows_self_review = allows_self_review

    def of_subject(self, tx: Connection, actor: Actor, subject: Subject) -> list[WaiverRow]:
        """Return what was asked for a subject, the newest first. Raises NotFound."""
        self._subjects.require_seen(tx, actor, subject)
        return [rows.waiver_row(row) for row in repository.waivers_of(tx, str(subject), SHOWN_MAX)]

    def list_own(self, tx: Connection, actor: Actor) -> list[WaiverRow]:
        """Return what was asked for subjects of the actor's organization, the newest first."""
        require(actor, Permission.PUBLISHING_READ)
        found = repository.waivers_of_organization(tx, actor.organization_id, SHOWN_MAX)
        return [rows.waiver_row(row) for row in found]

    def queue(self, tx: Connection, actor: Actor) -> list[WaiverRow]:
        """Return what waits for somebody who decides, the longest first."""
        require_reviewer(actor, Permission.REVIEWS_READ)
        return [rows.waiver_row(row) for row in repository.waiting_waivers(tx, QUEUE_MAX)]

    def get(self, tx: Connection, actor: Actor, waiver_id: str) -> WaiverRow:
        return rows.waiver_row(self._find(tx, actor, waiver_id))

    def ask(
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        subject: Subject,
        gate: Gate,
        *,
        reason: str,
        expires_at: datetime,
    ) -> WaiverRow:
        """Ask to go past a gate until then. Idempotent while one like it waits.

        Raises NotWaivable (409), InvalidInput for a time that is over or too far, NotFound.
        """
        owned = self._subjects.require_seen(tx, actor, subject)
        if not may_review(actor):
            require(actor, Permission.PUBLISHING_WRITE)
        if gate in NEVER_WAIVED:
            raise NotWaivable("nobody may release what is ruled out", hint="change what it is for")
        now, days = self._clock.now(), self._subjects.rules(tx).rules.waiver_days
        if not now < expires_at <= now + timedelta(days=days):
            raise InvalidInput(
                f"a waiver ends within {days} days", hint="ask for a day before that"
            )
        reason = clean_reason(reason)
        repository.lock_subject(tx, str(subject))
        for row in self.of_subject(tx, actor, subject):
            if row.state is WaiverState.ASKED and row.gate is gate:
                return row
        waiver_id = WaiverId.new()
        repository.add_waiver(
            tx,
            {
                "id": waiver_id,
                "subject": str(subject),
                "organization_id": owned.organization_id or actor.organization_id,
                "gate": gate.value,
                "state": WaiverState.ASKED.value,
                "reason": reason,
                "asked_by_id": by.id,
                "asked_by": by.name,
                "asked_at": now,
                "expires_at": expires_at,
            },
        )
        self._subjects.note(tx, subject, f"waiver of {gate.value} asked for", by, reason)
        return self.get(tx, actor, waiver_id)

    def decide(
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        waiver_id: str,
        *,
        grants: bool,
        reason: str = "",
    ) -> WaiverRow:
        """Grant or refuse what was asked for. Raises SecondPerson (403) for who asked, Conflict for
        one that was decided or whose time is over.
        """
        require_reviewer(actor, Permission.REVIEWS_WRITE)
        row = rows.waiver_row(self._find(tx, actor, waiver_id, locks=True))
        if row.state is not WaiverState.ASKED:
            raise Conflict(f"this waiver is {row.state.value} already")
        is_own = by.id == row.asked_by_id
        if is_own and not self._allows_self_review:
            raise SecondPerson(
                "you asked for this waiver, so another person decides about it",
                hint="ask another reviewer",
            )
        now = self._clock.now()
        if grants and now >= row.expires_at:
            raise Conflict("the time it was asked for is over", hint="ask for another one")
        if not grants:
            reason = clean_reason(reason)
        state = WaiverState.GRANTED if grants else WaiverState.REFUSED
        self._decide(tx, row, state, by, reason.strip())
        own = " by who asked for it" if is_own else ""
        self._subjects.note(
            tx,
            row.subject,
            f"waiver of {row.gate.value} {state.value}",
            by,
            f"until {row.expires_at:%Y-%m-%d}{own}; {row.reason}" if grants else reason,
        )
        return self.get(tx, actor, waiver_id)

    def revoke(
        self, tx: Connection, actor: Actor, by: By, waiver_id: str, reason: str
    ) -> WaiverRow:
        """End one that was granted. What was released meanwhile stays so."""
        require_reviewer(actor, Permission.REVIEWS_WRITE)
        row = rows.waiver_row(self._find(tx, actor, waiver_id, locks=True))
        if row.state is not WaiverState.GRANTED:
            raise Conflict(f"this waiver is {row.state.value}, so there is nothing to revoke")
        reason = clean_reason(reason)
        self._decide(tx, row, WaiverState.REVOKED, by, reason)
        self._subjects.note(tx, row.subject, f"waiver of {row.gate.value} revoked", by, reason)
        return self.get(tx, actor, waiver_id)

    def _decide(
        self, tx: Connection, row: WaiverRow, state: WaiverState, by: By, reason: str
    ) -> None:
        repository.update_waiver(
            tx,
            row.waiver_id,
            {
                "state": state.value,
                "decided_by_id": by.id,
                "decided_by": by.name,
                "decided_at": self._clock.now(),
                "decision_reason": reason,
            },
        )

    def _find(
        self, tx: Connection, actor: Actor, waiver_id: str, *, locks: bool = False
    ) -> Row[Any]:
        is_reviewer = may_review(actor)
        if not is_reviewer:
            require(actor, Permission.PUBLISHING_READ)
        try:
            found = repository.find_waiver(tx, WaiverId.parse(waiver_id), locks=locks)
        except MalformedId:
            found = None
        if found is None or not (is_reviewer or found.organization_id == actor.organization_id):
            raise NotFound(f"there is no waiver {waiver_id[:64]!r}", hint="list the waivers")
        return found
