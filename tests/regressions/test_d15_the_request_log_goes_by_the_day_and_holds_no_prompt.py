"""D15: logs that grew without bound, deadlocked, bloated when they were cleaned up and held whole
prompts (litellm#6895, #27989, #31866, #16582, #21908, #2171; new-api#6508, #5342, #7425;
Bifrost#2172, #1665).

Old days of the log are dropped whole and nothing is deleted row by row; the books stay; several
shippers and the drop at a time do not deadlock; and what was said is nowhere in the database.
"""

import json
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from gateway_parts import soon, text_event, usage_event, whole_answer

from tradewind.features.metering import service
from tradewind.testing.usage_records import end_of, opened_call
from tradewind.wire.sse import DONE

sys.path.append(str(Path(__file__).parents[1] / "features" / "metering"))

from metering_parts import Life, Ship, Tables

pytestmark = pytest.mark.postgres
DAYS, A_DAY = 6, 400
FIRST = datetime.now(UTC).replace(hour=0, minute=0, second=1) - timedelta(days=DAYS)
SECRET = "xyzzy-plugh-secret"


def at_us(day, number=0):
    return int((FIRST + timedelta(days=day)).timestamp() * 1_000_000) + number


def a_week(folder, boot_ns=1):
    life = Life(folder, boot_ns=boot_ns)
    for day in range(DAYS):
        for number in range(A_DAY):
            opened = opened_call(at_us=at_us(day, number))
            life.write(opened, end_of(opened))
    life.close()


@pytest.fixture
def tables(database):
    with database.connect_raw(autocommit=True) as connection:
        yield Tables(connection)


def deleted_rows(tables):
    tables.query("SELECT pg_stat_force_next_flush()")
    [(count,)] = tables.query(
        "SELECT coalesce(sum(n_tup_del), 0) FROM pg_stat_user_tables"
        " WHERE relname LIKE 'request_log%%' OR relname LIKE 'usage_event%%'"
    )
    return int(count)


def test_old_days_of_the_log_are_dropped_whole_and_the_books_stay(database, tables, tmp_path):
    a_week(tmp_path)
    Ship(tmp_path, tables.connection)()
    books, hours = tables.event_ids(), tables.hours()
    assert len(books) == DAYS * A_DAY
    before = deleted_rows(tables)
    with tables.connection.transaction():
        service.forget_old_log(tables.connection, (FIRST + timedelta(days=DAYS)).date(), 3)
    kept = tables.query("SELECT at::date, count(*) FROM request_log GROUP BY 1 ORDER BY 1")
    assert [count for _, count in kept] == [A_DAY] * 3
    assert kept[0][0] == (FIRST + timedelta(days=3)).date()
    assert (tables.event_ids(), tables.hours()) == (books, hours)
    assert deleted_rows(tables) == before, "no row was deleted, so nothing is bloated"


def test_shippers_and_the_drop_at_a_time_do_not_deadlock(database, tmp_path):
    folders = []
    for number in range(4):
        folder = tmp_path / str(number)
        folder.mkdir()
        a_week(folder, boot_ns=number + 1)
        folders.append(folder)
    # The tables' partitions are there before anything is dropped, as the shipper makes them.
    ship_folder = tmp_path / "first"
    ship_folder.mkdir()
    a_week(ship_folder, boot_ns=99)
    with database.connect_raw(autocommit=True) as connection:
        Ship(ship_folder, connection)()
    failures = []
    stop = threading.Event()

    def ship(folder):
        try:
            with database.connect_raw(autocommit=True) as connection:
                Ship(folder, connection)()
        except Exception as error:  # noqa: BLE001  told at the end
            failures.append(error)

    def drop():
        with database.connect_raw(autocommit=True) as connection:
            while not stop.is_set():
                try:
                    with connection.transaction():
                        service.forget_old_log(connection, FIRST.date() + timedelta(days=9), 4)
                except Exception as error:  # noqa: BLE001
                    failures.append(error)

    threads = [threading.Thread(target=ship, args=(folder,)) for folder in folders]
    dropping = threading.Thread(target=drop)
    for thread in (*threads, dropping):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    dropping.join()
    assert failures == []
    with database.connect_raw(autocommit=True) as connection:
        tables = Tables(connection)
        assert len(tables.event_ids()) == 5 * DAYS * A_DAY
        assert tables.hours() == tables.hours_by_events()


async def test_what_was_said_is_nowhere_in_the_database_and_the_journal(
    world, upstream, database, tables
):
    async def script(call):
        if call.json.get("stream"):
            await call.stream(text_event(f"answer {SECRET}"), usage_event(10, 0, 3), DONE)
        elif "fail" in call.json["messages"][0]["content"]:
            error = {"error": {"message": f"bad prompt {SECRET}", "code": "x"}}
            await call.answer(json.dumps(error).encode(), status=400)
        else:
            await call.answer(whole_answer(f"answer {SECRET}"))

    upstream.script = script
    for members in ({}, {"stream": True}, {"metadata": {"a": SECRET}}, {"user": SECRET}):
        client = await world.client()
        await soon(client.chat(messages=[{"role": "user", "content": SECRET}], **members))
    await soon(world.chat(messages=[{"role": "user", "content": f"fail {SECRET}"}]))
    await world.drain()
    for segment in world.journal.iterdir():
        assert SECRET.encode() not in segment.read_bytes()
    Ship(world.journal, tables.connection)()
    assert len(tables.event_ids()) == 5
    names = tables.query(
        "SELECT quote_ident(relname) FROM pg_class"
        " WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
    )
    for (name,) in names:
        found = tables.query(f"SELECT t::text FROM {name} t WHERE t::text LIKE %s", f"%{SECRET}%")
        assert not found, name
