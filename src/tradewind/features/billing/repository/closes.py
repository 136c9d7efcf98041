"""Closes of months: how far each came."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, exists, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tradewind.core.ids import BillingCloseId
from tradewind.features.billing.schemas import Close, CloseState
from tradewind.features.billing.tables import billing_close


def add(tx: Connection, close_id: str, period_end: datetime, total: int, now: datetime) -> bool:
    """Begin a close. False where one is running."""
    added = tx.execute(
        upsert(billing_close)
        .values(
            id=close_id,
            period_end=period_end,
            state=CloseState.RUNNING.value,
            after="",
            total=total,
            done=0,
            invoices=0,
            problems=[],
            problem_count=0,
            started_at=now,
        )
        .on_conflict_do_nothing()
        .returning(billing_close.c.id)
    )
    return added.first() is not None


def find(tx: Connection, close_id: str) -> Close | None:
    return _close(tx.execute(select(billing_close).where(billing_close.c.id == close_id)).first())


def lock(tx: Connection, close_id: str) -> Close | None:
    found = select(billing_close).where(billing_close.c.id == close_id).with_for_update()
    return _close(tx.execute(found).first())


def find_running(tx: Connection) -> Close | None:
    found = select(billing_close).where(billing_close.c.state == CloseState.RUNNING.value)
    return _close(tx.execute(found).first())


def is_closed(tx: Connection, period_end: datetime) -> bool:
    found = select(
        exists().where(
            billing_close.c.state == CloseState.DONE.value,
            billing_close.c.period_end >= period_end,
        )
    )
    return bool(tx.execute(found).scalar())


def recent(tx: Connection, limit: int) -> Sequence[Close]:
    rows = tx.execute(select(billing_close).order_by(billing_close.c.id.desc()).limit(limit))
    return [close for row in rows if (close := _close(row)) is not None]


class Advance(NamedTuple):
    after: str
    done: int
    invoices: int
    problem_count: int
    problems: Sequence[tuple[str, str]]


def advance(tx: Connection, close_id: str, by: Advance) -> None:
    tx.execute(
        update(billing_close)
        .where(billing_close.c.id == close_id)
        .values(
            after=by.after,
            done=billing_close.c.done + by.done,
            invoices=billing_close.c.invoices + by.invoices,
            problem_count=billing_close.c.problem_count + by.problem_count,
            problems=[list(problem) for problem in by.problems],
        )
    )


def end(tx: Connection, close_id: str, state: CloseState, now: datetime) -> None:
    tx.execute(
        update(billing_close)
        .where(billing_close.c.id == close_id)
        .values(state=state.value, ended_at=now)
    )


def _close(row: Row[Any] | None) -> Close | None:
    if row is None:
        return None
    return Close(
        close_id=BillingCloseId(row.id),
        period_end=row.period_end,
        state=CloseState(row.state),
        after=row.after,
        total=row.total,
        done=row.done,
        invoices=row.invoices,
        problem_count=row.problem_count,
        started_at=row.started_at,
        ended_at=row.ended_at,
        problems=tuple((organization_id, why) for organization_id, why in row.problems),
    )
