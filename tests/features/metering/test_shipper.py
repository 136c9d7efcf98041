"""From a folder of segments into the tables, on a real PostgreSQL."""

import random
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from metering_parts import Life, Ship, Tables, ids_of

from tradewind.db.database import Database
from tradewind.features.metering.shipper import ShipperCounters, run_shipper
from tradewind.testing.usage_records import end_of, opened_call, progress_of
from tradewind.usage.event import Opened, Outcome, UsageEvent
from tradewind.usage.frames import FORMAT_VERSION, SegmentHeader, encode_frame
from tradewind.usage.segments import list_segments

pytestmark = pytest.mark.postgres
PATIENCE_S = 60


def many_events(count: int, seed: int = 1) -> list[UsageEvent]:
    """Events of several organizations, keys, models, outcomes and hours."""
    chance = random.Random(seed)
    now_us = time.time_ns() // 1000
    events: list[UsageEvent] = []
    for _ in range(count):
        opened = opened_call(
            organization_id=f"org_{chance.randrange(3)}",
            key_id=f"key_{chance.randrange(3)}",
            model=f"model-{chance.randrange(2)}",
            at_us=now_us - chance.randrange(50 * 3_600_000_000),
            input_tokens_estimate=chance.randrange(3000),
        )
        outcome = chance.choice(list(Outcome))
        first_token_us = chance.choice([None, 0, 20_000])
        events.append(
            end_of(
                opened,
                output_tokens=chance.randrange(900),
                outcome=outcome,
                first_token_us=first_token_us,
            )
        )
    return events


def test_an_ended_call_becomes_one_event_with_the_cost_it_came_with(
    tmp_path: Path, ship: Ship, tables: Tables
):
    life = Life(tmp_path)
    opened = opened_call(at_us=1_790_000_000_000_001)
    life.write(opened, end_of(opened))
    ship()
    assert tables.query("SELECT event_id, at, cost_nanos, outcome FROM usage_event") == [
        (
            tables.query("SELECT event_id FROM usage_event")[0][0],
            datetime(2026, 9, 21, 14, 13, 20, 1, tzinfo=UTC),
            end_of(opened).cost_nanos,
            "completed",
        )
    ]
    assert tables.event_ids() == [opened.event_id]
    assert tables.open_ids() == []
    life.close()


def test_the_hours_are_the_sum_of_the_events(tmp_path: Path, ship: Ship, tables: Tables):
    life = Life(tmp_path)
    events = many_events(700)
    for start in range(0, 700, 70):
        life.write(*events[start : start + 70])
        ship()
    assert tables.event_ids() == ids_of(events)
    assert tables.hours() == tables.hours_by_events()
    assert sum(row[8] for row in tables.hours()) == 700
    assert sum(row[15] for row in tables.hours()) == sum(event.cost_nanos for event in events)
    life.close()


def test_shipping_the_same_segments_again_changes_nothing(
    tmp_path: Path, ship: Ship, tables: Tables
):
    life = Life(tmp_path)
    still_open = opened_call()
    life.write(*many_events(300), still_open, progress_of(still_open, 5))
    ship()
    before = tables.everything()
    tables.connection.execute("UPDATE journal_segment SET read_offset = 0, next_sequence = 0")
    ship.shipper.forget()
    counters = ship()
    assert counters.repeated_events == 300
    assert tables.everything() == before
    life.close()


