"""Uploads: resumable, idempotent, bounded, never half-stored."""

import hashlib
import os
import threading

import pytest

from tradewind.core.errors import Forbidden, InvalidInput, NotFound
from tradewind.core.permissions import Role
from tradewind.features.artifacts import repository
from tradewind.features.artifacts.errors import (
    NoRoom,
    PartInProgress,
    PartRefused,
    StoreUnavailable,
    TooManyUploads,
    UploadEnded,
    UploadIncomplete,
)
from tradewind.features.artifacts.rules import UploadLimits
from tradewind.features.artifacts.schemas import PART_BYTES, NewUpload, UploadState, Visibility
from tradewind.testing.model_files import GgufTensor, gguf_file, safetensors_file

pytestmark = pytest.mark.postgres

SMALL = gguf_file()
ROWS = (2 * PART_BYTES + 5000) // 1024


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def large():
    """A file of three parts, the last of them short."""
    return gguf_file(tensors=[GgufTensor("token_embd.weight", (256, ROWS))])


def parts_of(content):
    return [content[start : start + PART_BYTES] for start in range(0, len(content), PART_BYTES)]


def test_a_file_becomes_ready_with_its_digest_and_facts(desk, operator):
    row = desk.upload(operator, "model.gguf", SMALL)
    assert row.state is UploadState.READY
    assert row.sha256 == sha256(SMALL)
    assert (row.facts.format, row.facts.architecture) == ("gguf", "llama")
    assert desk.stored() == [f"sha256/{row.sha256[:2]}/{row.sha256}"]


@pytest.mark.parametrize("visibility", Visibility)
def test_parts_come_in_any_order_and_again(desk, operator, large, visibility):
    row = desk.begin(operator, "model.gguf", large, visibility=visibility)
    first, second, third = parts_of(large)
    desk.put(operator, row, 3, third)
    desk.put(operator, row, 1, first)
    assert desk.get(operator, row).part_numbers == [1, 3]
    with pytest.raises(UploadIncomplete, match="1 of 3 parts are missing, first 2"):
        desk.complete(operator, row)
    desk.put(operator, row, 2, second)
    desk.put(operator, row, 1, b"these bytes are not even looked at")
    desk.complete(operator, row)
    assert desk.check()
    ended = desk.get(operator, row).row
    assert (ended.state, ended.sha256) == (UploadState.READY, sha256(large))


def test_another_process_goes_on_where_one_was(make_desk, operator, large):
    first, second, third = parts_of(large)
    before = make_desk()
    row = before.begin(operator, "model.gguf", large, sha256=sha256(large))
    before.put(operator, row, 1, first)
    after = make_desk()
    again = after.begin(operator, "model.gguf", large, sha256=sha256(large))
    assert again.upload_id == row.upload_id
    for number, part in ((2, second), (3, third)):
        after.put(operator, row, number, part)
    after.complete(operator, row)
    make_desk().check()
    assert after.get(operator, row).row.state is UploadState.READY


def test_completing_twice_is_completing_once(desk, operator):
    row = desk.upload(operator, "model.gguf", SMALL)
    assert desk.complete(operator, row).state is UploadState.READY
    assert not desk.check()


def test_a_part_is_written_by_one_request_at_a_time(desk, operator, large):
    row = desk.begin(operator, "model.gguf", large)
    with desk.database.transaction() as tx:
        opened = desk.services.uploads.open_part(tx, operator, row.upload_id, 1)
    with opened.writer:
        with pytest.raises(PartInProgress):
            desk.put(operator, row, 1, parts_of(large)[0])
        desk.put(operator, row, 2, parts_of(large)[1])
    desk.put(operator, row, 1, parts_of(large)[0])
    assert desk.get(operator, row).part_numbers == [1, 2]


def test_a_part_that_was_changed_on_its_way_is_refused_and_may_be_sent_again(desk, operator):
    row = desk.begin(operator, "model.gguf", SMALL)
    damaged = SMALL[:-1] + bytes([SMALL[-1] ^ 1])
    with pytest.raises(PartRefused, match=sha256(damaged)):
        desk.put(operator, row, 1, damaged, sha256=sha256(SMALL))
    assert desk.get(operator, row).part_numbers == []
    desk.put(operator, row, 1, SMALL, sha256=sha256(SMALL))
    with pytest.raises(PartRefused, match="is there with the sha256"):
        desk.put(operator, row, 1, damaged, sha256=sha256(damaged))


