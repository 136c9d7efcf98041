"""The loop that relays messages of the outbox."""

import threading
from contextlib import contextmanager

import pytest
from sqlalchemy import func, insert, select, text, update

from tradewind.core.errors import Unavailable
from tradewind.core.ids import OrganizationId
from tradewind.db import outbox
from tradewind.db.database import Database
from tradewind.db.notify import Listener
from tradewind.db.outbox import OUTBOX_CHANNEL, enqueue, outbox_message
from tradewind.features.accounts.tables import organization
from tradewind.worker.outbox import AT_ONCE, relay_messages, relay_once

pytestmark = pytest.mark.postgres

LONG_S = 60.0


@pytest.fixture
def owner(database: Database) -> OrganizationId:
    owner = OrganizationId.new()
    with database.transaction() as tx:
        tx.execute(insert(organization).values(id=owner, name="Some", created_at=func.now()))
    return owner


@pytest.fixture
def put(database, owner):
    def put(*keys, kind="good"):
        with database.transaction() as tx:
            for key in keys:
                enqueue(tx, kind, owner, {}, key=key)

    return put


def states(database) -> dict[str, str | None]:
    """Return the errors of all messages by their keys; None is handled."""
    with database.transaction() as tx:
        rows = tx.execute(select(outbox_message)).all()
    return {row.key: None if row.handled_at is not None else row.error or "waits" for row in rows}


class Seen:
    """Notes what it handles."""

    def __init__(self):
        self.keys = []

    def __call__(self, _tx, message):
        self.keys.append(message.message_id)


def test_a_message_is_handled_once(database, put):
    seen = Seen()
    put("a", "b")
    assert relay_once(database, {"good": seen}) == 2
    assert relay_once(database, {"good": seen}) == 0
    assert len(seen.keys) == 2
    assert states(database) == {"a": None, "b": None}


def test_a_poisoned_message_neither_stops_nor_spoils_the_others(database, owner, put):
    def poisoned(tx, _message):
        tx.execute(text("UPDATE organization SET name = 'spoiled'"))
        tx.execute(text("SELECT 1 / 0"))

    def good(tx, _message):
        tx.execute(text("UPDATE organization SET name = name || '!'"))

    put("a")
    put("bad", kind="poisoned")
    put("b")
    assert relay_once(database, {"good": good, "poisoned": poisoned}) == 3
    found = states(database)
    assert (found["a"], found["b"]) == (None, None)
    assert "division by zero" in str(found["bad"])
    with database.transaction() as tx:
        assert tx.execute(select(organization.c.name)).scalar_one() == "Some!!"


def test_a_poisoned_message_is_set_aside_in_the_end(database, owner, put, caplog):
    put("bad", kind="nobodys")
    for _ in range(outbox.MOST_ATTEMPTS):
        with database.transaction() as tx:
            tx.execute(update(outbox_message).values(next_try_at=func.now()))
        relay_once(database, {})
    with database.transaction() as tx:
        (aside,) = outbox.list_set_aside(tx, owner, 10)
    assert aside.error == "NobodyListens: nobody handles messages of the kind 'nobodys'"
    assert "was set aside" in caplog.text


def test_what_a_handler_does_and_that_it_did_are_one(database, put):
    """A worker that dies in between has done neither."""

    class Killed(BaseException):
        pass

    def dies(tx, _message):
        tx.execute(text("UPDATE organization SET name = 'half'"))
        raise Killed

    put("a")
    with pytest.raises(Killed):
        relay_once(database, {"good": dies})
    with database.transaction() as tx:
        assert tx.execute(select(organization.c.name)).scalar_one() == "Some"
    seen = Seen()
    relay_once(database, {"good": seen})
    assert len(seen.keys) == 1


def test_a_connection_that_breaks_ends_the_batch_and_blames_no_message(database, put):
    def breaks(tx, _message):
        tx.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    put("a", "b")
    with pytest.raises(Unavailable):
        relay_once(database, {"good": breaks})
    assert states(database) == {"a": "waits", "b": "waits"}


def test_two_workers_do_not_handle_the_same_message(database, put):
    put(*(str(number) for number in range(2 * AT_ONCE)))
    first, second = Seen(), Seen()
    both = threading.Barrier(2, timeout=LONG_S)

    def handler(seen):
        def handle(tx, message):
            if not seen.keys:
                both.wait()
            seen(tx, message)

        return handle

    others = threading.Thread(target=lambda: relay_once(database, {"good": handler(second)}))
    others.start()
    relay_once(database, {"good": handler(first)})
    others.join()
    assert len(first.keys) == len(second.keys) == AT_ONCE
    assert len({*first.keys, *second.keys}) == 2 * AT_ONCE


class AwayOnce:
    """A database that is away the first time."""

    def __init__(self, database):
        self._database = database
        self._is_away = True

    @contextmanager
    def transaction(self):
        if self._is_away:
            self._is_away = False
            raise Unavailable("away")
        with self._database.transaction() as tx:
            yield tx


def test_the_loop_wakes_for_a_message_and_outlives_the_database(database, put):
    stop, seen = threading.Event(), Seen()
    listener = Listener(database, [OUTBOX_CHANNEL])

    def wait(_seconds):
        heard = listener.wait(LONG_S)
        if heard.may_have_missed:
            put("a")  # announced while the loop listens

    def handle(tx, message):
        seen(tx, message)
        stop.set()

    try:
        relay_messages(AwayOnce(database), {"good": handle}, wait, stop)  # type: ignore[arg-type]
    finally:
        listener.close()
    assert len(seen.keys) == 1
