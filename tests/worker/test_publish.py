"""The publisher: writes what has changed, when it has changed, and only that."""

import threading
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from sqlalchemy import text

from tradewind.core.errors import Unavailable
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.snapshot import file
from tradewind.snapshot.contents import Budget, Endpoint, Grant, Limits, Operation, Price, Terms
from tradewind.snapshot.follow import Follower
from tradewind.snapshot.store import SnapshotStore
from tradewind.worker.publish import Publisher

pytestmark = pytest.mark.postgres

GRANT = Grant("k1", b"d" * 32, "org", "proj")
OTHER = Grant("k2", b"e" * 32, "org", "proj")
ENDPOINT = Endpoint(
    "p/m", Operation.CHAT, "p", 1, 512, 512, Price("price_1", "USD", 1, 2, 3), (), None, ("m",)
)
TERMS = Terms("org", Limits(3))
BUDGET = Budget("budget_1", "all", "USD")
PATIENCE_S = 60.0


class HandClock:
    def __init__(self):
        self.at = datetime(2030, 1, 1, tzinfo=UTC)

    def now(self):
        return self.at

    def monotonic(self):
        return self.at.timestamp()


class Desk:
    """A publisher's world: what it is to compile, and the files."""

    def __init__(self, database, path):
        self.database = database
        self.path = path
        self.clock = HandClock()
        self.grants = {GRANT.key_id: GRANT}
        self.endpoints = [ENDPOINT]
        self.terms = {TERMS.id: TERMS}
        self.budgets = {BUDGET.id: BUDGET}
        self.failure = None
        self.asked = []
        """What was compiled, in turn: the ids, or None for everything."""
        self.on_stream = lambda: None
        """Called when a part of everything was read."""

    def publisher(self, **options):
        return Publisher(
            self.database,
            self.path,
            self.clock,
            grants=self._compile_grants,
            endpoints=self._compile_endpoints,
            terms=lambda tx, ids: self._compile(tx, self.terms, ids),
            budgets=lambda _tx: list(self.budgets.values()),
            **options,
        )

    def change(self, kind, *subjects):
        """Tell the feed that something changed."""
        with self.database.transaction() as tx:
            record_change(tx, kind, subjects)

    def grant(self, *grants):
        for grant in grants:
            self.grants[grant.key_id] = grant
        self.change(ChangeKind.GRANT, *(grant.key_id for grant in grants))

    def revoke(self, key_id):
        self.grants.pop(key_id)
        self.change(ChangeKind.GRANT, key_id)

    def read(self):
        return file.read(self.path)

    def is_published(self):
        """Say whether the files say what is to be compiled, no more and no less."""
        found = self.read()
        return (
            {grant.key_id: grant for grant in found.grants} == self.grants
            and found.endpoints == tuple(self.endpoints)
            and {terms.id: terms for terms in found.terms} == self.terms
            and {budget.id: budget for budget in found.budgets} == self.budgets
        )

    def _compile_grants(self, tx, ids):
        self.asked.append(None if ids is None else sorted(ids))
        return self._compile(tx, self.grants, ids)

    def _compile(self, tx, contents, ids):
        assert tx.in_transaction()
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
        if ids is not None:
            return [contents[each] for each in ids if each in contents]
        return self._stream(tx, dict(contents))

    def _stream(self, tx, contents):
        for number, each in enumerate(contents.values()):
            if number % 20_000 == 19_999:
                self.on_stream()
                tx.execute(text("SELECT 1"))
            yield each

    def _compile_endpoints(self, tx):
        assert tx.in_transaction()
        return tuple(self.endpoints)


@pytest.fixture
def desk(database, tmp_path):
    return Desk(database, tmp_path / "snapshot" / "current")


@pytest.fixture
def publisher(desk):
    """A publisher that has published, and compared."""
    publisher = desk.publisher()
    publisher.publish()
    publisher.compare()
    desk.asked.clear()
    yield publisher
    publisher.close()


def test_the_first_snapshot_is_written_whole(desk):
    assert desk.publisher().publish()
    assert desk.is_published()
    found = desk.read()
    assert found.version >= 1
    assert found.compiled_at_ms == int(desk.clock.at.timestamp() * 1000)


def test_nothing_is_written_while_nothing_changes(desk, publisher):
    former, names = desk.path.stat(), sorted(desk.path.parent.iterdir())
    desk.clock.at += timedelta(hours=1)
    assert not publisher.publish()
    assert not publisher.compare()
    desk.change(ChangeKind.GRANT, "k1", "nobody")
    desk.change(ChangeKind.TERMS, "org")
    desk.change(ChangeKind.ENDPOINTS)
    desk.change(ChangeKind.BUDGETS)
    assert not publisher.publish(), "told of changes that changed nothing"
    assert desk.path.stat().st_ino == former.st_ino
    assert sorted(desk.path.parent.iterdir()) == names