def test_a_part_of_another_size_is_refused(desk, operator):
    row = desk.begin(operator, "model.gguf", SMALL)
    with pytest.raises(PartRefused, match="were sent"):
        desk.put(operator, row, 1, SMALL[:-1])
    with pytest.raises(PartRefused, match="more were sent"):
        desk.put(operator, row, 1, SMALL + b"x")
    with pytest.raises(InvalidInput, match="the parts 1 to 1, and no part 2"):
        desk.put(operator, row, 2, SMALL)


def test_another_digest_than_was_announced_is_named_and_nothing_is_stored(desk, operator):
    other = "0" * 64
    row = desk.upload(operator, "model.gguf", SMALL, sha256=other)
    assert row.state is UploadState.REFUSED
    assert sha256(SMALL) in row.reason
    assert other in row.reason
    assert desk.stored() == []


def test_what_a_scan_refuses_is_not_stored(desk, operator):
    row = desk.upload(operator, "model.gguf", SMALL[:-40])
    assert row.state is UploadState.REFUSED
    assert "'model.gguf'" in row.reason
    assert desk.stored() == []


def test_equal_files_are_kept_once(desk, operator, person):
    rows = [
        desk.upload(who, name, SMALL)
        for who, name in (
            (operator, "a.gguf"),
            (operator, "b.gguf"),
            (person(), "c.gguf"),
        )
    ]
    assert len({row.blob_id for row in rows}) == 1
    assert len(desk.stored()) == 1


def test_a_killed_check_is_taken_up_by_another_worker(desk, operator):
    row = desk.begin(operator, "model.gguf", SMALL)
    desk.put(operator, row, 1, SMALL)
    desk.complete(operator, row)
    assert desk.services.arrivals._claim(desk.database) is not None  # and then it was killed
    assert not desk.check()
    desk.clock.advance(hours=1)
    assert desk.check()
    assert desk.get(operator, row).row.state is UploadState.READY


class BrokenStore:
    """Fails when it is told to, before or after it has the bytes."""

    name = "broken"

    def __init__(self, store):
        self.store = store
        self.fails = None

    def put(self, location, source):
        if self.fails == "before":
            raise StoreUnavailable("no")
        self.store.put(location, source)
        if self.fails == "after":
            raise StoreUnavailable("no")

    def __getattr__(self, name):
        return getattr(self.store, name)


@pytest.mark.parametrize("visibility", Visibility)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_store_that_is_away_is_asked_again(make_desk, operator, moment, visibility):
    desk = make_desk()
    store = BrokenStore(desk.services.artifacts._store)
    desk = make_desk(store=store)
    store.fails = moment
    row = desk.begin(operator, "model.gguf", SMALL, visibility=visibility)
    desk.put(operator, row, 1, SMALL)
    desk.complete(operator, row)
    assert desk.check()
    assert desk.get(operator, row).row.state is UploadState.CHECKING
    store.fails = None
    desk.clock.advance(minutes=10)
    assert desk.check()
    assert desk.get(operator, row).row.state is UploadState.READY


def test_an_aborted_upload_takes_nothing_and_leaves_nothing(desk, operator):
    row = desk.begin(operator, "model.gguf", SMALL)
    with desk.database.transaction() as tx:
        opened = desk.services.uploads.open_part(tx, operator, row.upload_id, 1)
    with desk.database.transaction() as tx:
        desk.services.uploads.abort(tx, operator, row.upload_id)
    with opened.writer as writer:
        writer.write(SMALL)
        writer.finish()
        with pytest.raises(UploadEnded), desk.database.transaction() as tx:
            desk.services.uploads.part_written(tx, opened)
    with pytest.raises(NotFound):
        desk.get(operator, row)
    staged = desk.folder / "uploads" / row.upload_id
    os.utime(staged, (0, 0))
    desk.sweep()
    assert desk.stored() == []


