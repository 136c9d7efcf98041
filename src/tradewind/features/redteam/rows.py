"""Rows of the tables as what is handed out."""

from typing import Any

import msgspec
from sqlalchemy import Row

from tradewind.core.ids import OrganizationId, ProjectId
from tradewind.features.redteam.schemas import (
    AttackRow,
    CampaignRow,
    CampaignState,
    Cell,
    Counts,
    DatasetRow,
    Every,
    Outcome,
    ScheduleRow,
    Spec,
)


def spec_of(stored: Any) -> Spec:
    return msgspec.convert(stored, Spec)


def campaign_row(row: Row[Any]) -> CampaignRow:
    return CampaignRow(
        campaign_id=row.id,
        organization_id=OrganizationId(row.organization_id),
        project_id=ProjectId(row.project_id),
        name=row.name,
        version=row.version,
        spec=spec_of(row.spec),
        state=CampaignState(row.state),
        stage=row.stage,
        error=row.error,
        attacks_planned=row.attacks_planned,
        attacks_done=row.attacks_done,
        tokens=row.tokens,
        tool_version=row.tool_version,
        evidence_sha256=row.evidence_sha256,
        evidence_bytes=row.evidence_bytes,
        is_spent=row.is_spent,
        is_cancel_asked=row.is_cancel_asked,
        schedule_id=row.schedule_id,
        created_by=row.created_by,
        created_by_name=row.created_by_name,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )


def attack_row(row: Row[Any]) -> AttackRow:
    return AttackRow(
        number=row.number,
        key=row.key,
        harm=row.harm,
        strategy=row.strategy,
        converter=row.converter,
        is_filtered=row.is_filtered,
        outcome=Outcome(row.outcome),
        turns=row.turns,
        retries=row.retries,
        tokens=row.tokens,
        milliseconds=row.milliseconds,
        detail=row.detail,
        conversation=row.conversation,
    )


def cell(row: Row[Any]) -> Cell:
    counts = Counts(row.attacks, row.success, row.blocked, row.error, row.undetermined)
    return Cell(row.harm, row.strategy, row.converter, row.is_filtered, counts)


def dataset_row(row: Row[Any]) -> DatasetRow:
    return DatasetRow(
        row.id, row.name, row.seed_count, row.harms, row.created_by_name, row.created_at
    )


def schedule_row(row: Row[Any]) -> ScheduleRow:
    return ScheduleRow(
        schedule_id=row.id,
        name=row.name,
        spec=spec_of(row.spec),
        every=Every(row.every),
        hour=row.hour,
        weekday=row.weekday,
        is_enabled=row.is_enabled,
        next_at=row.next_at,
        last_campaign_id=row.last_campaign_id,
        created_by_name=row.created_by_name,
    )
