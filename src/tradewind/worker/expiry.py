"""Deletes what features keep for a time, once that time is over."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import Unavailable
from tradewind.db.database import Database

_log = logging.getLogger(__name__)

_EVERY_S = 60.0
_PAUSE_S = 0.1

Sweep = Callable[[Connection, datetime], bool]
"""Deletes some of what is over at a moment, and says whether there is more."""


def sweep_expired(
    database: Database,
    clock: Clock,
    stop: threading.Event,
    sweep: Sweep,
    what: str,
    *,
    every_s: float = _EVERY_S,
) -> None:
    """Sweep until `stop` is set. Readers see nothing expired in any case; this is when it goes."""
    while not stop.is_set():
        try:
            with database.transaction() as tx:
                has_more = sweep(tx, clock.now())
        except Unavailable as error:
            _log.warning("expired %s were not deleted: %s", what, error)
            has_more = False
        # Many at once would only swell one transaction and the log it writes.
        stop.wait(_PAUSE_S if has_more else every_s)