def test_what_each_writer_spent_is_summed_by_day_orphans_included(
    tmp_path: Path, ship: Ship, tables: Tables
):
    one, other = Life(tmp_path, node="a"), Life(tmp_path, node="b", boot_ns=7)
    events, others, orphan = many_events(200, 1), many_events(50, 2), opened_call()
    one.write(*events, orphan, progress_of(orphan, 5))
    other.write(*others)
    ship()
    one.die()
    ship()
    found = {
        (node, boot): int(cost)
        for node, boot, cost in tables.query(
            "SELECT node, boot_ns, sum(cost_nanos) FROM usage_writer_day GROUP BY 1, 2"
        )
    }
    [(of_orphan,)] = tables.query(
        "SELECT cost_nanos FROM usage_event WHERE outcome = 'orphaned'"
        " AND event_id = encode(%s, 'hex')::uuid",
        orphan.event_id,
    )
    assert of_orphan > 0
    assert found == {
        ("a", 1): sum(event.cost_nanos for event in events) + of_orphan,
        ("b", 7): sum(event.cost_nanos for event in others),
    }
    assert tables.query(
        "SELECT organization_id, day, key_id, currency, sum(cost_nanos) FROM usage_writer_day"
        " GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
    ) == tables.query(
        "SELECT organization_id, (at AT TIME ZONE 'UTC')::date, key_id, currency, sum(cost_nanos)"
        " FROM usage_event GROUP BY 1, 2, 3, 4 HAVING sum(cost_nanos) > 0 ORDER BY 1, 2, 3, 4"
    )
    assert tables.query("SELECT DISTINCT is_summed_by_writer FROM journal_segment") == [(True,)]
    other.close()


def test_a_batch_that_comes_twice_in_one_transaction_counts_once(
    tmp_path: Path, ship: Ship, tables: Tables
):
    life = Life(tmp_path)
    events = many_events(20)
    life.write(*events, *events)
    ship()
    assert tables.event_ids() == ids_of(events)
    assert tables.hours() == tables.hours_by_events()
    life.close()


def test_a_call_in_flight_waits_with_its_progress_for_its_end(
    tmp_path: Path, ship: Ship, tables: Tables
):
    life = Life(tmp_path)
    opened = opened_call()
    life.write(opened)
    ship()
    assert tables.open_ids() == [opened.event_id]
    life.write(progress_of(opened, 512), progress_of(opened, 100))
    ship()
    assert tables.query("SELECT output_tokens FROM journal_open") == [(512,)]
    life.write(progress_of(opened, 300))
    ship()
    assert tables.query("SELECT output_tokens FROM journal_open") == [(512,)], "it only rises"
    assert tables.event_ids() == []
    life.write(end_of(opened, output_tokens=600))
    ship()
    assert tables.open_ids() == []
    assert tables.query("SELECT output_tokens FROM usage_event") == [(600,)]
    life.close()


def test_an_open_call_of_a_dead_writer_becomes_one_orphan(
    tmp_path: Path, ship: Ship, tables: Tables
):
    life = Life(tmp_path)
    silent, flowing, ended = opened_call(), opened_call(), opened_call()
    life.write(silent, flowing, ended, progress_of(flowing, 100), end_of(ended))
    ship()
    assert tables.event_ids() == [ended.event_id], "the writer lives"
    life.die()
    counters = ship()
    assert counters.orphans == 2
    rows = tables.query(
        "SELECT event_id, outcome, usage_source, input_tokens, output_tokens, cost_nanos"
        " FROM usage_event WHERE outcome = 'orphaned' ORDER BY cost_nanos"
    )
    assert [(row[0].bytes, *row[1:]) for row in rows] == [
        (silent.event_id, "orphaned", "none", 0, 0, 0),
        (flowing.event_id, "orphaned", "estimated", 40, 100, 40 * 100 + 100 * 200),
    ]
    assert tables.open_ids() == []
    assert tables.hours() == tables.hours_by_events()
    assert list_segments(tmp_path) == [], "what is stored is deleted"


def test_an_end_that_turns_up_after_its_orphan_changes_nothing(
    tmp_path: Path, ship: Ship, tables: Tables
):
    life = Life(tmp_path)
    opened = opened_call()
    life.write(opened, progress_of(opened, 5))
    life.die()
    ship()
    before = tables.everything()
    late = Life(tmp_path, boot_ns=2)
    late.write(end_of(opened))
    late.close()
    counters = ship()
    assert counters.repeated_events == 1
    assert tables.everything() == before


