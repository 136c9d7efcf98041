"""A running gateway takes changes as they are appended, and starts from what is there."""

import asyncio
import logging

import pytest
from gateway_parts import World, until, whole_answer

from tradewind.core import api_keys
from tradewind.gateway.snapshots import SnapshotWatch
from tradewind.snapshot import file
from tradewind.snapshot.changes import Change
from tradewind.snapshot.contents import Grant, Snapshot
from tradewind.snapshot.store import SnapshotStore

KEY = b"sk-tw-k1"
GRANT = Grant("k1", b"d" * 32, "org_a", "proj_a")
OTHER = Grant("k2", b"e" * 32, "org_a", "proj_a")


async def answer_whole(call):
    await call.answer(whole_answer())


def store_of(path):
    store = SnapshotStore(path)
    store.open(1)
    return store


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "current"
    file.write(path, Snapshot(5, 1, (GRANT, OTHER), ()))
    return path


@pytest.fixture
def store(path):
    store = store_of(path)
    yield store
    store.close()


class Watched:
    """A watch that is asked by hand, and what it has put in force."""

    def __init__(self, path):
        self.views = []
        self._watch = SnapshotWatch(path, self.views.append, 60.0)

    def look(self):
        self._watch.load_first()
        return self.views[-1]


async def test_a_revoked_key_stops_and_a_new_one_works_without_a_new_base(world, upstream):
    upstream.script = answer_whole
    new = api_keys.mint(b"p" * 32)
    client = await world.client()
    body = b'{"model":"tw/small","messages":[1]}'
    path = "/v1/chat/completions"
    assert (await client.chat()).status == 200
    assert (await client.call("POST", path, body, key=new.text)).status == 401
    inode = world.snapshot_path.stat().st_ino
    store = store_of(world.snapshot_path)
    store.append(Change(grants={new.key_id: Grant(new.key_id, new.digest, "org_b", "p")}), 1)
    store.append(Change(grants={world.key.key_id: None}), 1)
    store.close()
    world.version += 2
    await world.in_force()
    assert (await client.chat()).status == 401
    assert (await client.call("POST", path, body, key=new.text)).status == 200
    assert world.snapshot_path.stat().st_ino == inode


async def test_a_gateway_starts_from_its_last_files_with_nobody_else_alive(tmp_path, upstream):
    upstream.script = answer_whole
    world = World(tmp_path)
    world.publish(world.endpoint(world.target(upstream.address)))
    store = store_of(world.snapshot_path)
    revoked = api_keys.mint(b"p" * 32)
    store.append(
        Change(grants={revoked.key_id: Grant(revoked.key_id, revoked.digest, "o", "p")}), 1
    )
    store.append(Change(grants={revoked.key_id: None}), 1)
    store.close()
    await world.start()
    client = await world.client()
    assert (await client.chat()).status == 200
    refused = await client.call("POST", "/v1/chat/completions", b"{}", key=revoked.text)
    assert refused.status == 401
    await world.stop()


def test_a_revoked_key_is_proven_no_more(path, store):
    watched = Watched(path)
    watched.look().proven.update({KEY: GRANT, b"sk-tw-k2": OTHER})
    store.append(Change(grants={"k1": None}), 2)
    view = watched.look()
    assert view.version == 6
    assert view.grant("k1") is None
    assert view.proven == {b"sk-tw-k2": OTHER}


def test_a_new_base_forgets_what_was_proven(path, store):
    watched = Watched(path)
    watched.look().proven[KEY] = GRANT
    store.append(Change(grants={"k1": None}), 2)
    store.compact()
    view = watched.look()
    assert view.proven == {}
    assert view.grant("k1") is None


def test_a_change_that_is_still_being_written_is_waited_for(path, store):
    store.append(Change(grants={"k1": None}), 2)
    [changes] = path.parent.glob("current.changes-*")
    whole = changes.read_bytes()
    changes.write_bytes(whole[:-1])
    watched = Watched(path)
    assert watched.look().grant("k1") == GRANT
    changes.write_bytes(whole)
    assert watched.look().grant("k1") is None
    assert [view.version for view in watched.views] == [5, 6]


def test_a_damaged_change_is_told_once_and_ends_with_the_next_base(path, store, caplog):
    watched = Watched(path)
    watched.look()
    store.append(Change(grants={"k1": None}), 2)
    [changes] = path.parent.glob("current.changes-*")
    raw = bytearray(changes.read_bytes())
    raw[-1] ^= 1
    changes.write_bytes(raw)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert watched.look().grant("k1") == GRANT
    assert caplog.text.count("checksum does not fit") == 1
    store.compact()
    assert watched.look().grant("k1") is None


def test_changes_of_an_older_base_do_not_come_into_force(path, store, caplog):
    watched = Watched(path)
    watched.look()
    file.write(path, Snapshot(3, 1, (), ()))
    older = store_of(path)
    older.append(Change(grants={"k9": GRANT}), 2)
    assert watched.look().version == 5
    older.append(Change(grants={"k1": None}), 2)
    assert watched.look().version == 5
    older.append(Change(grants={"k2": None}), 2)
    view = watched.look()
    assert (view.version, view.grant("k2")) == (6, None)
    older.close()


async def test_a_watch_that_runs_takes_each_change(path, store):
    views = []
    watch = SnapshotWatch(path, views.append, 0.001)
    watch.load_first()
    running = asyncio.create_task(watch.run())
    for number in range(3):
        store.append(Change(grants={f"x{number}": GRANT}), 2)
        await until(lambda version=6 + number: views[-1].version == version)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
