"""The short ways of storing end where the long ones do."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.features.metering.archive_parts import event
from tradewind.features.metering import repository, service
from tradewind.features.metering.rules import log_row
from tradewind.testing.logged_calls import ended_call
from tradewind.usage.segments import Writer

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
A, B = Writer("a", 1), Writer("b", 1)


@pytest.fixture
def tx(connection):
    with connection.transaction():
        service.ensure_partitions(connection, {NOW.date()})
        yield connection


def test_a_log_that_is_likely_new_and_is_not_is_stored_once_all_the_same(tx):
    rows = [log_row(ended_call(NOW, trail=None)) for _ in range(4)]
    repository.store_log(tx, rows[:2], is_likely_new=True)

    repository.store_log(tx, rows, is_likely_new=True)

    found = tx.execute("SELECT event_id FROM request_log").fetchall()
    assert sorted(row[0] for row in found) == sorted(row.event_id for row in rows)


@pytest.mark.parametrize("ended_count", [2, 50])
def test_calls_that_ended_are_forgotten_and_others_are_not(tx, ended_count):
    ours = [uuid4().bytes for _ in range(5)]
    theirs = [uuid4().bytes for _ in range(5)]
    repository.add_open_calls(tx, A, dict.fromkeys(ours, b"x"))
    repository.add_open_calls(tx, B, dict.fromkeys(theirs, b"x"))
    ended = {*ours[:2], *(uuid4().bytes for _ in range(ended_count - 2))}

    repository.drop_open_calls(tx, A, ended)

    kept = {row[0].bytes for row in tx.execute("SELECT event_id FROM journal_open").fetchall()}
    assert kept == {*ours[2:], *theirs}


def test_hours_days_of_writers_and_news_are_sums_of_what_was_new(tx):
    first = [event(n, NOW + timedelta(minutes=n)) for n in range(100)]
    again = [*first[50:], *(event(n, NOW + timedelta(minutes=n)) for n in range(20))]

    assert repository.store_events(tx, first, A) == 100
    assert repository.store_events(tx, again, A) == 20

    sums = "sum(cost_nanos)::bigint"
    [(whole,)] = tx.execute(f"SELECT {sums} FROM usage_event").fetchall()
    assert tx.execute(f"SELECT {sums} FROM usage_hour").fetchall() == [(whole,)]
    assert tx.execute(f"SELECT {sums} FROM usage_writer_day").fetchall() == [(whole,)]
    hours = tx.execute("SELECT DISTINCT hour FROM usage_hour ORDER BY 1").fetchall()
    assert hours == [(NOW,), (NOW + timedelta(hours=1),)]
    news = tx.execute("SELECT sum(cardinality(event_id))::int FROM usage_news").fetchall()
    assert news == [(120,)]
