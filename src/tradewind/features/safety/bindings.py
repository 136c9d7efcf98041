"""What policies hold for."""

from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, Forbidden, NotFound
from tradewind.core.permissions import Permission, require
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.features.accounts.schemas import Actor, is_platform_administrator
from tradewind.features.safety.errors import TooManySafetyThings
from tradewind.features.safety.ports import PlatformReaders
from tradewind.features.safety.reading import no_policy, policy_id_of, policy_row
from tradewind.features.safety.repository import policies
from tradewind.features.safety.rules.limits import BINDINGS_MAX, BOUND_MAX
from tradewind.features.safety.schemas import (
    DEFAULT_POLICY,
    FLOOR_POLICY,
    BindingRow,
    PolicyRow,
    Subject,
    SubjectKind,
)

_BY_MAX = 200


class Bindings:
    def __init__(self, clock: Clock, readers: PlatformReaders) -> None:
        self._clock = clock
        self._readers = readers

    def list_bindings(self, tx: Connection, actor: Actor, policy_id: str) -> list[BindingRow]:
        """Return what a policy is bound to; of the platform's, what of it the actor may see.

        Raises NotFound.
        """
        require(actor, Permission.SAFETY_READ)
        policy = self._policy(tx, actor, policy_id)
        rows = policies.bindings_of(tx, policy.id, BINDINGS_MAX)
        seen = [
            row
            for row in rows
            if row.organization_id == actor.organization_id or is_platform_administrator(actor)
        ]
        return [self._row(tx, row) for row in seen]

    def bound_to(
        self, tx: Connection, actor: Actor, kind: SubjectKind, subject_id: str
    ) -> list[PolicyRow]:
        """Return the policies that are bound to this itself. Raises NotFound."""
        require(actor, Permission.SAFETY_READ)
        self._subject(tx, actor, kind, subject_id)
        rows = policies.bound_to(tx, kind.value, subject_id)
        return [policy_row(row) for row in policies.newest(tx, {row.policy_id for row in rows})]

    def effective(self, tx: Connection, actor: Actor) -> list[PolicyRow]:
        """Return what holds for every call of the actor's project: the floor, what is bound to the
        organization or else the default, and what is bound to the project. Endpoints may add more.
        """
        require(actor, Permission.SAFETY_READ)
        own = [
            row.policy_id
            for row in policies.bound_to(tx, SubjectKind.ORGANIZATION.value, actor.organization_id)
        ]
        of_project = [
            row.policy_id
            for row in policies.bound_to(tx, SubjectKind.PROJECT.value, actor.project_id)
        ]
        order = [FLOOR_POLICY, *(own or [DEFAULT_POLICY]), *of_project]
        found = {row.id: policy_row(row) for row in policies.newest(tx, set(order))}
        return [
            found[each]
            for each in dict.fromkeys(order)
            if each in found and not found[each].content.is_empty
        ]

    def bind(
        self,
        tx: Connection,
        actor: Actor,
        policy_id: str,
        kind: SubjectKind,
        subject_id: str,
        *,
        by: str,
    ) -> BindingRow:
        """Have a policy hold for something of the organization's, or, by the operator, of the
        platform's. Idempotent. Raises NotFound, TooManySafetyThings (409) at 10 on one thing.
        """
        require(actor, Permission.SAFETY_WRITE)
        subject = self._subject(tx, actor, kind, subject_id, changes=True)
        policy = self._policy(tx, actor, policy_id, locks=True)
        if policy.id == FLOOR_POLICY:
            raise Conflict("the floor holds for everybody already", hint="change what it says")
        policies.lock_owner(tx, subject.organization_id or "")
        there = policies.bound_to(tx, kind.value, subject_id)
        if policy.id not in {row.policy_id for row in there}:
            if len(there) >= BOUND_MAX:
                raise TooManySafetyThings(
                    f"{BOUND_MAX} policies are bound to this {kind.value}",
                    hint="unbind one, or put the rules of two into one",
                )
            if (
                policy.organization_id is not None
                and len(policies.bindings_of(tx, policy.id, BINDINGS_MAX)) >= BINDINGS_MAX
            ):
                raise TooManySafetyThings(
                    f"the policy is bound to {BINDINGS_MAX} things",
                    hint="bind it to whole projects or organizations",
                )
            policies.add_binding(
                tx,
                {
                    "policy_id": policy.id,
                    "kind": kind.value,
                    "subject_id": subject_id,
                    "organization_id": subject.organization_id,
                    "bound_at": self._clock.now(),
                    "bound_by": by[:_BY_MAX],
                },
            )
            _record(tx, kind, subject_id)
        for row in policies.bound_to(tx, kind.value, subject_id):
            if row.policy_id == policy.id:
                return self._row(tx, row)
        raise AssertionError("it was bound just now")

    def unbind(
        self,
        tx: Connection,
        actor: Actor,
        policy_id: str,
        kind: SubjectKind,
        subject_id: str,
        *,
        by: str,
    ) -> None:
        """Have a policy no longer hold there. Idempotent. Raises NotFound for what is not there."""
        require(actor, Permission.SAFETY_WRITE)
        self._subject(tx, actor, kind, subject_id, changes=True, or_bound_by=policy_id)
        policy = self._policy(tx, actor, policy_id)
        ended = policies.end_binding(
            tx, policy.id, kind.value, subject_id, now=self._clock.now(), by=by[:_BY_MAX]
        )
        if ended:
            _record(tx, kind, subject_id)

    # --- inside ----------------------------------------------------------------------------

    def _policy(
        self, tx: Connection, actor: Actor, policy_id: str, *, locks: bool = False
    ) -> Row[Any]:
        found = policies.find_policy(
            tx, actor.organization_id, policy_id_of(policy_id), locks=locks
        )
        if found is None:
            raise no_policy(policy_id)
        return found

    def _subject(
        self,
        tx: Connection,
        actor: Actor,
        kind: SubjectKind,
        subject_id: str,
        *,
        changes: bool = False,
        or_bound_by: str = "",
    ) -> Subject:
        """Return what has this id, if it is the actor's to look at, or to change."""
        found = self._readers.find_subject(tx, kind, subject_id)
        if found is None and or_bound_by:
            # It is gone, and what was bound to it may be let go of.
            found = Subject(kind, subject_id, "", actor.organization_id)
        is_operator = is_platform_administrator(actor)
        if found is None or (
            found.organization_id not in {None, actor.organization_id} and not is_operator
        ):
            raise NotFound(
                f"there is no {kind.value} {subject_id[:60]!r}",
                hint="name one of your organization by its id",
            )
        if changes and found.organization_id is None and not is_operator:
            raise Forbidden(
                f"this {kind.value} is the platform's",
                hint="bind the policy to your project or organization instead",
            )
        return found

    def _row(self, tx: Connection, row: Row[Any]) -> BindingRow:
        kind = SubjectKind(row.kind)
        subject = self._readers.find_subject(tx, kind, row.subject_id)
        return BindingRow(
            policy_id=row.policy_id,
            kind=kind,
            subject_id=row.subject_id,
            name=subject.name if subject is not None else "",
            bound_at=row.bound_at,
            bound_by=row.bound_by,
        )


def _record(tx: Connection, kind: SubjectKind, subject_id: str) -> None:
    record_change(tx, ChangeKind.POLICIES)
    if kind in {SubjectKind.ORGANIZATION, SubjectKind.PROJECT}:
        record_change(tx, ChangeKind.TERMS, [subject_id])
    else:
        record_change(tx, ChangeKind.ENDPOINTS)
