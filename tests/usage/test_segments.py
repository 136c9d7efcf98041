"""Segments as a reader sees them."""

import fcntl
from pathlib import Path

import pytest

from tradewind.testing.usage_records import end_of, opened_call
from tradewind.usage.frames import Damage, Frame, SegmentFooter, SegmentHeader, encode_frame
from tradewind.usage.segment_writer import SegmentWriter
from tradewind.usage.segments import (
    MalformedNode,
    SegmentName,
    is_intact,
    is_writer_alive,
    list_segments,
    measure,
    read_batch,
    retire,
    sweep,
)

NAME = SegmentName("node-a", 1_700_000_000_000_000_000, 0)


def written_segment(folder: Path, *, calls: int = 3, is_sealed: bool = True) -> Path:
    """A segment of a writer that has gone."""
    writer = SegmentWriter.create(folder, NAME)
    buffer = bytearray()
    for _ in range(calls):
        opened = opened_call()
        for record in (opened, end_of(opened)):
            buffer += encode_frame(record, writer.frames)
            writer.frames += 1
    writer.write(buffer)
    if is_sealed:
        writer.seal()
    writer.close()
    return folder / str(NAME)


def test_a_name_is_read_back_even_when_the_node_has_dashes():
    assert str(NAME) == "node-a-1700000000000000000-0.journal"
    assert SegmentName.parse(str(NAME)) == NAME


@pytest.mark.parametrize(
    "text",
    [
        "node-a-1-0",
        "node-a-1-0.journal.new",
        "node-a-01-0.journal",
        "node-a-1.journal",
        "-1-0.journal",
        "../a-1-0.journal",
        "a\n-1-0.journal",
        "a-1-0.journal\n",
        "a-9999999999999999999-0.journal",
        "a-1-²0.journal",
        "a-1-٣.journal",
        "shipper.lock",
    ],
)
def test_other_files_are_not_taken_for_segments(text: str):
    assert SegmentName.parse(text) is None


@pytest.mark.parametrize("node", ["", "a/b", "..", "-a", "a" * 65, "a b", "a\0"])
def test_a_node_that_cannot_be_part_of_a_file_name_is_refused(node: str):
    with pytest.raises(MalformedNode):
        SegmentName.of_writer(node, 1, 0)


def test_segments_are_listed_in_the_order_of_writing(tmp_path: Path):
    for name in ("b-5-0", "a-9-10", "a-9-9", "a-10-0"):
        (tmp_path / f"{name}.journal").touch()
    (tmp_path / "a-10-1.journal.new").touch()
    (tmp_path / "notes.txt").touch()
    assert [str(name) for name in list_segments(tmp_path)] == [
        "a-9-9.journal",
        "a-9-10.journal",
        "a-10-0.journal",
        "b-5-0.journal",
    ]
    assert list_segments(tmp_path / "missing") == []


def test_a_writer_is_alive_until_it_closes(tmp_path: Path):
    writer = SegmentWriter.create(tmp_path, NAME)
    assert is_writer_alive(tmp_path / str(NAME))
    assert is_writer_alive(tmp_path / str(NAME)), "asking does not take the lock away"
    writer.close()
    assert not is_writer_alive(tmp_path / str(NAME))
    assert not is_writer_alive(tmp_path / "missing.journal")


def test_a_segment_that_cannot_be_begun_leaves_nothing_behind(tmp_path: Path):
    (tmp_path / str(NAME)).mkdir()
    with pytest.raises(OSError):
        SegmentWriter.create(tmp_path, NAME)
    assert [path.name for path in tmp_path.iterdir()] == [str(NAME)]


