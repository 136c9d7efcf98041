"""The changes file: read as it grows, cut anywhere, damaged anywhere."""

import zlib

import pytest
from snapshot_parts import a_grant, an_endpoint

from tradewind.snapshot import changes
from tradewind.snapshot.changes import Change, ChangesTail

DIGEST = b"\x07" * 32
CHANGES = [
    Change(6, 2, grants={"k1": None, "k4": a_grant("k4")}),
    Change(7, 3, endpoints={"c/new": an_endpoint("c/new", "new")}, aliases={"new": "c/new"}),
    Change(8, 4, order=("c/new", "a/small")),
]
FRAMES = [changes.encode(change) for change in CHANGES]
PREAMBLE = changes.preamble(DIGEST)
WHOLE = PREAMBLE + b"".join(FRAMES)
# Where reading may stop: behind the preamble and behind each frame.
ENDS = [len(PREAMBLE) + sum(map(len, FRAMES[:count])) for count in range(len(FRAMES) + 1)]


@pytest.fixture
def path(tmp_path):
    return changes.changes_path(tmp_path / "current", DIGEST)


@pytest.fixture
def tail(tmp_path):
    return ChangesTail(tmp_path / "current", DIGEST, 5)


def assert_damage(tail, text):
    assert tail.damage is not None
    assert text in tail.damage


def test_changes_carry_the_digest_of_their_base_in_their_name(tmp_path):
    assert changes.changes_path(tmp_path / "current", DIGEST) == (
        tmp_path / "current.changes-0707070707070707"
    )


def test_what_is_appended_is_read_once(path, tail):
    assert tail.read() == []
    assert not tail.has_more(), "there is no file"
    path.write_bytes(PREAMBLE + FRAMES[0])
    assert tail.has_more()
    assert tail.read() == CHANGES[:1]
    assert not tail.has_more()
    with path.open("ab") as stream:
        stream.write(FRAMES[1] + FRAMES[2])
    assert tail.has_more()
    assert tail.read() == CHANGES[1:]
    assert tail.read() == []
    assert (tail.end, tail.is_torn, tail.damage) == (len(WHOLE), False, None)


def test_a_file_cut_at_any_byte_gives_its_whole_changes_and_goes_on_later(path, tmp_path):
    for size in range(len(WHOLE)):
        tail = ChangesTail(tmp_path / "current", DIGEST, 5)
        path.write_bytes(WHOLE[:size])
        whole = sum(end <= size for end in ENDS[1:])
        assert tail.read() == CHANGES[:whole]
        assert tail.damage is None
        assert tail.is_torn == (size not in (0, *ENDS))
        path.write_bytes(WHOLE)
        assert tail.read() == CHANGES[whole:]


def test_a_flipped_bit_in_any_byte_is_damage_and_nothing_behind_it_is_read(path, tmp_path):
    for place in range(len(WHOLE)):
        for bit in (0, 7):
            raw = bytearray(WHOLE)
            raw[place] ^= 1 << bit
            path.write_bytes(raw)
            tail = ChangesTail(tmp_path / "current", DIGEST, 5)
            whole = sum(end <= place for end in ENDS[1:])
            assert tail.read() == CHANGES[:whole]
            assert tail.damage is not None
            assert not tail.is_torn


def test_damage_that_was_mended_is_read_on(path, tail):
    path.write_bytes(PREAMBLE + FRAMES[0] + FRAMES[1][:-1] + b"\0" + FRAMES[2])
    assert tail.read() == CHANGES[:1]
    assert tail.damage == "a change's checksum does not fit"
    path.write_bytes(WHOLE)
    assert tail.has_more()
    assert tail.read() == CHANGES[1:]
    assert tail.damage is None


def test_a_damage_report_repeats_no_content(path, tail):
    path.write_bytes(PREAMBLE + changes.encode(Change(6, 2, grants={"secret": a_grant("secret")})))
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    tail.read()
    assert_damage(tail, "checksum does not fit")
    assert "secret" not in str(tail.damage)


@pytest.mark.parametrize("version", [4, 5, 7])
def test_a_version_out_of_turn_is_damage(path, tail, version):
    path.write_bytes(PREAMBLE + changes.encode(Change(version, 2)))
    assert tail.read() == []
    assert_damage(tail, "version 5")


def test_changes_of_another_base_are_damage(path, tmp_path):
    path.write_bytes(changes.preamble(b"\x08" * 32) + FRAMES[0])
    tail = ChangesTail(tmp_path / "current", DIGEST, 5)
    assert tail.read() == []
    assert_damage(tail, "do not belong")


def test_a_change_too_large_to_be_one_is_damage_and_not_read(path, tail):
    head = changes._FRAME.pack(changes.MOST_FRAME_BYTES + 1, 0)
    path.write_bytes(PREAMBLE + head + changes._HEAD_CHECK.pack(zlib.crc32(head)))
    assert tail.read() == []
    assert_damage(tail, "33554433 bytes")


def test_something_else_in_a_frame_is_damage(path, tail):
    payload = b"\xc1"
    head = changes._FRAME.pack(len(payload), zlib.crc32(payload))
    check = changes._HEAD_CHECK.pack(zlib.crc32(head))
    path.write_bytes(PREAMBLE + head + check + payload)
    assert tail.read() == []
    assert_damage(tail, "cannot be decoded")


def test_many_changes_are_read_in_pieces(path, tail):
    many = [
        Change(6 + number, 2, grants={f"k{number}": a_grant(f"k{number}", digest=b"x" * 20_000)})
        for number in range(200)
    ]
    path.write_bytes(PREAMBLE + b"".join(map(changes.encode, many)))
    assert tail.read() == many
