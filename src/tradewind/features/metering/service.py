"""What metering does in one transaction; the shipper decides when."""

import logging
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import LiteralString, NamedTuple, cast
from uuid import UUID

import msgspec
import sqlalchemy

from tradewind.features.metering import repository
from tradewind.features.metering.errors import SegmentMoved, UnusableRecord
from tradewind.features.metering.repository import Connection, SegmentState
from tradewind.features.metering.rules import (
    EventRow,
    LogRow,
    SortedItems,
    correcting_row,
    event_row,
    log_row,
    orphan_event,
)
from tradewind.features.metering.safety_rows import ExaminedCall, count_calls
from tradewind.features.metering.schemas import (
    CorrectingEvent,
    EventKey,
    KeptCorrection,
    News,
)
from tradewind.usage.frames import Damage, decode_opened, encode_record
from tradewind.usage.segments import SegmentName, Writer

MAX_BATCH = 15_000
"""Items of one transaction, whose objects take 40 MB. A third of it costs 10% more CPU a row where
a batch is of few callers."""
KEEP_FINISHED = timedelta(days=90)
"""How long a finished segment is remembered after its file is gone."""

_ROUNDING = timedelta(milliseconds=2)
"""An id holds the millisecond of its event."""
_log = logging.getLogger(__name__)


class TakenOver(NamedTuple):
    """Where a segment is now, and how many events were new; the others were there before."""

    state: SegmentState
    new_events: int


class Settled(NamedTuple):
    """What became of the open calls of a dead writer. When not done, settle again."""

    orphans: int
    is_done: bool


def take_over(
    tx: Connection, name: SegmentName, state: SegmentState, found: SortedItems
) -> TakenOver:
    """Take the next stretch of a segment, which is at `state`, into the tables.

    Raises SegmentMoved when the database has it elsewhere; the transaction must then roll back.
    """
    new = SegmentState(
        read_offset=found.end,
        next_sequence=found.next_sequence,
        is_finished=False,
        quarantined_bytes=state.quarantined_bytes + found.quarantined_bytes,
    )
    # First, because it locks the row: of two shippers on one segment the later one stops here.
    repository.begin_segment(tx, name)
    if not repository.advance_segment(
        tx, name, state.read_offset, new, missing_frames=found.missing_frames
    ):
        raise SegmentMoved(str(name), state.read_offset)
    new_events = repository.store_events(tx, found.rows, name.writer)
    # The log of calls that were not in the books is not in the log either.
    is_new = new_events == len(found.rows)
    repository.store_log(tx, found.log, is_likely_new=is_new)
    _store_safety(tx, found.examined, is_new=is_new)
    repository.add_open_calls(
        tx, name.writer, {key: encode_record(opened) for key, opened in found.opened.items()}
    )
    repository.note_progress(tx, found.progress)
    repository.drop_open_calls(tx, name.writer, found.ended)
    repository.note_quarantine(tx, str(name), found.quarantined)
    return TakenOver(new, new_events)


def _store_safety(tx: Connection, calls: Sequence[ExaminedCall], *, is_new: bool) -> None:
    """Store what checks found. Calls of which there is nothing to say are only counted, and of them
    nobody can tell which were counted before: with a repeat among them, none is.
    """
    if not calls:
        return
    new = repository.store_safety(tx, [call.row for call in calls if call.row is not None])
    there = {row.event_id for row in new}
    counted = [
        call for call in calls if (is_new if call.row is None else call.row.event_id in there)
    ]
    repository.add_to_hours(tx, count_calls(counted, new))


def finish_segment(tx: Connection, name: SegmentName, state: SegmentState) -> SegmentState:
    """Note that a segment is read to its end. Raises SegmentMoved."""
    new = state._replace(is_finished=True)
    repository.begin_segment(tx, name)
    if not repository.advance_segment(tx, name, state.read_offset, new, missing_frames=0):
        raise SegmentMoved(str(name), state.read_offset)
    return new


