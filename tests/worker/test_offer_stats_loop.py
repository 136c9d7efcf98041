"""The loop that sums what was measured: what it notes, and what it makes up for."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from tradewind.core.clock import SystemClock
from tradewind.core.errors import Unavailable
from tradewind.db.database import Database
from tradewind.features.metering.rules import log_row
from tradewind.readmodels.offer_stats.reading import read_stats
from tradewind.testing.logged_calls import ended_call, log_calls
from tradewind.worker.offer_stats import OfferStats

pytestmark = pytest.mark.postgres


class StoodStill(SystemClock):
    """A clock at one moment."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now


NOW = datetime.now(UTC)


def attempts_of(database, model: str) -> int:
    with database.transaction() as tx:
        found = read_stats(tx, [model], NOW).get((model, "own"))
    return 0 if found is None or found.month is None else found.month.attempts


def test_only_hours_of_calls_that_came_in_are_summed(database):
    stats = OfferStats(database, StoodStill(NOW))
    call, unseen = ended_call(NOW, model="tw/a"), ended_call(NOW - timedelta(days=3), model="tw/a")
    log_calls(database, call, unseen)
    stats.observe([log_row(call), log_row(call)])

    assert stats.sum_changed(threading.Event()) == 1
    assert attempts_of(database, "tw/a") == 1
    assert stats.sum_changed(threading.Event()) == 0


def test_on_the_first_start_all_that_the_log_has_is_summed(database):
    stats, stop = OfferStats(database, StoodStill(NOW)), threading.Event()
    log_calls(database, *(ended_call(NOW - timedelta(days=day), model="tw/a") for day in (0, 2)))
    stats.note_missing()

    assert stats.sum_changed(stop) == 30 * 24 + 1
    assert attempts_of(database, "tw/a") == 2


def test_a_start_after_that_begins_a_little_before_the_newest_hour(database):
    call = ended_call(NOW - timedelta(hours=5), model="tw/a")
    log_calls(database, call)
    before = OfferStats(database, StoodStill(NOW))
    before.observe([log_row(call)])
    before.sum_changed(threading.Event())

    stats = OfferStats(database, StoodStill(NOW))
    stats.note_missing()

    assert stats.sum_changed(threading.Event()) == 5 + 2 + 1


def test_it_sums_by_itself_until_it_is_stopped(database):
    class Told(threading.Event):
        """Stops the loop at its second pause."""

        pauses = 0

        def wait(self, timeout: float | None = None) -> bool:
            if timeout is not None and timeout >= 1.0:
                self.pauses += 1
                if self.pauses == 2:
                    self.set()
            return self.is_set()

    log_calls(database, ended_call(NOW, model="tw/a"))

    OfferStats(database, StoodStill(NOW)).run(Told())

    assert attempts_of(database, "tw/a") == 1


def test_an_hour_that_could_not_be_summed_is_tried_again(database):
    class Away(Database):
        """A database that is away the first time."""

        tries = 0

        def __init__(self):
            """It stands before another one."""

        def transaction(self):
            self.tries += 1
            if self.tries == 1:
                raise Unavailable("the database cannot be reached")
            return database.transaction()

    call = ended_call(NOW, model="tw/a")
    log_calls(database, call)
    stats = OfferStats(Away(), StoodStill(NOW))
    stats.observe([log_row(call)])

    with pytest.raises(Unavailable):
        stats.sum_changed(threading.Event())

    assert stats.sum_changed(threading.Event()) == 1
    assert attempts_of(database, "tw/a") == 1


def test_calls_that_come_in_while_an_hour_is_summed_wait_for_the_next_pass(database):
    stats = OfferStats(database, StoodStill(NOW))
    call = ended_call(NOW, model="tw/a")
    log_calls(database, call)
    stats.observe([log_row(call)])

    # Told while it rests behind the hour: as on a platform that is never idle.
    assert stats.sum_changed(threading.Event(), lambda _: stats.observe([log_row(call)])) == 1
    assert stats.sum_changed(threading.Event()) == 1
