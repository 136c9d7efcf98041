"""Dry runs: asking what a changed policy would have done in the organization's own last week."""

from typing import Any

import msgspec
from sqlalchemy import Connection, Row

from tradewind.core.clock import Clock
from tradewind.core.errors import NotFound
from tradewind.core.ids import DryRunId, OrganizationId
from tradewind.core.permissions import Permission, require
from tradewind.db.notify import announce
from tradewind.features.accounts.schemas import Actor
from tradewind.features.safety.errors import DryRunUnderWay
from tradewind.features.safety.policies import Policies
from tradewind.features.safety.repository import dry_runs, policies
from tradewind.features.safety.rules.content import plain_content
from tradewind.features.safety.rules.limits import DRY_RUNS_KEPT
from tradewind.features.safety.schemas import DryRunRow, PolicyContent, RunState

SAFETY_CHANNEL = "tradewind_safety"
"""Where it is announced that a worker has something to do."""
OPEN = (RunState.QUEUED.value, RunState.RUNNING.value)
_BY_MAX = 200


class DryRuns:
    """Dry runs of the actor's own organization; one at a time, the newest 20 are kept."""

    def __init__(self, clock: Clock, of_policies: Policies) -> None:
        self._clock = clock
        self._policies = of_policies

    def list_runs(self, tx: Connection, actor: Actor) -> list[DryRunRow]:
        """Return runs, the newest first."""
        require(actor, Permission.SAFETY_READ)
        rows = dry_runs.list_runs(tx, actor.organization_id, DRY_RUNS_KEPT)
        return [run_row(row) for row in rows]

    def get_run(self, tx: Connection, actor: Actor, run_id: str) -> DryRunRow:
        """Raises NotFound, also for another organization's."""
        require(actor, Permission.SAFETY_READ)
        return run_row(self._find(tx, actor, run_id))

    def start(
        self,
        tx: Connection,
        actor: Actor,
        content: PolicyContent,
        *,
        by: str,
        policy_id: str = "",
        name: str = "",
    ) -> DryRunRow:
        """Have the worker judge the last week's calls again under a policy, saved or not.

        Raises PolicyRefused, NotFound, DryRunUnderWay (409) while another one is.
        """
        require(actor, Permission.SAFETY_WRITE)
        self._policies.check(tx, actor, content)
        if policy_id:
            policy = self._policies.get_policy(tx, actor, policy_id)
            policy_id, name = policy.policy_id, name or policy.name
        owner = actor.organization_id
        policies.lock_owner(tx, owner)
        there = dry_runs.open_run(tx, owner)
        if there is not None:
            raise DryRunUnderWay(
                f"the dry run {there.id} is under way", hint="wait for it, or cancel it"
            )
        dry_runs.forget_but(tx, owner, DRY_RUNS_KEPT - 1)
        run_id = DryRunId.new()
        dry_runs.add_run(
            tx,
            {
                "id": run_id,
                "organization_id": owner,
                "policy_id": policy_id,
                "name": name[:80],
                "content": plain_content(content),
                "state": RunState.QUEUED.value,
                "created_by": by[:_BY_MAX],
                "created_at": self._clock.now(),
            },
        )
        announce(tx, SAFETY_CHANNEL)
        return run_row(self._find(tx, actor, run_id))

    def cancel(self, tx: Connection, actor: Actor, run_id: str) -> DryRunRow:
        """End a run that is under way; one that is over stays as it is."""
        require(actor, Permission.SAFETY_WRITE)
        found = self._find(tx, actor, run_id, locks=True)
        dry_runs.update_run(
            tx,
            found.id,
            {"state": RunState.CANCELLED.value, "ended_at": self._clock.now()},
            states=OPEN,
        )
        return run_row(self._find(tx, actor, run_id))

    def _find(self, tx: Connection, actor: Actor, run_id: str, *, locks: bool = False) -> Row[Any]:
        row = dry_runs.find_run(tx, actor.organization_id, run_id[:100], locks=locks)
        if row is None:
            raise NotFound(
                f"there is no dry run {run_id[:60]!r}", hint=f"the newest {DRY_RUNS_KEPT} are kept"
            )
        return row


def run_row(row: Row[Any]) -> DryRunRow:
    return DryRunRow(
        run_id=row.id,
        organization_id=OrganizationId(row.organization_id),
        policy_id=row.policy_id,
        name=row.name,
        content=msgspec.convert(row.content, PolicyContent),
        state=RunState(row.state),
        done=row.done,
        total=row.total,
        result=row.result,
        error=row.error,
        created_by=row.created_by,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )
