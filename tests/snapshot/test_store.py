"""The publisher's files: every state that a crash or a full disk can leave is a good one."""

import logging
import resource
import shutil
import stat
from pathlib import Path

import msgspec
import pytest
from snapshot_parts import SNAPSHOT, a_grant, an_endpoint, answers, on_file

from tradewind.snapshot import changes, file
from tradewind.snapshot.changes import Change
from tradewind.snapshot.contents import Endpoint
from tradewind.snapshot.follow import Follower
from tradewind.snapshot.store import SnapshotStore
from tradewind.snapshot.view import SnapshotView

NOW_MS = 1_000
NEW = Change(grants={"k4": a_grant("k4")})
REVOKED = Change(grants={"k1": None})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "snapshot" / "current"


@pytest.fixture
def store(path):
    store = SnapshotStore(path)
    store.write_base(file.contents_of(SnapshotView(SNAPSHOT)))
    yield store
    store.close()


def reopened(path, now_ms=NOW_MS):
    store = SnapshotStore(path)
    store.open(now_ms)
    return store


def read(path):
    """Return what a gateway that starts now would run on."""
    return taken(Follower(path)).view


def taken(follower):
    found = follower.read()
    assert found is not None
    return found


def seen(store):
    assert store.view is not None
    return store.view


def digest_of(store):
    base = seen(store).base
    assert base is not None
    return base.digest


def wait_for_base(store):
    assert store._compaction is not None
    store._compaction._thread.join()


def names(path):
    return sorted(entry.name for entry in path.parent.iterdir())


def changes_of(path):
    [found] = path.parent.glob("current.changes-*")
    return found


def test_what_is_appended_is_what_a_gateway_reads(store, path):
    store.append(NEW, NOW_MS)
    store.append(REVOKED, NOW_MS + 1)
    expected = on_file().after([NEW, REVOKED])
    for view in (store.view, read(path)):
        assert answers(view) == answers(expected)
        assert (view.version, view.compiled_at_ms) == (7, NOW_MS + 1)
    assert stat.S_IMODE(changes_of(path).stat().st_mode) == 0o600


def test_no_change_makes_no_version(store, path):
    store.append(Change(), NOW_MS)
    assert seen(store).version == 5
    assert names(path) == ["current"]


def test_a_new_process_goes_on_where_the_former_one_stopped(store, path):
    store.append(NEW, NOW_MS)
    store.close()
    again = reopened(path)
    assert seen(again).version == 6
    again.append(REVOKED, NOW_MS)
    assert answers(read(path)) == answers(on_file().after([NEW, REVOKED]))
    again.close()


def test_compaction_changes_the_files_and_not_what_they_say(store, path):
    store.append(NEW, NOW_MS)
    former = answers(store.view)
    store.compact()
    assert names(path) == ["current"]
    assert len(seen(store).overlay) == 0
    assert answers(store.view) == answers(read(path)) == former
    assert seen(store).version == 6


def test_changes_made_while_a_base_is_written_are_not_lost(store, path):
    store.append(NEW, NOW_MS)
    store._begin_compaction()
    store.append(REVOKED, NOW_MS)
    follower = Follower(path)
    follower.read()
    store._finish_compaction()
    store.append(Change(grants={"k2": None}), NOW_MS)
    expected = answers(on_file().after([NEW, REVOKED, Change(grants={"k2": None})]))
    assert answers(store.view) == answers(read(path)) == expected
    assert seen(store).version == read(path).version == 8
    assert follower.look()
    assert answers(taken(follower).view) == expected


def test_a_base_is_written_anew_when_changes_are_many(path):
    store = SnapshotStore(path, most_entries=10)
    store.write_base(file.contents_of(SnapshotView(SNAPSHOT)))
    digest = digest_of(store)
    for number in range(11):
        store.tend()
        assert store._compaction is None
        store.append(Change(grants={f"x{number}": a_grant(f"x{number}")}), NOW_MS)
    store.tend()
    wait_for_base(store)
    store.tend()
    assert digest_of(store) != digest
    assert len(seen(store).overlay) == 0
    assert seen(store).version == 16
    store.close()


def test_a_base_is_written_anew_when_changes_are_long(path):
    store = SnapshotStore(path, most_changes_bytes=1000)
    store.write_base(file.contents_of(SnapshotView(SNAPSHOT)))
    store.append(Change(grants={"k1": a_grant("k1", digest=b"x" * 1000)}), NOW_MS)
    store.tend()
    assert store._compaction is not None
    store.close()
    assert names(path)[0] == "current"
    assert not list(path.parent.glob("*.new")), "given up, and nothing is left of it"


