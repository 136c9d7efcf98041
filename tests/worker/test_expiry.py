"""The loop that deletes what is kept for a time, once that is over."""

import threading
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.features.files.file_parts import kept_file
from tests.features.responses.response_parts import NOW, milliseconds, stored
from tradewind.core.errors import Unavailable
from tradewind.features.files import service as files
from tradewind.features.responses import service as responses
from tradewind.worker.expiry import sweep_expired

pytestmark = pytest.mark.postgres


class StoppedClock:
    def now(self):
        return NOW

    def monotonic(self):
        return 0.0


class Flaky:
    """A database that is away at first, and stops the loop once a table was swept empty."""

    def __init__(self, database, stop, table):
        self.database = database
        self.stop = stop
        self.left = text(f"SELECT count(*) FROM {table}")
        self.is_away = True

    @contextmanager
    def transaction(self):
        if self.is_away:
            self.is_away = False
            raise Unavailable("the database does not answer")
        with self.database.transaction() as tx:
            yield tx
            if not tx.execute(self.left).scalar():
                self.stop.set()


def keep_files(tx):
    for number in range(files.SWEPT_AT_ONCE + 1):
        file = kept_file(number, expires_at_ms=milliseconds(NOW))
        assert files.keep(tx, file, NOW - timedelta(days=1)) is None


def keep_responses(tx):
    for number in range(responses.SWEPT_AT_ONCE + 1):
        responses.keep(tx, stored(f"resp_{number}", expires_at_ms=milliseconds(NOW)))


@pytest.mark.parametrize(
    ("table", "keep", "sweep"),
    [
        ("stored_file", keep_files, files.sweep),
        ("stored_response", keep_responses, responses.sweep),
    ],
    ids=["files", "responses"],
)
def test_it_goes_on_until_nothing_expired_is_left_whatever_the_database_does(
    database, caplog, table, keep, sweep
):
    with database.transaction() as tx:
        keep(tx)
    stop = threading.Event()
    flaky: Any = Flaky(database, stop, table)
    sweep_expired(flaky, StoppedClock(), stop, sweep, "things", every_s=0.01)
    with database.transaction() as tx:
        assert tx.execute(flaky.left).scalar() == 0
    assert "expired things were not deleted: the database does not answer" in caplog.text
