"""How far the journals are read: segments, open calls, quarantine."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import psycopg

from tradewind.usage.frames import Damage
from tradewind.usage.segments import SegmentName, Writer


class SegmentState(NamedTuple):
    """How far a segment is taken over."""

    read_offset: int = 0
    next_sequence: int = 0
    is_finished: bool = False
    quarantined_bytes: int = 0


class OpenCall(NamedTuple):
    event_id: UUID
    opened: bytes
    output_tokens: int | None


def find_segments(
    tx: psycopg.Connection, names: Collection[SegmentName]
) -> dict[SegmentName, SegmentState]:
    """Return how far these segments are taken over; those not begun are missing."""
    rows = tx.execute(
        "SELECT node, boot_ns, number, read_offset, next_sequence, is_finished, quarantined_bytes"
        " FROM journal_segment WHERE name = ANY(%s)",
        [[str(name) for name in names]],
    )
    return {SegmentName(*row[:3]): SegmentState(*row[3:]) for row in rows}


def begin_segment(tx: psycopg.Connection, name: SegmentName) -> None:
    """Add a segment at its start. Idempotent."""
    tx.execute(
        "INSERT INTO journal_segment (name, node, boot_ns, number, read_offset, next_sequence,"
        " is_finished, quarantined_bytes, missing_frames, is_summed_by_writer)"
        " VALUES (%s, %s, %s, %s, 0, 0, false, 0, 0, true) ON CONFLICT DO NOTHING",
        [str(name), *name],
    )


def advance_segment(
    tx: psycopg.Connection,
    name: SegmentName,
    read_offset: int,
    new: SegmentState,
    *,
    missing_frames: int,
) -> bool:
    """Move a segment on from `read_offset`. False, and nothing done, when it is not there."""
    moved = tx.execute(
        "UPDATE journal_segment SET read_offset = %s, next_sequence = %s, is_finished = %s,"
        " quarantined_bytes = %s, missing_frames = missing_frames + %s, updated_at = now()"
        " WHERE name = %s AND read_offset = %s AND NOT is_finished",
        [*new, missing_frames, str(name), read_offset],
    )
    return moved.rowcount == 1


def note_quarantine(tx: psycopg.Connection, place: str, damages: Sequence[Damage]) -> None:
    """Remember what was passed over, for whoever investigates. `place` is a segment's name."""
    if damages:
        with tx.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO journal_quarantine (segment, start_offset, end_offset, reason)"
                " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
                [
                    (place, damage.start, damage.end, damage.reason.replace("\0", "\\0"))
                    for damage in damages
                ],
            )


def add_open_calls(tx: psycopg.Connection, writer: Writer, opened: Mapping[bytes, bytes]) -> None:
    """Keep the OPEN records of calls without an end. Idempotent."""
    if opened:
        tx.execute(
            "INSERT INTO journal_open (event_id, node, boot_ns, opened)"
            " SELECT event_id, %s, %s, opened"
            " FROM unnest(%s::uuid[], %s::bytea[]) AS given (event_id, opened)"
            " ON CONFLICT DO NOTHING",
            [writer.node, writer.boot_ns, [UUID(bytes=key) for key in opened], [*opened.values()]],
        )


def note_progress(tx: psycopg.Connection, progress: Mapping[bytes, int]) -> None:
    """Raise the output tokens of open calls. Of others nothing is kept."""
    if progress:
        tx.execute(
            "UPDATE journal_open SET output_tokens ="
            " greatest(journal_open.output_tokens, given.output_tokens)"
            " FROM unnest(%s::uuid[], %s::int8[]) AS given (event_id, output_tokens)"
            " WHERE journal_open.event_id = given.event_id",
            [[UUID(bytes=key) for key in progress], [*progress.values()]],
        )


def drop_open_calls(tx: psycopg.Connection, writer: Writer, event_ids: Collection[bytes]) -> None:
    """Forget calls of a writer whose end is stored."""
    if not event_ids:
        return
    # Most calls begin and end in one batch and were never kept: to ask for the few that are costs
    # less than to look for each of those that ended.
    kept = tx.execute(
        "SELECT event_id FROM journal_open WHERE node = %s AND boot_ns = %s LIMIT %s",
        [writer.node, writer.boot_ns, len(event_ids)],
    ).fetchall()
    if len(kept) < len(event_ids):
        ended = [row[0] for row in kept if row[0].bytes in event_ids]
    else:
        ended = [UUID(bytes=event_id) for event_id in event_ids]
    if ended:
        tx.execute("DELETE FROM journal_open WHERE event_id = ANY(%s::uuid[])", [ended])


def take_open_calls(tx: psycopg.Connection, writer: Writer, limit: int) -> list[OpenCall]:
    """Remove and return up to `limit` open calls of a writer."""
    rows = tx.execute(
        "DELETE FROM journal_open WHERE event_id IN ("
        " SELECT event_id FROM journal_open WHERE node = %s AND boot_ns = %s"
        " ORDER BY event_id LIMIT %s FOR UPDATE)"
        " RETURNING event_id, opened, output_tokens",
        [writer.node, writer.boot_ns, limit],
    )
    return [OpenCall(*row) for row in rows]


def prune_segments(tx: psycopg.Connection, before: datetime) -> None:
    """Forget segments that were finished before a time, and their quarantine."""
    tx.execute(
        "WITH gone AS (DELETE FROM journal_segment WHERE is_finished AND updated_at < %s"
        " RETURNING name)"
        " DELETE FROM journal_quarantine USING gone WHERE segment = gone.name",
        [before],
    )
    tx.execute(
        "DELETE FROM usage_writer_day AS kept WHERE NOT EXISTS (SELECT FROM journal_segment AS one"
        " WHERE (one.node, one.boot_ns) = (kept.node, kept.boot_ns))"
    )