def test_old_views_answer_as_before_while_new_ones_come(store, path):
    follower = Follower(path)
    follower.read()
    first = follower.view
    store.append(REVOKED, NOW_MS)
    second = taken(follower).view
    store.compact()
    third = taken(follower).view
    assert answers(first) == answers(SnapshotView(SNAPSHOT))
    assert answers(second) == answers(third) == answers(on_file().after([REVOKED]))


class ReplacedMeanwhile(type(Path())):
    """A path whose base is replaced after it was opened, and before its changes are looked for."""

    __slots__ = ("happen",)

    def with_name(self, name):
        happen, self.happen = self.happen, lambda: None
        happen()
        return Path(self).with_name(name)


def test_a_base_that_is_replaced_while_it_is_read_is_read_again(store, path):
    store.append(REVOKED, NOW_MS)
    tricky = ReplacedMeanwhile(path)
    tricky.happen = store.compact
    assert read(tricky).version == 6
    assert read(path).version == 6


# What a crash leaves.


def test_a_new_base_that_was_not_put_in_place_is_nothing(store, path):
    store.append(NEW, NOW_MS)
    (path.parent / "current.77.new").write_bytes(b"half of a base")
    (path.parent / "current.changes-00ff00ff00ff00ff").write_bytes(b"of that base")
    expected = answers(store.view)
    assert answers(read(path)) == expected
    store.close()
    again = reopened(path)
    assert answers(again.view) == expected
    assert names(path) == ["current", changes_of(path).name]
    again.close()


def test_changes_of_the_former_base_are_nothing(store, path, tmp_path):
    """Killed after the new base came into place, before the old changes were removed."""
    store.append(NEW, NOW_MS)
    old = changes_of(path)
    shutil.copy(old, tmp_path)
    store.compact()
    expected = answers(store.view)
    shutil.copy(tmp_path / old.name, old)
    assert answers(read(path)) == expected
    again = reopened(path)
    assert answers(again.view) == expected
    assert names(path) == ["current"]
    again.close()


def test_a_change_that_was_cut_by_a_crash_ends_in_a_new_base(store, path):
    store.append(NEW, NOW_MS)
    store.append(REVOKED, NOW_MS)
    store.close()
    whole = changes_of(path).read_bytes()
    first_end = len(whole) - len(changes.encode(Change(7, NOW_MS, grants=REVOKED.grants)))
    kept = path.read_bytes()
    for size in range(1, len(whole)):
        path.write_bytes(kept)
        for left in path.parent.glob("current.changes-*"):
            left.unlink()
        changes.changes_path(path, kept[8:40]).write_bytes(whole[:size])
        expected = on_file().after([NEW] if size >= first_end else [])
        assert answers(read(path)) == answers(expected)
        again = reopened(path, now_ms=10_000)
        assert answers(again.view) == answers(expected)
        if size not in (40, first_end):
            assert seen(again).version == 10_000, "above all that anybody can have read"
        again.append(REVOKED, NOW_MS)
        assert answers(read(path)) == answers(again.view)
        again.close()


def test_damaged_changes_end_in_a_new_base_of_a_later_version(store, path, caplog):
    store.append(NEW, NOW_MS)
    store.append(REVOKED, NOW_MS)
    store.close()
    raw = bytearray(changes_of(path).read_bytes())
    raw[-1] ^= 1
    changes_of(path).write_bytes(raw)
    again = reopened(path, now_ms=10_000)
    assert seen(again).version == 10_000
    assert answers(again.view) == answers(read(path)) == answers(on_file().after([NEW]))
    assert "end early" in caplog.text
    assert names(path) == ["current"]
    again.close()


@pytest.mark.parametrize("damage", [b"", b"TWSNAP", b"something else", None])
def test_a_base_that_is_no_good_is_no_view(path, damage):
    path.parent.mkdir()
    if damage is not None:
        path.write_bytes(damage)
    assert reopened(path).view is None


# What a disk and other people do.


