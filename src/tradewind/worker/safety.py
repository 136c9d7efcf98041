"""Makes data of custom categories and corpora, and judges past calls again for dry runs."""

import logging
import threading
import time
from collections.abc import Callable

from tradewind.core.errors import Unavailable
from tradewind.db.database import Database
from tradewind.db.notify import Listener
from tradewind.features.safety.dry_run_work import DryRunWork
from tradewind.features.safety.dry_runs import SAFETY_CHANNEL
from tradewind.features.safety.preparing import Preparing, make

_log = logging.getLogger(__name__)

_LOOK_EVERY_S = 5.0
_SWEEP_EVERY_S = 3_600.0


def prepare_safety_data(database: Database, preparing: Preparing, stop: threading.Event) -> None:
    """Train and index what waits, until `stop` is set. What is announced is begun at once."""
    swept_at = -_SWEEP_EVERY_S

    def work() -> bool:
        nonlocal swept_at
        if time.monotonic() - swept_at >= _SWEEP_EVERY_S:
            swept_at = time.monotonic()
            with database.transaction() as tx:
                preparing.forget_unused(tx)
        return prepare_next(database, preparing)

    _keep_working(database, work, stop, "data of checks")


def prepare_next(database: Database, preparing: Preparing) -> bool:
    """Make the data of the category or corpus that has waited longest. False: none waits."""
    with database.transaction() as tx:
        taken = preparing.take(tx)
    if taken is None:
        return False
    made = make(taken)
    with database.transaction() as tx:
        preparing.end(tx, taken, made)
    return True


def run_dry_runs(database: Database, runs: DryRunWork, stop: threading.Event) -> None:
    """Run dry runs, one after the other, until `stop` is set."""
    _keep_working(database, lambda: runs.run_next(database), stop, "dry runs")


def _keep_working(
    database: Database, work: Callable[[], bool], stop: threading.Event, what: str
) -> None:
    listener = Listener(database, [SAFETY_CHANNEL])
    try:
        while not stop.is_set():
            try:
                while not stop.is_set() and work():
                    pass
            except Unavailable as error:
                _log.warning("%s have to wait: %s", what, error)
                stop.wait(_LOOK_EVERY_S)
            _wait(listener, stop)
    finally:
        listener.close()


def _wait(listener: Listener, stop: threading.Event) -> None:
    """Wait for an announcement, in pieces, so that a stop is not kept waiting."""
    until = time.monotonic() + _LOOK_EVERY_S
    while not stop.is_set() and time.monotonic() < until:
        if listener.wait(1.0).announcements:
            return
