"""Dry runs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from tradewind.features.safety.tables import safety_dry_run


def list_runs(tx: Connection, organization_id: str, limit: int) -> Sequence[Row[Any]]:
    """Return runs, the newest first."""
    return tx.execute(
        select(safety_dry_run)
        .where(safety_dry_run.c.organization_id == organization_id)
        .order_by(safety_dry_run.c.created_at.desc(), safety_dry_run.c.id.desc())
        .limit(limit)
    ).all()


def find_run(
    tx: Connection, organization_id: str, run_id: str, *, locks: bool = False
) -> Row[Any] | None:
    statement = select(safety_dry_run).where(
        safety_dry_run.c.organization_id == organization_id, safety_dry_run.c.id == run_id
    )
    return tx.execute(statement.with_for_update() if locks else statement).first()


def open_run(tx: Connection, organization_id: str) -> Row[Any] | None:
    return tx.execute(
        select(safety_dry_run).where(
            safety_dry_run.c.organization_id == organization_id,
            safety_dry_run.c.state.in_(["queued", "running"]),
        )
    ).first()


def add_run(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(safety_dry_run).values(**values))


def update_run(
    tx: Connection, run_id: str, values: Mapping[str, Any], *, states: Sequence[str]
) -> bool:
    """Change a run that is in one of these states; return whether it was."""
    changed = tx.execute(
        update(safety_dry_run)
        .where(safety_dry_run.c.id == run_id, safety_dry_run.c.state.in_(states))
        .values(**values)
    )
    return bool(changed.rowcount)


def forget_but(tx: Connection, organization_id: str, kept: int) -> None:
    """Delete all runs that are over but the newest."""
    newest = (
        select(safety_dry_run.c.id)
        .where(safety_dry_run.c.organization_id == organization_id)
        .order_by(safety_dry_run.c.created_at.desc(), safety_dry_run.c.id.desc())
        .limit(kept)
    )
    tx.execute(
        delete(safety_dry_run).where(
            safety_dry_run.c.organization_id == organization_id,
            safety_dry_run.c.ended_at.is_not(None),
            safety_dry_run.c.id.not_in(newest),
        )
    )


def take_waiting(tx: Connection, now: datetime) -> Row[Any] | None:
    """Return the run that has waited longest, as taken; two workers never take the same."""
    found = tx.execute(
        select(safety_dry_run)
        .where(safety_dry_run.c.state == "queued")
        .order_by(safety_dry_run.c.created_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()
    if found is not None:
        tx.execute(
            update(safety_dry_run)
            .where(safety_dry_run.c.id == found.id)
            .values(state="running", started_at=now, beat_at=now)
        )
    return found


def fail_silent(tx: Connection, now: datetime, silent_since: datetime) -> None:
    """End runs whose worker has not been heard of since."""
    tx.execute(
        update(safety_dry_run)
        .where(safety_dry_run.c.state == "running", safety_dry_run.c.beat_at < silent_since)
        .values(state="failed", ended_at=now, error="its worker ended; start it again")
    )
