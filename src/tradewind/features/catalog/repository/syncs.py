"""Readings of sources, the changes somebody has to decide, and what could not be folded."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from tradewind.core.ids import CatalogChangeId, SyncId
from tradewind.features.catalog.repository.batches import run_batched
from tradewind.features.catalog.rules.said import Question, Unfolded
from tradewind.features.catalog.rules.sync_plan import HeldChange
from tradewind.features.catalog.tables import catalog_change, catalog_sync, unfolded

# Any number that nobody else uses as an advisory lock of a transaction.
_SYNC_LOCK = 0x6361_7461_6C6F_6700


def lock_catalog(tx: Connection) -> None:
    """Let one sync at a time be planned and applied: two plans on one state would do it twice."""
    tx.execute(select(func.pg_advisory_xact_lock(_SYNC_LOCK)))


def begin_sync(tx: Connection, source: str, now: datetime, *, is_requested: bool = False) -> SyncId:
    sync_id = SyncId.new()
    tx.execute(
        insert(catalog_sync).values(
            id=sync_id, source=source, is_requested=is_requested, edition="", started_at=now
        )
    )
    return sync_id


def end_sync(tx: Connection, sync_id: SyncId, values: Mapping[str, Any]) -> None:
    tx.execute(update(catalog_sync).where(catalog_sync.c.id == sync_id).values(**values))


def get_sync(tx: Connection, sync_id: SyncId) -> Row[Any] | None:
    return tx.execute(select(catalog_sync).where(catalog_sync.c.id == sync_id)).first()


def waiting_sync(tx: Connection, source: str | None = None) -> Row[Any] | None:
    """Return the oldest that was asked for and has not ended, held for this transaction alone."""
    statement = select(catalog_sync).where(
        catalog_sync.c.is_requested, catalog_sync.c.ended_at.is_(None)
    )
    if source is not None:
        statement = statement.where(catalog_sync.c.source == source)
    return tx.execute(
        statement.order_by(catalog_sync.c.id).limit(1).with_for_update(skip_locked=True)
    ).first()


def list_syncs(tx: Connection, limit: int) -> Sequence[Row[Any]]:
    """Return the newest first."""
    return tx.execute(select(catalog_sync).order_by(catalog_sync.c.id.desc()).limit(limit)).all()


def last_reading(tx: Connection, source: str) -> Row[Any] | None:
    """Return the last sync of a source that was applied, with its edition and day."""
    return tx.execute(
        select(catalog_sync)
        .where(
            catalog_sync.c.source == source,
            catalog_sync.c.ended_at.is_not(None),
            catalog_sync.c.error == "",
        )
        .order_by(catalog_sync.c.ended_at.desc(), catalog_sync.c.id.desc())
        .limit(1)
    ).first()


def last_sync(tx: Connection, source: str) -> Row[Any] | None:
    """Return the last sync of a source, whatever came of it."""
    return tx.execute(
        select(catalog_sync)
        .where(catalog_sync.c.source == source)
        .order_by(catalog_sync.c.started_at.desc(), catalog_sync.c.id.desc())
        .limit(1)
    ).first()


# --- held changes ---------------------------------------------------------------------------


def dismissed(tx: Connection, source: str) -> dict[Question, Any]:
    """Return what was said no to last, by question."""
    rows = tx.execute(
        select(catalog_change)
        .where(catalog_change.c.source == source, catalog_change.c.state == "dismissed")
        .order_by(catalog_change.c.decided_at, catalog_change.c.id)
    )
    return {question_of(row): row.after for row in rows}


def hold(
    tx: Connection,
    held: Iterable[HeldChange],
    *,
    sync_id: SyncId,
    source: str,
    hosts: frozenset[str] | None,
    now: datetime,
) -> None:
    """Ask about these; questions of before that a source does not raise any more are overtaken."""
    rows = [
        {
            "id": CatalogChangeId.new(),
            **change.question._asdict(),
            "before": change.before,
            "after": change.after,
            "reason": change.reason,
        }
        for change in held
    ]
    run_batched(
        tx,
        """
        INSERT INTO catalog_change (id, sync_id, source, kind, host, upstream_model, region,
            before, after, reason, state, created_at)
        SELECT id, :sync_id, :source, kind, host, upstream_model, region,
            before, after, reason, 'held', :now
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS said(id text, kind text, host text,
            upstream_model text, region text, before jsonb, after jsonb, reason text)
        ON CONFLICT (source, kind, host, upstream_model, region) WHERE state = 'held'
        DO UPDATE SET sync_id = excluded.sync_id, before = excluded.before,
            after = excluded.after, reason = excluded.reason
        """,
        rows,
        sync_id=sync_id,
        source=source,
        now=now,
    )
    forgotten = (
        update(catalog_change)
        .where(
            catalog_change.c.source == source,
            catalog_change.c.state == "held",
            catalog_change.c.sync_id != sync_id,
        )
        .values(state="overtaken", decided_at=now)
    )
    if hosts is not None:
        forgotten = forgotten.where(catalog_change.c.host.in_([*hosts, ""]))
    tx.execute(forgotten)


def list_changes(
    tx: Connection, *, state: str | None, after: str, limit: int
) -> Sequence[Row[Any]]:
    """Return changes, the oldest first."""
    statement = select(catalog_change).where(catalog_change.c.id > after)
    if state is not None:
        statement = statement.where(catalog_change.c.state == state)
    return tx.execute(statement.order_by(catalog_change.c.id).limit(limit)).all()


def find_change(tx: Connection, change_id: CatalogChangeId) -> Row[Any] | None:
    """Return a change, locked until the transaction ends."""
    return tx.execute(
        select(catalog_change).where(catalog_change.c.id == change_id).with_for_update()
    ).first()


def decide_change(
    tx: Connection, change_id: CatalogChangeId, state: str, by: str, now: datetime
) -> None:
    tx.execute(
        update(catalog_change)
        .where(catalog_change.c.id == change_id)
        .values(state=state, decided_at=now, decided_by=by)
    )


def question_of(row: Row[Any]) -> Question:
    return Question(row.kind, row.host, row.upstream_model, row.region)


# --- what could not be folded ---------------------------------------------------------------


def put_unfolded(
    tx: Connection, entries: Sequence[Unfolded], source: str, observed_on: date
) -> None:
    """Replace what could not be folded of a source."""
    tx.execute(delete(unfolded).where(unfolded.c.source == source))
    run_batched(
        tx,
        """
        INSERT INTO unfolded (source, host, upstream_model, reason, observed_on)
        SELECT :source, host, upstream_model, reason, :observed_on
        FROM jsonb_to_recordset(CAST(:rows AS jsonb))
            AS said(host text, upstream_model text, reason text)
        ON CONFLICT DO NOTHING
        """,
        [entry._asdict() for entry in entries],
        source=source,
        observed_on=observed_on,
    )


def analyze(tx: Connection) -> None:
    """Tell the planner of what was just imported, which otherwise takes it a minute to find out."""
    tx.execute(text("ANALYZE model, offer, model_fact, model_alias"))
