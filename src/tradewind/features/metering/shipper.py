"""The shipper: carries the segments of one folder into the database, for as long as it runs.

It may be killed at any moment, as may the database: how far it came is kept with what it stored.
While the database is away the journal only grows. Every fault is retried with bounded waits; only
what is in the journal itself decides what is passed over.
"""

import fcntl
import itertools
import logging
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psycopg

from tradewind.core.clock import Clock, SystemClock
from tradewind.core.errors import TradewindError
from tradewind.db.database import Database
from tradewind.features.metering import repository, service
from tradewind.features.metering.repository import Connection, SegmentState
from tradewind.features.metering.rules import (
    EventRow,
    LogRow,
    SortedItems,
    partition_days,
    sort_out,
)
from tradewind.usage.frames import FORMAT_VERSION, Damage, Frame, SegmentHeader
from tradewind.usage.segments import (
    SegmentName,
    is_writer_alive,
    list_segments,
    read_batch,
    retire,
    sweep,
)

Observe = Callable[[Sequence[EventRow], Sequence[LogRow]], None]
"""Told of events and log rows once they are committed; must not fail."""

_MIB = 1024 * 1024
_LONGEST_WAIT_S = 5.0
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class ShipperCounters:
    """Counted since the start. The quarantined, missing and faults ones are for alarms."""

    batches: int = 0
    events: int = 0
    repeated_events: int = 0
    """In the database before: harmless, and many after a fault."""
    orphans: int = 0
    quarantined_ranges: int = 0
    quarantined_bytes: int = 0
    missing_frames: int = 0
    finished_segments: int = 0
    faults: int = 0
    """Times that the database or the disk made it begin again."""


