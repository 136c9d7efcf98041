"""The publisher: writes the snapshot when something has changed, and only then."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from tradewind.core.errors import Unavailable
from tradewind.snapshot import file
from tradewind.snapshot.contents import Endpoint, Grant, Operation, Price
from tradewind.worker.publish import Publisher

pytestmark = pytest.mark.postgres

GRANT = Grant("k1", b"d" * 32, "org", "proj")
ENDPOINT = Endpoint(
    "p/m", Operation.CHAT, "p", 1, 512, 512, Price("price_1", "USD", 1, 2, 3), (), None, ("m",)
)
PATIENCE_S = 60.0


class HandClock:
    def __init__(self):
        self.at = datetime(2030, 1, 1, tzinfo=UTC)

    def now(self):
        return self.at

    def monotonic(self):
        return self.at.timestamp()


class Desk:
    """A publisher's world: what it is to compile, and the file."""

    def __init__(self, database, path):
        self.database = database
        self.path = path
        self.clock = HandClock()
        self.grants = [GRANT]
        self.endpoints = (ENDPOINT,)
        self.failure = None

    def publisher(self):
        return Publisher(
            self.database,
            self.path,
            self.clock,
            grants=self._grants,
            endpoints=lambda _tx: self.endpoints,
        )

    def read(self):
        return file.read(self.path)

    def _grants(self, tx):
        assert tx.in_transaction()
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
        return list(self.grants)


@pytest.fixture
def desk(database, tmp_path):
    return Desk(database, tmp_path / "snapshot" / "current")


def test_the_first_snapshot_is_written_whole(desk):
    assert desk.publisher().publish()
    found = desk.read()
    assert (found.grants, found.endpoints) == ((GRANT,), (ENDPOINT,))
    assert found.version >= 1
    assert found.compiled_at_ms == int(desk.clock.at.timestamp() * 1000)


def test_nothing_is_written_while_nothing_changes(desk):
    publisher = desk.publisher()
    assert publisher.publish()
    former = desk.path.stat()
    desk.clock.at += timedelta(hours=1)
    assert not publisher.publish()
    assert desk.path.stat().st_ino == former.st_ino


def test_every_change_is_a_new_version(desk):
    publisher = desk.publisher()
    publisher.publish()
    first = desk.read().version
    desk.grants = []
    assert publisher.publish()
    desk.endpoints = ()
    assert publisher.publish()
    desk.grants, desk.endpoints = [GRANT], (ENDPOINT,)
    assert publisher.publish()
    assert desk.read().version == first + 3


def test_an_empty_platform_is_published_too(desk):
    desk.grants, desk.endpoints = [], ()
    assert desk.publisher().publish()
    assert desk.read().version >= 1, "a gateway waits for a version above 0"


def test_a_restart_goes_on_from_the_former_version(desk):
    desk.publisher().publish()
    former = desk.read()
    restarted = desk.publisher()
    assert not restarted.publish(), "nothing has changed"
    desk.grants = []
    assert restarted.publish()
    assert desk.read().version == former.version + 1


@pytest.mark.parametrize("damage", ["cut", "changed", "other", "gone"])
@pytest.mark.parametrize("is_empty", [True, False])
def test_a_former_file_that_is_no_good_is_replaced_by_a_later_version(desk, damage, is_empty):
    if is_empty:
        desk.grants, desk.endpoints = [], ()
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


def test_a_disk_that_refuses_is_tried_again(desk):
    publisher = desk.publisher()
    desk.path.mkdir(parents=True)
    with pytest.raises(OSError, match="current"):
        publisher.publish()
    desk.path.rmdir()
    assert publisher.publish()


def test_the_loop_publishes_on_each_announcement_until_it_is_stopped(desk):
    stop, announced = threading.Event(), threading.Semaphore(0)
    seen = []

    def wait_for_change(seconds):
        assert 0 < seconds < 5, "a revoked key may live for 5 s"
        seen.append(desk.read().version)
        announced.acquire(timeout=PATIENCE_S)

    def run():
        desk.publisher().run(wait_for_change, stop)

    thread = threading.Thread(target=run)
    thread.start()
    for _ in range(3):
        wait_until(thread, lambda: len(seen) > len(desk.grants) - 1)
        desk.grants = [*desk.grants, GRANT]
        announced.release()
    wait_until(thread, lambda: len(seen) == 4)
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


def wait_until(thread, condition):
    pause = threading.Event()
    for _ in range(int(PATIENCE_S / 0.005)):
        if condition():
            return
        assert thread.is_alive()
        pause.wait(0.005)
    raise AssertionError("it did not happen")
