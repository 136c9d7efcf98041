"""The journal's writer: order, durability, and what it does when the disk refuses."""

import asyncio
import resource
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.testing.usage_records import end_of, opened_call, progress_of
from tradewind.usage.event import Progressed, Record
from tradewind.usage.frames import (
    FORMAT_VERSION,
    Damage,
    Frame,
    SegmentFooter,
    SegmentHeader,
    encode_frame,
    scan,
)
from tradewind.usage.journal import Journal
from tradewind.usage.segments import MalformedNode, is_intact, is_writer_alive, list_segments

PATIENCE_S = 60


def items_in(folder: Path) -> list[Frame | Damage]:
    return [
        item
        for name in list_segments(folder)
        for item in scan((folder / str(name)).read_bytes(), is_whole=True)
    ]


def records_in(folder: Path) -> list[Record]:
    """The records of all segments in order. There must be no damage."""
    items = items_in(folder)
    assert not [item for item in items if isinstance(item, Damage)]
    return [
        item.content
        for item in items
        if isinstance(item, Frame) and not isinstance(item.content, SegmentHeader | SegmentFooter)
    ]


async def becomes_true(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.01)


@contextmanager
def file_size_limit(limit: int) -> Iterator[None]:
    """The kernel refuses to let a file of this process grow further, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class HeldSync:
    """An fdatasync that waits until it is let go, and counts itself."""

    def __init__(self) -> None:
        self.begun = 0
        self.at_once = 0
        self.most_at_once = 0
        self.failure: OSError | None = None
        self._permits = threading.Semaphore(0)
        self._lock = threading.Lock()

    def __call__(self, descriptor: int) -> None:
        with self._lock:
            self.begun += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        assert self._permits.acquire(timeout=PATIENCE_S)
        with self._lock:
            self.at_once -= 1
        if self.failure is not None:
            raise self.failure

    def let_go(self, times: int = 1) -> None:
        self._permits.release(times)


async def test_a_flushed_record_is_in_the_file_and_an_appended_one_is_not(tmp_path: Path):
    journal = Journal.open(tmp_path, node="a")
    opened = opened_call()
    journal.append(opened)
    assert records_in(tmp_path) == []
    assert journal.flush() is True
    assert records_in(tmp_path) == [opened]
    journal.append(end_of(opened))
    journal.append(progress_of(opened, 3))
    assert journal.flush() is True
    assert records_in(tmp_path) == [opened, end_of(opened), progress_of(opened, 3)]
    assert journal.frames == 3
    await journal.close()


async def test_a_closed_journal_is_sealed_intact_and_unlocked(tmp_path: Path):
    journal = Journal.open(tmp_path, node="a")
    journal.append(opened_call())
    (name,) = list_segments(tmp_path)
    assert is_writer_alive(tmp_path / str(name))
    await journal.close()
    await journal.close()
    assert is_intact(tmp_path / str(name))
    assert not is_writer_alive(tmp_path / str(name))
    assert len(records_in(tmp_path)) == 1
    assert journal.is_healthy is False


async def test_a_segment_begins_with_a_header_that_repeats_its_name(tmp_path: Path):
    journal = Journal.open(tmp_path / "deep" / "folder", node="n-1", boot_ns=42)
    (name,) = list_segments(tmp_path / "deep" / "folder")
    (header,) = items_in(tmp_path / "deep" / "folder")
    assert isinstance(header, Frame)
    assert header.content == SegmentHeader(FORMAT_VERSION, "n-1", 42, 0)
    assert (name.node, name.boot_ns, name.number) == ("n-1", 42, 0)
    assert (tmp_path / "deep" / "folder" / str(name)).stat().st_mode & 0o777 == 0o600
    await journal.close()


async def test_two_writers_that_start_at_the_same_time_do_not_share_a_segment(tmp_path: Path):
    first = Journal.open(tmp_path, node="a", boot_ns=42)
    second = Journal.open(tmp_path, node="a", boot_ns=42)
    assert len(list_segments(tmp_path)) == 2
    await first.close()
    await second.close()


def test_a_node_name_that_would_leave_the_folder_is_refused(tmp_path: Path):
    with pytest.raises(MalformedNode):
        Journal.open(tmp_path, node="../a")


async def test_a_full_segment_is_sealed_and_followed_by_the_next(tmp_path: Path):
    journal = Journal.open(tmp_path, node="a", segment_bytes=2000)
    records: list[Record] = []
    for _ in range(50):
        opened = opened_call()
        records += [opened, end_of(opened)]
        journal.append(opened)
        journal.append(end_of(opened))
        journal.flush()
    names = list_segments(tmp_path)
    assert len(names) > 5
    assert [name.number for name in names] == list(range(len(names)))
    assert len({name.writer for name in names}) == 1
    assert all(is_intact(tmp_path / str(name)) for name in names[:-1])
    assert is_writer_alive(tmp_path / str(names[-1]))
    assert records_in(tmp_path) == records
    await journal.close()
    assert is_intact(tmp_path / str(names[-1]))
    assert not any(is_writer_alive(tmp_path / str(name)) for name in names)


async def test_in_process_durability_the_flush_answers_those_who_wait(tmp_path: Path):
    held = HeldSync()
    journal = Journal.open(tmp_path, node="a", fdatasync=held)
    answers: list[tuple[str, bool]] = []
    journal.append(opened_call())
    journal.when_durable(lambda is_safe: answers.append(("first", is_safe)))
    journal.append(opened_call())
    journal.when_durable(lambda is_safe: answers.append(("second", is_safe)))
    assert answers == []
    journal.flush()
    assert answers == [("first", True), ("second", True)]
    journal.when_durable(lambda is_safe: answers.append(("third", is_safe)))
    assert answers[2:] == [("third", True)]
    held.let_go(100)
    await journal.close()


async def test_in_process_durability_frames_are_synced_soon_without_anyone_asking(tmp_path: Path):
    held = HeldSync()
    held.let_go(100)
    journal = Journal.open(tmp_path, node="a", fdatasync=held)
    journal.append(opened_call())
    journal.flush()
    await becomes_true(lambda: journal.fsyncs == 1)
    assert held.begun == 1
    journal.append(opened_call())
    journal.flush()
    await becomes_true(lambda: journal.fsyncs == 2)
    await journal.close()


async def test_on_disk_durability_the_answer_comes_after_the_sync_that_covers_it(tmp_path: Path):
    held = HeldSync()
    journal = Journal.open(tmp_path, node="a", durability="disk", fdatasync=held)
    answers: list[str] = []

    def wait_as(name: str) -> None:
        journal.append(opened_call())
        journal.when_durable(lambda is_safe: answers.append(name if is_safe else f"not {name}"))

    wait_as("a")
    await becomes_true(lambda: held.begun == 0)
    journal.flush()
    await becomes_true(lambda: held.begun == 1)
    wait_as("b")
    journal.flush()
    wait_as("c")
    journal.flush()
    wait_as("not flushed yet")
    assert answers == []
    held.let_go()
    await becomes_true(lambda: held.begun == 2)
    assert answers == ["a"], "what was written while a sync ran is not covered by it"
    held.let_go()
    await becomes_true(lambda: len(answers) == 3)
    assert answers == ["a", "b", "c"], "both share the next one"
    journal.flush()
    held.let_go(100)
    await becomes_true(lambda: len(answers) == 4)
    await journal.close()
    assert held.most_at_once == 1


async def test_what_was_written_while_a_sync_ran_is_not_taken_for_synced(tmp_path: Path):
    held = HeldSync()
    journal = Journal.open(tmp_path, node="a", durability="disk", fdatasync=held)
    answers: list[str] = []
    journal.append(opened_call())
    journal.when_durable(lambda _: answers.append("first"))
    journal.flush()
    await becomes_true(lambda: held.begun == 1)
    journal.append(opened_call())
    journal.flush()
    held.let_go()
    await becomes_true(lambda: answers == ["first"])
    journal.when_durable(lambda _: answers.append("second"))
    await becomes_true(lambda: held.begun == 2)
    assert answers == ["first"]
    held.let_go(100)
    await becomes_true(lambda: answers == ["first", "second"])
    await journal.close()


async def test_on_disk_durability_closing_answers_everyone(tmp_path: Path):
    journal = Journal.open(tmp_path, node="a", durability="disk")
    answers: list[bool] = []
    for _ in range(5):
        journal.append(opened_call())
        journal.when_durable(answers.append)
    await journal.close()
    assert answers == [True] * 5


async def test_waiting_without_anything_new_is_answered_from_what_is_synced(tmp_path: Path):
    journal = Journal.open(tmp_path, node="a", durability="disk")
    journal.append(opened_call())
    journal.flush()
    answers: list[bool] = []
    journal.when_durable(answers.append)
    await becomes_true(lambda: answers == [True])
    journal.when_durable(answers.append)
    assert answers == [True, True]
    await journal.close()


@pytest.mark.parametrize("durability", ["process", "disk"])
async def test_a_sync_that_fails_is_told_and_its_segment_is_left(tmp_path: Path, durability):
    held = HeldSync()
    held.let_go(1000)
    journal = Journal.open(tmp_path, node="a", durability=durability, fdatasync=held)
    held.failure = OSError(5, "input/output error")
    first = opened_call()
    answers: list[bool] = []
    journal.append(first)
    journal.when_durable(answers.append)
    journal.flush()
    await becomes_true(lambda: not journal.is_healthy)
    assert answers == ([False] if durability == "disk" else [True])
    assert journal.errors >= 1
    held.failure = None
    await becomes_true(lambda: journal.is_healthy)
    second = opened_call()
    journal.append(second)
    journal.when_durable(answers.append)
    journal.flush()
    await becomes_true(lambda: len(answers) == 2)
    assert answers[1] is True
    names = list_segments(tmp_path)
    assert len(names) >= 2, "a file that failed to sync is not trusted again"
    assert records_in(tmp_path) == [first, second]
    await journal.close()


async def test_after_a_failed_sync_the_next_record_goes_to_another_segment(tmp_path: Path):
    held = HeldSync()
    journal = Journal.open(tmp_path, node="a", fdatasync=held)
    first, second, third = opened_call(), opened_call(), opened_call()
    journal.append(first)
    journal.flush()
    await becomes_true(lambda: held.begun == 1)
    journal.append(second)
    held.failure = OSError(5, "input/output error")
    held.let_go()
    await becomes_true(lambda: not journal.is_healthy)
    held.failure = None
    held.let_go(1000)
    journal.flush()
    journal.append(third)
    journal.flush()
    old, new = list_segments(tmp_path)
    contents = [
        item.content
        for item in scan((tmp_path / str(new)).read_bytes(), is_whole=True)
        if isinstance(item, Frame)
    ]
    assert contents[1:] == [third]
    assert is_intact(tmp_path / str(old))
    assert records_in(tmp_path) == [first, second, third]
    await becomes_true(lambda: journal.is_healthy)
    await journal.close()


@pytest.mark.parametrize("segment_bytes", [10**9, 1])
async def test_a_disk_that_refuses_loses_nothing_and_is_tried_again(
    tmp_path: Path, segment_bytes: int
):
    journal = Journal.open(tmp_path, node="a", segment_bytes=segment_bytes)
    records = [opened_call() for _ in range(40)]
    journal.append(records[0])
    journal.flush()
    name = list_segments(tmp_path)[-1]
    size = (tmp_path / str(name)).stat().st_size
    answers: list[bool] = []
    # Room for a part of a frame only: the kernel takes some bytes and then refuses.
    with file_size_limit(size + 100):
        for record in records[1:20]:
            journal.append(record)
        journal.when_durable(answers.append)
        assert journal.flush() is False
        assert journal.is_healthy is False
        assert answers == [False]
        assert (tmp_path / str(name)).stat().st_size == size + 100
        assert journal.flush() is False
        assert journal.errors == 2
    for record in records[20:]:
        journal.append(record)
    assert journal.flush() is True
    assert journal.is_healthy is True
    assert records_in(tmp_path) == records
    assert journal.bytes_written == sum(len(encode_frame(record, 0)) for record in records)
    await journal.close()
    assert all(is_intact(tmp_path / str(name)) for name in list_segments(tmp_path))


async def test_after_a_refusal_it_recovers_without_any_traffic(tmp_path: Path):
    journal = Journal.open(tmp_path, node="a")
    opened = opened_call()
    with file_size_limit(100):
        journal.append(opened)
        journal.flush()
        assert not journal.is_healthy
    await becomes_true(lambda: journal.is_healthy)
    assert records_in(tmp_path) == [opened]
    await journal.close()


async def test_a_full_disk_refuses_and_takes_everything_once_there_is_room(tmp_path: Path):
    place = tmp_path / "small"
    place.mkdir()
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if mounting.returncode != 0:
        pytest.skip("mounting a small disk needs root")
    try:
        (place / "filler").write_bytes(bytes(160 * 1024))
        journal = Journal.open(place / "journal", node="a", segment_bytes=16 * 1024)
        records: list[Record] = []
        while journal.is_healthy:
            records.append(opened_call())
            journal.append(records[-1])
            journal.flush()
        assert len(records) > 100
        for _ in range(20):
            records.append(opened_call())
            journal.append(records[-1])
        assert journal.flush() is False
        (place / "filler").unlink()
        await becomes_true(lambda: journal.is_healthy)
        records.append(opened_call())
        journal.append(records[-1])
        assert journal.flush() is True
        assert records_in(place / "journal") == records
        await journal.close()
    finally:
        subprocess.run(["umount", str(place)], check=True)


async def test_what_is_remembered_for_a_refusing_disk_is_bounded(tmp_path: Path):
    journal = Journal.open(tmp_path, node="a", max_buffer_bytes=3000)
    kept: list[Record] = []
    kept_bytes = 0
    with file_size_limit(100):
        for _ in range(200):
            opened = opened_call()
            for record in (opened, progress_of(opened, 1), end_of(opened)):
                before = journal.dropped
                journal.append(record)
                journal.flush()
                if journal.dropped == before:
                    # What the file took before its limit is remembered no more.
                    assert kept_bytes < 3000 + 100 or not isinstance(record, Progressed), (
                        "the last half is for what must not be lost"
                    )
                    kept.append(record)
                    kept_bytes += len(encode_frame(record, 0))
    assert journal.dropped == 600 - len(kept)
    assert 6000 <= kept_bytes < 6400
    await becomes_true(lambda: journal.is_healthy)
    assert records_in(tmp_path) == kept
    await journal.close()


async def test_a_journal_that_is_too_large_is_unhealthy_until_it_was_shipped(tmp_path: Path):
    old = tmp_path / "a-1-0.journal"
    old.write_bytes(bytes(5000))
    journal = Journal.open(tmp_path, node="b", max_journal_bytes=4000)
    assert journal.is_healthy is False
    opened = opened_call()
    journal.append(opened)
    assert journal.flush() is True, "calls in flight are still recorded"
    old.unlink()
    await becomes_true(lambda: journal.is_healthy)
    for _ in range(20):
        journal.append(opened_call())
    journal.flush()
    await becomes_true(lambda: not journal.is_healthy)
    await journal.close()


async def test_an_unhealthy_journal_looks_again_when_it_is_only_flushed(tmp_path: Path):
    old = tmp_path / "a-1-0.journal"
    old.write_bytes(bytes(5000))
    journal = Journal.open(tmp_path, node="b", max_journal_bytes=4000)
    old.unlink()
    assert journal.flush() is True
    await becomes_true(lambda: journal.is_healthy)
    await journal.close()


async def test_when_the_next_segment_cannot_begin_the_present_one_goes_on(tmp_path: Path):
    journal = Journal.open(tmp_path, node="a", segment_bytes=1000, boot_ns=42)
    blocker = tmp_path / "a-42-1.journal"
    blocker.mkdir()
    records = [opened_call() for _ in range(20)]
    for record in records:
        journal.append(record)
        journal.flush()
    blocker.rmdir()
    assert journal.errors == 1
    assert journal.is_healthy
    assert len(list_segments(tmp_path)) == 1
    assert records_in(tmp_path) == records
    await journal.close()


@settings(max_examples=60, deadline=None)
@given(
    lives=st.lists(
        st.lists(st.sampled_from(["append", "append", "flush", "turn"]), max_size=30), max_size=4
    ),
    segment_bytes=st.sampled_from([1, 700, 10**6]),
    durability=st.sampled_from(["process", "disk"]),
)
def test_after_any_crash_what_was_flushed_is_there_once_and_in_order(
    tmp_path_factory, lives: list[list[str]], segment_bytes: int, durability
):
    folder = tmp_path_factory.mktemp("lives")
    flushed: list[Record] = []

    async def live(steps: list[str], boot_ns: int) -> None:
        journal = Journal.open(
            folder,
            node="a",
            boot_ns=boot_ns,
            segment_bytes=segment_bytes,
            durability=durability,
            sync_interval_s=0.001,
        )
        appended: list[Record] = []
        for step in steps:
            match step:
                case "append":
                    appended.append(opened_call())
                    journal.append(appended[-1])
                case "flush":
                    assert journal.flush()
                    flushed.extend(appended)
                    appended.clear()
                case _:
                    await asyncio.sleep(0.002)
        # The process dies here: what only it remembered is gone, the kernel closes its files.
        journal._buffer.clear()
        await journal.close()

    for number, steps in enumerate(lives):
        asyncio.run(live(steps, number))
    assert records_in(folder) == flushed


async def test_the_descriptors_of_a_journal_are_all_given_back(tmp_path: Path):
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = descriptors()
    journal = Journal.open(tmp_path, node="a", segment_bytes=1)
    for _ in range(10):
        journal.append(opened_call())
        journal.flush()
    await journal.close()
    await becomes_true(lambda: descriptors() <= before)