def limited_to(size):
    """Let no file grow past this, as a full disk would; return what to set back."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, former[1]))
    return former


def test_a_change_that_the_disk_refuses_is_no_change_until_it_is_written(store, path):
    store.append(NEW, NOW_MS)
    former, view = answers(store.view), store.view
    follower = Follower(path)
    follower.read()
    limit = limited_to(changes_of(path).stat().st_size + 10)
    try:
        with pytest.raises(OSError, match="File too large"):
            store.append(REVOKED, NOW_MS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert seen(store).version == view.version
    assert answers(store.view) == answers(read(path)) == former
    assert follower.look()
    assert follower.read() is None, "a part of a change is none"
    store.append(Change(grants={"k2": None}), NOW_MS)
    expected = answers(on_file().after([NEW, Change(grants={"k2": None})]))
    assert answers(read(path)) == answers(taken(follower).view) == expected


def test_a_shorter_change_takes_the_place_of_a_longer_one_that_was_refused(store, path):
    store.append(NEW, NOW_MS)
    limit = limited_to(changes_of(path).stat().st_size + 5_000)
    try:
        with pytest.raises(OSError, match="File too large"):
            store.append(Change(grants={"k5": a_grant("k5", digest=b"x" * 10_000)}), NOW_MS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    store.append(REVOKED, NOW_MS)
    found = Follower(path)
    assert answers(taken(found).view) == answers(on_file().after([NEW, REVOKED]))
    assert found.damage is None
    assert found.tail is not None
    assert not found.tail.is_torn


def test_what_was_written_of_a_large_change_counts(store, path):
    many = Change(grants={f"x{number}": a_grant(f"x{number}") for number in range(1000)})
    pieces = list(changes.split(many))
    limit = limited_to(40 + len(changes.encode(pieces[0])) + 100)
    try:
        with pytest.raises(OSError, match="File too large"):
            store.append(many, NOW_MS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    for view in (store.view, read(path)):
        assert view.version == 6
        assert view.grant("x499") is not None
        assert view.grant("x500") is None
    store.append(many, NOW_MS)
    assert read(path).grant("x999") is not None


def test_a_base_that_the_disk_refuses_leaves_the_former_one_in_force(store, path):
    store.append(NEW, NOW_MS)
    former = answers(store.view)
    limit = limited_to(100)
    try:
        with pytest.raises(OSError, match="File too large"):
            store.compact()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert answers(store.view) == answers(read(path)) == former
    assert not list(path.parent.glob("*.new"))
    store.append(REVOKED, NOW_MS)
    store.compact()
    assert answers(store.view) == answers(read(path)) == answers(on_file().after([NEW, REVOKED]))


@pytest.mark.parametrize("which", ["base", "changes"])
@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_files_that_somebody_took_away_are_written_anew(store, path, which, how, caplog):
    store.append(NEW, NOW_MS)
    lost = path if which == "base" else changes_of(path)
    lost.unlink()
    if how == "replaced":
        lost.write_bytes(b"something else")
    store.tend()
    assert store._compaction is not None
    wait_for_base(store)
    store.tend()
    assert answers(store.view) == answers(read(path)) == answers(on_file().after([NEW]))


@pytest.mark.parametrize("which", ["base", "changes"])
def test_files_that_went_bad_are_found_by_a_check_and_written_anew(store, path, which, caplog):
    store.append(NEW, NOW_MS)
    store.check()
    assert not caplog.records
    lost = path if which == "base" else changes_of(path)
    # A bad sector: the same file, another content. The mapped base goes bad with it, but not
    # where its records are.
    raw = bytearray(lost.read_bytes())
    raw[9] ^= 1
    lost.write_bytes(raw) if which == "changes" else write_over(lost, 9, raw[9])
    with caplog.at_level(logging.ERROR):
        store.check()
    assert "written anew" in caplog.text
    assert answers(store.view) == answers(read(path)) == answers(on_file().after([NEW]))


def test_a_change_too_large_for_a_frame_becomes_a_base(store, path):
    endpoint = an_endpoint("c/new", *(f"{number:09d}" * 100_000 for number in range(15)))
    large: dict[str, Endpoint | None] = {
        f"c/{number}": msgspec.structs.replace(endpoint, name=f"c/{number}") for number in range(3)
    }
    store.append(Change(endpoints=large), NOW_MS)
    assert names(path) == ["current"]
    assert read(path).endpoint("c/2") == large["c/2"]
    assert read(path).version == 6


def write_over(path, place, byte):
    with path.open("r+b") as stream:
        stream.seek(place)
        stream.write(bytes([byte]))
