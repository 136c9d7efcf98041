"""Contents of calls: ships them from the files of the gateways, and deletes what is kept no more.

May be killed at any moment: a segment is deleted only after it was stored, and storing it twice
stores it once. While the database is away the files wait, and gateways drop what is too much.
"""

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg

from tradewind.core.clock import Clock
from tradewind.core.errors import TradewindError
from tradewind.db.database import Database
from tradewind.features.content import service
from tradewind.features.content.schemas import ContentRow
from tradewind.features.metering.rules import EARLIEST, LATEST
from tradewind.readmodels.request_content import content_days
from tradewind.usage.content_segments import ContentRecord, list_segments, read_segment

_POLL_S = 1.0
_EVERY_S = 60.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EVENT_ID_BYTES = 16
_log = logging.getLogger(__name__)


def ship_contents(
    database: Database,
    folder: Path,
    clock: Clock,
    stop: threading.Event,
    *,
    poll_s: float = _POLL_S,
) -> None:
    """Ship until `stop` is set, then once more what is there. Any number may work on a folder."""
    partitions_of: date | None = None
    while True:
        is_last = stop.is_set()
        if list_segments(folder):
            now = clock.now()
            try:
                with closing(database.connect_raw(autocommit=True)) as connection:
                    if partitions_of != now.date():
                        _make_partitions(connection, now)
                        partitions_of = now.date()
                    _ship(database, connection, folder, now)
            except (psycopg.Error, TradewindError, OSError) as error:
                _log.warning("contents are not shipped: %s", _line_of(error))
        if is_last:
            return
        stop.wait(poll_s)


def sweep_contents(
    database: Database, clock: Clock, stop: threading.Event, *, every_s: float = _EVERY_S
) -> None:
    """Sweep until `stop` is set. Readers see nothing expired in any case; this is when it goes."""
    dropped_on: date | None = None
    while not stop.is_set():
        now = clock.now()
        try:
            days = _days(database)
            with closing(database.connect_raw(autocommit=True)) as connection:
                if dropped_on != now.date():
                    _make_partitions(connection, now)
                    _drop_days(connection, days, now)
                    dropped_on = now.date()
                for organization_id in service.organizations(connection):
                    _sweep(connection, organization_id, days.get(organization_id, 0), now, stop)
        except (psycopg.Error, TradewindError) as error:
            _log.warning("contents that are over were not deleted: %s", _line_of(error))
        stop.wait(every_s)


def _ship(database: Database, connection: psycopg.Connection, folder: Path, now: datetime) -> None:
    days = _days(database)
    for path, is_whole in list_segments(folder):
        try:
            rows = list(_rows(read_segment(path)))
        except FileNotFoundError:
            continue  # another one was faster
        if not is_whole:
            _log.warning("a gateway ended while it wrote %s; what is whole of it is kept", path)
        try:
            with connection.transaction():
                service.keep(connection, rows, days, now)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            _log.error("%s is given up: %s %s", path, type(error).__name__, error.sqlstate)
        path.unlink(missing_ok=True)


def _rows(records: Iterator[ContentRecord]) -> Iterator[ContentRow]:
    """Yield rows of what can be one: the file is hostile until it is read."""
    for record in records:
        if len(record.event_id) != _EVENT_ID_BYTES:
            continue
        try:
            at = _EPOCH + timedelta(microseconds=record.at_us)
        except OverflowError:
            continue
        if EARLIEST <= at < LATEST:
            yield ContentRow(
                UUID(bytes=record.event_id),
                at,
                record.organization_id,
                record.project_id,
                record.prompt,
                record.answer,
                record.is_prompt_truncated,
                record.is_answer_truncated,
            )


def _sweep(
    connection: psycopg.Connection,
    organization_id: str,
    days: int,
    now: datetime,
    stop: threading.Event,
) -> None:
    has_more = True
    while has_more and not stop.is_set():
        with connection.transaction():
            has_more = service.sweep(connection, organization_id, days, now)


def _days(database: Database) -> Mapping[str, int]:
    with database.transaction() as tx:
        return content_days(tx)


def _make_partitions(connection: psycopg.Connection, now: datetime) -> None:
    try:
        with connection.transaction():
            service.make_partitions(connection, now)
    except psycopg.errors.LockNotAvailable:
        _log.warning("partitions of contents could not be made: the table is in use")


def _drop_days(connection: psycopg.Connection, days: Mapping[str, int], now: datetime) -> None:
    try:
        with connection.transaction():
            service.drop_days(connection, days, now)
    except psycopg.errors.LockNotAvailable:
        _log.warning("days of contents could not be dropped today: the table is in use")


def _line_of(error: Exception) -> str:
    # An error of the database may quote the row it refused.
    if isinstance(error, psycopg.Error) and error.sqlstate is not None:
        return f"{type(error).__name__} {error.sqlstate}"
    return " ".join(str(error).split())
