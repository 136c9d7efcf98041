"""Opt-outs of human looks: a document that the organization signs and the platform countersigns.

Whoever signs is shown the terms and sends their hash along, so nobody signs what they did not read.
"""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core.acting import By
from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, InvalidInput, MalformedId, NotFound
from tradewind.core.ids import OptOutId
from tradewind.core.permissions import Permission, require
from tradewind.core.reasons import clean_reason
from tradewind.features.abuse import rows
from tradewind.features.abuse.errors import AnotherPerson, CaseMove
from tradewind.features.abuse.repository import opt_outs as repository
from tradewind.features.abuse.repository.scores import lock_organization
from tradewind.features.abuse.schemas import OptOutRow, OptOutState
from tradewind.features.abuse.trail import Trail
from tradewind.features.accounts.schemas import Actor, may_review, require_reviewer

LONGEST = timedelta(days=366)
QUEUE_MAX = 500
SHOWN_MAX = 50
TERMS = """\
The organization asks that no person of the platform looks at its calls because of what checks found
in them. It answers for what is done with its keys, watches over that itself, and tells the platform
of abuse that it finds within three days. Checks go on: what a safety policy blocks is blocked, and
what was found is counted in sums for the whole organization, which both sides see. The platform may
revoke this at any time, with a reason, and suspend calls where people are in danger. It ends on the
day that is named, and is not renewed by itself.
"""
TERMS_SHA256 = sha256(TERMS.encode()).hexdigest()


class OptOuts:
    def __init__(self, clock: Clock, trail: Trail, *, allows_self_review: bool = False) -> None:
        self._clock = clock
        self._trail = trail
        self._allows_self_review = allows_self_review

    def list_own(self, tx: Connection, actor: Actor) -> list[OptOutRow]:
        require(actor, Permission.SAFETY_READ)
        found = repository.opt_outs_of(tx, actor.organization_id, SHOWN_MAX)
        return [rows.opt_out_row(row) for row in found]

    def queue(self, tx: Connection, actor: Actor) -> list[OptOutRow]:
        """Return what waits for the platform's signature, then what is in force."""
        require_reviewer(actor, Permission.REVIEWS_READ)
        return [rows.opt_out_row(row) for row in repository.open_opt_outs(tx, QUEUE_MAX)]

    def get(self, tx: Connection, actor: Actor, opt_out_id: str) -> OptOutRow:
        return rows.opt_out_row(self._find(tx, actor, opt_out_id))

    def sign(
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        *,
        terms_sha256: str,
        reason: str,
        expires_at: datetime,
    ) -> OptOutRow:
        """Sign for the actor's organization; it waits for the platform's signature.

        Raises Conflict while one is signed or in force, or for the hash of other terms.
        """
        require(actor, Permission.SAFETY_WRITE)
        if terms_sha256 != TERMS_SHA256:
            raise Conflict("these are not the terms as they are now", hint="read them again")
        now, reason = self._clock.now(), clean_reason(reason)
        if not now < expires_at <= now + LONGEST:
            raise InvalidInput("an opt-out ends within a year", hint="name a day before that")
        organization_id = actor.organization_id
        lock_organization(tx, organization_id)
        repository.end_expired(tx, organization_id, now)
        for row in self.list_own(tx, actor):
            if row.state in {OptOutState.SIGNED, OptOutState.IN_FORCE}:
                raise Conflict("there is one already", hint="revoke it first")
        opt_out_id = OptOutId.new()
        repository.add_opt_out(
            tx,
            {
                "id": opt_out_id,
                "organization_id": organization_id,
                "state": OptOutState.SIGNED.value,
                "terms": TERMS,
                "terms_sha256": TERMS_SHA256,
                "reason": reason,
                "signed_by_id": by.id,
                "signed_by": by.name,
                "signed_at": now,
                "expires_at": expires_at,
            },
        )
        self._trail.note(
            tx,
            opt_out_id,
            "opt-out signed",
            by,
            f"terms {TERMS_SHA256}; {reason}",
            organization_id=organization_id,
            is_by_platform=False,
        )
        return self.get(tx, actor, opt_out_id)

    def decide(
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        opt_out_id: str,
        *,
        signs: bool,
        reason: str = "",
    ) -> OptOutRow:
        """Countersign it, which puts it in force, or refuse it.

        Raises AnotherPerson for who signed for the organization, CaseMove.
        """
        require_reviewer(actor, Permission.REVIEWS_WRITE)
        row = rows.opt_out_row(self._find(tx, actor, opt_out_id, locks=True))
        if row.state is not OptOutState.SIGNED:
            raise CaseMove(f"this opt-out is {row.state.value.replace('_', ' ')} already")
        if by.id == row.signed_by_id and not self._allows_self_review:
            raise AnotherPerson(
                "you signed this for the organization, so another person signs for the platform",
                hint="ask another reviewer",
            )
        if signs and self._clock.now() >= row.expires_at:
            raise Conflict("the time it was signed for is over", hint="sign another one")
        reason = reason.strip() if signs else clean_reason(reason)
        state = OptOutState.IN_FORCE if signs else OptOutState.REFUSED
        signed = {"countersigned_by_id": by.id, "countersigned_by": by.name} if signs else {}
        self._decide(tx, row, state, reason, **signed)
        move = "opt-out countersigned" if signs else "opt-out refused"
        organization = row.organization_id
        self._trail.note(tx, row.opt_out_id, move, by, reason, organization_id=organization)
        return self.get(tx, actor, opt_out_id)

    def revoke(
        self, tx: Connection, actor: Actor, by: By, opt_out_id: str, reason: str
    ) -> OptOutRow:
        """End it now: either side may. Raises CaseMove."""
        is_reviewer = may_review(actor) and actor.may(Permission.REVIEWS_WRITE)
        if not is_reviewer:
            require(actor, Permission.SAFETY_WRITE)
        row = rows.opt_out_row(self._find(tx, actor, opt_out_id, locks=True))
        if row.state not in {OptOutState.SIGNED, OptOutState.IN_FORCE}:
            raise CaseMove(f"this opt-out is {row.state.value} already")
        reason = clean_reason(reason)
        self._decide(tx, row, OptOutState.REVOKED, reason)
        self._trail.note(
            tx,
            row.opt_out_id,
            "opt-out revoked",
            by,
            reason,
            organization_id=row.organization_id,
            is_by_platform=row.organization_id != actor.organization_id,
        )
        return self.get(tx, actor, opt_out_id)

    def _decide(
        self, tx: Connection, row: OptOutRow, state: OptOutState, reason: str, **more: str
    ) -> None:
        values = {
            "state": state.value,
            "decided_at": self._clock.now(),
            "decision_reason": reason,
            **more,
        }
        repository.update_opt_out(tx, row.opt_out_id, values)

    def _find(
        self, tx: Connection, actor: Actor, opt_out_id: str, *, locks: bool = False
    ) -> Row[Any]:
        is_reviewer = may_review(actor)
        if not is_reviewer:
            require(actor, Permission.SAFETY_READ)
        try:
            found = repository.find_opt_out(tx, OptOutId.parse(opt_out_id), locks=locks)
        except MalformedId:
            found = None
        if found is None or not (is_reviewer or found.organization_id == actor.organization_id):
            raise NotFound(f"there is no opt-out {opt_out_id[:64]!r}", hint="list the opt-outs")
        return found
