"""Campaigns in the hands of the worker: begun by schedules, claimed, carried on, ended."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import MalformedId
from tradewind.core.ids import CampaignId, OrganizationId, ProjectId, UserId
from tradewind.features.redteam import repository, rows, rules
from tradewind.features.redteam.harmless import HARMLESS, harmless_seeds
from tradewind.features.redteam.schemas import CampaignState, Claimed, Every, Seed, TargetFacts
from tradewind.features.redteam.service import FindTarget
from tradewind.plugins.redteam.base import Attacked

LEASE = timedelta(minutes=2)
"""Whoever carries a campaign on says so more often than that."""
MOST_ATTEMPTS = 4
"""A campaign whose worker died so often is what kills it."""
_SCHEDULED_AT_ONCE = 20
_LATEST_START = timedelta(hours=6)
"""A platform that was off for days does not make up for what it missed."""


class Evidence(NamedTuple):
    sha256: str
    size_bytes: int


class Runs:
    def __init__(self, clock: Clock, find_target: FindTarget) -> None:
        self._clock = clock
        self._find_target = find_target

    def schedule(self, tx: Connection) -> int:
        """Begin what is due, once for each time that passed, and return how many were begun."""
        now = self._clock.now()
        begun = 0
        for row in repository.due_schedules(tx, now, _SCHEDULED_AT_ONCE):
            next_at = rules.next_time(now, Every(row.every), row.hour, row.weekday)
            repository.update_schedule(tx, row.id, {"next_at": next_at})
            if row.next_at < now - _LATEST_START:
                continue
            spec = rows.spec_of(row.spec)
            found = self._find_target(tx, spec.target, OrganizationId(row.organization_id))
            target = found or TargetFacts(spec.target, "", "USD", 0, 0)
            added = repository.add_campaign(
                tx,
                {
                    "id": CampaignId.new(),
                    "organization_id": row.organization_id,
                    "project_id": row.project_id,
                    "name": row.name,
                    "target": spec.target,
                    "version": target.version,
                    "spec": row.spec,
                    "state": "waiting",
                    "next_try_at": now,
                    "schedule_id": row.id,
                    "scheduled_for": row.next_at,
                    "created_by": row.created_by,
                    "created_by_name": row.created_by_name,
                    "created_at": now,
                },
            )
            begun += added
        return begun

    def claim(self, tx: Connection) -> tuple[Claimed, str | None] | None:
        """Take a campaign, a new one or one whose worker died, with the key that a former worker
        left behind.
        """
        now = self._clock.now()
        row = repository.claim_campaign(tx, now, now + LEASE)
        if row is None:
            return None
        spec = rows.spec_of(row.spec)
        own = repository.find_datasets(tx, row.organization_id, spec.datasets)
        claimed = Claimed(
            campaign_id=row.id,
            organization_id=OrganizationId(row.organization_id),
            project_id=ProjectId(row.project_id),
            spec=spec,
            created_by=_person(row.created_by),
            seeds=(
                *(Seed(text, harm, each.name) for each in own for harm, text in each.seeds),
                *(harmless_seeds() if HARMLESS in spec.datasets else ()),
            ),
            tokens=row.tokens,
        )
        if row.is_cancel_asked:
            self.settle(tx, row.id, CampaignState.CANCELLED)
        elif row.attempts > MOST_ATTEMPTS:
            why = f"the worker ended {MOST_ATTEMPTS} times while it carried this out"
            self.settle(tx, row.id, CampaignState.FAILED, error=why)
        return claimed, row.key_id

    def is_running(self, tx: Connection, campaign_id: str) -> bool:
        row = repository.find_campaign(tx, campaign_id, organization_id=None)
        return row is not None and row.state == "running"

    def renew(self, tx: Connection, campaign_id: str, stage: str = "") -> bool:
        """Say that a campaign goes on. False when it is to end: somebody cancelled it."""
        row = repository.find_campaign(tx, campaign_id, organization_id=None, locks=True)
        if row is None or row.next_try_at is None or row.is_cancel_asked:
            return False
        values: dict[str, Any] = {"next_try_at": self._clock.now() + LEASE}
        if stage:
            values["stage"] = stage[:200]
        repository.update_campaign(tx, campaign_id, values)
        return True

    def note_key(self, tx: Connection, campaign_id: str, key_id: str | None) -> None:
        repository.update_campaign(tx, campaign_id, {"key_id": key_id})

    def note_plan(self, tx: Connection, campaign_id: str, attacks: int, tool: str) -> None:
        repository.update_campaign(
            tx, campaign_id, {"attacks_planned": attacks, "tool_version": tool[:100]}
        )

    def note_attacks(
        self, tx: Connection, campaign_id: str, attacks: Sequence[Attacked], tokens: int
    ) -> None:
        """Keep what ended. Idempotent: a driver that goes on tells again what it has."""
        now = self._clock.now()
        repository.add_attacks(
            tx,
            [
                {
                    "campaign_id": campaign_id,
                    "key": each.key[:300],
                    "harm": each.harm[:80],
                    "strategy": each.strategy[:80],
                    "converter": each.converter[:80],
                    "is_filtered": each.is_filtered,
                    "outcome": each.outcome,
                    "turns": each.turns,
                    "retries": each.retries,
                    "tokens": each.tokens,
                    "milliseconds": each.milliseconds,
                    "detail": each.detail[:300],
                    "conversation": each.conversation[:100],
                    "at": now,
                }
                for each in attacks
            ],
        )
        repository.update_campaign(tx, campaign_id, {"tokens": tokens})

    def put_off(self, tx: Connection, campaign_id: str) -> None:
        """Let another worker carry a campaign on at once: this one is about to end."""
        row = repository.find_campaign(tx, campaign_id, organization_id=None, locks=True)
        if row is not None and row.state == "running":
            values = {
                "state": "waiting",
                "next_try_at": self._clock.now(),
                "attempts": max(0, row.attempts - 1),
            }
            repository.update_campaign(tx, campaign_id, values)

    def settle(
        self,
        tx: Connection,
        campaign_id: str,
        state: CampaignState,
        *,
        error: str = "",
        evidence: Evidence | None = None,
        is_spent: bool = False,
    ) -> bool:
        """End a campaign. False when it had ended."""
        row = repository.find_campaign(tx, campaign_id, organization_id=None, locks=True)
        if row is None or row.next_try_at is None:
            return False
        values: dict[str, Any] = {
            "state": state.value,
            "stage": "",
            "error": error[:500],
            "is_spent": is_spent,
            "key_id": None,
            "next_try_at": None,
            "ended_at": self._clock.now(),
        }
        if evidence is not None:
            values |= {
                "evidence_sha256": evidence.sha256,
                "evidence_bytes": evidence.size_bytes,
            }
        repository.update_campaign(tx, campaign_id, values)
        return True


def _person(by: str) -> UserId | None:
    try:
        return UserId.parse(by)
    except MalformedId:
        return None
