"""Days that are over go into files, and out of the tables, and stay to be asked for."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.features.metering.archive_parts import ALL, DAY, Usage, event
from tradewind.core.errors import InvalidInput
from tradewind.features.metering.archive.errors import ArchiveDamaged
from tradewind.features.metering.archive.repository import parquet
from tradewind.features.metering.archive.repository.sums import SUMS as QUESTION
from tradewind.features.metering.archive.schemas import Step, Stretch

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(180)]

EVERYTHING = "SELECT * FROM usage_event ORDER BY event_id"
SUMS = f"{QUESTION} FROM usage_event GROUP BY 1, 2 ORDER BY 1, 2"


@pytest.fixture
def usage(database, tmp_path) -> Usage:
    return Usage(database, tmp_path)


def the_file(usage: Usage) -> Path:
    [location] = usage.rows("SELECT location FROM usage_archive")[0]
    found = usage.store.local_path(location)
    assert found is not None
    return found


def test_a_day_that_is_over_is_written_and_verified_and_stays_in_the_tables(usage):
    usage.add_hours()

    done = usage.archiver(keep_days=0).run()

    assert (done.verified, done.dropped) == (1, 0)
    assert usage.states() == [(0, "verified", 50)]
    assert usage.rows("SELECT count(*) FROM usage_event") == [(50,)]
    assert not usage.archiver(keep_days=0).is_due()


def test_a_day_that_is_not_over_by_hours_is_left_alone(usage):
    usage.add_hours()

    usage.archiver(now=DAY + timedelta(days=1, hours=5)).run()
    assert usage.states() == []

    usage.archiver(now=DAY + timedelta(days=1, hours=6)).run()
    assert usage.states() == [(0, "verified", 50)]


def test_a_file_is_sorted_and_has_a_checksum_beside_it(usage):
    usage.add_hours()
    usage.archiver().run()

    file = the_file(usage)
    with parquet.duck(file.parent) as duck:
        kept = duck.execute(
            'SELECT organization_id, CAST("at" AS VARCHAR) FROM read_parquet(?)', [str(file)]
        )
        rows = kept.fetchall()
    checked = subprocess.run(
        ["sha256sum", "--check", f"{file.name}.sha256"],
        cwd=file.parent,
        check=False,
        capture_output=True,
    )

    assert rows == sorted(rows)
    assert len(rows) == 50
    assert checked.returncode == 0, checked.stderr


def test_what_leaves_the_tables_is_answered_as_before(usage):
    usage.add_hours()
    usage.add_hours(datetime(2026, 5, 30, tzinfo=UTC), count=7)
    before, sums_before = usage.ask(EVERYTHING), usage.ask(SUMS)

    done = usage.archiver(keep_days=40).run()

    assert done.dropped == 1
    assert usage.states() == [(0, "dropped", 50), (0, "verified", 7)]
    assert usage.rows("SELECT count(*) FROM usage_event") == [(7,)]
    assert usage.rows("SELECT to_regclass('usage_event_20260301') IS NULL") == [(True,)]
    assert usage.ask(EVERYTHING).rows == before.rows
    assert usage.ask(SUMS).rows == sums_before.rows
    assert len(before.rows) == 57


def test_a_stretch_has_its_own_events_only(usage):
    usage.add_hours()
    usage.archiver().run()

    half = Stretch(DAY, DAY + timedelta(hours=10))
    assert usage.ask("SELECT count(*) FROM usage_event", half).rows == [(24,)]


def test_events_that_come_behind_the_file_are_in_it_before_the_day_leaves(usage):
    usage.add_hours()
    usage.archiver(keep_days=0).run()
    first = the_file(usage)
    late = event(99, DAY + timedelta(hours=3))
    usage.add([late])

    usage.archiver(keep_days=40).run()

    assert usage.states() == [(0, "dropped", 51)]
    assert late.event_id in usage.all_ids()
    assert not first.exists()


def test_events_of_a_day_that_is_gone_become_a_part_of_their_own(usage):
    usage.add_hours()
    usage.archiver().run()
    late = [event(n, DAY + timedelta(hours=n)) for n in range(4)]
    usage.add(late)
    assert len(usage.all_ids()) == 54

    usage.archiver().run()

    assert usage.states() == [(0, "dropped", 50), (1, "dropped", 4)]
    assert usage.rows("SELECT count(*) FROM usage_event") == [(0,)]
    assert len(usage.all_ids()) == len(set(usage.all_ids())) == 54
    assert not usage.archiver().is_due()


def test_late_events_in_the_default_partition_are_found_there(usage):
    usage.add_hours()
    usage.archiver().run()
    row = event(1, DAY)
    with usage.database.connect_raw() as connection:
        from tradewind.features.metering.repository import store_events  # noqa: PLC0415

        store_events(connection, [row])
        connection.execute("DELETE FROM usage_news")

    usage.archiver().run()

    assert usage.states() == [(0, "dropped", 50), (1, "dropped", 1)]
    assert row.event_id in usage.all_ids()


def test_a_day_whose_receipts_are_not_made_stays_in_the_tables(usage):
    usage.add([event(1, DAY)], has_receipts=False)

    done = usage.archiver().run()

    assert (done.dropped, done.waiting) == (0, 1)
    assert usage.states() == [(0, "verified", 1)]
    assert usage.rows("SELECT count(*) FROM usage_event") == [(1,)]


def test_a_day_that_somebody_reads_stays_in_the_tables(usage):
    usage.add_hours()
    with usage.database.connect_raw() as reader:
        reader.execute("SELECT FROM usage_event LIMIT 1")
        done = usage.archiver().run()

    assert (done.dropped, done.waiting) == (0, 1)
    assert usage.archiver().run().dropped == 1


def test_a_file_that_is_damaged_is_written_again_before_the_day_leaves(usage):
    usage.add_hours()
    usage.archiver(keep_days=0).run()
    file = the_file(usage)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    file.unlink()

    usage.archiver(keep_days=40).run()

    assert usage.states() == [(0, "dropped", 50)]
    assert len(usage.all_ids()) == 50


def test_a_store_that_loses_what_it_is_given_keeps_the_day_in_the_tables(usage):
    usage.add_hours()

    def lose(step, part):
        if step is Step.STORED:
            usage.store.delete(part.location)

    with pytest.raises(ArchiveDamaged):
        usage.archiver(tell=lose).run()

    assert usage.states() == [(0, "exported", 50)]
    assert usage.rows("SELECT count(*) FROM usage_event") == [(50,)]


def test_a_question_about_a_file_that_was_changed_is_refused(usage):
    usage.add_hours()
    usage.archiver().run()
    file = the_file(usage)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.chmod(0o600)
    file.write_bytes(bytes(data))

    with pytest.raises(ArchiveDamaged):
        usage.all_ids()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "COPY (SELECT 1) TO '/tmp/tradewind-should-not-be.csv'",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "SELECT nothing FROM usage_event",
    ],
)
def test_a_question_sees_usage_and_nothing_else(usage, statement):
    usage.add_hours(count=3)
    with pytest.raises(InvalidInput):
        usage.ask(statement)


def test_two_who_archive_at_once_do_the_work_once(usage):
    usage.add_hours()
    second = []

    def meet(step, _part):
        if step is Step.EXPORTED:
            second.append(usage.archiver().run())

    done = usage.archiver(tell=meet).run()

    assert (done.verified, done.dropped) == (1, 1)
    assert [(other.verified, other.dropped) for other in second] == [(0, 0)]


@pytest.mark.parametrize("step", list(Step))
def test_whoever_is_killed_is_followed_by_somebody_who_goes_on(usage, step):
    """Killed as by the kernel, behind every step; the events are there the whole time, once."""
    usage.add_hours()
    before = usage.all_ids()

    child = subprocess.run(
        [
            sys.executable,
            "-c",
            _KILLED,
            usage.database.url,
            str(usage.folder),
            step.value,
            str(Path(__file__).parent),
        ],
        check=False,
        capture_output=True,
        timeout=120,
    )

    assert child.returncode == -9, child.stderr.decode()
    assert usage.all_ids() == before
    usage.archiver().run()
    assert usage.states() == [(0, "dropped", 50)]
    assert usage.all_ids() == before
    assert list((usage.folder / "spool").glob("*")) == []
    files = [file for file in (usage.folder / "kept").rglob("*") if file.is_file()]
    assert sorted(file.suffix for file in files) == [".parquet", ".sha256"]


_KILLED = """
import os, signal, sys
from pathlib import Path
url, folder, step, parts = sys.argv[1:]
sys.path.insert(0, parts)
from tests.features.metering.archive_parts import Usage
from tradewind.db.database import Database

def end(done, _part):
    if done == step:
        os.kill(os.getpid(), signal.SIGKILL)

Usage(Database(url, application_name="killed"), Path(folder)).archiver(tell=end).run()
"""


def test_an_event_beyond_the_years_of_partitions_stays_where_it_is(usage):
    usage.add_hours()
    usage.add([event(1, datetime(2020, 2, 1, tzinfo=UTC))])

    usage.archiver().run()

    whole = Stretch(datetime(2020, 1, 1, tzinfo=UTC), ALL.until)
    assert usage.ask("SELECT count(*) FROM usage_event", whole).rows == [(51,)]
