"""Runs, their payouts, and what was withheld of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg.errors import UniqueViolation
from sqlalchemy import Connection, Row, and_, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from tradewind.core.acting import By
from tradewind.core.ids import EntryId, PayoutId, PayoutRunId, PayoutStatementId
from tradewind.features.payouts.repository.accounts import destination_of
from tradewind.features.payouts.schemas import Payout, PayoutState, Run, RunStage, Way
from tradewind.features.payouts.tables import payout, payout_reserve, payout_run


def add_run(tx: Connection, values: Mapping[str, Any]) -> bool:
    """False where another run of the currency is not exported yet, or the key is taken."""
    try:
        with tx.begin_nested():
            tx.execute(insert(payout_run).values(**values))
    except IntegrityError as error:
        if isinstance(error.orig, UniqueViolation):
            return False
        raise
    return True


def run_of_key(tx: Connection, key: str) -> Row[Any] | None:
    return tx.execute(select(payout_run).where(payout_run.c.key == key)).first()


def lock_run(tx: Connection, run_id: str) -> Row[Any] | None:
    """Return a run as it is stored; whoever else changes it waits until the end of `tx`."""
    return tx.execute(select(payout_run).where(payout_run.c.id == run_id).with_for_update()).first()


def update_run(tx: Connection, run_id: str, values: Mapping[str, Any]) -> None:
    tx.execute(update(payout_run).where(payout_run.c.id == run_id).values(**values))


def list_runs(
    tx: Connection, *, run_id: str | None = None, before: str | None = None, limit: int = 100
) -> list[Run]:
    """Return runs, the newest first."""
    is_open = payout.c.state.in_((PayoutState.READY.value, PayoutState.EXPORTED.value))
    still_open = (
        select(func.count())
        .where(payout.c.run_id == payout_run.c.id, is_open)
        .scalar_subquery()
        .label("open_payouts")
    )
    found = select(payout_run, still_open).order_by(payout_run.c.id.desc()).limit(limit)
    if run_id is not None:
        found = found.where(payout_run.c.id == run_id)
    if before is not None:
        found = found.where(payout_run.c.id < before)
    return [_run(row) for row in tx.execute(found)]


def runs_to_prepare(tx: Connection, limit: int) -> Sequence[str]:
    """Return runs whose preparing was left in the middle."""
    rows = tx.execute(
        select(payout_run.c.id)
        .where(payout_run.c.state == RunStage.PREPARING.value)
        .order_by(payout_run.c.id)
        .limit(limit)
    )
    return rows.scalars().all()


def file_of(tx: Connection, run_id: str) -> bytes | None:
    found = tx.execute(select(payout_run.c.file).where(payout_run.c.id == run_id)).scalar()
    return None if found is None else bytes(found)


def _run(row: Row[Any]) -> Run:
    approved = None if row.approved_by_id is None else By(row.approved_by_id, row.approved_by)
    return Run(
        run_id=PayoutRunId(row.id),
        currency=row.currency,
        stage=RunStage(row.state),
        prepared_by=By(row.prepared_by_id, row.prepared_by),
        prepared_at=row.prepared_at,
        approved_by=approved,
        approved_at=row.approved_at,
        is_self_approved=row.is_self_approved,
        exported_at=row.exported_at,
        execute_on=row.execute_on,
        has_file=row.file is not None,
        sha256="" if row.sha256 is None else bytes(row.sha256).hex(),
        payouts=row.payouts,
        nanos=int(row.nanos),
        open_payouts=row.open_payouts,
    )


# --- payouts ---------------------------------------------------------------------------------


def add_payout(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(payout).values(**values))


def lock_payout(tx: Connection, payout_id: str) -> Payout | None:
    row = tx.execute(select(payout).where(payout.c.id == payout_id).with_for_update()).first()
    return None if row is None else _payout(row)


def run_ids_of(tx: Connection, payout_ids: Sequence[str]) -> Sequence[str]:
    """Return the runs that these payouts belong to, in the order of their ids."""
    found = select(payout.c.run_id).where(payout.c.id.in_(payout_ids)).distinct()
    return sorted(tx.execute(found).scalars())


def payouts_of_run(
    tx: Connection, run_id: str, *, state: PayoutState | None = None, limit: int
) -> list[Payout]:
    found = select(payout).where(payout.c.run_id == run_id).order_by(payout.c.id).limit(limit)
    if state is not None:
        found = found.where(payout.c.state == state.value)
    return [_payout(row) for row in tx.execute(found)]


def payouts_of_publishers(
    tx: Connection, publishers: Sequence[str], *, before: str | None, limit: int
) -> list[Payout]:
    """Return payouts of these publishers, the newest first."""
    found = select(payout).where(payout.c.publisher_slug.in_(publishers))
    if before is not None:
        found = found.where(payout.c.id < before)
    rows = tx.execute(found.order_by(payout.c.id.desc()).limit(limit))
    return [_payout(row) for row in rows]


def payout_of_statement(tx: Connection, statement_id: str) -> Payout | None:
    row = tx.execute(select(payout).where(payout.c.statement_id == statement_id)).first()
    return None if row is None else _payout(row)


def next_exported(tx: Connection, way: Way, after: str) -> Payout | None:
    row = tx.execute(
        select(payout)
        .where(
            payout.c.way == way.value,
            payout.c.state == PayoutState.EXPORTED.value,
            payout.c.id > after,
        )
        .order_by(payout.c.id)
        .limit(1)
    ).first()
    return None if row is None else _payout(row)


def update_payout(tx: Connection, payout_id: str, values: Mapping[str, Any]) -> None:
    tx.execute(update(payout).where(payout.c.id == payout_id).values(**values))


def mark_exported(tx: Connection, run_id: str) -> None:
    tx.execute(
        update(payout)
        .where(payout.c.run_id == run_id, payout.c.state == PayoutState.READY.value)
        .values(state=PayoutState.EXPORTED.value)
    )


def count_open(tx: Connection, run_id: str) -> int:
    is_open = payout.c.state.in_((PayoutState.READY.value, PayoutState.EXPORTED.value))
    counted = select(func.count()).where(payout.c.run_id == run_id, is_open)
    return tx.execute(counted).scalar_one()


def _payout(row: Row[Any]) -> Payout:
    settled = row.settled_entry_id
    return Payout(
        payout_id=PayoutId(row.id),
        run_id=PayoutRunId(row.run_id),
        statement_id=PayoutStatementId(row.statement_id),
        publisher=row.publisher_slug,
        destination=destination_of(row),
        currency=row.currency,
        nanos=row.nanos,
        state=PayoutState(row.state),
        note=row.note,
        processor_id=row.processor_id,
        entry_id=EntryId(row.entry_id),
        settled_entry_id=None if settled is None else EntryId(settled),
        created_at=row.created_at,
        settled_at=row.settled_at,
    )


# --- reserves --------------------------------------------------------------------------------

_IS_HELD = and_(payout_reserve.c.released_by.is_(None), ~payout_reserve.c.is_undone)


def reserves(tx: Connection, publisher: str, currency: str, now: datetime) -> tuple[int, int]:
    """Return what is withheld, and what of it is to be released."""
    row = tx.execute(
        select(
            func.coalesce(func.sum(payout_reserve.c.nanos), 0).label("held"),
            func.coalesce(
                func.sum(payout_reserve.c.nanos).filter(payout_reserve.c.release_at <= now), 0
            ).label("due"),
        ).where(
            payout_reserve.c.publisher_slug == publisher,
            payout_reserve.c.currency == currency,
            _IS_HELD,
        )
    ).one()
    return int(row.held), int(row.due)


def add_reserve(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(payout_reserve).values(**values))


def release_reserves(
    tx: Connection, publisher: str, currency: str, now: datetime, payout_id: str
) -> None:
    tx.execute(
        update(payout_reserve)
        .where(
            payout_reserve.c.publisher_slug == publisher,
            payout_reserve.c.currency == currency,
            payout_reserve.c.release_at <= now,
            _IS_HELD,
        )
        .values(released_by=payout_id)
    )


def undo_reserves(tx: Connection, payout_id: str) -> bool:
    """Undo what a payout withheld and released. False where what it withheld was released since by
    another one: that is in the balance already.
    """
    tx.execute(
        update(payout_reserve)
        .where(payout_reserve.c.released_by == payout_id)
        .values(released_by=None)
    )
    own = tx.execute(
        update(payout_reserve)
        .where(payout_reserve.c.payout_id == payout_id, payout_reserve.c.released_by.is_(None))
        .values(is_undone=True)
        .returning(payout_reserve.c.nanos)
    ).first()
    if own is not None:
        return True
    there = select(payout_reserve.c.nanos).where(payout_reserve.c.payout_id == payout_id)
    return tx.execute(there).first() is None
