"""PostgreSQL is killed at the worst moment of a batch, and not just at some moment."""

import random
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest
from accounting import Ended, Promises, account_for
from mortal_server import PATIENCE_S, kill_server, own_server

from tradewind.core.ids import uuid7_bytes
from tradewind.db.database import Database
from tradewind.features.metering.shipper import ShipperCounters, run_shipper
from tradewind.migrations.tables import load_tables
from tradewind.testing.usage_records import end_of, opened_call
from tradewind.usage.segment_writer import SegmentWriter
from tradewind.usage.segments import SegmentName, list_segments


def write_segment(folder: Path, calls: int) -> Promises:
    """Calls of a gateway that ended in good order, but for one call that it forgot."""
    writer = SegmentWriter.create(folder, SegmentName("a", 1, 0))
    promises = Promises()
    buffer = bytearray()
    for number in range(calls):
        opened = opened_call(organization_id=f"org_{number % 7}", event_id=uuid7_bytes())
        buffer += writer.encode(opened)
        promises.opened.add(UUID(bytes=opened.event_id))
        if number:
            end = end_of(opened, output_tokens=number)
            buffer += writer.encode(end)
            promises.ended[UUID(bytes=end.event_id)] = Ended(number, end.cost_nanos)
    writer.write(buffer)
    writer.seal()
    writer.close()
    return promises


def wait_until(is_true: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.postgres
@pytest.mark.timeout(0)
def test_a_batch_that_is_cut_by_the_death_of_the_server_is_taken_over_once(tmp_path: Path):
    journal = tmp_path / "journal"
    journal.mkdir()
    promises = write_segment(journal, 3000)
    stop, counters = threading.Event(), ShipperCounters()
    with own_server(tmp_path / "data") as server:
        database = Database(server.url, application_name="cut-batch")
        with database.transaction() as tx:
            load_tables().create_all(tx)
        shipper = threading.Thread(
            target=run_shipper,
            args=(database, journal, stop),
            kwargs={"counters": counters, "poll_s": 0.02},
        )
        with (
            closing(database.connect_raw(autocommit=True)) as watcher,
            closing(database.connect_raw()) as blocker,
        ):
            # The batch has begun and cannot end: it waits for this lock.
            blocker.execute("LOCK TABLE usage_hour IN ACCESS EXCLUSIVE MODE")
            shipper.start()
            wait_until(
                lambda: watcher.execute(
                    "SELECT 1 FROM pg_locks WHERE relation = 'usage_hour'::regclass AND NOT granted"
                ).fetchone()
            )
            kill_server(server, random.Random(1))
        server.start()
        server.wait_ready()
        try:
            wait_until(lambda: not list_segments(journal))
        finally:
            stop.set()
            shipper.join(PATIENCE_S)
        with database.connect_raw(autocommit=True) as connection:
            account = account_for(connection, promises, torn_tails_at_most=0)
        database.close()
    assert account.faults == []
    assert (account.events, account.orphans) == (3000, 1)
    assert counters.faults > 0
