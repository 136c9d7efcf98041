"""The database of a platform that runs, for commands that act on it from beside it."""

import os
from collections.abc import Generator
from contextlib import contextmanager

import psycopg

from tradewind.core.data_folder import DataFolder
from tradewind.core.errors import StartupError, Unavailable
from tradewind.core.settings import Settings
from tradewind.db.database import Database, Timeouts
from tradewind.db.embedded import url_of_running


@contextmanager
def running_database(
    settings: Settings,
    application_name: str,
    *,
    pool_size: int = 1,
    timeouts: Timeouts | None = None,
    needs_folder: bool = True,
) -> Generator[Database]:
    """Yield the database of the platform on a data folder. Raises StartupError when none runs.

    Without `needs_folder` the database of the settings will do: for commands that need no secrets.
    """
    folder = DataFolder(settings.data.resolve())
    is_elsewhere = settings.database_url is not None and not needs_folder
    if not (is_elsewhere or os.access(folder.lock, os.F_OK)):
        raise StartupError(f"{folder.root} is no data folder of Tradewind", hint="see --data")
    url = settings.database_url or url_of_running(folder)
    database = Database(
        url,
        application_name=application_name,
        pool_size=pool_size,
        timeouts=timeouts,
    )
    try:
        yield database
    except (Unavailable, psycopg.OperationalError) as error:
        if isinstance(error, Unavailable) and error.code != Unavailable.code:
            raise  # a store, an engine: the platform is there
        raise StartupError(
            f"no platform runs on {folder.root}", hint="start it with `tradewind up`"
        ) from error
    finally:
        database.close()
