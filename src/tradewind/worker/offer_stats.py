"""Keeps the measured figures of offers: an hour's sums are made anew when calls of it came in."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from tradewind.core.clock import Clock
from tradewind.core.errors import Unavailable
from tradewind.db.database import Database
from tradewind.features.metering.rules import LogRow
from tradewind.readmodels.offer_stats.roll_up import drop_old, hour_of, newest_hour, sum_hour

EVERY_S = 30.0
REST = 20
"""An hour is summed for at most one part of so many, however many calls it has."""
_BACK = timedelta(days=30)
_OVERLAP = timedelta(hours=2)
"""Hours before the newest one that a worker which died may have left unfinished."""
_HOUR = timedelta(hours=1)
_SWEEP_S = 3600.0
_log = logging.getLogger(__name__)


class OfferStats:
    """The loop. `observe` is called by the thread that ships, `run` has one of its own."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._changed: set[datetime] = set()

    def observe(self, log: Sequence[LogRow]) -> None:
        """Note the hours of calls that are in the log now."""
        hours = {hour_of(row.at) for row in log if row.attempts}
        with self._lock:
            self._changed |= hours

    def run(
        self,
        stop: threading.Event,
        *,
        every_s: float = EVERY_S,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        """Run until stopped. The database may go away and come back."""
        has_begun = False
        swept_at = float("-inf")
        while not stop.is_set():
            began = stopwatch()
            try:
                if not has_begun:
                    self.note_missing()
                    has_begun = True
                self.sum_changed(stop, lambda busy_s: stop.wait(busy_s * (REST - 1)))
                if stopwatch() - swept_at >= _SWEEP_S:
                    with self._database.transaction() as tx:
                        drop_old(tx, self._clock.now())
                    swept_at = stopwatch()
            except Unavailable as error:
                _log.warning("figures of offers are not summed: %s", error)
            stop.wait(max(1.0, every_s - (stopwatch() - began)))

    def sum_changed(
        self, stop: threading.Event, rest: Callable[[float], object] | None = None
    ) -> int:
        """Make the sums of the hours that are noted by now, the newest first; return how many.

        What is noted meanwhile waits for the next pass: calls of this hour come all the time.
        """
        done = 0
        with self._lock:
            due = sorted(self._changed, reverse=True)
        for hour in due:
            if stop.is_set():
                break
            with self._lock:
                self._changed.discard(hour)
            began, is_summed = time.monotonic(), False
            try:
                with self._database.transaction() as tx:
                    sum_hour(tx, hour)
                is_summed = True
            finally:
                if not is_summed:
                    with self._lock:
                        self._changed.add(hour)
            done += 1
            if rest is not None:
                rest(time.monotonic() - began)
        return done

    def note_missing(self) -> None:
        """Note the hours that nobody summed: all that the log may have, on the first start."""
        now = hour_of(self._clock.now())
        with self._database.transaction() as tx:
            newest = newest_hour(tx)
        since = now - _BACK if newest is None else max(newest - _OVERLAP, now - _BACK)
        with self._lock:
            while since <= now:
                self._changed.add(since)
                since += _HOUR