def settle_writer(tx: Connection, writer: Writer) -> Settled:
    """Make orphans of up to MAX_BATCH open calls of a writer that is gone and read to its end."""
    calls = repository.take_open_calls(tx, writer, MAX_BATCH)
    rows: list[EventRow] = []
    log: list[LogRow] = []
    for call in calls:
        try:
            opened = decode_opened(call.opened)
        except msgspec.MsgspecError as error:
            # Kept by another release; the only thing left to do is to say so.
            reason = f"an open call that this release cannot read: {error}"
            _log.error("open call %s: %s", call.event_id, reason)
            damage = Damage(0, len(call.opened), reason)
            repository.note_quarantine(tx, f"open call {call.event_id}", [damage])
            continue
        try:
            event = orphan_event(opened, call.output_tokens)
        except UnusableRecord as error:
            _log.error("open call %s is not billed: %s", call.event_id, error)
            event = orphan_event(opened, None)
        rows.append(event_row(event))
        log.append(log_row(event))
    repository.store_log(tx, log)
    return Settled(repository.store_events(tx, rows, writer), is_done=len(calls) < MAX_BATCH)


def ensure_partitions(
    tx: Connection,
    days: Collection[date],
    tables: Sequence[LiteralString] = repository.PARTITIONED,
) -> None:
    """Make what is missing of these days' partitions, and the default one. Idempotent.

    `tables` may be others with a column `at` that are partitioned by its day.
    """
    repository.lock_partitions(tx)
    for table in tables:
        repository.create_default_partition(tx, table)
        there = repository.find_partitions(tx, table)
        for day in sorted(days):
            if repository.partition_name(table, day) not in there:
                repository.create_partition(tx, table, day)


def ensure_default_partition(tx: Connection) -> None:
    """Have somewhere to put usage of days without a partition. Idempotent."""
    repository.lock_partitions(tx)
    repository.create_default_partition(tx, "usage_event")


def forget_old_log(tx: Connection, today: date, keep_days: int) -> None:
    """Drop the request log of days that are over by more than `keep_days`, and what checks found in
    their calls: whole partitions, so that it costs the same however much is in them.
    """
    for table in ("request_log", "usage_safety"):
        repository.drop_partitions_before(tx, table, today - timedelta(days=keep_days))


def forget_days_before(tx: Connection, table: LiteralString, day: date) -> None:
    """Drop what a table that is partitioned by day holds of days before this one."""
    repository.drop_partitions_before(tx, table, day)


def forget_old_segments(tx: Connection, now: datetime) -> None:
    """Drop the memory of segments that were finished long ago."""
    repository.prune_segments(tx, now - KEEP_FINISHED)


def take_news(tx: sqlalchemy.Connection, most: int) -> list[News]:
    """Remove and return the oldest of what is new in the books, for whoever makes something of
    each event, once.
    """
    return repository.take_news(_raw(tx), most)


def lock_correction(tx: sqlalchemy.Connection, event_id: UUID, key: str) -> None:
    """Let only one transaction correct an event, and only one use a key, until it ends."""
    repository.lock_correction(_raw(tx), event_id, key)


def find_correction(tx: sqlalchemy.Connection, key: str) -> KeptCorrection | None:
    return repository.find_correction(_raw(tx), key)


def find_events(tx: sqlalchemy.Connection, event_id: UUID) -> list[EventKey]:
    """Return the key of an event, and behind it those of what corrected it; or nothing."""
    at = datetime.fromtimestamp((event_id.int >> 80) / 1000, UTC)
    found = repository.find_events(_raw(tx), event_id, at - _ROUNDING, at + _ROUNDING)
    return found if found and found[0].event_id == event_id else []


def correct(tx: sqlalchemy.Connection, event: CorrectingEvent, kept: KeptCorrection) -> None:
    """Store an event that corrects another one, as any event, and who made it and why."""
    connection = _raw(tx)
    repository.store_events(connection, [correcting_row(event)])
    repository.add_correction(connection, kept)


def _raw(tx: sqlalchemy.Connection) -> Connection:
    """Return the connection that COPY needs; it is in the same transaction."""
    connection = tx.connection.driver_connection
    assert isinstance(connection, Connection)
    return cast("Connection", connection)