def test_every_change_is_a_new_version(desk, publisher):
    first = desk.read().version
    desk.revoke("k1")
    assert publisher.publish()
    desk.endpoints = []
    desk.change(ChangeKind.ENDPOINTS)
    assert publisher.publish()
    desk.terms = {"org": Terms("org", Limits(9)), "proj": Terms("proj")}
    desk.change(ChangeKind.TERMS, "org", "proj")
    assert publisher.publish()
    desk.budgets = {}
    desk.change(ChangeKind.BUDGETS)
    assert publisher.publish()
    assert desk.is_published()
    assert desk.read().version == first + 4


def test_only_what_has_changed_is_compiled_and_appended(desk, publisher):
    base = desk.path.stat()
    desk.grant(OTHER)
    publisher.publish()
    assert desk.asked == [["k2"]]
    assert desk.is_published()
    assert desk.path.stat().st_ino == base.st_ino


def test_what_transactions_commit_out_of_order_arrives(desk, publisher):
    with desk.database.connection() as slow, slow.begin():
        record_change(slow, ChangeKind.GRANT, ["k1"])
        desk.grant(OTHER)
        assert publisher.publish()
        desk.grants.pop("k1")
        assert not publisher.publish(), "not committed yet"
    assert publisher.publish()
    assert desk.is_published()


def test_a_change_that_could_not_be_compiled_is_published_later(desk, publisher):
    desk.grant(OTHER)
    desk.failure = Unavailable("the database is away")
    with pytest.raises(Unavailable):
        publisher.publish()
    assert publisher.publish()
    assert desk.is_published()


def test_an_empty_platform_is_published_too(desk):
    desk.grants, desk.endpoints = {}, []
    assert desk.publisher().publish()
    assert desk.read().version >= 1, "a gateway waits for a version above 0"


def test_a_restart_goes_on_from_the_former_version(desk, publisher):
    desk.grant(OTHER)
    publisher.publish()
    publisher.close()
    former = desk.read()
    restarted = desk.publisher()
    assert not restarted.publish(), "nothing has changed"
    assert not restarted.compare()
    desk.revoke("k1")
    assert restarted.publish()
    assert desk.read().version == former.version + 1
    restarted.close()


@pytest.mark.parametrize("is_told", [True, False])
def test_what_changed_while_no_publisher_ran_is_found_at_the_start(desk, publisher, is_told):
    publisher.close()
    desk.grants = {"k2": OTHER}
    if is_told:
        desk.change(ChangeKind.GRANT, "k1", "k2")
    restarted = desk.publisher()
    assert restarted.publish()
    assert desk.asked[0] == (["k1", "k2"] if is_told else None), "before everything is compared"
    assert desk.is_published()
    restarted.close()


def test_what_no_feed_tells_is_found_every_ten_minutes(desk, publisher):
    """A change by hand in SQL, or a key that has expired."""
    desk.grants = {"k1": msgspec.structs.replace(GRANT, limits=Limits(1)), "k2": OTHER}
    desk.terms, desk.budgets, desk.endpoints = {}, {}, []
    desk.clock.at += timedelta(minutes=9)
    assert not publisher.publish()
    desk.clock.at += timedelta(minutes=1)
    assert publisher.publish()
    assert desk.is_published()
    desk.grants = {}
    desk.clock.at += timedelta(minutes=10)
    assert publisher.publish()
    assert desk.is_published()


def test_a_publisher_that_was_cut_off_for_long_compares_everything(desk, publisher):
    """Rows of the feed are gone after an hour."""
    desk.clock.at += timedelta(minutes=10)
    publisher.publish()
    desk.asked.clear()
    desk.clock.at += timedelta(minutes=9)
    publisher.publish()
    assert desk.asked == []
    publisher._compare_at += 3600
    desk.clock.at += timedelta(minutes=31)
    publisher.publish()
    assert None in desk.asked


def many(count):
    return {
        f"x{number:06d}": Grant(f"x{number:06d}", b"d" * 32, "org", "proj")
        for number in range(count)
    }


def test_a_key_revoked_while_everything_is_compared_does_not_come_back(desk):
    """The comparison reads what was there when it began."""
    desk.grants = many(60_000)
    publisher = desk.publisher()
    publisher.publish()
    publisher.compare()
    victim = "x059999"
    desk.grants[victim] = msgspec.structs.replace(desk.grants[victim], limits=Limits(1))
    desk.clock.at += timedelta(minutes=10)
    assert not publisher.publish(), "the first part is as it was"
    desk.revoke(victim)
    assert publisher.publish()
    assert victim not in {grant.key_id for grant in desk.read().grants}
    publisher.compare()
    assert desk.is_published()
    publisher.close()


