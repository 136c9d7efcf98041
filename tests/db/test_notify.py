import threading
import time

import pytest

from tradewind.db.database import Database, Timeouts
from tradewind.db.embedded import EmbeddedPostgres
from tradewind.db.notify import PAYLOAD_MAX_BYTES, Announcement, Heard, Listener, announce

pytestmark = pytest.mark.postgres

LONG_S = 60.0


def say(database: Database, *payloads: str, channel: str = "news") -> None:
    with database.transaction() as tx:
        for payload in payloads:
            announce(tx, channel, payload)


def hear(listener: Listener) -> Heard:
    """Wait for something, and not longer than a test may take."""
    deadline = time.monotonic() + LONG_S
    while time.monotonic() < deadline:
        heard = listener.wait(1)
        if heard != Heard():
            return heard
    pytest.fail("nothing was heard")


def test_an_announcement_arrives_in_a_waiting_thread(database: Database) -> None:
    listener = Listener(database, ["news", "weather"])
    assert listener.wait(LONG_S) == Heard(may_have_missed=True)
    heard: list[Heard] = []
    thread = threading.Thread(target=lambda: heard.append(listener.wait(LONG_S)))
    thread.start()

    say(database, "é 1", channel="weather")
    thread.join(LONG_S)

    assert heard == [Heard((Announcement("weather", "é 1"),))]
    listener.close()


def test_nothing_is_announced_by_a_transaction_that_fails(database: Database) -> None:
    def fail() -> None:
        with database.transaction() as tx:
            announce(tx, "news", "lost")
            raise LookupError

    listener = Listener(database, ["news"])
    listener.wait(LONG_S)
    with pytest.raises(LookupError):
        fail()
    say(database, "kept")

    assert hear(listener) == Heard((Announcement("news", "kept"),))
    listener.close()


def test_silence_ends_with_the_time(database: Database) -> None:
    listener = Listener(database, ["news"])
    listener.wait(LONG_S)

    assert listener.wait(0.05) == Heard()
    assert listener.wait(0) == Heard()
    listener.close()


def test_a_listener_connects_again_and_says_that_it_may_have_missed_something(
    server: EmbeddedPostgres,
) -> None:
    database = Database(server.url, application_name="tests")
    listener = Listener(database, ["news"])
    listener.wait(LONG_S)

    server.stop()
    assert listener.wait(0.2) == Heard()
    server.start()
    server.wait_ready()

    assert hear(listener) == Heard(may_have_missed=True)
    say(database, "after")
    assert hear(listener) == Heard((Announcement("news", "after"),))
    listener.close()
    database.close()


def test_a_listener_goes_on_for_longer_than_an_answer_may_take(database_url: str) -> None:
    database = Database(database_url, application_name="tests", timeouts=Timeouts(answer_s=0.1))
    listener = Listener(database, ["news"])
    assert hear(listener).may_have_missed

    assert listener.wait(0.5) == Heard()
    say(database, "still here")

    assert hear(listener) == Heard((Announcement("news", "still here"),))
    listener.close()
    database.close()


def test_an_announcement_that_is_too_long_is_refused(database: Database) -> None:
    say(database, "x" * PAYLOAD_MAX_BYTES)
    with pytest.raises(ValueError, match="at most 7999 bytes"):
        say(database, "é" * (PAYLOAD_MAX_BYTES // 2 + 1))
