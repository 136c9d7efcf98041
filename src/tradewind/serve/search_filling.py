"""The process that fills the stored search of a large catalog.

`python -m tradewind.serve.search_filling --parent PID`
"""

import argparse
import signal
import threading
from collections.abc import Mapping
from types import FrameType

from tradewind.core.errors import Unavailable
from tradewind.core.settings import Settings
from tradewind.db.database import Database
from tradewind.readmodels.catalog_search.keeping import Keeper
from tradewind.serve.low_priority import run_module, step_back
from tradewind.telemetry.logs import log_to_stderr


def main() -> None:
    """Fill until it is done, or until SIGTERM: the next process goes on from there."""
    parser = argparse.ArgumentParser(prog="tradewind-search-filling")
    parser.add_argument("--parent", type=int, required=True, help="end with this process")
    arguments = parser.parse_args()
    log_to_stderr()
    step_back(arguments.parent)
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    settings = Settings()
    assert settings.database_url is not None, "whoever starts it hands it the database"
    database = Database(settings.database_url, application_name="tradewind-search", pool_size=1)
    keeper = Keeper(database, currency=settings.currency, is_over=stop.is_set)
    try:
        keeper.keep_up()
    except Unavailable:
        if not stop.is_set():  # it would be told that it ended where it was asked to
            raise
    finally:
        database.close()


def fill_in_a_process(environment: Mapping[str, str], stop: threading.Event) -> bool:
    """Run `main` in a process of its own; see `run_module`."""
    return run_module(__name__, environment, stop)


if __name__ == "__main__":
    main()
