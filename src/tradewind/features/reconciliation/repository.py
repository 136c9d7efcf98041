"""SQL of runs and statements."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tradewind.features.reconciliation.schemas import StatementLine
from tradewind.features.reconciliation.tables import (
    provider_statement,
    provider_statement_line,
    reconciliation_run,
)

_run = reconciliation_run.c


def add_run(tx: Connection, values: dict[str, Any]) -> bool:
    """Add a run. False when there is one of that day."""
    added = upsert(reconciliation_run).values(checks=[], error="", **values)
    statement = added.on_conflict_do_nothing(index_elements=[_run.day]).returning(_run.id)
    return tx.execute(statement).first() is not None


def has_run_of(tx: Connection, day: date) -> bool:
    return tx.execute(select(_run.id).where(_run.day == day)).first() is not None


def take_asked(tx: Connection, now: datetime) -> str | None:
    """Begin the oldest run that was asked for, if nobody else does."""
    oldest = (
        select(_run.id)
        .where(_run.state == "asked")
        .order_by(_run.asked_at)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    return tx.execute(
        update(reconciliation_run)
        .where(_run.id == oldest)
        .values(state="running", started_at=now)
        .returning(_run.id)
    ).scalar_one_or_none()


def count_open(tx: Connection) -> int:
    statement = select(func.count()).where(_run.state.in_(["asked", "running"]))
    return int(tx.execute(statement).scalar_one())


def finish(
    tx: Connection, run_id: str, *, state: str, now: datetime, checks: list[Any], error: str
) -> None:
    """End a run that is under way; one that ended stays as it is."""
    tx.execute(
        update(reconciliation_run)
        .where(_run.id == run_id, _run.state == "running")
        .values(state=state, finished_at=now, checks=checks, error=error)
    )


def give_up(tx: Connection, started_before: datetime, now: datetime, error: str) -> None:
    """End runs whose worker is gone."""
    tx.execute(
        update(reconciliation_run)
        .where(_run.state == "running", _run.started_at < started_before)
        .values(state="failed", finished_at=now, error=error)
    )


def forget_runs(tx: Connection, before: datetime) -> None:
    tx.execute(delete(reconciliation_run).where(_run.finished_at < before))


def find_run(tx: Connection, run_id: str) -> Row[Any] | None:
    return tx.execute(select(reconciliation_run).where(_run.id == run_id)).first()


def list_runs(
    tx: Connection, *, before: str | None, limit: int, ended: bool = False
) -> Sequence[Row[Any]]:
    """Return the newest first; their ids rise with time."""
    statement = select(reconciliation_run).order_by(_run.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(_run.id < before)
    if ended:
        statement = statement.where(_run.finished_at.is_not(None))
    return tx.execute(statement).all()


# --- statements --------------------------------------------------------------------------------


def add_statement(
    tx: Connection, values: dict[str, Any], lines: Sequence[StatementLine]
) -> str | None:
    """Add a statement with its lines; None when the same file of this host is there."""
    number = tx.execute(
        upsert(provider_statement)
        .values(**values)
        .on_conflict_do_nothing(
            index_elements=[provider_statement.c.host, provider_statement.c.sha256]
        )
        .returning(provider_statement.c.number)
    ).scalar_one_or_none()
    if number is None:
        return None
    tx.execute(
        insert(provider_statement_line),
        [
            {
                "statement": number,
                "day": line.day,
                "measure": line.measure.value,
                "currency": line.currency,
                "quantity": line.quantity,
            }
            for line in lines
        ],
    )
    return str(values["id"])


def delete_statement(tx: Connection, statement_id: str) -> bool:
    statement = delete(provider_statement).where(provider_statement.c.id == statement_id)
    return tx.execute(statement.returning(provider_statement.c.id)).first() is not None


def list_statements(
    tx: Connection, *, limit: int, host: str | None = None, sha256: bytes | None = None
) -> Sequence[Row[Any]]:
    """Return the newest first, with the days they are of."""
    line = provider_statement_line.c
    statement: Any = (
        select(
            provider_statement,
            func.min(line.day).label("first_day"),
            func.max(line.day).label("last_day"),
            func.count().label("lines"),
        )
        .join(provider_statement_line, line.statement == provider_statement.c.number)
        .group_by(provider_statement.c.number)
        .order_by(provider_statement.c.number.desc())
        .limit(limit)
    )
    if host is not None:
        statement = statement.where(provider_statement.c.host == host)
    if sha256 is not None:
        statement = statement.where(provider_statement.c.sha256 == sha256)
    return tx.execute(statement).all()
