"""Deletes records of files at providers whose time is over."""

import logging
import threading

from tradewind.core.clock import Clock
from tradewind.core.errors import Unavailable
from tradewind.db.database import Database
from tradewind.features.files import service

_log = logging.getLogger(__name__)

_EVERY_S = 60.0
_PAUSE_S = 0.1


def sweep_files(
    database: Database, clock: Clock, stop: threading.Event, *, every_s: float = _EVERY_S
) -> None:
    """Sweep until `stop` is set. Readers see nothing expired in any case; this is when it goes."""
    while not stop.is_set():
        try:
            with database.transaction() as tx:
                has_more = service.sweep(tx, clock.now())
        except Unavailable as error:
            _log.warning("records of expired files were not deleted: %s", error)
            has_more = False
        # Many at once would only swell one transaction and the log it writes.
        stop.wait(_PAUSE_S if has_more else every_s)
