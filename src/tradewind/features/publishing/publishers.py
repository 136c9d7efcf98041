"""Who is a publisher: applications for a name, and what proves them."""

import secrets
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from tradewind.core.acting import By
from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, MalformedId, NotFound
from tradewind.core.ids import OrganizationId, PublisherApplicationId
from tradewind.core.permissions import Permission, require
from tradewind.core.reasons import clean_reason
from tradewind.features.accounts.schemas import Actor, may_review, require_reviewer
from tradewind.features.catalog.schemas import PublisherRow
from tradewind.features.catalog.service import Catalog
from tradewind.features.publishing import repository, rows, rules
from tradewind.features.publishing.errors import NotPublisher, PublisherTaken
from tradewind.features.publishing.schemas import (
    ApplicationRow,
    ApplicationState,
    DueProof,
    NewApplication,
    Proof,
)

APPLICATIONS_MAX = 200
"""The longest list of them."""
PENDING_MAX = 20
"""Applications of one organization that wait."""
PROOFS_AT_ONCE = 8
_PROOF_RETRY = timedelta(minutes=5)
_MAY_BE_PROVED = frozenset({ApplicationState.PENDING, ApplicationState.LAPSED})


class Publishers:
    """Applications of the actor's organization, and everybody's for who decides them."""

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock

    # --- for publishers --------------------------------------------------------------------

    def apply(self, tx: Connection, actor: Actor, by: By, new: NewApplication) -> ApplicationRow:
        """Ask for the name of a publisher, a new one or one that lists have brought in.

        Idempotent while it is pending: the same name again returns what was asked first. Raises
        InvalidInput, PublisherTaken (409), Conflict at 20 that wait.
        """
        require(actor, Permission.PUBLISHING_WRITE)
        new = rules.clean_application(new)
        owner = actor.organization_id
        there = self._catalog.find_publisher(tx, new.slug)
        if there is not None and there.verified_at is not None:
            whose = "this organization" if there.organization_id == owner else "somebody else"
            raise PublisherTaken(f"the publisher {new.slug} belongs to {whose} already")
        repository.lock_publisher(tx, owner)
        pending = self.list_own(tx, actor, state=ApplicationState.PENDING)
        for row in pending:
            if row.slug == new.slug:
                return row
        if len(pending) >= PENDING_MAX:
            raise Conflict(
                f"{PENDING_MAX} applications wait already", hint="wait until some are decided"
            )
        application_id, now = PublisherApplicationId.new(), self._clock.now()
        repository.add_application(
            tx,
            {
                "id": application_id,
                "organization_id": owner,
                "slug": new.slug,
                "name": new.name,
                "website": new.website,
                "contact": new.contact,
                "proof": f"tradewind-publisher={secrets.token_hex(16)}",
                "state": ApplicationState.PENDING.value,
                "created_by": by.name,
                "created_at": now,
            },
        )
        return self.get(tx, actor, application_id)

    def list_own(
        self, tx: Connection, actor: Actor, *, state: ApplicationState | None = None
    ) -> list[ApplicationRow]:
        """Return the applications of the actor's organization, the newest first."""
        require(actor, Permission.PUBLISHING_READ)
        found = repository.list_applications(
            tx,
            organization_id=actor.organization_id,
            state=None if state is None else state.value,
            limit=APPLICATIONS_MAX,
        )
        return [rows.application_row(row) for row in found]

    def get(self, tx: Connection, actor: Actor, application_id: str) -> ApplicationRow:
        """Raises NotFound, also for another organization's, but to who decides."""
        require(actor, Permission.PUBLISHING_READ)
        is_reviewer = may_review(actor)
        row = repository.find_application(
            tx,
            _parse(application_id),
            organization_id=None if is_reviewer else actor.organization_id,
        )
        if row is None:
            raise _not_found(application_id)
        return rows.application_row(row)

    def look_for_proof(self, tx: Connection, actor: Actor, application_id: str) -> ApplicationRow:
        """Have the website's file and its domain's record looked for soon; also for one that has
        lapsed, or is about to. Idempotent.
        """
        require(actor, Permission.PUBLISHING_WRITE)
        row = self.get(tx, actor, application_id)
        is_lapsing = row.state is ApplicationState.VERIFIED and row.missing_since is not None
        if row.state not in _MAY_BE_PROVED and not is_lapsing:
            raise Conflict(f"the application for {row.slug} was decided already")
        repository.update_application(
            tx, row.application_id, {"proof_due_at": self._clock.now(), "proof_error": ""}
        )
        return self.get(tx, actor, application_id)

    def owned(self, tx: Connection, actor: Actor) -> list[PublisherRow]:
        """Return the publishers that the actor's organization is."""
        require(actor, Permission.PUBLISHING_READ)
        slugs = {row.slug for row in self.list_own(tx, actor, state=ApplicationState.VERIFIED)}
        found = [self._catalog.find_publisher(tx, slug) for slug in sorted(slugs)]
        return [row for row in found if row is not None and _is_owner(row, actor.organization_id)]

    def require_owner(
        self, tx: Connection, organization_id: OrganizationId, slug: str
    ) -> PublisherRow:
        """Raises NotPublisher (403) unless the organization is this publisher."""
        row = self._catalog.find_publisher(tx, slug)
        if row is None or not _is_owner(row, organization_id):
            raise NotPublisher(
                f"your organization is not the publisher {slug[:80]!r}",
                hint="apply for its name first",
            )
        return row

    # --- for who decides -------------------------------------------------------------------

    def list_pending(self, tx: Connection, actor: Actor) -> list[ApplicationRow]:
        """Return what waits for a decision, of all organizations."""
        require_reviewer(actor, Permission.REVIEWS_READ)
        found = repository.list_applications(
            tx,
            organization_id=None,
            state=ApplicationState.PENDING.value,
            limit=APPLICATIONS_MAX,
        )
        return [rows.application_row(row) for row in found]

    def decide(
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        application_id: str,
        *,
        is_accepted: bool,
        reason: str = "",
    ) -> ApplicationRow:
        """Verify a publisher, or refuse with a reason. Raises Conflict when it was decided."""
        require_reviewer(actor, Permission.REVIEWS_WRITE)
        row = self._lock(tx, application_id)
        if is_accepted:
            self._verify(tx, row, by.name)
        else:
            self._settle(tx, row, ApplicationState.REFUSED, by.name, reason=clean_reason(reason))
        return self.get(tx, actor, application_id)

    # --- for the worker --------------------------------------------------------------------

    def due_proofs(self, tx: Connection) -> list[DueProof]:
        """Return proofs to look for. Nobody else does for some minutes."""
        now = self._clock.now()
        due: list[DueProof] = []
        for row in repository.due_proofs(tx, now, PROOFS_AT_ONCE):
            repository.update_application(tx, row.id, {"proof_due_at": now + _PROOF_RETRY})
            shown = rows.application_row(row)
            due.append(DueProof(shown.application_id, row.website, row.proof, shown.challenge))
        return due

    def settle_proof(self, tx: Connection, due: DueProof, proof: Proof) -> None:
        """Note what was found: it proves an application that waits or has lapsed, and keeps one
        that was proved so. Who is verified and lost the proof has weeks to put it back.
        """
        found = repository.find_application(
            tx, due.application_id, organization_id=None, locks=True
        )
        if found is None:
            return
        row = rows.application_row(found)
        if row.state is ApplicationState.VERIFIED:
            self._keep(tx, row, proof)
            return
        if row.state not in _MAY_BE_PROVED:
            return
        error = proof.error
        if proof.found is not None:
            try:
                self._verify(tx, row, proof.found.value, is_proved=True)
            except PublisherTaken as taken:
                error = taken.message
            else:
                return
        repository.update_application(
            tx, row.application_id, {"proof_due_at": None, "proof_error": error[:300]}
        )

    # --- inside ----------------------------------------------------------------------------

    def _lock(self, tx: Connection, application_id: str) -> ApplicationRow:
        found = repository.find_application(
            tx, _parse(application_id), organization_id=None, locks=True
        )
        if found is None:
            raise _not_found(application_id)
        row = rows.application_row(found)
        if row.state is not ApplicationState.PENDING:
            raise Conflict(f"the application for {row.slug} was decided already")
        return row

    def _keep(self, tx: Connection, row: ApplicationRow, proof: Proof) -> None:
        now = self._clock.now()
        values: dict[str, Any] = {
            "proof_due_at": now + rules.LOOKED_FOR_AGAIN,
            "proof_error": proof.error[:300],
        }
        if proof.found is not None:
            values |= {"missing_since": None, "decided_by": proof.found.value, "proof_error": ""}
        elif proof.is_certain:
            missing_since = row.missing_since or now
            values["missing_since"] = missing_since
            if rules.is_lapsed(missing_since, now):
                values |= {"state": ApplicationState.LAPSED.value, "proof_due_at": None}
                there = self._catalog.find_publisher(tx, row.slug)
                if there is not None and _is_owner(there, row.organization_id):
                    self._catalog.verify_publisher(tx, row.slug, None)
        repository.update_application(tx, row.application_id, values)

    def _verify(
        self, tx: Connection, row: ApplicationRow, by: str, *, is_proved: bool = False
    ) -> None:
        there = self._catalog.add_publisher(tx, row.slug, row.name)
        if there.verified_at is not None and there.organization_id != row.organization_id:
            raise PublisherTaken(f"the publisher {row.slug} belongs to somebody else by now")
        self._catalog.verify_publisher(tx, row.slug, row.organization_id)
        self._settle(tx, row, ApplicationState.VERIFIED, by)
        if is_proved:
            again = self._clock.now() + rules.LOOKED_FOR_AGAIN
            repository.update_application(tx, row.application_id, {"proof_due_at": again})

    def _settle(
        self,
        tx: Connection,
        row: ApplicationRow,
        state: ApplicationState,
        by: str,
        *,
        reason: str = "",
    ) -> None:
        repository.update_application(
            tx,
            row.application_id,
            {
                "state": state.value,
                "reason": reason,
                "decided_by": by,
                "decided_at": self._clock.now(),
                "proof_due_at": None,
                "proof_error": "",
                "missing_since": None,
            },
        )


def _is_owner(row: PublisherRow, organization_id: OrganizationId) -> bool:
    return row.verified_at is not None and row.organization_id == organization_id


def _parse(application_id: str) -> PublisherApplicationId:
    try:
        return PublisherApplicationId.parse(application_id)
    except MalformedId:
        raise _not_found(application_id) from None


def _not_found(application_id: str) -> NotFound:
    return NotFound(
        f"there is no application {application_id[:64]!r}", hint="list the applications"
    )