def run_shipper(
    database: Database,
    folder: Path,
    stop: threading.Event,
    *,
    counters: ShipperCounters | None = None,
    poll_s: float = 0.1,
    keep_bytes: int = 0,
    log_days: int = 30,
    observe: Observe | None = None,
    clock: Clock | None = None,
) -> None:
    """Ship until `stop` is set, then once more what is there, and return. Blocking.

    Finished segments are deleted, or kept in the folder `shipped` up to `keep_bytes`; those with
    damage are kept in `damaged` in any case. Waits while another shipper works on the folder.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    shipper = Shipper(
        folder,
        counters or ShipperCounters(),
        keep_bytes=keep_bytes,
        log_days=log_days,
        observe=observe,
        clock=clock or SystemClock(),
    )
    descriptor = os.open(folder / "shipper.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if _wait_for_lock(descriptor, stop, poll_s):
            _run(shipper, database, stop, poll_s)
    finally:
        os.close(descriptor)


class Shipper:
    """One pass after the other over a folder. Remembers nothing that the database does not."""

    def __init__(
        self,
        folder: Path,
        counters: ShipperCounters,
        *,
        keep_bytes: int = 0,
        keep_damaged_bytes: int = 1024 * _MIB,
        log_days: int = 30,
        observe: Observe | None = None,
        clock: Clock,
    ) -> None:
        self._folder = folder
        self.counters = counters
        self._keep_bytes = keep_bytes
        self._keep_damaged_bytes = keep_damaged_bytes
        self._log_days = log_days
        self._observe = observe
        self._clock = clock
        self._states: dict[SegmentName, SegmentState] = {}
        self._partitions: set[date] = set()
        self._today: date | None = None
        self._refused: set[SegmentName] = set()

    def forget(self) -> None:
        """Believe the database anew. To be called after any fault."""
        self._states.clear()
        self._partitions.clear()
        self._today = None

    def ship(self, connection: Connection) -> bool:
        """Take over all there is in the folder now; say whether there was anything.

        `connection` is in autocommit: each batch is a transaction of its own.
        """
        self._begin_day(connection)
        names = list_segments(self._folder)
        self._learn_states(connection, names)
        has_moved = False
        for _, group in itertools.groupby(names, key=lambda name: name.writer):
            # In their order: a call may begin in one segment and end in a later one.
            for name in group:
                before = self._states.get(name)
                try:
                    is_finished = self._drain(connection, name)
                except OSError:
                    _log.exception("the segment %s cannot be read now", name)
                    self.counters.faults += 1
                    break
                has_moved = has_moved or self._states.get(name) != before
                if not is_finished:
                    break
        return has_moved

    def _learn_states(self, connection: Connection, names: Sequence[SegmentName]) -> None:
        there = set(names)
        for name in self._states.keys() - there:
            del self._states[name]
        unknown = there - self._states.keys()
        if unknown:
            found = repository.find_segments(connection, unknown)
            self._states |= {name: found.get(name, SegmentState()) for name in unknown}

    def _drain(self, connection: Connection, name: SegmentName) -> bool:
        """Take over a segment as far as it goes; say whether it is finished."""
        path = self._folder / str(name)
        while not self._states[name].is_finished:
            state = self._states[name]
            # Asked before reading: what is read after the writer's end is all there will be.
            is_closed = not is_writer_alive(path)
            batch = read_batch(
                path, state.read_offset, is_closed=is_closed, max_items=service.MAX_BATCH
            )
            if self._is_of_later_release(name, batch.items):
                return False
            if batch.items:
                self._take(connection, name, batch.items)
            if batch.is_sealed or (is_closed and batch.is_at_end):
                self._finish(connection, name)
            elif batch.is_at_end:
                return False
        self._retire(name)
        return True

    def _take(
        self, connection: Connection, name: SegmentName, items: Sequence[Frame | Damage]
    ) -> None:
        """Commit a stretch; when the database refuses its content, all of it but the culprit."""
        state = self._states[name]
        found = sort_out(items, next_sequence=state.next_sequence)
        self._ensure_partitions(connection, found)
        try:
            with connection.transaction():
                taken = service.take_over(connection, name, state, found)
        except (
            psycopg.DataError,
            psycopg.IntegrityError,
            psycopg.errors.ProgramLimitExceeded,
        ) as error:
            if len(items) > 1:
                middle = len(items) // 2
                self._take(connection, name, items[:middle])
                self._take(connection, name, items[middle:])
                return
            item = items[0]
            if isinstance(item, Damage):
                raise
            reason = f"refused by the database: {type(error).__name__} {error.sqlstate}"
            self._take(connection, name, [Damage(item.start, item.end, reason)])
            return
        self._states[name] = taken.state
        if self._observe is not None and found.log:
            self._observe(found.rows, found.log)
        counters = self.counters
        counters.batches += 1
        counters.events += taken.new_events
        counters.repeated_events += len(found.rows) - taken.new_events
        counters.missing_frames += found.missing_frames
        counters.quarantined_ranges += len(found.quarantined)
        counters.quarantined_bytes += found.quarantined_bytes
        if found.quarantined or found.missing_frames:
            _log.error(
                "journal %s: %d ranges (%d bytes) quarantined, %d frames missing; first: %s",
                name,
                len(found.quarantined),
                found.quarantined_bytes,
                found.missing_frames,
                found.quarantined[:1],
            )

    def _finish(self, connection: Connection, name: SegmentName) -> None:
        """A segment is read to its end. When its writer has no later one, the writer is gone."""
        later = (
            other
            for other in list_segments(self._folder)
            if other.writer == name.writer and other.number > name.number
        )
        is_settled = next(later, None) is not None
        while not is_settled:
            with connection.transaction():
                settled = service.settle_writer(connection, name.writer)
            self.counters.orphans += settled.orphans
            is_settled = settled.is_done
        with connection.transaction():
            self._states[name] = service.finish_segment(connection, name, self._states[name])
        self.counters.finished_segments += 1

    def _retire(self, name: SegmentName) -> None:
        state = self._states[name]
        is_damaged = state.quarantined_bytes > 0
        attic = self._folder / ("damaged" if is_damaged else "shipped")
        limit = self._keep_damaged_bytes if is_damaged else self._keep_bytes
        retire(self._folder / str(name), attic, attic_bytes=limit)

    def _is_of_later_release(self, name: SegmentName, items: Sequence[Frame | Damage]) -> bool:
        """A segment that we would misread is left to the release that understands it."""
        first = items[0] if items else None
        if (
            not isinstance(first, Frame)
            or not isinstance(first.content, SegmentHeader)
            or first.content.format_version <= FORMAT_VERSION
        ):
            return False
        if name not in self._refused:
            self._refused.add(name)
            _log.error("the journal %s was written by a later release; it stays where it is", name)
        return True

    def _begin_day(self, connection: Connection) -> None:
        now = self._clock.now()
        if now.date() != self._today:
            sweep(self._folder)
            with connection.transaction():
                service.forget_old_segments(connection, now)
            self._make_partitions(connection, partition_days((), now.date()))
            self._forget_old_log(connection, now.date())
            self._today = now.date()

    def _ensure_partitions(self, connection: Connection, found: SortedItems) -> None:
        days = partition_days([*found.rows, *found.log], self._clock.now().date())
        if not days <= self._partitions:
            self._make_partitions(connection, days)

    def _make_partitions(self, connection: Connection, days: set[date]) -> None:
        try:
            with connection.transaction():
                service.ensure_partitions(connection, days)
        except psycopg.errors.LockNotAvailable:
            # Somebody reads the default partition for long. The events find room in it until
            # tomorrow, when the day is tried again and takes its rows along.
            _log.warning("partitions could not be made: a table is in use")
        self._partitions |= days

    def _forget_old_log(self, connection: Connection, today: date) -> None:
        try:
            with connection.transaction():
                service.forget_old_log(connection, today, self._log_days)
        except psycopg.errors.LockNotAvailable:
            _log.warning("the old request log could not be dropped today: it is in use")


def _run(shipper: Shipper, database: Database, stop: threading.Event, poll_s: float) -> None:
    connection: Connection | None = None
    wait_s = poll_s
    try:
        while True:
            is_last = stop.is_set()
            try:
                if connection is None:
                    connection = database.connect_raw(autocommit=True)
                    shipper.forget()
                has_moved = shipper.ship(connection)
                wait_s = poll_s
            except (psycopg.Error, TradewindError, OSError) as error:
                # SegmentMoved comes with a sound connection, but a new one costs little.
                shipper.counters.faults += 1
                has_moved = False
                _log.warning("shipping begins again: %s", " ".join(str(error).split()))
                _close(connection)
                connection = None
                wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
            if is_last:
                return
            if not has_moved:
                stop.wait(wait_s)
    finally:
        _close(connection)


def _close(connection: Connection | None) -> None:
    if connection is not None:
        with suppress(psycopg.Error):
            connection.close()


def _wait_for_lock(descriptor: int, stop: threading.Event, poll_s: float) -> bool:
    is_told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not is_told:
                is_told = True
                _log.warning("another shipper works on this journal; waiting for its end")
            if stop.wait(poll_s):
                return False
        else:
            return True
