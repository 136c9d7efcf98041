"""Campaigns as people see and order them. The worker's side is `runs.Runs`."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row

from tradewind.core.acting import By
from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, InvalidInput, LimitExceeded, NotFound
from tradewind.core.ids import CampaignId, OrganizationId, RedTeamScheduleId, SeedsId
from tradewind.core.permissions import Permission, require
from tradewind.features.accounts.schemas import Actor
from tradewind.features.redteam import repository, rows, rules, seeds
from tradewind.features.redteam.errors import CampaignOver, SeedsRefused
from tradewind.features.redteam.harmless import HARMLESS, QUESTIONS, attacks_among
from tradewind.features.redteam.schemas import (
    AttackRow,
    CampaignRow,
    CampaignState,
    Cell,
    Change,
    DatasetRow,
    Estimate,
    Every,
    Outcome,
    RevealRow,
    ScheduleRow,
    Spec,
    TargetFacts,
)
from tradewind.features.redteam.scorecard import Transcript, scorecard
from tradewind.plugins.redteam.base import RedTeamTool
from tradewind.plugins.redteam.evidence import Message, conversation

FindTarget = Callable[[Connection, str, OrganizationId], TargetFacts | None]

MOST_OPEN = 20
"""Campaigns of one organization that wait or run."""
MOST_DATASETS = 100
MOST_SCHEDULES = 50
EVIDENCE = "memory.db"
_MOST_REVEALS = 500
_EXPORTED_AT_MOST = rules.MOST_ATTACKS
_HARMLESS = {HARMLESS: {HARMLESS: len(QUESTIONS)}}
_NAME_MAX = 120
_REASON_MAX = 500


class Results(NamedTuple):
    """What came of a campaign."""

    campaign: CampaignRow
    cells: tuple[Cell, ...]


class Revealed(NamedTuple):
    attack: AttackRow
    messages: tuple[Message, ...]


class RedTeam:
    """`evidence` is the folder that holds one folder for each campaign."""

    def __init__(
        self,
        clock: Clock,
        tools: Mapping[str, RedTeamTool],
        find_target: FindTarget,
        evidence: Path,
    ) -> None:
        self._clock = clock
        self._tools = tools
        self._find_target = find_target
        self._evidence = evidence

    # --- what there is to choose from ------------------------------------------------------

    @property
    def tools(self) -> Mapping[str, RedTeamTool]:
        return self._tools

    def choices(self, tool: str) -> rules.Choices:
        """Raises InvalidInput for an unknown tool."""
        if tool not in self._tools:
            raise InvalidInput(f"there is no tool {tool[:40]!r}", hint=", ".join(self._tools))
        catalog = self._tools[tool].catalog
        return rules.Choices(
            datasets={**catalog.datasets, **_HARMLESS} if catalog.takes_seeds else catalog.datasets,
            converters=catalog.converters,
            converters_of_models=catalog.converters_of_models,
            strategies=catalog.strategies,
            strategies_of_models=catalog.strategies_of_models,
            scorers=catalog.scorers,
            scorers_of_models=catalog.scorers_of_models,
        )

    # --- campaigns -------------------------------------------------------------------------

    def estimate(self, tx: Connection, actor: Actor, spec: Spec) -> Estimate:
        """Return what a campaign would take. Raises InvalidInput for one that cannot be begun."""
        require(actor, Permission.REDTEAM_WRITE)
        target, helpers, own = self._checked(tx, actor.organization_id, spec)
        return rules.estimate(spec, self.choices(spec.tool), own, target, helpers)

    def begin(self, tx: Connection, actor: Actor, by: By, name: str, spec: Spec) -> CampaignRow:
        """Begin a campaign; a worker takes it within seconds. Raises InvalidInput, and
        LimitExceeded when there are 20 under way.
        """
        require(actor, Permission.REDTEAM_WRITE)
        target, _, _ = self._checked(tx, actor.organization_id, spec)
        if repository.count_open(tx, actor.organization_id) >= MOST_OPEN:
            raise LimitExceeded(
                f"{MOST_OPEN} campaigns wait or run", hint="wait for one to end, or cancel one"
            )
        campaign_id = CampaignId.new()
        now = self._clock.now()
        added = repository.add_campaign(
            tx,
            {
                "id": campaign_id,
                "organization_id": actor.organization_id,
                "project_id": actor.project_id,
                "name": _clean_name(name),
                "target": spec.target,
                "version": target.version,
                "spec": msgspec.to_builtins(spec),
                "state": "waiting",
                "next_try_at": now,
                "created_by": by.id,
                "created_by_name": by.name[:200],
                "created_at": now,
            },
        )
        assert added, "an id is new"
        return self.get(tx, actor, campaign_id)

    def get(self, tx: Connection, actor: Actor, campaign_id: str) -> CampaignRow:
        return rows.campaign_row(self._row(tx, actor, campaign_id, Permission.REDTEAM_READ))

    def list_campaigns(
        self,
        tx: Connection,
        actor: Actor,
        *,
        before: str | None = None,
        limit: int = 50,
        target: str | None = None,
    ) -> list[CampaignRow]:
        """Return campaigns of the organization, the newest first."""
        require(actor, Permission.REDTEAM_READ)
        found = repository.list_campaigns(
            tx, organization_id=actor.organization_id, before=before, limit=limit, target=target
        )
        return [rows.campaign_row(row) for row in found]

    def cancel(self, tx: Connection, actor: Actor, campaign_id: str) -> CampaignRow:
        """End a campaign; one that runs ends within seconds. What was done stays. Idempotent."""
        row = self._row(tx, actor, campaign_id, Permission.REDTEAM_WRITE, locks=True)
        state = CampaignState(row.state)
        if state is CampaignState.WAITING:
            now = self._clock.now()
            repository.update_campaign(
                tx, row.id, {"state": "cancelled", "next_try_at": None, "ended_at": now}
            )
        elif state is CampaignState.RUNNING:
            repository.update_campaign(tx, row.id, {"is_cancel_asked": True})
        return self.get(tx, actor, campaign_id)

    def resume(
        self, tx: Connection, actor: Actor, campaign_id: str, *, budget_tokens: int | None = None
    ) -> CampaignRow:
        """Carry a campaign on that failed, was cancelled or ran out of budget: with the attacks
        that were not made yet. Raises CampaignOver for one that is complete or under way.
        """
        row = self._row(tx, actor, campaign_id, Permission.REDTEAM_WRITE, locks=True)
        state, spec = CampaignState(row.state), rows.spec_of(row.spec)
        if not state.is_over:
            raise CampaignOver("this campaign is under way")
        if state is CampaignState.COMPLETED and not row.is_spent:
            raise CampaignOver("this campaign is complete", hint="begin another one")
        if budget_tokens is not None:
            spec = msgspec.structs.replace(spec, budget_tokens=budget_tokens)
            self._checked(tx, actor.organization_id, spec)
        if row.is_spent and spec.budget_tokens <= row.tokens:
            raise InvalidInput(
                f"the budget of {spec.budget_tokens:,} tokens is used up", hint="name a larger one"
            )
        repository.update_campaign(
            tx,
            row.id,
            {
                "spec": msgspec.to_builtins(spec),
                "state": "waiting",
                "stage": "",
                "error": "",
                "is_spent": False,
                "is_cancel_asked": False,
                "attempts": 0,
                "next_try_at": self._clock.now(),
                "ended_at": None,
            },
        )
        return self.get(tx, actor, campaign_id)

    # --- what came of them -----------------------------------------------------------------

    def results(self, tx: Connection, actor: Actor, campaign_id: str) -> Results:
        """Return the table of a campaign; of one under way, so far."""
        campaign = self.get(tx, actor, campaign_id)
        return Results(campaign, cells_of(tx, campaign.campaign_id))

    def compare(
        self, tx: Connection, actor: Actor, before_id: str, after_id: str
    ) -> tuple[Results, Results, list[Change]]:
        """Return two campaigns and what differs: two versions of a model, or two policies."""
        before, after = (self.results(tx, actor, each) for each in (before_id, after_id))
        changes = rules.compare(attacks_among(before.cells), attacks_among(after.cells))
        return before, after, changes

    def attacks(
        self,
        tx: Connection,
        actor: Actor,
        campaign_id: str,
        *,
        after: int = 0,
        limit: int = 100,
        outcome: Outcome | None = None,
        is_filtered: bool | None = None,
    ) -> list[AttackRow]:
        """Return attacks in the order they ended in, without a word of what was said."""
        self._row(tx, actor, campaign_id, Permission.REDTEAM_READ)
        found = repository.list_attacks(
            tx,
            campaign_id,
            after=after,
            limit=limit,
            outcome=None if outcome is None else outcome.value,
            is_filtered=is_filtered,
        )
        return [rows.attack_row(row) for row in found]

    def reveal(
        self, tx: Connection, actor: Actor, by: By, campaign_id: str, number: int, *, reason: str
    ) -> Revealed:
        """Return what was said in an attack, and note who read it and why. Raises NotFound when
        the evidence is not on this machine; then nothing is noted.
        """
        self._row(tx, actor, campaign_id, Permission.REDTEAM_TRANSCRIPTS)
        reason = " ".join(reason.split())
        if not reason or len(reason) > _REASON_MAX:
            raise InvalidInput(
                "say in a few words why this is read", hint="the reason is kept with your name"
            )
        row = repository.find_attack(tx, campaign_id, number)
        if row is None:
            raise NotFound(f"this campaign has no attack {number}")
        attack = rows.attack_row(row)
        said = conversation(self.evidence_path(campaign_id), attack.conversation)
        repository.add_reveal(
            tx,
            {
                "campaign_id": campaign_id,
                "attack": number,
                "by_id": by.id,
                "by_name": by.name[:200],
                "reason": reason,
                "at": self._clock.now(),
            },
        )
        return Revealed(attack, tuple(said))

    def reveals(self, tx: Connection, actor: Actor, campaign_id: str) -> list[RevealRow]:
        """Return who read transcripts, the latest first."""
        self._row(tx, actor, campaign_id, Permission.REDTEAM_READ)
        found = repository.list_reveals(tx, campaign_id, _MOST_REVEALS)
        return [RevealRow(row.at, row.by_name, row.attack, row.reason) for row in found]

    def scorecard(
        self, tx: Connection, actor: Actor, campaign_id: str, *, is_filtered: bool
    ) -> dict[str, Any]:
        """Return the scorecard of Azure's AI Red Teaming Agent, of one pass, without transcripts:
        those are revealed one by one.
        """
        found = self.results(tx, actor, campaign_id)
        choices = self.choices(found.campaign.spec.tool)
        return scorecard(
            [cell for cell in found.cells if cell.is_filtered is is_filtered],
            self.attacks(tx, actor, campaign_id, limit=_EXPORTED_AT_MOST, is_filtered=is_filtered),
            multi_turn=frozenset(choices.strategies_of_models),
            conversation=_nothing_said,
        )

    def evidence_path(self, campaign_id: str) -> Path:
        return self._evidence / campaign_id / EVIDENCE

    # --- own data sets ---------------------------------------------------------------------

    def add_dataset(
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        name: str,
        data: bytes,
        *,
        file_name: str = "",
    ) -> DatasetRow:
        """Keep a data set. Raises SeedsRefused for a file that cannot be read, Conflict for a name
        that is taken.
        """
        require(actor, Permission.REDTEAM_WRITE)
        pairs = seeds.parse(data, file_name)
        if any(harm == HARMLESS for harm, _ in pairs):
            raise SeedsRefused(
                f"{HARMLESS!r} stands for what is shipped under this name",
                hint="name another category",
            )
        if len(repository.list_datasets(tx, actor.organization_id, MOST_DATASETS)) >= MOST_DATASETS:
            raise LimitExceeded(f"there are {MOST_DATASETS} data sets", hint="delete one")
        # A name of ours would hide a shipped one.
        shipped = {each for tool in self._tools for each in self.choices(tool).datasets}
        name = _clean_name(name)
        if name in shipped:
            raise SeedsRefused(f"{name!r} is the name of a shipped data set")
        dataset_id = SeedsId.new()
        values = {
            "id": dataset_id,
            "organization_id": actor.organization_id,
            "name": name,
            "seeds": [list(pair) for pair in pairs],
            "seed_count": len(pairs),
            "harms": dict(Counter(harm for harm, _ in pairs)),
            "created_by_name": by.name[:200],
            "created_at": self._clock.now(),
        }
        if not repository.add_dataset(tx, values):
            raise Conflict(f"there is a data set {name!r}", hint="give it another name")
        (row,) = repository.find_datasets(tx, actor.organization_id, [dataset_id])
        return rows.dataset_row(row)

    def list_datasets(self, tx: Connection, actor: Actor) -> list[DatasetRow]:
        require(actor, Permission.REDTEAM_READ)
        found = repository.list_datasets(tx, actor.organization_id, MOST_DATASETS)
        return [rows.dataset_row(row) for row in found]

    def delete_dataset(self, tx: Connection, actor: Actor, dataset_id: str) -> None:
        """Campaigns that were begun with it go on."""
        require(actor, Permission.REDTEAM_WRITE)
        if not repository.delete_dataset(tx, actor.organization_id, dataset_id, self._clock.now()):
            raise NotFound(f"there is no data set {dataset_id[:64]!r}")

    # --- schedules -------------------------------------------------------------------------

    def add_schedule(
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        name: str,
        spec: Spec,
        *,
        every: Every,
        hour: int,
        weekday: int = 0,
    ) -> ScheduleRow:
        """Begin the same campaign each day or week at a full hour, UTC."""
        require(actor, Permission.REDTEAM_WRITE)
        self._checked(tx, actor.organization_id, spec)
        if not 0 <= hour <= 23 or not 0 <= weekday <= 6:
            raise InvalidInput("the hour is between 0 and 23, the weekday between 0 and 6")
        listed = repository.list_schedules(tx, actor.organization_id, MOST_SCHEDULES)
        if len(listed) >= MOST_SCHEDULES:
            raise LimitExceeded(f"there are {MOST_SCHEDULES} schedules", hint="delete one")
        now = self._clock.now()
        schedule_id = RedTeamScheduleId.new()
        repository.add_schedule(
            tx,
            {
                "id": schedule_id,
                "organization_id": actor.organization_id,
                "project_id": actor.project_id,
                "name": _clean_name(name),
                "spec": msgspec.to_builtins(spec),
                "every": every.value,
                "hour": hour,
                "weekday": weekday,
                "is_enabled": True,
                "next_at": rules.next_time(now, every, hour, weekday),
                "created_by": by.id,
                "created_by_name": by.name[:200],
                "created_at": now,
            },
        )
        return self.get_schedule(tx, actor, schedule_id)

    def get_schedule(self, tx: Connection, actor: Actor, schedule_id: str) -> ScheduleRow:
        require(actor, Permission.REDTEAM_READ)
        row = repository.find_schedule(tx, actor.organization_id, schedule_id)
        if row is None:
            raise NotFound(f"there is no schedule {schedule_id[:64]!r}")
        return rows.schedule_row(row)

    def list_schedules(self, tx: Connection, actor: Actor) -> list[ScheduleRow]:
        require(actor, Permission.REDTEAM_READ)
        found = repository.list_schedules(tx, actor.organization_id, MOST_SCHEDULES)
        return [rows.schedule_row(row) for row in found]

    def set_schedule(
        self, tx: Connection, actor: Actor, schedule_id: str, *, is_enabled: bool
    ) -> ScheduleRow:
        """Halt a schedule, or let it go on from now."""
        require(actor, Permission.REDTEAM_WRITE)
        row = self.get_schedule(tx, actor, schedule_id)
        now = self._clock.now()
        next_at = rules.next_time(now, row.every, row.hour, row.weekday)
        repository.update_schedule(tx, schedule_id, {"is_enabled": is_enabled, "next_at": next_at})
        return self.get_schedule(tx, actor, schedule_id)

    def delete_schedule(self, tx: Connection, actor: Actor, schedule_id: str) -> None:
        """What it began stays."""
        require(actor, Permission.REDTEAM_WRITE)
        if not repository.delete_schedule(tx, actor.organization_id, schedule_id):
            raise NotFound(f"there is no schedule {schedule_id[:64]!r}")

    # --- inside ----------------------------------------------------------------------------

    def _checked(
        self, tx: Connection, organization_id: OrganizationId, spec: Spec
    ) -> tuple[TargetFacts, list[TargetFacts], dict[str, Mapping[str, int]]]:
        choices = self.choices(spec.tool)
        found = repository.list_datasets(tx, organization_id, MOST_DATASETS)
        own = {row.id: row.harms for row in found}
        rules.check(spec, choices, own)
        target = self._model(tx, spec.target, organization_id)
        wanted = {spec.attacker, spec.judge} - {""}
        helpers = [self._model(tx, name, organization_id) for name in sorted(wanted)]
        return target, helpers, own

    def _model(self, tx: Connection, name: str, organization_id: OrganizationId) -> TargetFacts:
        found = self._find_target(tx, name, organization_id)
        if found is None:
            raise InvalidInput(
                f"there is no model {name[:200]!r} that this organization may call",
                hint="list the models",
            )
        return found

    def _row(
        self,
        tx: Connection,
        actor: Actor,
        campaign_id: str,
        permission: Permission,
        *,
        locks: bool = False,
    ) -> Row[Any]:
        require(actor, permission)
        row = repository.find_campaign(
            tx, campaign_id, organization_id=actor.organization_id, locks=locks
        )
        if row is None:
            raise NotFound(f"there is no campaign {campaign_id[:64]!r}", hint="list the campaigns")
        return row


def cells_of(tx: Connection, campaign_id: str) -> tuple[Cell, ...]:
    return tuple(rows.cell(row) for row in repository.sum_cells(tx, campaign_id))


def _clean_name(name: str) -> str:
    cleaned = " ".join(name.split())
    if not cleaned or len(cleaned) > _NAME_MAX:
        raise InvalidInput(f"a name has between 1 and {_NAME_MAX} characters")
    return cleaned


def _nothing_said(_: AttackRow) -> Sequence[Transcript]:
    return ()
