"""Making partitions beside readers of the log and of the books."""

import threading
from datetime import date

import pytest

from tradewind.features.metering import repository, service

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(120)]

DAY = date(2030, 1, 31)
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'request_log'::regclass"


def test_a_reader_of_the_log_and_the_books_ends_in_no_deadlock_with_a_new_day(database):
    """The list of requests reads the log and joins the books, each second while it is live."""
    errors = []

    def make_day() -> None:
        try:
            with database.connect_raw() as maker:
                service.ensure_partitions(maker, [DAY])
        except Exception as error:  # noqa: BLE001  told by the test
            errors.append(error)

    with database.connect_raw() as reader, database.connect_raw(autocommit=True) as watcher:
        reader.execute("SELECT FROM request_log")
        thread = threading.Thread(target=make_day)
        thread.start()
        while watcher.execute(WAITING).fetchone() == (0,) and thread.is_alive():
            pass
        reader.execute("SELECT FROM usage_event")
        reader.commit()
        thread.join()
        names = repository.find_partitions(reader, "request_log")

    assert errors == []
    assert repository.partition_name("request_log", DAY) in names
