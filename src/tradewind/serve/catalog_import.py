"""The process that imports the shipped lists at the first start: it takes a core for some seconds
and a hundred megabytes, and the worker has calls to look after meanwhile.

`python -m tradewind.serve.catalog_import --parent PID`
"""

import argparse
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Mapping

from tradewind.core.clock import SystemClock
from tradewind.core.parent_death import end_with_parent
from tradewind.core.settings import Settings
from tradewind.db.database import Database
from tradewind.features.catalog.sync import Syncs
from tradewind.telemetry.logs import log_to_stderr
from tradewind.worker.catalog import Importer
from tradewind.worker.fetch import FetchFailed

_LEAST_PRIORITY = 19
_POLL_S = 0.2
_GRACE_S = 5.0
_log = logging.getLogger("tradewind.catalog_import")


def main() -> None:
    """Import what is not there yet, and end."""
    parser = argparse.ArgumentParser(prog="tradewind-catalog-import")
    parser.add_argument("--parent", type=int, required=True, help="end with this process")
    arguments = parser.parse_args()
    log_to_stderr()
    end_with_parent(arguments.parent)
    os.nice(_LEAST_PRIORITY)
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
    """Run `main` in a process of its own, and wait for its end or for `stop`.

    Returns whether all is imported. To be called by a thread that lives as long as the process may:
    the kernel ends it with the thread.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, "--parent", str(os.getpid())],
        stdin=subprocess.DEVNULL,
        env=dict(environment),
    )
    while process.poll() is None:
        if stop.wait(_POLL_S):
            process.terminate()
            try:
                process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    return process.returncode == 0


def _fetch_nothing(url: str) -> bytes:
    raise FetchFailed(f"{url}: what is shipped is not fetched")


if __name__ == "__main__":
    main()
