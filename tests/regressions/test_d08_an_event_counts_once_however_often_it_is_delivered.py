"""D8: duplicates in the analytics store, because deduplication was a matter of its background
merges (Lago-api#4744, #4725, #5416, #5359).

The journal is shipped again and again, from a restored copy and by two shippers at a time; the
tables say the same as after the first time.
"""

import shutil
import sys
import threading
from pathlib import Path

import pytest
from gateway_parts import whole_answer

sys.path.append(str(Path(__file__).parents[1] / "features" / "metering"))

from metering_parts import Ship, Tables

pytestmark = pytest.mark.postgres
CALLS = 40


@pytest.fixture
async def journal(world, upstream):
    """The folder of a gateway that made some calls and was stopped."""

    async def script(call):
        await call.answer(whole_answer())

    upstream.script = script
    for _ in range(CALLS):
        assert (await world.chat()).status == 200
    await world.drain()
    return world.journal


def ship(folder, database):
    with database.connect_raw(autocommit=True) as connection:
        return Ship(folder, connection)()


async def test_a_restored_journal_counts_nothing_twice(journal, database, tmp_path):
    copies = [shutil.copytree(journal, tmp_path / f"copy-{number}") for number in range(3)]
    ship(journal, database)
    with database.connect_raw(autocommit=True) as connection:
        tables = Tables(connection)
        first = tables.everything()
        assert len(tables.event_ids()) == CALLS
        assert tables.hours() == tables.hours_by_events()
        # The memory of what was read is lost too, as with a restored database of an older day.
        for copy in copies:
            connection.execute("DELETE FROM journal_segment")
            counters = ship(copy, database)
            assert counters.repeated_events == CALLS
            assert counters.events == 0
            assert tables.everything() == first


async def test_two_shippers_at_a_time_count_nothing_twice(journal, database, tmp_path):
    copies = [shutil.copytree(journal, tmp_path / f"copy-{number}") for number in range(4)]
    failures = []

    def run(folder):
        try:
            ship(folder, database)
        except Exception as error:  # noqa: BLE001  told at the end
            failures.append(error)

    threads = [threading.Thread(target=run, args=(copy,)) for copy in copies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Who came second to a segment is told so and would try again; nothing else may go wrong.
    assert {type(failure).__name__ for failure in failures} <= {"SegmentMoved"}
    with database.connect_raw(autocommit=True) as connection:
        tables = Tables(connection)
        assert len(tables.event_ids()) == CALLS
        assert tables.hours() == tables.hours_by_events()
        [(requests,)] = tables.query("SELECT sum(requests) FROM usage_hour")
        assert requests == CALLS
