"""Checks uploads whose parts are all there, and removes what no artifact needs."""

import logging
import threading
import time

from tradewind.core.errors import Unavailable
from tradewind.db.database import Database
from tradewind.db.notify import Listener
from tradewind.features.artifacts.arrivals import Arrivals
from tradewind.features.artifacts.uploads import UPLOADS_CHANNEL

_log = logging.getLogger(__name__)

_LOOK_EVERY_S = 5.0
_SWEEP_EVERY_S = 300.0


def look_after_artifacts(database: Database, arrivals: Arrivals, stop: threading.Event) -> None:
    """Work until `stop` is set. What is announced is checked at once."""
    listener = Listener(database, [UPLOADS_CHANNEL])
    swept_at = -_SWEEP_EVERY_S
    try:
        while not stop.is_set():
            try:
                while not stop.is_set() and arrivals.check_next(database):
                    pass
                if time.monotonic() - swept_at >= _SWEEP_EVERY_S:
                    swept_at = time.monotonic()
                    arrivals.sweep(database)
            except Unavailable as error:
                _log.warning("uploads were not looked after: %s", error)
                stop.wait(_LOOK_EVERY_S)
            _wait(listener, stop)
    finally:
        listener.close()


def _wait(listener: Listener, stop: threading.Event) -> None:
    """Wait for an announcement, in pieces, so that a stop is not kept waiting."""
    until = time.monotonic() + _LOOK_EVERY_S
    while not stop.is_set() and time.monotonic() < until:
        if listener.wait(min(1.0, _LOOK_EVERY_S)).announcements:
            return
