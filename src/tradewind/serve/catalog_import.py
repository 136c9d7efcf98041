"""The process that imports the shipped lists at the first start: it takes a core for some seconds
and a hundred megabytes, and the worker has calls to look after meanwhile.

`python -m tradewind.serve.catalog_import --parent PID`
"""

import argparse
import logging
import threading
from collections.abc import Mapping

from tradewind.core.clock import SystemClock
from tradewind.core.settings import Settings
from tradewind.db.database import Database
from tradewind.features.catalog.sync import Syncs
from tradewind.serve.low_priority import run_module, step_back
from tradewind.telemetry.logs import log_to_stderr
from tradewind.worker.catalog import Importer
from tradewind.worker.fetch import FetchFailed

_log = logging.getLogger("tradewind.catalog_import")


def main() -> None:
    """Import what is not there yet, and end."""
    parser = argparse.ArgumentParser(prog="tradewind-catalog-import")
    parser.add_argument("--parent", type=int, required=True, help="end with this process")
    arguments = parser.parse_args()
    log_to_stderr()
    step_back(arguments.parent)
    settings = Settings()
    assert settings.database_url is not None, "whoever starts it hands it the database"
    database = Database(settings.database_url, application_name="tradewind-import", pool_size=1)
    clock = SystemClock()
    try:
        for row in Importer(database, Syncs(clock), clock, _fetch_nothing).import_shipped():
            _log.info("%s: %d entries, %d added", row.source, row.seen, row.added)
    finally:
        database.close()


def import_in_a_process(environment: Mapping[str, str], stop: threading.Event) -> bool:
    """Run `main` in a process of its own; see `run_module`. Returns whether all is imported."""
    return run_module(__name__, environment, stop)


def _fetch_nothing(url: str) -> bytes:
    raise FetchFailed(f"{url}: what is shipped is not fetched")


if __name__ == "__main__":
    main()
