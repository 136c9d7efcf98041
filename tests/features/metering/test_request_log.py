"""What the request log keeps of calls, and for how long."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from metering_parts import Life, Ship, Tables

from tradewind.core.ids import uuid7_bytes
from tradewind.testing.usage_records import end_of, opened_call
from tradewind.usage.event import Attempt, Outcome, Refused, Trail, Usage, UsageSource

pytestmark = pytest.mark.postgres

TRAIL = Trail(
    "messages",
    "small:floor",
    (
        Attempt("dep_a", "own", "least load", 503, "busy", 900),
        Attempt("dep_b", "openai", "spill: queue", 200, "", 120_000),
    ),
    queued_us=40_000,
    overhead_us=210,
    trace_parent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    user_agent="openai/3.54.0",
    tags={"team": "search"},
)


class SetClock:
    def __init__(self, now: datetime) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return 0.0


def refused(**changes):
    return Refused(
        **{
            "event_id": uuid7_bytes(),
            "at_us": int(datetime.now(UTC).timestamp() * 1e6),
            "organization_id": "org_a",
            "project_id": "proj_a",
            "key_id": "k1",
            "operation": "chat",
            "surface": "openai",
            "requested_model": "none/such",
            "http_status": 404,
            "error_code": "model_not_found",
        }
        | changes
    )


def test_a_call_is_logged_with_every_attempt(tmp_path: Path, ship: Ship, tables: Tables):
    life = Life(tmp_path)
    opened = opened_call()
    life.write(opened, end_of(opened, trail=TRAIL))
    ship()
    [row] = tables.query(
        "SELECT surface, requested_model, model, host, http_status, attempts, queued_us,"
        " overhead_us, trace_parent, user_agent, tags FROM request_log"
    )
    assert row[:5] == ("messages", "small:floor", opened.model, "openai", 200)
    assert [(each["host"], each["why"], each["status"], each["failure"]) for each in row[5]] == [
        ("own", "least load", 503, "busy"),
        ("openai", "spill: queue", 200, ""),
    ]
    assert row[6:] == (40_000, 210, TRAIL.trace_parent, "openai/3.54.0", {"team": "search"})
    life.close()


def test_a_refused_call_is_in_the_log_and_not_in_the_books(
    tmp_path: Path, ship: Ship, tables: Tables
):
    life = Life(tmp_path)
    life.write(refused())
    ship()
    assert tables.query("SELECT requested_model, http_status, error_code FROM request_log") == [
        ("none/such", 404, "model_not_found")
    ]
    assert tables.event_ids() == []
    assert tables.hours() == []
    life.close()


def test_shipping_again_logs_nothing_twice(tmp_path: Path, ship: Ship, tables: Tables):
    life = Life(tmp_path)
    opened = opened_call()
    life.write(opened, end_of(opened, trail=TRAIL), refused())
    ship()
    tables.connection.execute("UPDATE journal_segment SET read_offset = 0, next_sequence = 0")
    ship.shipper.forget()
    ship()
    assert tables.query("SELECT count(*) FROM request_log") == [(2,)]
    life.close()


def test_hostile_texts_are_cut_and_cost_the_event_nothing(
    tmp_path: Path, ship: Ship, tables: Tables
):
    life = Life(tmp_path)
    opened = opened_call()
    trail = Trail("openai", "a\0b" * 5000, (), tags={str(n): "x" * 300 for n in range(99)})
    life.write(opened, end_of(opened, trail=trail))
    ship()
    assert tables.event_ids() == [opened.event_id]
    [(name, tags)] = tables.query("SELECT requested_model, tags FROM request_log")
    assert name == ("a\N{REPLACEMENT CHARACTER}b" * 5000)[:200]
    assert (len(tags), {len(value) for value in tags.values()}) == (16, {200})
    life.close()


def test_an_orphan_is_in_the_log_too(tmp_path: Path, ship: Ship, tables: Tables):
    life = Life(tmp_path)
    opened = opened_call()
    life.write(opened)
    ship()
    life.die()
    ship()
    assert tables.query("SELECT model, http_status FROM request_log") == [(opened.model, 499)]


def test_token_classes_and_meters_reach_the_books(tmp_path: Path, ship: Ship, tables: Tables):
    life = Life(tmp_path)
    opened = opened_call()
    usage = Usage(
        100,
        20,
        30,
        UsageSource.UPSTREAM,
        cache_write_tokens=50,
        reasoning_tokens=7,
        meters={"images": 2},
    )
    life.write(opened, end_of(opened, usage=usage, outcome=Outcome.COMPLETED))
    ship()
    assert tables.query("SELECT cache_write_tokens, meters FROM usage_event") == [
        (50, {"reasoning_tokens": 7, "images": 2})
    ]
    assert tables.hours() == tables.hours_by_events()
    life.close()


def test_the_log_of_old_days_goes_and_the_books_stay(
    tmp_path: Path, connection: psycopg.Connection, tables: Tables
):
    clock = SetClock(datetime(2026, 11, 20, 12, 0, tzinfo=UTC))
    ship = Ship(tmp_path, connection, clock=clock, log_days=3)
    life = Life(tmp_path)
    for day in (20, 21):
        opened = opened_call(at_us=int(datetime(2026, 11, day, tzinfo=UTC).timestamp()) * 1_000_000)
        life.write(opened, end_of(opened))
    ship()
    clock.time += timedelta(days=4)
    ship()
    assert tables.query("SELECT at::date::text FROM request_log") == [("2026-11-21",)]
    assert len(tables.event_ids()) == 2
    life.close()
