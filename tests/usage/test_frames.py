"""Frames: what was written is read, and what was damaged is reported and nothing else."""

import random
import struct
import zlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.testing.usage_records import end_of, opened_call, progress_of
from tradewind.usage.frames import (
    MAGIC,
    MAX_PAYLOAD_BYTES,
    PREFIX_BYTES,
    Content,
    Damage,
    Frame,
    RecordTooLarge,
    SegmentFooter,
    SegmentHeader,
    decode_opened,
    encode_frame,
    encode_record,
    scan,
)


def some_contents(calls: int = 60) -> list[Content]:
    contents: list[Content] = [SegmentHeader(1, "node-a", 17, 0)]
    for number in range(calls):
        opened = opened_call(model=f"model-{number}", input_tokens_estimate=number)
        contents += [opened, progress_of(opened, number), end_of(opened, output_tokens=number)]
    return [*contents, SegmentFooter(len(contents), 5)]


def framed(contents: list[Content]) -> tuple[bytes, list[int]]:
    """The bytes of a segment, and the place at which each frame ends."""
    data = b""
    ends: list[int] = []
    for sequence, content in enumerate(contents):
        data += encode_frame(content, sequence)
        ends.append(len(data))
    return data, ends


def frames_of(data: bytes, *, is_whole: bool = True) -> list[Frame]:
    return [item for item in scan(data, is_whole=is_whole) if isinstance(item, Frame)]


def damages_of(data: bytes, *, is_whole: bool = True) -> list[Damage]:
    return [item for item in scan(data, is_whole=is_whole) if isinstance(item, Damage)]


def frame_around(payload: bytes, sequence: int = 0) -> bytes:
    """A frame with a right checksum around any payload, as only a faulty writer makes it."""
    crc = zlib.crc32(payload, zlib.crc32(struct.pack(">IQ", len(payload), sequence)))
    return struct.pack(">4sIQI", MAGIC, len(payload), sequence, crc) + payload


def test_every_kind_of_content_is_read_as_it_was_written():
    contents = some_contents()
    data, ends = framed(contents)
    items = list(scan(data, is_whole=True))
    assert [item.content for item in items if isinstance(item, Frame)] == contents
    assert [item.end for item in items] == ends
    assert [item.start for item in items] == [0, *ends[:-1]]
    assert [item.sequence for item in items if isinstance(item, Frame)] == list(range(len(items)))


def test_scanning_begins_where_it_is_told():
    contents = some_contents(3)
    data, ends = framed(contents)
    items = list(scan(data, ends[3], is_whole=True))
    assert [item.content for item in items if isinstance(item, Frame)] == contents[4:]


def test_a_record_alone_survives_outside_of_a_frame():
    opened = opened_call()
    assert decode_opened(encode_record(opened)) == opened


def test_a_cut_at_any_byte_leaves_a_clean_prefix():
    contents = some_contents(4)
    data, ends = framed(contents)
    for cut in range(len(data) + 1):
        whole = sum(end <= cut for end in ends)
        clean = ends[whole - 1] if whole else 0
        waiting = list(scan(data[:cut], is_whole=False))
        assert [item.content for item in waiting if isinstance(item, Frame)] == contents[:whole]
        assert len(waiting) == whole, "an unfinished tail is waited for"
        closed = list(scan(data[:cut], is_whole=True))
        assert [item.content for item in closed if isinstance(item, Frame)] == contents[:whole]
        expected = [Damage(clean, cut, "torn at the end")] if cut > clean else []
        assert [item for item in closed if isinstance(item, Damage)] == expected


def test_a_flipped_bit_costs_the_frame_it_is_in_and_no_other():
    contents = some_contents()
    data, ends = framed(contents)
    for flip in random.Random(20_261_122).sample(range(len(data) * 8), 3000):
        damaged = bytearray(data)
        damaged[flip // 8] ^= 1 << flip % 8
        hit = next(index for index, end in enumerate(ends) if flip // 8 < end)
        items = list(scan(bytes(damaged), is_whole=True))
        frames = [item for item in items if isinstance(item, Frame)]
        assert [frame.content for frame in frames] == contents[:hit] + contents[hit + 1 :]
        assert [item[:2] for item in items if isinstance(item, Damage)] == [
            (ends[hit - 1] if hit else 0, ends[hit])
        ]


def test_damage_of_many_kinds_yields_no_record_that_was_not_written():
    contents = some_contents()
    data, _ = framed(contents)
    chance = random.Random(8812)
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 6)):
            start = chance.randrange(len(damaged))
            end = min(len(damaged), start + chance.randint(1, 700))
            match chance.randrange(4):
                case 0:
                    damaged[start:end] = chance.randbytes(end - start)
                case 1:
                    damaged[start:end] = bytes(end - start)
                case 2:
                    del damaged[start:end]
                case _:
                    damaged[start:start] = MAGIC + chance.randbytes(chance.randint(0, 60))
        items = list(scan(bytes(damaged), is_whole=True))
        position = 0
        for item in items:
            assert item.start == position, "a range is neither read nor reported"
            position = item.end
        assert position == len(damaged)
        found = [item.content for item in items if isinstance(item, Frame)]
        remaining = iter(contents)
        assert all(content in remaining for content in found), "only what was written, in order"


