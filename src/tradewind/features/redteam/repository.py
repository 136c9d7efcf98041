"""All SQL of red teaming."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from tradewind.features.redteam.harmless import HARMLESS
from tradewind.features.redteam.tables import (
    red_team_attack,
    red_team_campaign,
    red_team_dataset,
    red_team_reveal,
    red_team_schedule,
)

_campaign, _attack = red_team_campaign, red_team_attack

# --- campaigns ---------------------------------------------------------------------------------


def add_campaign(tx: Connection, values: Mapping[str, Any]) -> bool:
    """Return whether it was added: a schedule begins one for each of its times."""
    added = tx.execute(
        insert(_campaign)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["schedule_id", "scheduled_for"])
        .returning(_campaign.c.id)
    ).scalar()
    return added is not None


def find_campaign(
    tx: Connection, campaign_id: str, *, organization_id: str | None, locks: bool = False
) -> Row[Any] | None:
    found = select(_campaign, _done()).where(_campaign.c.id == campaign_id)
    if organization_id is not None:
        found = found.where(_campaign.c.organization_id == organization_id)
    return tx.execute(found.with_for_update(of=_campaign) if locks else found).first()


def list_campaigns(
    tx: Connection,
    *,
    organization_id: str,
    before: str | None,
    limit: int,
    target: str | None = None,
) -> Sequence[Row[Any]]:
    """Return campaigns, the newest first."""
    found = (
        select(_campaign, _done())
        .where(_campaign.c.organization_id == organization_id)
        .order_by(_campaign.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        found = found.where(_campaign.c.id < before)
    if target is not None:
        found = found.where(_campaign.c.target == target)
    return tx.execute(found).all()


def count_open(tx: Connection, organization_id: str) -> int:
    return tx.execute(
        select(func.count())
        .select_from(_campaign)
        .where(_campaign.c.organization_id == organization_id, _campaign.c.next_try_at.is_not(None))
    ).scalar_one()


def latest_campaign(
    tx: Connection,
    targets: Collection[str],
    organization_ids: Collection[str],
    *,
    with_harmless: bool,
) -> Row[Any] | None:
    """Return the newest completed campaign of these organizations against any of these models that
    asked harmless questions, or one that attacked.
    """
    is_harmless = _attack.c.harm == HARMLESS
    return tx.execute(
        select(_campaign, _done())
        .where(
            _campaign.c.state == "completed",
            _campaign.c.target.in_(targets),
            _campaign.c.organization_id.in_(organization_ids),
            exists().where(
                _attack.c.campaign_id == _campaign.c.id,
                is_harmless if with_harmless else ~is_harmless,
            ),
        )
        .order_by(_campaign.c.ended_at.desc())
        .limit(1)
    ).first()


def update_campaign(tx: Connection, campaign_id: str, values: Mapping[str, Any]) -> None:
    tx.execute(update(_campaign).where(_campaign.c.id == campaign_id).values(**values))


def claim_campaign(tx: Connection, now: datetime, until: datetime) -> Row[Any] | None:
    """Take the campaign that waited longest, one whose worker died included."""
    found = tx.execute(
        select(_campaign.c.id)
        .where(_campaign.c.next_try_at <= now)
        .order_by(_campaign.c.next_try_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).scalar()
    if found is None:
        return None
    return tx.execute(
        update(_campaign)
        .where(_campaign.c.id == found)
        .values(
            state="running",
            next_try_at=until,
            attempts=_campaign.c.attempts + 1,
            started_at=func.coalesce(_campaign.c.started_at, now),
        )
        .returning(_campaign)
    ).one()


def _done() -> ColumnElement[int]:
    return (
        select(func.count())
        .select_from(_attack)
        .where(_attack.c.campaign_id == _campaign.c.id)
        .scalar_subquery()
        .label("attacks_done")
    )


# --- attacks -----------------------------------------------------------------------------------


def add_attacks(tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Idempotent: what a driver tells a second time is known already."""
    if rows:
        tx.execute(
            insert(_attack).on_conflict_do_nothing(index_elements=["campaign_id", "key"]), rows
        )


def list_attacks(
    tx: Connection,
    campaign_id: str,
    *,
    after: int,
    limit: int,
    outcome: str | None = None,
    is_filtered: bool | None = None,
) -> Sequence[Row[Any]]:
    found = (
        select(_attack)
        .where(_attack.c.campaign_id == campaign_id, _attack.c.number > after)
        .order_by(_attack.c.number)
        .limit(limit)
    )
    if outcome is not None:
        found = found.where(_attack.c.outcome == outcome)
    if is_filtered is not None:
        found = found.where(_attack.c.is_filtered.is_(is_filtered))
    return tx.execute(found).all()


def find_attack(tx: Connection, campaign_id: str, number: int) -> Row[Any] | None:
    return tx.execute(
        select(_attack).where(_attack.c.campaign_id == campaign_id, _attack.c.number == number)
    ).first()