def test_a_call_may_end_in_a_later_segment_than_it_began(
    tmp_path: Path, ship: Ship, tables: Tables
):
    life = Life(tmp_path)
    first, second, third = opened_call(), opened_call(), opened_call()
    life.write(first, second, third)
    life.rotate()
    life.write(end_of(first))
    assert ship().finished_segments == 1
    assert len(list_segments(tmp_path)) == 1, "a finished segment is deleted while its writer lives"
    life.rotate()
    life.write(end_of(second))
    life.die()
    assert ship().orphans == 1
    assert tables.event_ids() == ids_of([first, second, third])
    assert tables.query("SELECT outcome FROM usage_event WHERE outcome <> 'completed'") == [
        ("orphaned",)
    ]


def test_a_writer_that_died_between_two_segments_is_settled_once_both_are_read(
    tmp_path: Path, ship: Ship, tables: Tables
):
    life = Life(tmp_path)
    opened = opened_call()
    life.write(opened)
    unsealed = life.path.read_bytes()
    path = life.path
    life.rotate()
    life.write(end_of(opened))
    life.die()
    path.write_bytes(unsealed)
    assert ship().orphans == 0
    assert tables.event_ids() == [opened.event_id]
    assert list_segments(tmp_path) == []


def test_only_the_calls_of_the_dead_writer_are_settled(tmp_path: Path, ship: Ship, tables: Tables):
    dead, living = Life(tmp_path, boot_ns=1), Life(tmp_path, boot_ns=2)
    lost, going = opened_call(), opened_call()
    dead.write(lost)
    living.write(going)
    dead.die()
    ship()
    assert tables.event_ids() == [lost.event_id]
    assert tables.open_ids() == [going.event_id]
    living.close()


def test_more_open_calls_than_a_batch_are_all_settled(tmp_path: Path, ship: Ship, tables: Tables):
    life = Life(tmp_path)
    calls = [opened_call() for _ in range(5001)]
    life.write(*calls)
    life.die()
    assert ship().orphans == 5001
    assert tables.event_ids() == ids_of(calls)
    assert tables.hours() == tables.hours_by_events()


def test_damage_is_quarantined_and_everything_around_it_is_shipped(
    tmp_path: Path, ship: Ship, tables: Tables
):
    life = Life(tmp_path)
    before, hit, after = opened_call(), opened_call(), opened_call()
    life.write(before, end_of(before))
    start = life.path.stat().st_size
    life.write(hit, end_of(hit))
    end = life.path.stat().st_size
    life.write(after, end_of(after))
    data = bytearray(life.path.read_bytes())
    data[start + 30] ^= 1
    data[end - 5] ^= 1
    life.path.write_bytes(data)
    life.close()
    counters = ship()
    assert tables.event_ids() == ids_of([before, after])
    assert (counters.quarantined_bytes, counters.missing_frames) == (end - start, 2)
    assert tables.query(
        "SELECT quarantined_bytes, missing_frames, is_finished FROM journal_segment"
    ) == [(end - start, 2, True)]
    assert tables.query("SELECT start_offset, end_offset FROM journal_quarantine") == [(start, end)]
    assert [path.name for path in (tmp_path / "damaged").iterdir()] == [life.path.name]


