"""Contents on their way from files into the database, and out of it again."""

import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, text

from tradewind.core.clock import SystemClock
from tradewind.core.ids import OrganizationId, uuid7_bytes
from tradewind.db.database import Database
from tradewind.features.accounts.tables import organization
from tradewind.features.budgets.tables import terms
from tradewind.features.content import service
from tradewind.readmodels.request_content import content_days
from tradewind.usage.content_segments import (
    MAGIC,
    UNNAMED_SUFFIX,
    ContentRecord,
    encode_record,
    write_segment,
)
from tradewind.worker.content import ship_contents, sweep_contents

pytestmark = pytest.mark.postgres

NOW = datetime.now(UTC)


class StandingClock:
    def __init__(self, now=NOW):
        self._now = now

    def now(self):
        return self._now

    def monotonic(self):
        return 0.0


@pytest.fixture
def org(database):
    """Return a function that makes an organization that keeps content for some days."""

    def make(days):
        organization_id = OrganizationId.new()
        with database.transaction() as tx:
            tx.execute(
                insert(organization).values(
                    id=organization_id, name="Some", created_at=SystemClock().now()
                )
            )
        keep(database, organization_id, days)
        return str(organization_id)

    return make


def keep(database, organization_id, days):
    with database.transaction() as tx:
        tx.execute(terms.delete().where(terms.c.subject_id == organization_id))
        tx.execute(
            insert(terms).values(
                subject_id=organization_id,
                organization_id=organization_id,
                regions=[],
                zones=[],
                no_retention=False,
                no_training=False,
                cache_ttl_s=0,
                response_days=30,
                content_days=days,
                revision=1,
                updated_at=NOW,
            )
        )


def record(organization_id, age=timedelta(), prompt=b'"Hi"', event_id=None, at_us=None):
    at = NOW - age
    return ContentRecord(
        event_id or uuid7_bytes(int(at.timestamp() * 1000)),
        int(at.timestamp() * 1_000_000) if at_us is None else at_us,
        organization_id,
        "proj",
        prompt,
        b'"Ho"',
        False,
        False,
    )


def write(folder, *records, name="g-1-0"):
    folder.mkdir(exist_ok=True)
    write_segment(folder, name, [encode_record(each) for each in records])


def ship(database, folder, now=NOW):
    """Ship what is there, once."""
    stop = threading.Event()
    stop.set()
    ship_contents(database, folder, StandingClock(now), stop)


def sweep(database, now=NOW):
    """Sweep until nothing more is over."""
    stop = StopAfterOne()
    sweep_contents(database, StandingClock(now), stop)


class StopAfterOne(threading.Event):
    """Is set when the loop would wait for its next round."""

    def wait(self, timeout=None):
        self.set()
        return True


def prompts(database):
    with database.transaction() as tx:
        rows = tx.execute(text("SELECT prompt FROM request_content ORDER BY prompt"))
        return [bytes(row.prompt) for row in rows]


def test_what_was_shipped_is_in_the_database_and_its_file_gone(database, org, tmp_path):
    some = org(7)
    write(tmp_path, record(some, prompt=b"1"), record(some, prompt=b"2"))
    ship(database, tmp_path)
    assert prompts(database) == [b"1", b"2"]
    assert list(tmp_path.iterdir()) == []


def test_a_day_has_a_partition_of_its_own(database, org, tmp_path):
    write(tmp_path, record(org(7)))
    ship(database, tmp_path)
    with database.transaction() as tx:
        name = tx.execute(text("SELECT tableoid::regclass::text FROM request_content")).scalar()
    assert name == f"request_content_{NOW:%Y%m%d}"


def test_shipping_twice_stores_once(database, org, tmp_path):
    once = record(org(7))
    for _ in range(2):
        write(tmp_path, once)
        ship(database, tmp_path)
    assert prompts(database) == [b'"Hi"']


