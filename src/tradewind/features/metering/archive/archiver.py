"""Takes days through the states of the archive, one step after the other."""

import logging
import secrets
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import psycopg
from psycopg import Connection

from tradewind.core.clock import Clock
from tradewind.db.database import Database
from tradewind.features.metering import service
from tradewind.features.metering.archive import rules
from tradewind.features.metering.archive.errors import ArchiveDamaged
from tradewind.features.metering.archive.repository import parquet, tables
from tradewind.features.metering.archive.schemas import ArchiveStore, Part, PartState, Step
from tradewind.features.metering.rules import PARTITION_DAYS_BACK

CHECKSUM = ".sha256"
"""Behind the name of a file, of the one beside it that `sha256sum --check` reads."""
Tell = Callable[[Step, Part], None]
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Done:
    """What one run did, in parts."""

    verified: int = 0
    dropped: int = 0
    waiting: int = 0
    """Days that should have left the tables and could not now; the next run tries again."""


class Archiver:
    """May be killed at any moment, and may be run by several processes: one does the work.

    `keep_days` are those whose events stay in the tables; 0 is all of them. `folder` is for files
    on their way; it must hold a day's events as CSV.
    """

    def __init__(
        self,
        database: Database,
        store: ArchiveStore,
        folder: Path,
        clock: Clock,
        *,
        keep_days: int,
        tell: Tell = lambda _step, _part: None,
    ) -> None:
        self._database = database
        self._store = store
        self._folder = folder
        self._clock = clock
        self._keep_days = keep_days
        self._tell = tell

    def is_due(self) -> bool:
        """Say whether a run would do anything. Two quick queries."""
        with self._database.connect_raw(autocommit=True) as connection:
            return bool(self._due(connection))

    def run(self, is_over: Callable[[], bool] = lambda: False) -> Done:
        """Do all that is due, oldest days first, until `is_over`.

        Raises StoreUnavailable, ArchiveDamaged and NoDuckDB; what was done until then stays done.
        """
        done = Done()
        with self._database.connect_raw(autocommit=True) as connection:
            if not tables.try_lock(connection):
                return done
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(mode=0o700, parents=True)
            self._give_partitions(connection)
            for day, part in self._due(connection):
                if is_over():
                    break
                self._take_on(connection, day, part, done)
        return done

    def _due(self, connection: Connection) -> list[tuple[date, Part | None]]:
        """Return the days with something to do, and their part that is on its way."""
        now = self._clock.now()
        closed = rules.last_closed(now)
        leaving = rules.last_to_leave(now, self._keep_days)
        there = tables.days_in_tables(connection)
        known = [part for part in tables.parts(connection) if part.state != PartState.DROPPED]
        waiting = {part.day: part for part in known}
        days = {
            day
            for day in there
            if day <= closed and (day not in waiting or _is_behind(waiting[day], leaving))
        }
        days |= {part.day for part in known if part.state is PartState.DETACHED}
        return [(day, waiting.get(day)) for day in sorted(days)]

    def _take_on(self, connection: Connection, day: date, part: Part | None, done: Done) -> None:
        table = tables.table_of(day)
        if part is None:
            number = 1 + max((old.part for old in tables.parts(connection, day, day)), default=-1)
            part = self._export(connection, day, number, table)
        if part.state is PartState.EXPORTED:
            part = self._verify(connection, part, table)
            done.verified += 1
        leaving = rules.last_to_leave(self._clock.now(), self._keep_days)
        if part.state is PartState.VERIFIED and leaving is not None and day <= leaving:
            detached = self._detach(connection, part)
            if detached is None:
                done.waiting += 1
                return
            part = detached
        if part.state is PartState.DETACHED:
            self._drop(connection, part, table)
            done.dropped += 1

    def _export(self, connection: Connection, day: date, number: int, table: str) -> Part:
        """Write a day into a file, and say so. The part keeps its state when it is made anew."""
        name = secrets.token_hex(8)
        csv, made = self._folder / f"{name}.csv", self._folder / f"{name}.parquet"
        checksum = self._folder / f"{name}{CHECKSUM}"
        try:
            with connection.transaction():
                tables.see_one_moment(connection)
                totals = tables.totals(connection, table)
                tables.write_day(connection, table, csv)
            parquet.write(csv, made)
            csv.unlink()
            digest = parquet.digest_of(made)
            part = Part(
                day,
                number,
                PartState.EXPORTED,
                self._store.name,
                rules.location_of(day, number, digest),
                made.stat().st_size,
                digest,
                totals,
                self._clock.now(),
            )
            self._tell(Step.WRITTEN, part)
            # Before the file is put where it is kept: nobody would ever remove one that is not
            # known of.
            with connection.transaction():
                tables.add_part(connection, part)
            self._tell(Step.EXPORTED, part)
            self._store.put(part.location, made)
            checksum.write_text(f"{digest.hex()}  {Path(part.location).name}\n", encoding="ascii")
            self._store.put(part.location + CHECKSUM, checksum)
            self._tell(Step.STORED, part)
        finally:
            for file in (csv, made, checksum):
                file.unlink(missing_ok=True)
        return part

    def _verify(self, connection: Connection, part: Part, table: str) -> Part:
        """Read a file back from where it is kept; once more make one that is not as it should."""
        if not self._is_right(part):
            part = self._export_anew(connection, part, table)
        now = self._clock.now()
        with connection.transaction():
            tables.verify_part(connection, part, now)
        part = replace(part, state=PartState.VERIFIED, verified_at=now)
        self._tell(Step.VERIFIED, part)
        return part

    def _is_right(self, part: Part) -> bool:
        try:
            with fetched(self._store, part, self._folder) as file:
                return parquet.totals_in(file) == part.totals
        except ArchiveDamaged as error:
            _log.warning("%s; it is written again", error)
            return False

    def _export_anew(self, connection: Connection, before: Part, table: str) -> Part:
        part = self._export(connection, before.day, before.part, table)
        if not self._is_right(part):
            raise ArchiveDamaged(f"{part.location} is not in the archive as it was put there")
        if before.location != part.location:
            self._store.delete(before.location)
            self._store.delete(before.location + CHECKSUM)
        return part

    def _detach(self, connection: Connection, part: Part) -> Part | None:
        """Take a day out of the tables; None where that cannot be now."""
        now = self._clock.now()
        if tables.has_news(connection, part.day):
            _log.info("%s stays in the tables until its receipts are made", part.day)
            return None
        try:
            with connection.transaction():
                tables.wait_briefly(connection)
                tables.detach(connection, part, now)
        except psycopg.errors.LockNotAvailable:
            _log.warning("%s stays in the tables: they are in use", part.day)
            return None
        part = replace(part, state=PartState.DETACHED, detached_at=now)
        self._tell(Step.DETACHED, part)
        return part

    def _drop(self, connection: Connection, part: Part, table: str) -> None:
        """Drop what was detached, which nobody adds to. What came behind the file's making comes
        into the file first, which is read back once more: from here on it is all there is.
        """
        if tables.totals(connection, table) != part.totals or not self._is_right(part):
            part = self._export_anew(connection, part, table)
        self._tell(Step.COUNTED, part)
        now = self._clock.now()
        with connection.transaction():
            tables.drop(connection, part, now)
        part = replace(part, state=PartState.DROPPED, dropped_at=now)
        self._tell(Step.DROPPED, part)

    def _give_partitions(self, connection: Connection) -> None:
        """What came late for a day that was dropped gets a partition, which is then its next part.

        While a table of a day is there, detached, its late events wait in the default one.
        """
        closed = rules.last_closed(self._clock.now())
        first = closed - timedelta(days=PARTITION_DAYS_BACK)
        try:
            with connection.transaction():
                tables.wait_briefly(connection)
                service.ensure_default_partition(connection)
                days = tables.days_by_default(connection, first, closed)
                if days:
                    service.ensure_partitions(connection, days, ("usage_event",))
        except psycopg.errors.LockNotAvailable:
            _log.warning("late usage waits for its partition: the tables are in use")


def _is_behind(part: Part, leaving: date | None) -> bool:
    return part.state is PartState.EXPORTED or (leaving is not None and part.day <= leaving)


@contextmanager
def fetched(store: ArchiveStore, part: Part, folder: Path) -> Generator[Path]:
    """Yield a part's file, where it lies or as a copy. Raises ArchiveDamaged unless it has its
    bytes.
    """
    file = store.local_path(part.location)
    is_copy = file is None
    if file is None:
        file = folder / f"{secrets.token_hex(8)}.parquet"
    try:
        if store.size(part.location) != part.size_bytes:
            raise ArchiveDamaged(f"{part.location} is not in the archive as it was put there")
        if is_copy:
            with file.open("wb") as copy:
                copy.writelines(store.stream(part.location, 0, part.size_bytes))
        if parquet.digest_of(file) != part.sha256:
            raise ArchiveDamaged(f"{part.location} was changed since it was put there")
        yield file
    finally:
        if is_copy:
            file.unlink(missing_ok=True)
