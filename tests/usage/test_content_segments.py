"""Segments of contents: written whole, read as far as they are sound."""

import fcntl
import os
import stat
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.usage.content_segments import (
    MAGIC,
    MOST_RECORD_BYTES,
    UNNAMED_SUFFIX,
    ContentRecord,
    encode_record,
    folder_bytes,
    list_segments,
    read_segment,
    write_segment,
)


def record(number=1, **changes):
    made = ContentRecord(
        bytes([number] * 16), 1_893_500_000_000_000, "org", "proj", b'"Hi"', b'"Ho"', False, True
    )
    return msgspec.structs.replace(made, **changes)


def test_records_are_read_as_they_were_written_and_only_by_their_owner(tmp_path):
    records = [record(1), record(2, answer=b"")]
    write_segment(tmp_path, "gateway-1-0", [encode_record(each) for each in records])
    [segment] = list_segments(tmp_path)
    assert segment.is_whole
    assert segment.path.name == "gateway-1-0.content"
    assert list(read_segment(segment.path)) == records
    assert stat.S_IMODE(segment.path.stat().st_mode) == 0o600
    assert folder_bytes(tmp_path) == segment.path.stat().st_size


def test_a_name_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "a.content").mkdir()
    with pytest.raises(IsADirectoryError):
        write_segment(tmp_path, "a", [b"x"])
    assert [path.name for path in tmp_path.iterdir()] == ["a.content"]


def test_a_folder_that_is_not_there_has_no_segments(tmp_path):
    assert list_segments(tmp_path / "none") == []


@given(cut=st.integers(0, 400), data=st.data())
def test_a_torn_or_damaged_tail_is_skipped(tmp_path_factory, cut, data):
    records = [record(number) for number in range(1, 4)]
    encoded = [encode_record(each) for each in records]
    whole = MAGIC + b"".join(encoded)
    path = tmp_path_factory.getbasetemp() / f"torn-{os.getpid()}.content"
    path.write_bytes(whole[:cut])
    ends = [len(MAGIC) + sum(map(len, encoded[:count])) for count in range(4)]
    expected = sum(end <= cut for end in ends[1:])
    assert list(read_segment(path)) == records[:expected]
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = bytearray(whole)
    damaged[at] ^= 0x5A
    path.write_bytes(damaged)
    read = list(read_segment(path))
    assert read == records[: len(read)]
    assert len(read) == max(0, sum(end <= at for end in ends) - 1)


def test_what_is_no_record_ends_reading(tmp_path):
    path = tmp_path / "a.content"
    payload = msgspec.msgpack.encode(["not", "a", "record"])
    head = len(payload).to_bytes(4, "big") + zlib.crc32(payload).to_bytes(4, "big")
    path.write_bytes(MAGIC + encode_record(record()) + head + payload + encode_record(record(2)))
    assert list(read_segment(path)) == [record()]
    path.write_bytes(MAGIC + (MOST_RECORD_BYTES + 1).to_bytes(4, "big") + bytes(100))
    assert list(read_segment(path)) == []


def test_what_a_dead_writer_left_is_found_and_what_a_living_one_writes_is_not(tmp_path):
    path = tmp_path / f"gateway-1-0{UNNAMED_SUFFIX}"
    path.write_bytes(MAGIC + encode_record(record()) + b"\x00\x00")
    with path.open("rb") as living:
        fcntl.flock(living, fcntl.LOCK_EX)
        assert list_segments(tmp_path) == []
    [segment] = list_segments(tmp_path)
    assert not segment.is_whole
    assert list(read_segment(segment.path)) == [record()]
    path.write_bytes(b"")
    assert list_segments(tmp_path) == [], "its writer may be about to lock it"
