"""The database of a platform, whether it runs or not, for commands that look at what is kept."""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager

from tradewind.core.data_folder import DataFolder
from tradewind.core.errors import StartupError
from tradewind.core.run_folder import remove_run_folder
from tradewind.core.settings import Settings
from tradewind.db.database import Database, Timeouts
from tradewind.db.embedded import EmbeddedPostgres
from tradewind.serve.guard import lock_data_folder
from tradewind.serve.running_platform import running_database


@contextmanager
def any_database(
    settings: Settings, application_name: str, *, timeouts: Timeouts | None = None
) -> Generator[Database]:
    """Yield the database of the platform on a data folder.

    When nothing runs there, the embedded PostgreSQL is started for as long as the block lasts, and
    `tradewind up` is refused meanwhile. Raises StartupError when there is no data.
    """
    folder = DataFolder(settings.data.resolve())
    lock = _lock_if_at_rest(settings, folder)
    if lock is None:
        with running_database(
            settings, application_name, timeouts=timeouts, needs_folder=False
        ) as database:
            yield database
        return
    try:
        with _own_server(settings, folder, application_name, timeouts) as database:
            yield database
    finally:
        remove_run_folder(folder)
        os.close(lock)


def _lock_if_at_rest(settings: Settings, folder: DataFolder) -> int | None:
    """Return the descriptor that holds the folder, or None where a server runs, or none can."""
    if settings.database_url is not None or not folder.postgres.is_dir():
        return None
    try:
        return lock_data_folder(folder.lock)
    except StartupError:
        # Whoever holds it runs the database; when it is not that, connecting will tell.
        return None


@contextmanager
def _own_server(
    settings: Settings, folder: DataFolder, application_name: str, timeouts: Timeouts | None
) -> Generator[Database]:
    server = EmbeddedPostgres(
        folder,
        run_as=settings.postgres_user,
        report=lambda line: print(line, file=sys.stderr),
    )
    try:
        server.start()
        server.wait_ready()
        database = Database(
            server.url, application_name=application_name, pool_size=1, timeouts=timeouts
        )
        try:
            yield database
        finally:
            database.close()
    finally:
        server.stop()
