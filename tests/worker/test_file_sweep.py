"""The loop that deletes records of files whose time is over."""

import threading
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import text

from tests.features.files.file_parts import DAY, NOW, kept_file, milliseconds
from tradewind.core.errors import Unavailable
from tradewind.features.files import service
from tradewind.worker.files import sweep_files

pytestmark = pytest.mark.postgres


class StoppedClock:
    def now(self):
        return NOW

    def monotonic(self):
        return 0.0


class Flaky:
    """A database that is away at first, and stops the loop once it was swept empty."""

    def __init__(self, database, stop):
        self.database = database
        self.stop = stop
        self.is_away = True

    @contextmanager
    def transaction(self):
        if self.is_away:
            self.is_away = False
            raise Unavailable("the database does not answer")
        with self.database.transaction() as tx:
            yield tx
            left = tx.execute(text("SELECT count(*) FROM stored_file")).scalar()
            if not left:
                self.stop.set()


def test_it_goes_on_until_nothing_expired_is_left_whatever_the_database_does(database):
    with database.transaction() as tx:
        for number in range(service.SWEPT_AT_ONCE + 1):
            file = kept_file(number, expires_at_ms=milliseconds(NOW))
            assert service.keep(tx, file, NOW - DAY) is None
    stop = threading.Event()
    flaky: Any = Flaky(database, stop)
    sweep_files(flaky, StoppedClock(), stop, every_s=0.01)
    with database.transaction() as tx:
        assert tx.execute(text("SELECT count(*) FROM stored_file")).scalar() == 0