def test_the_feed_goes_on_while_everything_is_compared(desk):
    desk.grants = many(60_000)
    publisher = desk.publisher()
    publisher.publish()
    desk.clock.at += timedelta(minutes=10)
    publisher.publish()
    assert publisher._comparison is not None
    desk.grant(OTHER)
    assert publisher.publish()
    assert publisher._comparison is not None
    found = Follower(desk.path).read()
    assert found is not None
    assert found.view.grant("k2") == OTHER
    publisher.compare()
    assert desk.is_published()
    publisher.close()


def test_many_changes_at_once_end_in_a_new_base(desk):
    publisher = desk.publisher(store=SnapshotStore(desk.path, most_entries=1_000))
    publisher.publish()
    base = desk.path.stat().st_ino
    desk.grant(*many(5_000).values())
    publisher.publish()
    assert desk.is_published()
    wait_until(lambda: publisher.publish() or desk.path.stat().st_ino != base)
    assert desk.is_published()
    desk.grant(OTHER)
    assert publisher.publish()
    assert desk.is_published()
    publisher.close()


@pytest.mark.parametrize("damage", ["cut", "changed", "other", "gone"])
@pytest.mark.parametrize("is_empty", [True, False])
def test_a_former_file_that_is_no_good_is_replaced_by_a_later_version(desk, damage, is_empty):
    if is_empty:
        desk.grants, desk.endpoints = {}, []
    desk.publisher().publish()
    former = desk.read().version
    raw = desk.path.read_bytes()
    match damage:
        case "cut":
            desk.path.write_bytes(raw[:-1])
        case "changed":
            desk.path.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
        case "other":
            desk.path.write_bytes(b"something else")
        case "gone":
            desk.path.unlink()
    desk.clock.at += timedelta(seconds=1)
    assert desk.publisher().publish()
    assert desk.read().version > former, "gateways ignore an older one"
    assert desk.is_published()


def test_changes_that_were_cut_by_a_crash_are_found_again(desk, publisher):
    desk.grant(OTHER)
    publisher.publish()
    former = desk.read().version
    publisher.close()
    [changes] = desk.path.parent.glob("current.changes-*")
    changes.write_bytes(changes.read_bytes()[:-1])
    desk.clock.at += timedelta(seconds=1)
    restarted = desk.publisher()
    restarted.publish()
    assert desk.is_published()
    assert desk.read().version > former
    restarted.close()


def test_a_disk_that_refuses_is_tried_again(desk):
    publisher = desk.publisher()
    desk.path.mkdir(parents=True)
    with pytest.raises(OSError, match="current"):
        publisher.publish()
    desk.path.rmdir()
    assert publisher.publish()
    assert desk.is_published()


def test_the_loop_publishes_on_each_announcement_until_it_is_stopped(desk):
    stop, announced = threading.Event(), threading.Semaphore(0)
    seen = []

    def wait_for_change(seconds):
        assert 0 < seconds < 2, "a revoked key may live for 2 s"
        seen.append(desk.read().version)
        announced.acquire(timeout=PATIENCE_S)

    def run():
        desk.publisher().run(wait_for_change, stop)

    thread = threading.Thread(target=run)
    thread.start()
    for number in range(3):
        wait_until(lambda number=number: len(seen) > number, thread)
        desk.grant(*many(number + 1).values())
        announced.release()
    wait_until(lambda: len(seen) == 4, thread)
    stop.set()
    announced.release()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert seen == [seen[0] + step for step in range(4)]


def test_the_loop_outlives_a_database_that_is_away(desk):
    stop, seen = threading.Event(), []
    desk.failure = Unavailable("the database is away")

    def wait_for_change(_seconds):
        seen.append(desk.read().version)
        stop.set()

    desk.publisher().run(wait_for_change, stop)
    assert len(seen) == 1


def test_the_loop_outlives_a_database_that_goes_away_while_everything_is_compared(desk, caplog):
    desk.grants = many(60_000)
    stop, turns = threading.Event(), []

    def cut_off():
        desk.on_stream = lambda: None
        with desk.database.transaction() as tx:
            tx.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )

    def wait_for_change(_seconds):
        turns.append(publisher._comparison is not None)
        if len(turns) == 1:
            desk.clock.at += timedelta(minutes=10)
            desk.on_stream = cut_off
            desk.grants["k1"] = GRANT
        elif any(turns) and not turns[-1]:
            stop.set()

    publisher = desk.publisher()
    publisher.run(wait_for_change, stop)
    assert "was not published" in caplog.text
    assert desk.is_published()


def wait_until(condition, thread=None):
    pause = threading.Event()
    for _ in range(int(PATIENCE_S / 0.005)):
        if condition():
            return
        assert thread is None or thread.is_alive()
        pause.wait(0.005)
    raise AssertionError("it did not happen")