def sum_cells(tx: Connection, campaign_id: str) -> Sequence[Any]:
    def of(outcome: str) -> ColumnElement[int]:
        return func.count(case((_attack.c.outcome == outcome, 1))).label(outcome)

    by = (_attack.c.harm, _attack.c.strategy, _attack.c.converter, _attack.c.is_filtered)
    return tx.execute(
        select(
            *by,
            func.count().label("attacks"),
            of("success"),
            of("blocked"),
            of("error"),
            of("undetermined"),
        )
        .where(_attack.c.campaign_id == campaign_id)
        .group_by(*by)
        .order_by(*by)
    ).all()


def seconds_per_turn(tx: Connection, target: str) -> float | None:
    """Return how long a turn took in the newest attacks on a model that were let through."""
    newest = (
        select(_attack.c.milliseconds, _attack.c.turns)
        .join(_campaign, _campaign.c.id == _attack.c.campaign_id)
        .where(
            _campaign.c.target == target,
            _attack.c.turns > 0,
            _attack.c.outcome.in_(("success", "failure")),
        )
        .order_by(_attack.c.at.desc())
        .limit(200)
        .subquery()
    )
    row = tx.execute(
        select(func.sum(newest.c.milliseconds), func.sum(newest.c.turns)).select_from(newest)
    ).one()
    return None if not row[1] else float(row[0]) / float(row[1]) / 1000


# --- own data sets -----------------------------------------------------------------------------


def add_dataset(tx: Connection, values: Mapping[str, Any]) -> bool:
    """Return whether it was added: a name is there once."""
    return (
        tx.execute(
            insert(red_team_dataset)
            .values(**values)
            .on_conflict_do_nothing()
            .returning(red_team_dataset.c.id)
        ).scalar()
        is not None
    )


def list_datasets(tx: Connection, organization_id: str, limit: int) -> Sequence[Row[Any]]:
    table = red_team_dataset
    return tx.execute(
        select(*(column for column in table.c if column.name != "seeds"))
        .where(table.c.organization_id == organization_id, table.c.deleted_at.is_(None))
        .order_by(table.c.id.desc())
        .limit(limit)
    ).all()


def find_datasets(tx: Connection, organization_id: str, ids: Sequence[str]) -> Sequence[Row[Any]]:
    """Return data sets with their seeds, deleted ones included: a campaign that was begun keeps
    what it was begun with.
    """
    table = red_team_dataset
    return tx.execute(
        select(table)
        .where(table.c.organization_id == organization_id, table.c.id.in_(ids))
        .order_by(table.c.id)
    ).all()


def delete_dataset(tx: Connection, organization_id: str, dataset_id: str, now: datetime) -> bool:
    table = red_team_dataset
    return (
        tx.execute(
            update(table)
            .where(
                table.c.organization_id == organization_id,
                table.c.id == dataset_id,
                table.c.deleted_at.is_(None),
            )
            .values(deleted_at=now)
            .returning(table.c.id)
        ).scalar()
        is not None
    )


# --- schedules ---------------------------------------------------------------------------------


def add_schedule(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(red_team_schedule).values(**values))


def list_schedules(tx: Connection, organization_id: str, limit: int) -> Sequence[Row[Any]]:
    table = red_team_schedule
    return tx.execute(
        select(table, _last_campaign())
        .where(table.c.organization_id == organization_id)
        .order_by(table.c.id.desc())
        .limit(limit)
    ).all()


def find_schedule(tx: Connection, organization_id: str, schedule_id: str) -> Row[Any] | None:
    table = red_team_schedule
    return tx.execute(
        select(table, _last_campaign()).where(
            table.c.organization_id == organization_id, table.c.id == schedule_id
        )
    ).first()


def update_schedule(tx: Connection, schedule_id: str, values: Mapping[str, Any]) -> None:
    table = red_team_schedule
    tx.execute(update(table).where(table.c.id == schedule_id).values(**values))


def delete_schedule(tx: Connection, organization_id: str, schedule_id: str) -> bool:
    table = red_team_schedule
    return (
        tx.execute(
            table.delete()
            .where(table.c.organization_id == organization_id, table.c.id == schedule_id)
            .returning(table.c.id)
        ).scalar()
        is not None
    )


def due_schedules(tx: Connection, now: datetime, limit: int) -> Sequence[Row[Any]]:
    table = red_team_schedule
    return tx.execute(
        select(table)
        .where(table.c.is_enabled, table.c.next_at <= now)
        .order_by(table.c.next_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()


def _last_campaign() -> ColumnElement[str]:
    return (
        select(func.max(_campaign.c.id))
        .where(_campaign.c.schedule_id == red_team_schedule.c.id)
        .scalar_subquery()
        .label("last_campaign_id")
    )


# --- reveals -----------------------------------------------------------------------------------


def add_reveal(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(red_team_reveal).values(**values))


def list_reveals(tx: Connection, campaign_id: str, limit: int) -> Sequence[Row[Any]]:
    table = red_team_reveal
    return tx.execute(
        select(table)
        .where(table.c.campaign_id == campaign_id)
        .order_by(table.c.id.desc())
        .limit(limit)
    ).all()