def test_a_sealed_segment_is_read_to_its_footer(tmp_path: Path):
    path = written_segment(tmp_path)
    batch = read_batch(path, 0, is_closed=False, max_items=100)
    contents = [item.content for item in batch.items if isinstance(item, Frame)]
    assert (batch.is_sealed, batch.is_at_end) == (True, True)
    assert len(contents) == len(batch.items) == 8
    assert isinstance(contents[0], SegmentHeader)
    assert isinstance(contents[-1], SegmentFooter)
    assert batch.items[-1].end == path.stat().st_size == measure(tmp_path)


def test_batches_of_any_size_join_without_gaps(tmp_path: Path):
    path = written_segment(tmp_path)
    whole = read_batch(path, 0, is_closed=True, max_items=100).items
    pieces: list[Frame | Damage] = []
    while True:
        offset = pieces[-1].end if pieces else 0
        batch = read_batch(path, offset, is_closed=True, max_items=3)
        assert len(batch.items) <= 3
        pieces += batch.items
        if batch.is_sealed:
            break
    assert pieces == whole


def test_a_large_segment_is_read_in_chunks(tmp_path: Path):
    path = written_segment(tmp_path, calls=12_000)
    offset, frames, reads = 0, 0, 0
    while True:
        batch = read_batch(path, offset, is_closed=True, max_items=10**9)
        frames += sum(isinstance(item, Frame) for item in batch.items)
        offset = batch.items[-1].end
        reads += 1
        if batch.is_sealed:
            break
    assert frames == 24_002
    assert reads > 1


def test_an_unfinished_tail_is_waited_for_while_the_writer_lives_and_is_damage_then(tmp_path: Path):
    path = written_segment(tmp_path, is_sealed=False)
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(encode_frame(opened_call(), 7)[:50])
    alive = read_batch(path, 0, is_closed=False, max_items=100)
    assert (alive.is_sealed, alive.is_at_end, alive.items[-1].end) == (False, True, size)
    dead = read_batch(path, size, is_closed=True, max_items=100)
    assert dead.items == [Damage(size, size + 50, "torn at the end")]


def test_what_stands_behind_a_footer_is_reported(tmp_path: Path):
    path = written_segment(tmp_path)
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"more")
    batch = read_batch(path, 0, is_closed=True, max_items=100)
    assert batch.is_sealed
    assert batch.items[-1] == Damage(size, size + 4, "bytes behind the footer")


def test_only_a_sealed_and_undamaged_segment_is_intact(tmp_path: Path):
    path = written_segment(tmp_path)
    data = path.read_bytes()
    assert is_intact(path)
    path.write_bytes(data[:-1])
    assert not is_intact(path)
    path.write_bytes(data + b"x")
    assert not is_intact(path)
    second = read_batch(written_again(path, data), 0, is_closed=True, max_items=100).items[1]
    path.write_bytes(data[: second.start] + data[second.end :])
    assert not is_intact(path), "a frame that was cut out whole is missed"
    path.write_bytes(b"")
    assert not is_intact(path)


def written_again(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_retired_segment_is_deleted_or_kept_within_bounds(tmp_path: Path):
    attic = tmp_path / "attic"
    for number in range(4):
        path = tmp_path / f"a-1-{number}.journal"
        path.write_bytes(bytes(100))
        retire(path, attic, attic_bytes=250)
        assert not path.exists()
    assert sorted(path.name for path in attic.iterdir()) == ["a-1-2.journal", "a-1-3.journal"]
    path = tmp_path / "a-1-9.journal"
    path.touch()
    retire(path, None, attic_bytes=250)
    retire(path, attic, attic_bytes=250)
    assert not path.exists()


def test_sweeping_deletes_what_a_dead_writer_never_named_and_spares_a_living_one(tmp_path: Path):
    dead = tmp_path / "a-1-0.journal.new"
    dead.write_bytes(b"header")
    living = tmp_path / "a-2-0.journal.new"
    empty = tmp_path / "a-3-0.journal.new"
    empty.touch()
    with living.open("wb", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(b"header")
        sweep(tmp_path)
        assert sorted(tmp_path.iterdir()) == [living, empty]
