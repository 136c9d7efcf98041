"""The outbox: there exactly when the change is, handled once, set aside when it cannot be."""

from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select, update

from tradewind.core.errors import NotFound
from tradewind.core.ids import OrganizationId
from tradewind.db import outbox
from tradewind.db.database import Database
from tradewind.db.notify import Listener
from tradewind.db.outbox import OUTBOX_CHANNEL, enqueue, outbox_message, take
from tradewind.features.accounts.tables import organization

pytestmark = pytest.mark.postgres

LONG_S = 60.0


@pytest.fixture
def owner(database: Database) -> OrganizationId:
    owner = OrganizationId.new()
    with database.transaction() as tx:
        tx.execute(insert(organization).values(id=owner, name="Some", created_at=func.now()))
    return owner


@pytest.fixture
def put(database: Database, owner: OrganizationId):
    def put(key: str = "k", **payload):
        with database.transaction() as tx:
            return enqueue(tx, "some.kind", owner, payload, key=key)

    return put


def rows(database: Database) -> int:
    with database.transaction() as tx:
        return tx.execute(select(func.count()).select_from(outbox_message)).scalar_one()


def age(database: Database, by: timedelta) -> None:
    """Let time pass for everything that is there."""
    with database.transaction() as tx:
        tx.execute(
            update(outbox_message).values(
                next_try_at=outbox_message.c.next_try_at - by,
                handled_at=outbox_message.c.handled_at - by,
                set_aside_at=outbox_message.c.set_aside_at - by,
            )
        )


def fail_to_the_end(database: Database) -> None:
    for _ in range(outbox.MOST_ATTEMPTS):
        age(database, timedelta(hours=1))
        with database.transaction() as tx:
            (message,) = take(tx, 1)
            outbox.note_failed(tx, message, NotFound("nobody is there"))


def test_a_message_is_there_with_the_change_and_announced(database, owner, put):
    listener = Listener(database, [OUTBOX_CHANNEL])
    try:
        listener.wait(LONG_S)
        assert put(name="Größe", n=1)
        assert listener.wait(LONG_S).announcements
    finally:
        listener.close()
    with database.transaction() as tx:
        (message,) = take(tx, 10)
    assert (message.kind, message.organization_id) == ("some.kind", owner)
    assert message.payload == {"name": "Größe", "n": 1}
    assert message.attempts == 0


def test_what_one_transaction_tells_is_taken_in_its_order(database, owner):
    keys = [f"k{n}" for n in range(40)]  # many in one millisecond
    with database.transaction() as tx:
        for key in keys:
            enqueue(tx, "some.kind", owner, {"key": key}, key=key)
    with database.transaction() as tx:
        assert [message.payload["key"] for message in take(tx, 100)] == keys


def test_a_change_that_is_rolled_back_tells_nobody(database, owner):
    def change() -> None:
        with database.transaction() as tx:
            enqueue(tx, "some.kind", owner, {}, key="k")
            raise NotFound("it did not work out")

    with pytest.raises(NotFound):
        change()
    assert rows(database) == 0


def test_a_key_is_taken_once_also_after_it_was_handled(database, owner, put):
    assert put("a")
    assert not put("a")
    with database.transaction() as tx:
        (message,) = take(tx, 10)
        outbox.note_handled(tx, message.message_id)
    assert not put("a")
    assert rows(database) == 1


def test_keys_of_two_organizations_do_not_meet(database, put):
    put("a")
    other = OrganizationId.new()
    with database.transaction() as tx:
        tx.execute(insert(organization).values(id=other, name="Else", created_at=func.now()))
        assert enqueue(tx, "some.kind", other, {}, key="a")


def test_a_payload_that_is_too_large_is_a_mistake_of_ours(database, put):
    with pytest.raises(ValueError, match="65536"):
        put(text="x" * 65_536)
    assert rows(database) == 0


def test_two_workers_never_hold_the_same_message(database, put):
    for key in "abcd":
        put(key)
    with database.transaction() as one, database.transaction() as other:
        first = {message.message_id for message in take(one, 3)}
        second = {message.message_id for message in take(other, 3)}
    assert (len(first), len(second)) == (3, 1)
    assert not first & second


def test_one_that_fails_waits_ever_longer_and_is_set_aside_with_the_reason(database, owner, put):
    put()
    with database.transaction() as tx:
        (message,) = take(tx, 1)
        assert not outbox.note_failed(tx, message, ValueError("a  broken\nline"))
    with database.transaction() as tx:
        assert take(tx, 1) == []
        row = tx.execute(select(outbox_message)).one()
        assert row.error == "ValueError: a broken line"
        assert row.next_try_at > row.created_at

    with database.transaction() as tx:
        tx.execute(update(outbox_message).values(attempts=0))
    fail_to_the_end(database)

    age(database, timedelta(days=1))
    with database.transaction() as tx:
        assert take(tx, 1) == []
        (aside,) = outbox.list_set_aside(tx, owner, 10)
        assert (aside.kind, aside.error) == ("some.kind", "nobody is there")
        assert outbox.list_set_aside(tx, OrganizationId.new(), 10) == []


def test_what_was_set_aside_can_be_put_back(database, owner, put):
    put()
    fail_to_the_end(database)
    with database.transaction() as tx:
        assert outbox.put_back(tx, OrganizationId.new()) == 0
        assert outbox.put_back(tx, owner) == 1
    with database.transaction() as tx:
        assert [message.attempts for message in take(tx, 10)] == [0]
        assert outbox.list_set_aside(tx, owner, 10) == []


def test_old_messages_are_forgotten_and_waiting_ones_never(database, put):
    for key in ("handled", "set_aside", "waiting"):
        put(key)
    with database.transaction() as tx:
        for key in ("handled", "set_aside"):
            tx.execute(
                update(outbox_message)
                .where(outbox_message.c.key == key)
                .values({f"{key}_at": func.now(), "next_try_at": None})
            )
    left = []
    for days in (6, 2, 80, 3):
        age(database, timedelta(days=days))
        with database.transaction() as tx:
            outbox.forget(tx, 100)
        left.append(rows(database))
    assert left == [3, 2, 2, 1]