def test_an_upload_that_nobody_goes_on_with_is_swept(desk, operator):
    row = desk.begin(operator, "model.gguf", SMALL)
    desk.put(operator, row, 1, SMALL)
    os.utime(desk.folder / "uploads" / row.upload_id, (0, 0))
    desk.sweep()
    assert desk.get(operator, row).part_numbers == [1]
    desk.clock.advance(days=8)
    desk.sweep()
    with pytest.raises(NotFound):
        desk.get(operator, row)
    assert desk.stored() == []


def test_bytes_of_no_artifact_leave_the_store(desk, operator):
    desk.upload(operator, "model.gguf", SMALL)
    made = desk.make(operator, {"other.safetensors": safetensors_file()})
    desk.clock.advance(days=8)
    desk.sweep()
    digest = made.files[0].sha256
    assert desk.stored() == [f"sha256/{digest[:2]}/{digest}"]


def test_what_is_referred_to_while_it_is_swept_stays(desk, operator):
    """A sweep that has read a row waits for whoever writes it, and then looks again."""
    row = desk.upload(operator, "model.gguf", SMALL)
    desk.clock.advance(hours=2)
    with desk.database.transaction() as tx:
        desk.services.uploads.abort(tx, operator, row.upload_id)
    with desk.database.transaction() as tx:
        assert repository.keep_blobs(tx, [row.blob_id], desk.clock.now()) == {row.blob_id}
        sweeping = threading.Thread(target=desk.sweep)
        sweeping.start()
        sweeping.join(0.5)
    sweeping.join()
    assert len(desk.stored()) == 1
    desk.clock.advance(hours=2)
    desk.sweep()
    assert desk.stored() == []


def test_bytes_that_come_back_while_they_leave_are_stored_again(desk, operator):
    former = desk.upload(operator, "model.gguf", SMALL)
    with desk.database.transaction() as tx:
        repository.update_blob(tx, former.blob_id, {"state": "leaving"})
        desk.services.uploads.abort(tx, operator, former.upload_id)
    row = desk.begin(operator, "model.gguf", SMALL)
    desk.put(operator, row, 1, SMALL)
    desk.complete(operator, row)
    desk.check()
    assert desk.get(operator, row).row.state is UploadState.CHECKING
    desk.sweep()
    desk.clock.advance(minutes=10)
    desk.check()
    assert desk.get(operator, row).row.state is UploadState.READY
    assert len(desk.stored()) == 1


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (UploadLimits(under_way=2), "2 uploads under way"),
        (UploadLimits(bytes_under_way=2 * len(SMALL)), "would have"),
        (UploadLimits(in_all=2), "with those that ended"),
    ],
)
def test_uploads_of_an_organization_are_bounded(make_desk, operator, person, limits, reason):
    desk = make_desk(limits=limits)
    for number in range(2):
        desk.begin(operator, f"{number}.gguf", SMALL)
    with pytest.raises(TooManyUploads, match=reason):
        desk.begin(operator, "more.gguf", SMALL)
    assert desk.begin(person(), "theirs.gguf", SMALL)


def test_a_file_that_the_disk_has_no_room_for_is_refused_at_once(desk, operator, do):
    with pytest.raises(NoRoom, match="no room"):
        do(desk.services.uploads.begin, operator, NewUpload("a.gguf", 2**40))


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../a.gguf", "/a.gguf", "a/b.gguf", "a\\b.gguf", "a\0.gguf", "con.gguf",
     "a\u202egguf.exe", "e\u0301.gguf", " a.gguf", "a.gguf.", "a:b.gguf", "x" * 300 + ".gguf"],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_refused(desk, operator, name):
    with pytest.raises(InvalidInput):
        desk.begin(operator, name, SMALL)


def test_uploads_of_others_are_not_there(desk, operator, person):
    row = desk.begin(operator, "model.gguf", SMALL)
    stranger = person()
    for act in (
        lambda: desk.get(stranger, row),
        lambda: desk.put(stranger, row, 1, SMALL),
        lambda: desk.complete(stranger, row),
    ):
        with pytest.raises(NotFound):
            act()


def test_a_developer_uploads_nothing(desk, person):
    with pytest.raises(Forbidden):
        desk.begin(person(Role.DEVELOPER), "model.gguf", SMALL)
