"""The archive of usage: what builds it, its process, and what the command asks of it.

`python -m tradewind.serve.archiving --parent PID` archives what is due, and ends.
"""

import argparse
import logging
import resource
import signal
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from types import FrameType

from tradewind.core.clock import SystemClock
from tradewind.core.data_folder import DataFolder
from tradewind.core.errors import StartupError, TradewindError
from tradewind.core.settings import Settings
from tradewind.db.database import Database, Timeouts
from tradewind.features.artifacts.stores.disk import DiskStore
from tradewind.features.metering.archive.archiver import Archiver, Done, Tell
from tradewind.features.metering.archive.errors import NoDuckDB
from tradewind.features.metering.archive.query import Answer, ask
from tradewind.features.metering.archive.repository import parquet, tables
from tradewind.features.metering.archive.repository.asking import SUMMARY
from tradewind.features.metering.archive.schemas import ArchiveStore, Part, Stretch
from tradewind.serve.artifacts import object_store
from tradewind.serve.low_priority import run_module, step_back
from tradewind.serve.resting_platform import any_database
from tradewind.telemetry.logs import log_to_stderr

_STATEMENT_S = 6 * 3600.0
_MEMORY_BYTES = 3 * 1024**3
"""Of addresses, which is more than is ever used: DuckDB keeps to 256 MB and this process to as
much again."""
_PATIENT = Timeouts(statement_s=_STATEMENT_S, answer_s=None, idle_in_transaction_s=_STATEMENT_S)
_log = logging.getLogger("tradewind.archive")


def main() -> None:
    """Archive what is due, or until SIGTERM: the next process goes on from there."""
    parser = argparse.ArgumentParser(prog="tradewind-archiving")
    parser.add_argument("--parent", type=int, required=True, help="end with this process")
    arguments = parser.parse_args()
    log_to_stderr()
    step_back(arguments.parent)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    settings = Settings()
    assert settings.database_url is not None, "whoever starts it hands it the database"
    database = Database(
        settings.database_url, application_name="tradewind-archive", pool_size=1, timeouts=_PATIENT
    )
    try:
        done = build_archiver(settings, database).run(stop.is_set)
    except TradewindError as error:
        _log.error("usage is not archived: %s", error)
        sys.exit(1)
    finally:
        database.close()
    _log.info("%d parts were verified, %d left the tables", done.verified, done.dropped)


def archive_in_a_process(environment: Mapping[str, str], stop: threading.Event) -> bool:
    """Run `main` in a process of its own; see `run_module`."""
    return run_module(__name__, environment, stop)


def build_archiver(
    settings: Settings, database: Database, tell: Tell = lambda _step, _part: None
) -> Archiver:
    """Raises StartupError for a store that cannot be."""
    folder = DataFolder(settings.data.resolve())
    return Archiver(
        database,
        _store(settings, folder),
        folder.archive / "under_way",
        SystemClock(),
        keep_days=settings.usage_days,
        tell=tell,
    )


def check_archive(settings: Settings) -> None:
    """Raises StartupError where usage is to be archived and cannot be."""
    if settings.usage_days and not settings.archive_usage:
        raise StartupError(
            "TRADEWIND_USAGE_DAYS lets usage leave the tables, and there is no archive",
            hint="set TRADEWIND_ARCHIVE_USAGE=1 too",
        )
    if settings.archive_usage and not parquet.is_installed():
        raise NoDuckDB


def export(settings: Settings, tell: Tell) -> Done:
    """Archive what is due now, here. Raises StartupError when there is no database."""
    check_archive(settings)
    with _database(settings) as database:
        return build_archiver(settings, database, tell).run()


def archives(settings: Settings) -> list[Part]:
    """Return every part there is."""
    with _database(settings) as database, database.connect_raw(autocommit=True) as connection:
        return tables.parts(connection)


def query(settings: Settings, stretch: Stretch, statement: str | None) -> Answer:
    """Ask the tables and the archive as one. Raises InvalidInput for what cannot be asked."""
    folder = DataFolder(settings.data.resolve())
    with _database(settings) as database:
        return ask(
            database,
            _store(settings, folder),
            folder.archive / "asking",
            stretch,
            statement or SUMMARY,
        )


def _store(settings: Settings, folder: DataFolder) -> ArchiveStore:
    return object_store(settings) or DiskStore(folder.archive)


@contextmanager
def _database(settings: Settings) -> Generator[Database]:
    with any_database(settings, "tradewind-archive", timeouts=_PATIENT) as database:
        yield database


if __name__ == "__main__":
    main()