@pytest.mark.parametrize(
    "hostile",
    [
        end_of(opened_call(), cost_nanos=-1),
        end_of(opened_call(), cost_nanos=2**63),
        end_of(opened_call(), http_status=70_000),
        end_of(opened_call(), at_us=-(2**63)),
        end_of(opened_call(), at_us=2**63),
        end_of(opened_call(), model="\0"),
        end_of(opened_call(), model="é" * 30_000),
        end_of(opened_call(), event_id=b""),
        end_of(opened_call(), currency="x"),
        opened_call(model="\0"),
        opened_call(output_nanos=-1),
    ],
    ids=lambda record: repr(record)[:0],
)
def test_a_hostile_record_never_blocks_what_comes_after_it(
    tmp_path: Path, ship: Ship, tables: Tables, hostile: Any
):
    life = Life(tmp_path)
    good = opened_call()
    life.write(good, hostile, end_of(good))
    life.die()
    counters = ship()
    assert counters.quarantined_ranges == 1
    assert counters.faults == 0
    assert tables.event_ids() == [good.event_id]
    assert list_segments(tmp_path) == []


def test_a_record_that_only_the_database_refuses_is_found_and_passed_over(
    tmp_path: Path, ship: Ship, tables: Tables
):
    # Stands for whatever our own checks do not know of.
    tables.connection.execute("ALTER TABLE usage_event ALTER COLUMN model TYPE varchar(30)")
    life = Life(tmp_path)
    events = many_events(40)
    life.write(*events[:17], end_of(opened_call(model="m" * 31)), *events[17:])
    life.close()
    counters = ship()
    assert counters.quarantined_ranges == 1
    assert tables.event_ids() == ids_of(events)
    assert tables.hours() == tables.hours_by_events()
    ((reason,),) = tables.query("SELECT reason FROM journal_quarantine")
    assert "22001" in reason


def test_a_table_that_is_not_ready_passes_nothing_over(tmp_path: Path, ship: Ship, tables: Tables):
    tables.connection.execute("ALTER TABLE usage_hour RENAME TO usage_hour_later")
    life = Life(tmp_path)
    events = many_events(10)
    life.write(*events)
    with pytest.raises(psycopg.errors.UndefinedTable):
        ship()
    assert tables.event_ids() == []
    tables.connection.execute("ALTER TABLE usage_hour_later RENAME TO usage_hour")
    assert ship().quarantined_ranges == 0
    assert tables.event_ids() == ids_of(events)
    life.close()


def test_a_segment_of_a_later_release_is_left_alone(tmp_path: Path, ship: Ship, tables: Tables):
    path = tmp_path / "a-1-0.journal"
    data = encode_frame(SegmentHeader(FORMAT_VERSION + 1, "a", 1, 0), 0) + encode_frame(
        end_of(opened_call()), 1
    )
    path.write_bytes(data)
    other = Life(tmp_path, node="b")
    opened = opened_call()
    other.write(opened, end_of(opened))
    ship()
    assert path.read_bytes() == data
    assert tables.event_ids() == [opened.event_id]
    other.close()


@pytest.mark.parametrize("hindrance", ["a later release", "a file that cannot be read"])
def test_a_writer_is_not_settled_while_an_earlier_segment_of_it_is_unread(
    tmp_path: Path, ship: Ship, tables: Tables, hindrance: str
):
    life = Life(tmp_path)
    path, opened = life.path, opened_call()
    life.rotate()
    life.write(opened)
    life.die()
    path.unlink()
    if hindrance == "a later release":
        path.write_bytes(encode_frame(SegmentHeader(FORMAT_VERSION + 1, "a", 1, 0), 0))
    else:
        path.mkdir()
    ship()
    assert tables.event_ids() == []
    assert len(list_segments(tmp_path)) == 2


def test_days_get_partitions_and_far_off_ones_share_the_default(
    tmp_path: Path, ship: Ship, tables: Tables
):
    now = datetime.now(UTC)
    ten_days_ago = now - timedelta(days=10)
    for moment in (now, ten_days_ago, now - timedelta(days=900), now + timedelta(days=900)):
        opened = opened_call(at_us=int(moment.timestamp()) * 1_000_000)
        life = Life(tmp_path, boot_ns=int(moment.timestamp()))
        life.write(opened, end_of(opened))
        life.close()
    ship()
    found = dict(
        tables.query("SELECT tableoid::regclass::text, count(*) FROM usage_event GROUP BY 1")
    )
    assert found == {
        f"usage_event_{now:%Y%m%d}": 1,
        f"usage_event_{ten_days_ago:%Y%m%d}": 1,
        "usage_event_default": 2,
    }
    names = {
        row[0]
        for row in tables.query(
            "SELECT inhrelid::regclass::text FROM pg_inherits"
            " WHERE inhparent = 'usage_event'::regclass"
        )
    }
    assert f"usage_event_{now + timedelta(days=2):%Y%m%d}" in names