def test_what_a_dead_gateway_left_is_shipped_as_far_as_it_is_whole(database, org, tmp_path):
    path = tmp_path / f"g-1-0{UNNAMED_SUFFIX}"
    path.write_bytes(MAGIC + encode_record(record(org(7))) + encode_record(record("x"))[:20])
    ship(database, tmp_path)
    assert prompts(database) == [b'"Hi"']
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_to_be_kept_is_never_stored(database, org, tmp_path):
    keeps, off = org(7), org(0)
    write(
        tmp_path,
        record(keeps),
        record(keeps, age=timedelta(days=7, seconds=1), prompt=b"old"),
        record(off, prompt=b"off"),
        record("org_of_nobody", prompt=b"nobody's"),
    )
    ship(database, tmp_path)
    assert prompts(database) == [b'"Hi"']


@pytest.mark.parametrize(
    "broken",
    [{"event_id": b"short"}, {"at_us": 2**63 - 1}, {"at_us": -(2**62)}, {"at_us": 10**18}],
)
def test_a_record_that_can_be_no_row_is_left_out(database, org, tmp_path, broken):
    some = org(7)
    write(tmp_path, record(some, **broken), record(some))
    ship(database, tmp_path)
    assert prompts(database) == [b'"Hi"']


def test_a_segment_that_the_database_refuses_does_not_stop_the_others(database, org, tmp_path):
    some = org(7)
    refused = record(some)
    refused = ContentRecord(refused.event_id, refused.at_us, some, "a\0b", b"", b"", False, False)
    write(tmp_path, refused)
    write(tmp_path, record(some), name="g-1-1")
    ship(database, tmp_path)
    assert prompts(database) == [b'"Hi"']
    assert list(tmp_path.iterdir()) == []


def test_while_the_database_is_away_files_wait(database, org, tmp_path, caplog):
    write(tmp_path, record(org(7)))
    away = Database("postgresql://nobody@127.0.0.1:1/none", application_name="t", pool_size=1)
    with closing(away):
        ship(away, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    assert "contents are not shipped" in caplog.text
    ship(database, tmp_path)
    assert prompts(database) == [b'"Hi"']


def test_each_organization_keeps_its_own_number_of_days(database, org, tmp_path):
    short, long = org(30), org(30)
    for name, age in enumerate((0, 2, 5)):
        write(
            tmp_path,
            record(short, timedelta(days=age), b"short %d" % age),
            record(long, timedelta(days=age), b"long %d" % age),
            name=f"g-{name}-0",
        )
    ship(database, tmp_path)
    keep(database, short, 3)
    keep(database, long, 6)
    sweep(database)
    assert prompts(database) == [b"long 0", b"long 2", b"long 5", b"short 0", b"short 2"]


def test_turning_it_off_deletes_all_there_is_of_them_and_nothing_of_others(database, org, tmp_path):
    off, on = org(30), org(30)
    many = [record(off, prompt=b"off") for _ in range(service.SWEPT_AT_ONCE + 1)]
    write(tmp_path, *many, record(on, prompt=b"on"))
    ship(database, tmp_path)
    keep(database, off, 0)
    sweep(database)
    assert prompts(database) == [b"on"]


def test_days_that_nobody_keeps_go_as_a_whole(database, org, tmp_path):
    some = org(30)
    write(tmp_path, record(some))
    ship(database, tmp_path)
    keep(database, some, 3)
    sweep(database, NOW + timedelta(days=4))
    with database.transaction() as tx:
        names = tx.execute(
            text(
                "SELECT inhrelid::regclass::text FROM pg_inherits"
                " WHERE inhparent = 'request_content'::regclass"
            )
        ).scalars()
        assert f"request_content_{NOW:%Y%m%d}" not in set(names)
    assert prompts(database) == []


def test_organizations_that_keep_none_are_not_among_the_days(database, org):
    keeps, off = org(7), org(0)
    with database.transaction() as tx:
        days = content_days(tx)
        assert days.get(keeps) == 7
        assert off not in days
        assert content_days(tx, [off]) == {}