@settings(max_examples=100, deadline=None)
@given(cuts=st.lists(st.integers(0, 6000), max_size=12), noise=st.binary(max_size=40))
def test_bytes_that_arrive_in_any_pieces_are_read_alike(cuts: list[int], noise: bytes):
    data, ends = framed(some_contents(5))
    data = data[: ends[3]] + noise + data[ends[3] :]
    found: list[Frame | Damage] = []
    position = 0
    for cut in [*sorted(min(cut, len(data)) for cut in cuts), len(data)]:
        for item in scan(data[:cut], position, is_whole=False):
            found.append(item)
            position = item.end
    found += scan(data, position, is_whole=True)
    assert [item for item in found if isinstance(item, Frame)] == frames_of(data)
    assert sum(item.end - item.start for item in found if isinstance(item, Damage)) == len(noise)


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=60))
def test_no_text_looks_like_the_start_of_a_frame(text: str):
    opened = opened_call(event_id=bytes(16), model=text)
    assert encode_frame(opened, 0).count(MAGIC) == 1


def test_a_frame_hidden_in_an_id_is_not_mistaken_for_one():
    opened = opened_call(event_id=(MAGIC + bytes(16))[:16])
    data, _ = framed([opened, opened_call()])
    assert len(frames_of(data)) == 2
    assert damages_of(data) == []


def test_a_length_that_reaches_behind_the_end_is_found_out_by_the_frames_behind_it():
    contents = some_contents(3)
    data, ends = framed(contents)
    damaged = bytearray(data)
    struct.pack_into(">I", damaged, ends[2] + 4, MAX_PAYLOAD_BYTES - 1)
    assert [frame.content for frame in frames_of(bytes(damaged), is_whole=False)] == [
        *contents[:3],
        *contents[4:],
    ]


def test_a_length_over_the_limit_is_not_waited_for():
    data = encode_frame(opened_call(), 0) + struct.pack(">4sIQI", MAGIC, 2**32 - 1, 1, 0) + b"x" * 9
    assert len(damages_of(data, is_whole=False)) == 1


def test_a_tail_of_zeros_as_after_a_power_loss_is_damage():
    data, ends = framed(some_contents(2))
    assert damages_of(data + bytes(5000)) == [Damage(ends[-1], ends[-1] + 5000, "torn at the end")]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode(None),
        msgspec.msgpack.encode(["Z", 1, 2]),
        msgspec.msgpack.encode(["P", b"0123456789abcdef", None]),
        msgspec.msgpack.encode(["P", b"0123456789abcdef", "many"]),
        msgspec.msgpack.encode(["P"]),
        msgspec.msgpack.encode({"type": "P"}),
        msgspec.msgpack.encode(["H", 1, "n", 1, 2])[:-1],
        b"\x95\xa1H\x01\xa2\xff\xfe\x01\x02",
        b"\x94\xa1P\xc4\x01x\x05" + b"\x91" * 60_000,
    ],
)
def test_a_payload_that_means_nothing_is_reported_and_passed_over(payload: bytes):
    bad = frame_around(payload)
    good = encode_frame(progress_of(opened_call(), 3), 1)
    first, second = scan(bad + good, is_whole=True)
    assert isinstance(first, Damage)
    assert (first.start, first.end) == (0, len(bad))
    assert len(first.reason) <= 200
    assert isinstance(second, Frame)


def test_a_field_added_by_a_later_release_does_not_hinder_reading():
    later = msgspec.msgpack.encode(["P", b"0123456789abcdef", 7, "new"])
    (frame,) = frames_of(frame_around(later))
    assert frame.content == progress_of(opened_call(event_id=b"0123456789abcdef"), 7)


def test_a_record_over_the_limit_is_refused_by_the_writer():
    with pytest.raises(RecordTooLarge):
        encode_frame(opened_call(model="m" * MAX_PAYLOAD_BYTES), 0)
    largest = opened_call(model="m" * (MAX_PAYLOAD_BYTES - 300))
    assert len(frames_of(encode_frame(largest, 0))) == 1
    assert len(encode_frame(largest, 0)) > MAX_PAYLOAD_BYTES - 300 + PREFIX_BYTES
