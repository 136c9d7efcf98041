"""What is kept of what checks found: calls with something to say, and counts of the hour."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from metering_parts import Life, Ship, Tables

from tradewind.testing.usage_records import end_of, opened_call
from tradewind.usage.event import Flag, SafetyTrail, Trail

pytestmark = pytest.mark.postgres

POLICY = (("policy_1", 3),)


def flag(category="violence", severity=6, action="block", direction="prompt"):
    return Flag(category, direction, severity, 0.9, action, "harms", "1")


def call(safety):
    opened = opened_call()
    return opened, end_of(opened, trail=Trail("openai", "m", (), safety=safety))


def hours(tables: Tables):
    return tables.query(
        "SELECT category, direction, band, action, calls FROM safety_hour ORDER BY 1, 2, 3, 4"
    )


def write(folder: Path, *trails: SafetyTrail | None, boot_ns: int = 1):
    life = Life(folder, boot_ns=boot_ns)
    for trail in trails:
        life.write(*call(trail))
    life.close()


def test_a_call_with_findings_is_kept_with_all_its_flags(
    tmp_path: Path, ship: Ship, tables: Tables
):
    found = SafetyTrail(
        POLICY,
        (flag("hate", 0, "annotate"), flag()),
        failures=(("llama_guard", "timeout"),),
        blocked_at=40,
        examined_us=1_500,
    )
    write(tmp_path, found)
    ship()
    ((action, policies, flags, failures, blocked_at, examined_us),) = tables.query(
        "SELECT action, policies, flags, failures, blocked_at, examined_us FROM usage_safety"
    )
    assert (action, blocked_at, examined_us) == ("block", 40, 1_500)
    assert policies == [["policy_1", 3]]
    assert failures == [["llama_guard", "timeout"]]
    assert [(each["category"], each["severity"]) for each in flags] == [
        ("violence", 6),
        ("hate", 0),
    ]
    assert flags[0]["check_version"] == "1"
    assert hours(tables) == [
        ("", "", "", "blocked", 1),
        ("", "", "", "examined", 1),
        ("", "", "", "failed", 1),
        ("violence", "prompt", "high", "block", 1),
    ]


def test_a_call_of_which_there_is_nothing_to_say_is_only_counted(
    tmp_path: Path, ship: Ship, tables: Tables
):
    write(tmp_path, SafetyTrail(POLICY, (flag("hate", 0, "annotate"),)), SafetyTrail(POLICY), None)
    ship()
    assert tables.query("SELECT count(*) FROM usage_safety") == [(0,)]
    assert hours(tables) == [("", "", "", "examined", 2)]


def test_calls_of_many_batches_add_up_in_their_hour(tmp_path: Path, ship: Ship, tables: Tables):
    for boot_ns in (1, 2):
        write(tmp_path, SafetyTrail(POLICY, (flag("pii", 6, "annotate"),)), boot_ns=boot_ns)
        ship()
    assert sum(row[4] for row in hours(tables) if row[0] == "pii") == 2
    assert tables.query("SELECT DISTINCT action FROM usage_safety") == [("annotate",)]


def test_what_comes_twice_is_kept_and_counted_once(tmp_path: Path, ship: Ship, tables: Tables):
    records = call(SafetyTrail(POLICY, (flag(),)))
    for boot_ns in (1, 2):
        life = Life(tmp_path, boot_ns=boot_ns)
        life.write(*records)
        life.close()
        ship()
    assert tables.query("SELECT count(*) FROM usage_safety") == [(1,)]
    assert {row[4] for row in hours(tables)} == {1}


def test_hostile_findings_are_cut_and_cost_the_event_nothing(
    tmp_path: Path, ship: Ship, tables: Tables
):
    hostile = Flag("\0" + "x" * 90, "y" * 90, 10**6, float("inf"), "explode", "c" * 90, "\0")
    write(tmp_path, SafetyTrail((("p" * 90, 2**60),) * 45, (hostile,) * 120, examined_us=2**63))
    ship()
    assert len(tables.event_ids()) == 1
    ((flags, policies),) = tables.query("SELECT flags, policies FROM usage_safety")
    assert len(flags) == 100
    assert len(policies) == 40
    assert (flags[0]["severity"], flags[0]["score"], flags[0]["action"]) == (7, 1.0, "annotate")
    assert len(flags[0]["category"]) == 60


class SetClock:
    def __init__(self, now: datetime) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return 0.0


def test_findings_go_with_the_request_log_and_the_hours_stay(
    tmp_path: Path, connection: psycopg.Connection, tables: Tables
):
    clock = SetClock(datetime(2026, 11, 20, 12, 0, tzinfo=UTC))
    ship = Ship(tmp_path, connection, clock=clock, log_days=3)
    life = Life(tmp_path)
    for day in (20, 21):
        opened = opened_call(at_us=int(datetime(2026, 11, day, tzinfo=UTC).timestamp()) * 1_000_000)
        trail = Trail("openai", "m", (), safety=SafetyTrail(POLICY, (flag(),)))
        life.write(opened, end_of(opened, trail=trail))
    life.close()
    ship()
    clock.time += timedelta(days=4)
    ship()
    assert tables.query("SELECT at::date::text FROM usage_safety") == [("2026-11-21",)]
    assert sum(row[4] for row in hours(tables) if row[3] == "examined") == 2
