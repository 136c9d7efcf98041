"""Looks at kept contents: by a reviewer, with a reason, for an hour at most, and each in the trail
that the organization reads.
"""

from datetime import timedelta

from sqlalchemy import Connection

from tradewind.core.acting import By
from tradewind.core.clock import Clock
from tradewind.core.errors import InvalidInput, MalformedId, NotFound
from tradewind.core.ids import LookGrantId, event_id_of_request
from tradewind.core.permissions import Permission, require
from tradewind.core.reasons import clean_reason
from tradewind.features.abuse import rows
from tradewind.features.abuse.cases import Cases
from tradewind.features.abuse.errors import CaseMove, NotLookedAt
from tradewind.features.abuse.ports import AbuseReaders
from tradewind.features.abuse.repository import cases as repository
from tradewind.features.abuse.repository import opt_outs
from tradewind.features.abuse.schemas import CaseRow, CaseState, GrantRow, KeptContent
from tradewind.features.abuse.trail import Trail
from tradewind.features.accounts.schemas import Actor, may_review, require_reviewer

LONGEST = timedelta(hours=1)
GRANTS_SHOWN = 100


class Looks:
    def __init__(self, clock: Clock, readers: AbuseReaders, cases: Cases, trail: Trail) -> None:
        self._clock = clock
        self._readers = readers
        self._cases = cases
        self._trail = trail

    def grants(self, tx: Connection, actor: Actor, case_id: str) -> list[GrantRow]:
        """Return who was let in, the newest first; the organization reads it without names."""
        if not may_review(actor):
            require(actor, Permission.SAFETY_READ)
        case = self._cases.get(tx, actor, case_id)
        found = [
            rows.grant_row(row) for row in repository.grants_of(tx, case.case_id, GRANTS_SHOWN)
        ]
        if may_review(actor):
            return found
        return [row._replace(granted_to_id="", granted_to=rows.THE_PLATFORM) for row in found]

    def grant(
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        case_id: str,
        *,
        reason: str,
        minutes: int = 60,
    ) -> GrantRow:
        """Let the actor look at contents of a case. One that is in force is returned as it is.

        Raises NotLookedAt (403) where the organization has opted out, or keeps no contents.
        """
        require_reviewer(actor, Permission.REVIEWS_WRITE)
        case = self._cases.locked(tx, actor, case_id)
        if case.state is CaseState.CLOSED:
            raise CaseMove("this case is closed", hint="open another one")
        reason = clean_reason(reason)
        if not 1 <= minutes <= LONGEST // timedelta(minutes=1):
            raise InvalidInput("a look takes 1 to 60 minutes", hint="ask again when it is over")
        self._require_lookable(tx, case)
        now = self._clock.now()
        found = repository.grant_in_force(tx, case.case_id, by.id, now)
        if found is not None:
            return rows.grant_row(found)
        values = {
            "id": LookGrantId.new(),
            "case_id": case.case_id,
            "granted_to_id": by.id,
            "granted_to": by.name,
            "reason": reason,
            "granted_at": now,
            "expires_at": now + timedelta(minutes=minutes),
        }
        repository.add_grant(tx, values)
        move = f"looks at contents for {minutes} minutes"
        organization = case.organization_id
        self._trail.note(tx, case.case_id, move, by, reason, organization_id=organization)
        found = repository.grant_in_force(tx, case.case_id, by.id, now)
        assert found is not None, "it was just added"
        return rows.grant_row(found)

    def content(
        self, tx: Connection, actor: Actor, by: By, case_id: str, request_id: str
    ) -> KeptContent:
        """Return what is kept of a flagged call of the case, and write down who has read it.

        Raises NotLookedAt (403) without a grant that is in force, NotFound for a call in which
        nothing was found, that is not of the case, or of which nothing is kept.
        """
        require_reviewer(actor, Permission.REVIEWS_WRITE)
        case = self._cases.locked(tx, actor, case_id)
        now = self._clock.now()
        if repository.grant_in_force(tx, case.case_id, by.id, now) is None:
            raise NotLookedAt(
                "you have no grant for this case, or it is over", hint="say why, and take one"
            )
        self._require_lookable(tx, case)
        try:
            event_id = event_id_of_request(request_id)
        except MalformedId:
            raise _not_kept(request_id) from None
        organization = case.organization_id
        if self._readers.find_flagged_call(tx, organization, case.key_id, event_id) is None:
            raise _not_kept(request_id)
        found = self._readers.read_content(tx, organization, event_id, now)
        if found is None:
            raise _not_kept(request_id)
        self._trail.note(
            tx, case.case_id, "contents read", by, request_id, organization_id=organization
        )
        return found

    def _require_lookable(self, tx: Connection, case: CaseRow) -> None:
        if opt_outs.has_opted_out(tx, case.organization_id, self._clock.now()):
            raise NotLookedAt("this organization has opted out of being looked at")
        if not self._readers.keeps_content(tx, case.organization_id):
            raise NotLookedAt(
                "this organization keeps no contents", hint="decide by what was counted"
            )


def _not_kept(request_id: str) -> NotFound:
    return NotFound(
        f"of {request_id[:64]!r} nothing is kept that belongs to this case",
        hint="look at the calls of the case",
    )
