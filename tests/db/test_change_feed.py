"""The feed of changes: nothing is missed, whatever order transactions commit in."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select, text, update

from tradewind.db import change_feed
from tradewind.db.change_feed import (
    ChangeKind,
    FeedPosition,
    read_feed,
    record_change,
    snapshot_change,
    trim_feed,
)
from tradewind.db.database import Database
from tradewind.db.notify import SNAPSHOT_CHANNEL, Listener

pytestmark = pytest.mark.postgres

LONG_S = 60.0


class Reader:
    """Reads the feed as the publisher does."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.transaction() as tx:
            self.position = read_feed(tx, None).position

    def read(self) -> change_feed.FeedChanges:
        with self._database.transaction() as tx:
            found = read_feed(tx, self.position)
        self.position = found.position
        return found


@pytest.fixture
def reader(database: Database) -> Reader:
    return Reader(database)


def record(database: Database, kind: ChangeKind, *subjects: str) -> None:
    with database.transaction() as tx:
        record_change(tx, kind, subjects)


def rows(database: Database) -> int:
    with database.transaction() as tx:
        return tx.execute(select(func.count()).select_from(snapshot_change)).scalar_one()


def age(database: Database, by: timedelta) -> None:
    with database.transaction() as tx:
        tx.execute(update(snapshot_change).values(at=func.now() - by))


def test_the_first_read_tells_what_is_there_and_that_more_may_have_changed(
    database: Database,
) -> None:
    record(database, ChangeKind.GRANT, "k1")
    with database.transaction() as tx:
        found = read_feed(tx, None)
    assert found.may_have_missed
    assert found.grants == {"k1"}


def test_each_change_is_told_once_with_its_subjects(database: Database, reader: Reader) -> None:
    record(database, ChangeKind.GRANT, "k1", "k2")
    record(database, ChangeKind.TERMS, "org_a")
    found = reader.read()
    assert (found.grants, found.terms) == ({"k1", "k2"}, {"org_a"})
    assert (found.endpoints, found.budgets, found.may_have_missed) == (False, False, False)
    record(database, ChangeKind.ENDPOINTS)
    found = reader.read()
    assert (found.grants, found.endpoints, found.budgets) == (frozenset(), True, False)
    record(database, ChangeKind.BUDGETS)
    assert reader.read().budgets
    assert reader.read() == change_feed.FeedChanges(reader.position)


def test_a_change_that_is_rolled_back_is_not_told(database: Database, reader: Reader) -> None:
    with database.connection() as connection, connection.begin() as transaction:
        record_change(connection, ChangeKind.GRANT, ["k1"])
        transaction.rollback()
    assert not reader.read().grants


def test_transactions_that_commit_out_of_order_are_all_told(
    database: Database, reader: Reader
) -> None:
    with database.connection() as first, database.connection() as second:
        with first.begin():
            record_change(first, ChangeKind.GRANT, ["first"])
            with second.begin():
                record_change(second, ChangeKind.GRANT, ["second"])
            assert reader.read().grants == {"second"}
            assert not reader.read().grants, "told already, though the horizon stands still"
            record(database, ChangeKind.GRANT, "third")
            assert reader.read().grants == {"third"}
        assert reader.read().grants == {"first"}
        assert not reader.read().grants
    assert not reader.position.seen, "nothing is running that could hold it back"


def test_a_change_committed_while_many_others_run_is_told(
    database: Database, reader: Reader
) -> None:
    told: set[str] = set()
    started = threading.Barrier(4)

    def write(number: int) -> None:
        started.wait(LONG_S)
        for turn in range(25):
            record(database, ChangeKind.GRANT, f"k{number}_{turn}")

    threads = [threading.Thread(target=write, args=[number]) for number in range(3)]
    for thread in threads:
        thread.start()
    started.wait(LONG_S)
    while any(thread.is_alive() for thread in threads):
        told |= reader.read().grants
    told |= reader.read().grants
    assert told == {f"k{number}_{turn}" for number in range(3) for turn in range(25)}


def test_a_change_is_announced_when_it_is_committed(database: Database) -> None:
    listener = Listener(database, [SNAPSHOT_CHANNEL])
    listener.wait(LONG_S)
    record(database, ChangeKind.GRANT)  # of nothing
    record(database, ChangeKind.ENDPOINTS)
    assert len(listener.wait(LONG_S).announcements) == 1
    listener.close()


def test_a_change_of_no_key_is_none(database: Database) -> None:
    record(database, ChangeKind.GRANT)
    record(database, ChangeKind.TERMS)
    assert rows(database) == 0


def test_more_changes_than_are_worth_reading_ask_for_a_comparison(
    database: Database, reader: Reader
) -> None:
    with database.transaction() as tx:
        record_change(tx, ChangeKind.GRANT, (f"k{number}" for number in range(100_001)))
    found = reader.read()
    assert found.may_have_missed
    assert not found.grants
    assert not reader.read().may_have_missed


def test_a_kind_of_a_newer_release_asks_for_a_comparison(
    database: Database, reader: Reader
) -> None:
    with database.transaction() as tx:
        horizon = tx.execute(text("SELECT pg_current_xact_id()::text::bigint")).scalar_one()
        tx.execute(insert(snapshot_change).values(xact=horizon, kind="moods", subject=""))
    assert reader.read().may_have_missed


def test_a_database_put_back_from_a_backup_asks_for_a_comparison(
    database: Database, reader: Reader
) -> None:
    with database.transaction() as tx:
        found = read_feed(tx, FeedPosition(reader.position.horizon + 1_000_000))
    assert found.may_have_missed
    assert found.position.horizon <= reader.position.horizon + 1_000


def test_old_rows_are_removed_once_they_were_read(database: Database, reader: Reader) -> None:
    record(database, ChangeKind.GRANT, "k1")
    reader.read()
    with database.transaction() as tx:
        trim_feed(tx, reader.position)
    assert rows(database) == 1, "not old yet"
    age(database, timedelta(hours=2))
    reader.read()
    with database.transaction() as tx:
        trim_feed(tx, FeedPosition(0))
    assert rows(database) == 1, "not read yet"
    with database.transaction() as tx:
        trim_feed(tx, reader.position)
    assert rows(database) == 0


def test_rows_that_nobody_will_ever_have_read_go_after_a_day(database: Database) -> None:
    record(database, ChangeKind.GRANT, "k1")
    age(database, timedelta(days=2))
    with database.transaction() as tx:
        trim_feed(tx, FeedPosition(0))
    assert rows(database) == 0