class SetClock:
    def __init__(self, now: datetime) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return 0.0


def test_a_day_that_comes_takes_its_rows_out_of_the_default_partition(
    tmp_path: Path, connection: psycopg.Connection, tables: Tables
):
    clock = SetClock(datetime(2026, 11, 20, 23, 59, tzinfo=UTC))
    ship = Ship(tmp_path, connection, clock=clock)
    life = Life(tmp_path)
    early = opened_call(at_us=int(datetime(2026, 11, 24, tzinfo=UTC).timestamp()) * 1_000_000)
    life.write(early, end_of(early))
    ship()
    where = "SELECT tableoid::regclass::text FROM usage_event"
    assert tables.query(where) == [("usage_event_default",)]
    clock.time += timedelta(days=2)
    ship()
    assert tables.query(where) == [("usage_event_20261124",)]
    life.write(end_of(early))
    assert ship().repeated_events == 1, "the key holds across the move"
    assert tables.hours() == tables.hours_by_events()
    life.close()


def test_segments_finished_long_ago_are_forgotten(
    tmp_path: Path, connection: psycopg.Connection, tables: Tables
):
    clock = SetClock(datetime.now(UTC))
    ship = Ship(tmp_path, connection, clock=clock)
    Life(tmp_path).close()
    damaged = Life(tmp_path, boot_ns=2)
    damaged.write_bytes(b"nonsense")
    damaged.close()
    ship()
    assert tables.query("SELECT count(*) FROM journal_segment") == [(2,)]
    clock.time += timedelta(days=91)
    ship()
    assert tables.query("SELECT count(*) FROM journal_segment") == [(0,)]
    assert tables.query("SELECT count(*) FROM journal_quarantine") == [(0,)]


def test_finished_segments_are_kept_when_it_is_wished(
    tmp_path: Path, connection: psycopg.Connection
):
    life = Life(tmp_path)
    life.close()
    Ship(tmp_path, connection, keep_bytes=10**6)()
    assert [path.name for path in (tmp_path / "shipped").iterdir()] == [life.path.name]


