"""Policies of an organization and of the platform, version by version."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict
from tradewind.core.ids import SafetyPolicyId
from tradewind.core.permissions import Permission, require
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.features.accounts.schemas import Actor
from tradewind.features.safety.compiling import names_of_data
from tradewind.features.safety.errors import PolicyRefused, SafetyInUse, TooManySafetyThings
from tradewind.features.safety.installed import InstalledChecks
from tradewind.features.safety.ports import PlatformReaders
from tradewind.features.safety.reading import (
    changed_since,
    no_policy,
    policy_id_of,
    policy_row,
    require_operator,
    version_row,
)
from tradewind.features.safety.repository import data, policies
from tradewind.features.safety.rules.content import (
    check_content,
    clean_name,
    clean_why,
    plain_content,
)
from tradewind.features.safety.rules.limits import POLICIES_MAX
from tradewind.features.safety.schemas import (
    CheckFacts,
    CheckKind,
    PolicyContent,
    PolicyFile,
    PolicyRow,
    Standing,
    VersionRow,
)

VERSIONS_MAX = 200
"""Versions on one page."""
_BY_MAX = 200


class Policies:
    """Policies that the actor's organization may bind: its own, and the platform's."""

    def __init__(self, clock: Clock, installed: InstalledChecks, readers: PlatformReaders) -> None:
        self._clock = clock
        self._installed = installed
        self._readers = readers

    # --- reading ---------------------------------------------------------------------------

    def list_policies(self, tx: Connection, actor: Actor) -> list[PolicyRow]:
        """Return the platform's default and floor, then the organization's own by name."""
        require(actor, Permission.SAFETY_READ)
        rows = policies.list_policies(tx, actor.organization_id, POLICIES_MAX + 2)
        return [policy_row(row) for row in rows]

    def get_policy(self, tx: Connection, actor: Actor, policy_id: str) -> PolicyRow:
        """Raises NotFound, also for another organization's."""
        require(actor, Permission.SAFETY_READ)
        return policy_row(self._find(tx, actor, policy_id))

    def list_versions(
        self,
        tx: Connection,
        actor: Actor,
        policy_id: str,
        *,
        before: int | None = None,
        limit: int = 100,
    ) -> list[VersionRow]:
        """Return versions, the newest first. Raises NotFound."""
        require(actor, Permission.SAFETY_READ)
        found = self._find(tx, actor, policy_id)
        rows = policies.versions(tx, found.id, before=before, limit=min(limit, VERSIONS_MAX + 1))
        return [version_row(row) for row in rows]

    def get_version(self, tx: Connection, actor: Actor, policy_id: str, version: int) -> VersionRow:
        """Raises NotFound."""
        require(actor, Permission.SAFETY_READ)
        found = self._find(tx, actor, policy_id)
        row = policies.find_version(tx, found.id, version)
        if row is None:
            raise no_policy(f"{policy_id} version {version}")
        return version_row(row)

    def facts(self) -> dict[str, CheckFacts]:
        """Return the checks that a policy may name."""
        return self._installed.facts()

    # --- changing --------------------------------------------------------------------------

    def add_policy(
        self,
        tx: Connection,
        actor: Actor,
        name: str,
        content: PolicyContent,
        *,
        by: str,
        why: str = "",
    ) -> PolicyRow:
        """Add a policy of the organization, as version 1. It holds once it is bound.

        Raises PolicyRefused, Conflict for a name that is taken, TooManySafetyThings (409) at 200.
        """
        require(actor, Permission.SAFETY_WRITE)
        name, why = clean_name(name), clean_why(why)
        self.check(tx, actor, content)
        owner, now = actor.organization_id, self._clock.now()
        policies.lock_owner(tx, owner)
        if policies.count_policies(tx, owner) >= POLICIES_MAX:
            raise TooManySafetyThings(
                f"this organization has {POLICIES_MAX} policies", hint="delete one not in use"
            )
        self._check_name(tx, owner, name)
        policy_id = SafetyPolicyId.new()
        policies.add_policy(
            tx,
            {
                "id": policy_id,
                "organization_id": owner,
                "standing": Standing.OWN.value,
                "name": name,
                "version": 1,
                "created_at": now,
            },
        )
        self._add_version(tx, policy_id, 1, name, content, why=why, by=by)
        return policy_row(self._find(tx, actor, policy_id))

    def change_policy(
        self,
        tx: Connection,
        actor: Actor,
        policy_id: str,
        content: PolicyContent,
        *,
        by: str,
        name: str | None = None,
        why: str = "",
        version: int | None = None,
    ) -> PolicyRow:
        """Make the next version of a policy, if nobody made one since `version`. What was changed
        to what it was already is no version.

        Gateways hold it within seconds. Raises PolicyRefused, NotFound, PreconditionFailed.
        """
        require(actor, Permission.SAFETY_WRITE)
        found = self._find(tx, actor, policy_id, locks=True)
        former = policy_row(found)
        if former.organization_id is None:
            require_operator(actor, "the platform's policies")
        if version is not None and version != former.version:
            raise changed_since(f"the policy {former.policy_id}")
        name = former.name if name is None else clean_name(name)
        why = clean_why(why)
        self.check(tx, actor, content)
        if name != former.name and former.organization_id is not None:
            policies.lock_owner(tx, former.organization_id)
            self._check_name(tx, former.organization_id, name)
        if (name, content) == (former.name, former.content):
            return former
        following = former.version + 1
        self._add_version(tx, former.policy_id, following, name, content, why=why, by=by)
        policies.set_newest(tx, former.policy_id, following, name)
        record_change(tx, ChangeKind.POLICIES)
        if former.organization_id is None and content.is_empty != former.content.is_empty:
            # An empty policy of the platform is none: every organization's terms change.
            record_change(tx, ChangeKind.TERMS, policies.organizations(tx))
        return policy_row(self._find(tx, actor, policy_id))

    def apply(
        self, tx: Connection, actor: Actor, file: PolicyFile, *, by: str
    ) -> tuple[PolicyRow, bool]:
        """Make the organization's policy of this name say what the file says, whether there is one
        yet or not. Returns it, and whether anything was changed.
        """
        require(actor, Permission.SAFETY_WRITE)
        name = clean_name(file.name)
        former = policies.find_by_name(tx, actor.organization_id, name)
        if former is None:
            return self.add_policy(tx, actor, name, file.content, by=by, why=file.why), True
        row = self.change_policy(tx, actor, former.id, file.content, by=by, why=file.why)
        return row, row.version != former.version

    def delete_policy(
        self, tx: Connection, actor: Actor, policy_id: str, *, version: int | None = None
    ) -> None:
        """Delete a policy that is bound to nothing. Its versions are kept for what they decided.

        Raises SafetyInUse (409) naming what it is bound to.
        """
        require(actor, Permission.SAFETY_WRITE)
        found = self._find(tx, actor, policy_id, locks=True)
        if found.organization_id is None:
            raise Conflict(
                "the platform's own policies cannot be deleted", hint="change what they say"
            )
        if version is not None and version != found.version:
            raise changed_since(f"the policy {found.id}")
        bound = policies.bindings_of(tx, found.id, 5)
        if bound:
            places = ", ".join(f"{row.kind} {row.subject_id}" for row in bound)
            raise SafetyInUse(
                f"the policy {found.name!r} is bound to {places}", hint="unbind it there first"
            )
        policies.delete_policy(tx, found.id, self._clock.now())

    def check(self, tx: Connection, actor: Actor, content: PolicyContent) -> None:
        """Raise PolicyRefused unless the organization could hold this."""
        facts = self._installed.facts()
        own = data.references(tx, set(names_of_data(content)), actor.organization_id)
        check_content(content, facts, own)
        self._check_places(tx, actor, content, facts)

    # --- inside ----------------------------------------------------------------------------

    def _check_places(
        self,
        tx: Connection,
        actor: Actor,
        content: PolicyContent,
        facts: Mapping[str, CheckFacts],
    ) -> None:
        models = {
            check.options["endpoint"]: at
            for at, check in enumerate(content.checks)
            if facts[check.name].kind is CheckKind.SAFETY_MODEL
        }
        for name in sorted(self._readers.missing_endpoints(tx, actor.organization_id, models)):
            raise PolicyRefused(
                f"checks[{models[name]}].options.endpoint: there is no endpoint {name[:80]!r}",
                hint="deploy a safety model and name its endpoint",
            )
        services = {
            check.options["connection"]: at
            for at, check in enumerate(content.checks)
            if facts[check.name].kind is CheckKind.REMOTE
        }
        for name in sorted(self._readers.missing_connections(tx, actor.organization_id, services)):
            raise PolicyRefused(
                f"checks[{services[name]}].options.connection: there is no connection"
                f" {name[:80]!r}",
                hint="connect the service first",
            )

    def _check_name(self, tx: Connection, owner: str, name: str) -> None:
        if policies.find_by_name(tx, owner, name) is not None:
            raise Conflict(f"there is a policy {name!r} already", hint="take another name")

    def _add_version(
        self,
        tx: Connection,
        policy_id: str,
        version: int,
        name: str,
        content: PolicyContent,
        *,
        why: str,
        by: str,
    ) -> None:
        policies.add_version(
            tx,
            {
                "policy_id": policy_id,
                "version": version,
                "name": name,
                "content": plain_content(content),
                "why": why,
                "changed_by": by[:_BY_MAX],
                "changed_at": self._clock.now(),
            },
        )

    def _find(
        self, tx: Connection, actor: Actor, policy_id: str, *, locks: bool = False
    ) -> Row[Any]:
        parsed = policy_id_of(policy_id)
        row = policies.find_policy(tx, actor.organization_id, parsed, locks=locks)
        if row is None:
            raise no_policy(policy_id)
        return row
