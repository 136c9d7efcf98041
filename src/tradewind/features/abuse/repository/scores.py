"""Scores, and the hours in which all of them were made anew."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, case, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tradewind.core.ids import OrganizationId
from tradewind.features.abuse.tables import abuse_pass, abuse_score


def begin_pass(tx: Connection, hour: datetime, now: datetime, given_up: datetime) -> bool:
    """Take the pass of an hour; False where somebody has done it, or does it at the moment."""
    taken = tx.execute(
        upsert(abuse_pass)
        .values(hour=hour, started_at=now)
        .on_conflict_do_update(
            index_elements=["hour"],
            set_={"started_at": now},
            where=abuse_pass.c.ended_at.is_(None) & (abuse_pass.c.started_at < given_up),
        )
        .returning(abuse_pass.c.hour)
    )
    return taken.one_or_none() is not None


def end_pass(tx: Connection, hour: datetime, now: datetime, kept_since: datetime) -> None:
    tx.execute(update(abuse_pass).where(abuse_pass.c.hour == hour).values(ended_at=now))
    tx.execute(delete(abuse_pass).where(abuse_pass.c.hour < kept_since))


def lock_organization(tx: Connection, organization_id: str) -> None:
    """Let only one transaction score an organization, or open a case of it."""
    name = f"abuse {organization_id}"
    tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


def put_scores(tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write scores; the time of a level stays while the level does."""
    if not rows:
        return
    new = upsert(abuse_score)
    is_same = abuse_score.c.level == new.excluded.level
    tx.execute(
        new.on_conflict_do_update(
            index_elements=["organization_id", "key_id"],
            set_={
                "score": new.excluded.score,
                "level": new.excluded.level,
                "evidence": new.excluded.evidence,
                "computed_at": new.excluded.computed_at,
                "since": case((is_same, abuse_score.c.since), else_=new.excluded.since),
            },
        ),
        [dict(row) for row in rows],
    )


def forget_others(tx: Connection, organization_id: OrganizationId, kept: Collection[str]) -> None:
    """Forget scores of an organization's keys of which nothing was found any more."""
    tx.execute(
        delete(abuse_score).where(
            abuse_score.c.organization_id == organization_id,
            abuse_score.c.key_id.not_in(list(kept)),
        )
    )


def scores_of(tx: Connection, organization_id: OrganizationId, limit: int) -> Sequence[Row[Any]]:
    """Return the organization's own score, then its keys', the highest first."""
    return tx.execute(
        select(abuse_score)
        .where(abuse_score.c.organization_id == organization_id)
        .order_by(
            case((abuse_score.c.key_id == "", 0), else_=1),
            abuse_score.c.score.desc(),
            abuse_score.c.key_id,
        )
        .limit(limit)
    ).all()


def scored_organizations(
    tx: Connection, before: datetime, *, after: str, limit: int
) -> Sequence[str]:
    """Return whose scores are older, by id."""
    return (
        tx.execute(
            select(abuse_score.c.organization_id)
            .where(abuse_score.c.computed_at < before, abuse_score.c.organization_id > after)
            .distinct()
            .order_by(abuse_score.c.organization_id)
            .limit(limit)
        )
        .scalars()
        .all()
    )
