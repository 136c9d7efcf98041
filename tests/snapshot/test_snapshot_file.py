"""The snapshot file: read whole or not at all."""

import hashlib
import os
import stat
import threading

import msgspec
import pytest

from tradewind.snapshot import file
from tradewind.snapshot.contents import (
    EMPTY,
    Budget,
    Endpoint,
    Grant,
    Limits,
    Operation,
    Price,
    Snapshot,
    Target,
    Terms,
)

SNAPSHOT = Snapshot(
    version=7,
    compiled_at_ms=1_700_000_000_000,
    grants=(
        Grant("k1", b"d" * 32, "org_a", "proj_a"),
        Grant(
            "k2",
            b"e" * 32,
            "org_a",
            "proj_b",
            expires_at_ms=5,
            models=frozenset({"p/m", "p/é"}),
            limits=Limits(1, 2, 3),
        ),
    ),
    endpoints=(
        Endpoint(
            name="p/m",
            operation=Operation.EMBEDDINGS,
            publisher="p",
            created_at_ms=1,
            context_tokens=512,
            max_output_tokens=0,
            price=Price("price_1", "USD", 1, 2, 3),
            targets=(Target("dep", "rep", "llama_server", "/run/x.sock", "m", "secret", 2, 4),),
            dimensions=384,
            aliases=("m",),
        ),
    ),
    terms=(Terms("org_a", Limits(7), budgets=("budget_1",)), Terms("proj_a", response_days=0)),
    budgets=(Budget("budget_1", "all", "USD"),),
)


@pytest.mark.parametrize("snapshot", [EMPTY, SNAPSHOT], ids=["empty", "full"])
def test_a_snapshot_reads_back_as_it_was(snapshot):
    assert file.decode(file.encode(snapshot)) == snapshot


def test_every_truncation_is_damage():
    raw = file.encode(SNAPSHOT)
    for size in range(len(raw)):
        with pytest.raises(file.SnapshotDamaged):
            file.decode(raw[:size])


def test_a_flipped_bit_in_any_byte_is_damage():
    raw = file.encode(SNAPSHOT)
    for place in range(len(raw)):
        for bit in (0, 7):
            changed = bytearray(raw)
            changed[place] ^= 1 << bit
            with pytest.raises(file.SnapshotDamaged):
                file.decode(bytes(changed))


def test_bytes_behind_the_end_are_damage():
    with pytest.raises(file.SnapshotDamaged):
        file.decode(file.encode(SNAPSHOT) + b"\0")


def test_another_format_is_told_apart_from_damage():
    raw = bytearray(file.encode(SNAPSHOT))
    raw[7] += 1
    with pytest.raises(file.SnapshotDamaged, match=r"format 4.*reads 3.*same release"):
        file.decode(bytes(raw))


@pytest.mark.parametrize("filling", [b"\0", b"\xff", b"\x01"])
def test_a_right_digest_over_something_else_is_damage(filling):
    payload = filling * 1000
    digest = hashlib.sha256(payload).digest()
    with pytest.raises(file.SnapshotDamaged, match="cannot be decoded"):
        file.decode(b"TWSNAP\0\3" + digest + payload)


def test_a_file_of_the_first_format_says_what_to_do():
    payload = msgspec.msgpack.encode(SNAPSHOT)
    digest = hashlib.sha256(payload).digest()
    with pytest.raises(file.SnapshotDamaged, match=r"format 1.*same release"):
        file.decode(b"TWSNAP\0\1" + digest + payload)


def test_the_last_of_two_things_with_one_id_counts():
    first, second = SNAPSHOT.grants
    twice = msgspec.structs.replace(
        SNAPSHOT, grants=(first, second, msgspec.structs.replace(first, digest=b"f" * 32))
    )
    found = file.decode(file.encode(twice))
    assert {grant.key_id: grant.digest for grant in found.grants} == {
        "k1": b"f" * 32,
        "k2": b"e" * 32,
    }


def test_a_damage_report_repeats_no_credential():
    raw = bytearray(file.encode(SNAPSHOT))
    raw[-1] ^= 1
    with pytest.raises(file.SnapshotDamaged) as caught:
        file.decode(bytes(raw))
    assert "secret" not in str(caught.value)


def test_the_file_is_private_whatever_the_umask_is(tmp_path):
    path = tmp_path / "snapshot" / "current"
    former = os.umask(0)
    try:
        file.write(path, SNAPSHOT)
    finally:
        os.umask(former)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_written_file_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "current"
    file.write(path, EMPTY)
    file.write(path, SNAPSHOT)
    assert file.read(path) == SNAPSHOT
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_never_sees_a_torn_file(tmp_path):
    path = tmp_path / "current"
    sizes = [1, 2000]
    snapshots = [
        msgspec.structs.replace(
            SNAPSHOT,
            version=version,
            grants=tuple(
                Grant(f"k{number}", b"d" * 32, "org_a", "proj_a")
                for number in range(sizes[version % 2])
            ),
        )
        for version in range(2)
    ]
    file.write(path, snapshots[0])
    seen: set[int] = set()
    failures: list[BaseException] = []
    stop = threading.Event()

    def read():
        while not stop.is_set() or len(seen) < 2:
            try:
                found = file.read(path)
                assert found in snapshots
                seen.add(found.version)
            except BaseException as error:  # noqa: BLE001  reported by the test
                failures.append(error)
                return

    reader = threading.Thread(target=read)
    reader.start()
    for round_number in range(100):
        file.write(path, snapshots[round_number % 2])
    while len(seen) < 2 and reader.is_alive():
        for snapshot in snapshots:
            file.write(path, snapshot)
    stop.set()
    reader.join()
    assert failures == []
    assert seen == {0, 1}


def test_a_write_that_fails_leaves_the_former_file_and_no_litter(tmp_path):
    path = tmp_path / "current"
    file.write(path, SNAPSHOT)
    in_the_way = tmp_path / "folder"
    (in_the_way / "entry").mkdir(parents=True)
    with pytest.raises(OSError, match="folder"):
        file.write(in_the_way, EMPTY)
    assert {entry.name for entry in tmp_path.iterdir()} == {"current", "folder"}
    assert file.read(path) == SNAPSHOT


def test_a_missing_file_is_told_as_such(tmp_path):
    with pytest.raises(FileNotFoundError):
        file.read(tmp_path / "nothing")
