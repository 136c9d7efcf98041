"""Has usage of days that are over written to the archive, and taken out of the tables."""

import logging
import threading
from collections.abc import Callable

from tradewind.core.errors import StartupError, Unavailable
from tradewind.features.metering.archive.archiver import Archiver

_EVERY_S = 900.0
"""A day is due once; what could not leave the tables is tried again as often."""
_log = logging.getLogger(__name__)


def keep_archive(
    archiver: Archiver,
    archive_in_a_process: Callable[[], bool],
    stop: threading.Event,
    *,
    every_s: float = _EVERY_S,
) -> None:
    """Run until stopped. The work is done in a process of its own, which is killed with this one
    and begins again where it was.
    """
    while not stop.is_set():
        try:
            if archiver.is_due() and not archive_in_a_process() and not stop.is_set():
                _log.error("usage was not archived; it stays in the tables and is tried again")
        except (StartupError, Unavailable) as error:
            _log.warning("the archive stands still: %s", error)
        stop.wait(every_s)