def test_of_two_shippers_on_one_segment_each_event_is_taken_once(
    tmp_path: Path, database: Database, ship: Ship, tables: Tables
):
    life = Life(tmp_path)
    events = many_events(60)
    life.write(*events[:20])
    ship()
    with database.connect_raw(autocommit=True) as other_connection:
        other = Ship(tmp_path, other_connection)
        life.write(*events[20:40])
        other()
        life.write(*events[40:])
        with pytest.raises(Exception, match="no longer at"):
            ship()
        ship.shipper.forget()
        ship()
    assert tables.event_ids() == ids_of(events)
    assert tables.hours() == tables.hours_by_events()
    life.close()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=st.lists(
        st.sampled_from(
            ["open", "open", "progress", "end", "end", "rotate", "die", "ship", "fault", "repeat"]
        ),
        max_size=40,
    ),
    chance=st.randoms(use_true_random=False),
)
def test_any_interleaving_of_calls_crashes_and_shipping_loses_and_doubles_nothing(
    tmp_path_factory, database: Database, steps: list[str], chance: random.Random
):
    folder = tmp_path_factory.mktemp("journal")
    calls: dict[bytes, Opened] = {}
    running: dict[bytes, int | None] = {}
    ended: dict[bytes, UsageEvent] = {}
    orphaned: dict[bytes, int | None] = {}
    life = Life(folder, boot_ns=1)
    lives = 1
    with database.connect_raw(autocommit=True) as connection:
        connection.execute(
            "TRUNCATE usage_event, usage_hour, journal_open, journal_segment, journal_quarantine"
        )
        tables, ship = Tables(connection), Ship(folder, connection)
        for step in steps:
            match step:
                case "open":
                    opened = opened_call(organization_id=f"org_{chance.randrange(2)}")
                    calls[opened.event_id] = opened
                    running[opened.event_id] = None
                    life.write(opened)
                case "progress" if running:
                    event_id = chance.choice(list(running))
                    running[event_id] = (running[event_id] or 0) + chance.randrange(600)
                    life.write(progress_of(calls[event_id], running[event_id] or 0))
                case "end" if running:
                    event_id = chance.choice(list(running))
                    del running[event_id]
                    ended[event_id] = end_of(calls[event_id], output_tokens=chance.randrange(600))
                    life.write(ended[event_id])
                case "rotate":
                    life.rotate()
                case "die":
                    life.die()
                    orphaned |= running
                    running.clear()
                    lives += 1
                    life = Life(folder, boot_ns=lives)
                case "ship":
                    ship()
                case "fault":
                    # The answer to a commit that took place is lost, or the shipper is killed: all
                    # that it remembered is gone.
                    ship.shipper.forget()
                case "repeat":
                    # As after restoring an older copy of the progress, but not of the events.
                    connection.execute(
                        "UPDATE journal_segment SET read_offset = 0, next_sequence = 0"
                        " WHERE NOT is_finished"
                    )
                    ship.shipper.forget()
                case _:
                    pass
        life.close()
        orphaned |= running
        counters = ship()
        assert tables.event_ids() == sorted(ended | orphaned)
        stored = {
            row[0].bytes: row[1:]
            for row in tables.query(
                "SELECT event_id, outcome, output_tokens, cost_nanos FROM usage_event"
            )
        }
        for event_id, event in ended.items():
            assert stored[event_id] == ("completed", event.usage.output_tokens, event.cost_nanos)
        for event_id, tokens in orphaned.items():
            assert stored[event_id][:2] == ("orphaned", tokens or 0)
            assert (stored[event_id][2] == 0) == (tokens is None)
        assert tables.hours() == tables.hours_by_events()
        assert tables.open_ids() == []
        assert list_segments(folder) == []
        assert counters.quarantined_ranges == 0


def test_the_running_shipper_follows_the_journal_and_drains_it_at_the_end(
    tmp_path: Path, database: Database, tables: Tables
):
    stop = threading.Event()
    counters = ShipperCounters()
    thread = threading.Thread(
        target=run_shipper,
        args=(database, tmp_path / "journal", stop),
        kwargs={"counters": counters, "poll_s": 0.01},
    )
    (tmp_path / "journal").mkdir()
    life = Life(tmp_path / "journal")
    thread.start()
    try:
        first, second = opened_call(), opened_call()
        life.write(first, end_of(first), second)
        deadline = time.monotonic() + PATIENCE_S
        while tables.event_ids() != [first.event_id]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        stop.set()
        life.write(end_of(second))
        life.close()
    finally:
        stop.set()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert counters.events in {1, 2}


def test_a_second_shipper_on_the_folder_waits_and_can_be_stopped(
    tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture
):
    stops = [threading.Event(), threading.Event()]
    threads = [
        threading.Thread(
            target=run_shipper, args=(database, tmp_path, stop), kwargs={"poll_s": 0.01}
        )
        for stop in stops
    ]
    try:
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + PATIENCE_S
        while "another shipper" not in caplog.text:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        for stop in stops:
            stop.set()
        for thread in threads:
            thread.join(PATIENCE_S)
    assert not any(thread.is_alive() for thread in threads)
