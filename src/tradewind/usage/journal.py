"""The writing side of the journal: what the gateway calls, from its event loop and nowhere else.

`append` only encodes and remembers. `flush`, once per loop turn and before any socket is written,
hands everything remembered to the kernel in one system call: from then on a killed process loses
nothing. Making it durable (fdatasync, 4 to 7 ms on a plain disk) happens in one thread, one round
at a time, so that all who wait while a round runs share the next one. A pause to gather more of
them was measured and made everything worse.

When the disk refuses, nothing is thrown away: what was remembered stays in memory, `is_healthy`
turns false so that no new call is admitted, and each flush tries again at the same place of the
file, so that a half-written frame is completed and never stays.
"""

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

from tradewind.usage.event import Progressed, Record
from tradewind.usage.frames import encode_frame
from tradewind.usage.segment_writer import SegmentWriter
from tradewind.usage.segments import SegmentName, Writer, measure

Durability = Literal["process", "disk"]
"""As `core.settings.Durability`, whose file brings pydantic, which the gateway does without."""

_MIB = 1024 * 1024
_RETRY_S = 0.5
_ROTATION_RETRY_BYTES = _MIB
_NOW = 0
_log = logging.getLogger(__name__)


class Journal:
    """Made by `open`. Not for several threads, and not for several event loops."""

    is_healthy: bool
    """False while the disk refuses or the journal is too large: admit no call that costs money."""
    frames: int
    """Frames appended, since the start as all these counters."""
    bytes_written: int
    """Bytes of frames that the kernel has taken."""
    fsyncs: int
    """Rounds of making the journal durable."""
    errors: int
    """Writes, rotations and rounds that the system refused."""
    dropped: int
    """Records thrown away because the disk refused for so long that the memory for them was full.
    """
    synced_at: float
    """When all that was written until then was brought to disk, on the monotonic clock."""

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        node: str,
        durability: Durability = "process",
        segment_bytes: int = 64 * _MIB,
        max_journal_bytes: int = 8192 * _MIB,
        max_buffer_bytes: int = 16 * _MIB,
        sync_interval_s: float = 0.05,
        boot_ns: int | None = None,
        fdatasync: Callable[[int], None] = os.fdatasync,
    ) -> "Journal":
        """Create the folder and the first segment. Raises OSError and MalformedNode.

        `segment_bytes` is where the next segment begins, `max_journal_bytes` the size of all
        segments of the folder past which the journal is not healthy, `max_buffer_bytes` what is
        remembered while the disk refuses (FINAL records get twice that), `sync_interval_s` how long
        a frame stays unsynced when nobody waits for it.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = SegmentName.of_writer(node, time.time_ns() if boot_ns is None else boot_ns, 0)
        while (folder / str(name)).exists():
            name = name._replace(boot_ns=name.boot_ns + 1)
        return cls(
            folder,
            SegmentWriter.create(folder, name),
            is_durable_on_disk=durability == "disk",
            segment_bytes=segment_bytes,
            max_journal_bytes=max_journal_bytes,
            max_buffer_bytes=max_buffer_bytes,
            sync_interval_s=sync_interval_s,
            fdatasync=fdatasync,
        )

    @property
    def writer(self) -> Writer:
        """Who writes: this life of this process."""
        return self._segment.name.writer

    @property
    def unsynced_bytes(self) -> int:
        """Bytes of frames that are not on disk yet."""
        return self._appended - self._synced

    @property
    def counters(self) -> dict[str, int]:
        """For /metrics."""
        return {
            "frames": self.frames,
            "bytes_written": self.bytes_written,
            "fsyncs": self.fsyncs,
            "errors": self.errors,
            "dropped": self.dropped,
        }

    def append(self, record: Record) -> None:
        """Remember a record until the next flush. No system call. Raises RecordTooLarge."""
        assert not self._is_closed
        buffer = self._buffer
        if len(buffer) >= self._max_buffer_bytes and not self._has_room_for(record):
            self.dropped += 1
            return
        segment = self._segment
        frame = encode_frame(record, segment.frames)
        segment.frames += 1
        buffer += frame
        self.frames += 1
        self._appended += len(frame)

    def flush(self) -> bool:
        """Write everything remembered; true when the kernel has all of it. Never raises OSError.

        Needs a running event loop. Costs one system call, or none when there is nothing to write.
        """
        if self._buffer:
            self._write()
            self._plan_sync()
        elif not self.is_healthy:
            self._plan_sync()
        if self._waiting:
            self._answer_waiting()
        return not self._buffer

    def when_durable(self, callback: Callable[[bool], None]) -> None:
        """Call back, in the loop's thread, when all that was appended so far is safe.

        Safe is: given to the kernel (durability `process`), or synced to the disk (`disk`). In
        `process` the call comes out of the next flush, or at once when nothing waits for one. The
        callback gets False when the system refused; the records are still kept and tried again. It
        must not raise and must not call flush.
        """
        self._waiting.append((self._appended, callback))
        if not self._buffer:
            self._answer_waiting()

    async def close(self) -> None:
        """Flush, seal, sync and close. Idempotent. Whoever waits for durability is answered."""
        if self._is_closed:
            return
        self.flush()
        self._is_closed = True
        self._judge_health()
        if self._timer is not None:
            self._timer.cancel()
        if self._round is not None:
            await asyncio.wait([self._round])
        if self._buffer:
            _log.error("the journal closes with %d bytes that no disk took", len(self._buffer))
        else:
            self._seal()
        self._retired.append(self._segment)
        await asyncio.wait([self._start_round()])
        self._thread.shutdown(wait=False)
        self._answer(self._appended, is_safe=not self._buffer and not self._is_refusing_syncs)

    # What follows is private.

    def __init__(
        self,
        folder: Path,
        segment: SegmentWriter,
        *,
        is_durable_on_disk: bool,
        segment_bytes: int,
        max_journal_bytes: int,
        max_buffer_bytes: int,
        sync_interval_s: float,
        fdatasync: Callable[[int], None],
    ) -> None:
        self.frames = 0
        self.bytes_written = 0
        self.fsyncs = 0
        self.errors = 0
        self.dropped = 0
        self.synced_at = time.monotonic()
        self._folder = folder
        self._segment = segment
        self._segment_bytes = segment_bytes
        self._rotate_at = segment_bytes
        self._max_journal_bytes = max_journal_bytes
        self._max_buffer_bytes = max_buffer_bytes
        self._sync_interval_s = sync_interval_s
        self._fdatasync = fdatasync
        self._is_durable_on_disk = is_durable_on_disk
        self._buffer = bytearray()
        # Both count the bytes of frames over the whole life of the journal; what is written lies
        # between them.
        self._appended = 0
        self._synced = 0
        self._waiting: deque[tuple[int, Callable[[bool], None]]] = deque()
        self._retired: list[SegmentWriter] = []
        self._is_folder_synced = False
        self._is_refusing_writes = False
        self._is_refusing_syncs = False
        self._is_too_large = measure(folder) > max_journal_bytes
        self._is_closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._round: asyncio.Future[_Round] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal-sync")
        self._judge_health()

    @property
    def _written(self) -> int:
        return self._appended - len(self._buffer)

    def _has_room_for(self, record: Record) -> bool:
        """Say whether a full memory takes one more. The last half is for what must not be lost."""
        return not isinstance(record, Progressed) and len(self._buffer) < 2 * self._max_buffer_bytes

    def _write(self) -> None:
        before = len(self._buffer)
        try:
            self._segment.write(self._buffer)
        except OSError:
            self.errors += 1
            if not self._is_refusing_writes:
                _log.exception("the journal %s cannot be written", self._segment.name)
                self._is_refusing_writes = True
                self._judge_health()
            self._answer(self._appended, is_safe=False)
        else:
            if self._is_refusing_writes:
                _log.warning("the journal %s can be written again", self._segment.name)
                self._is_refusing_writes = False
                self._judge_health()
        finally:
            self.bytes_written += before - len(self._buffer)
        if self._segment.offset >= self._rotate_at and not self._buffer:
            self._rotate()

    def _rotate(self) -> None:
        """Begin the next segment, then seal this one, so that a living writer always has one."""
        name = self._segment.name._replace(number=self._segment.name.number + 1)
        try:
            segment = SegmentWriter.create(self._folder, name)
        except OSError:
            self.errors += 1
            if self._rotate_at != _NOW:
                self._rotate_at = self._segment.offset + _ROTATION_RETRY_BYTES
            _log.exception("the journal cannot begin %s and stays with the one before", name)
            return
        self._seal()
        self._retired.append(self._segment)
        self._segment = segment
        self._rotate_at = self._segment_bytes
        self._is_folder_synced = False

    def _seal(self) -> None:
        try:
            self._segment.seal()
        except OSError:
            self.errors += 1
            _log.exception("the segment %s stays without a footer", self._segment.name)

    def _plan_sync(self) -> None:
        """See to it that there will be a round: at once for those who wait, else a little later."""
        if self._round is not None or self._is_closed:
            return
        if self._is_durable_on_disk and self._waiting and self._waiting[0][0] <= self._written:
            self._start_round()
        elif self._timer is None and (self._written > self._synced or not self.is_healthy):
            delay = self._sync_interval_s if self.is_healthy else _RETRY_S
            self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if not self.is_healthy:
            # No call is admitted now, so perhaps nobody else will flush or rotate again.
            self._write()
        if self._round is None and (self._written > self._synced or not self.is_healthy):
            self._start_round()

    def _start_round(self) -> "asyncio.Future[_Round]":
        current = () if self._segment in self._retired else (self._segment,)
        task = _SyncTask(
            folder=self._folder,
            segments=(*self._retired, *current),
            closing=tuple(self._retired),
            is_folder_synced=self._is_folder_synced,
            fdatasync=self._fdatasync,
        )
        self._retired.clear()
        self._is_folder_synced = True
        covered = self._written
        self._round = asyncio.get_running_loop().run_in_executor(self._thread, _sync, task)
        self._round.add_done_callback(lambda done: self._on_round(covered, done.result()))
        return self._round

    def _on_round(self, covered: int, done: "_Round") -> None:
        self._round = None
        self.fsyncs += 1
        is_safe = done.error is None
        if is_safe:
            self._synced = covered
            self.synced_at = time.monotonic()
        else:
            self._distrust_segment(done.error)
        was_refusing, self._is_refusing_syncs = (
            self._is_refusing_syncs,
            not is_safe or self._rotate_at == _NOW,
        )
        if was_refusing and not self._is_refusing_syncs:
            _log.warning("the journal %s can be synced again", self._segment.name)
        self._is_too_large = done.journal_bytes > self._max_journal_bytes
        self._judge_health()
        if self._is_durable_on_disk:
            self._answer(covered, is_safe=is_safe)
        self._plan_sync()

    def _distrust_segment(self, error: OSError | None) -> None:
        """Leave the segment at the next write.

        After a failed fsync the kernel forgets that the pages were dirty, and the next one would
        succeed without having written them.
        """
        self.errors += 1
        self._is_folder_synced = False
        self._rotate_at = _NOW
        if not self._is_refusing_syncs:
            _log.error("the journal %s cannot be synced", self._segment.name, exc_info=error)
        if not self._is_closed and not self._buffer:
            self._rotate()

    def _judge_health(self) -> None:
        self.is_healthy = not (
            self._is_closed
            or self._is_refusing_writes
            or self._is_refusing_syncs
            or self._is_too_large
        )

    def _answer_waiting(self) -> None:
        """Answer whoever waits for what is safe by now."""
        if self._is_durable_on_disk:
            self._answer(self._synced, is_safe=True)
            self._plan_sync()
        else:
            self._answer(self._written, is_safe=True)

    def _answer(self, covered: int, *, is_safe: bool) -> None:
        waiting = self._waiting
        while waiting and waiting[0][0] <= covered:
            _, callback = waiting.popleft()
            callback(is_safe)


class _SyncTask(NamedTuple):
    folder: Path
    segments: Sequence[SegmentWriter]
    closing: Sequence[SegmentWriter]
    """Those of the segments that nobody writes any more."""
    is_folder_synced: bool
    fdatasync: Callable[[int], None]


class _Round(NamedTuple):
    error: OSError | None
    journal_bytes: int


def _sync(task: _SyncTask) -> _Round:
    """Runs in the thread, and changes nothing of the journal's own state."""
    failure: OSError | None = None
    journal_bytes = 0
    try:
        journal_bytes = measure(task.folder)
        for segment in task.segments:
            task.fdatasync(segment.descriptor)
        if not task.is_folder_synced:
            _sync_folder(task.folder)
    except OSError as error:
        failure = error
    for segment in task.closing:
        segment.close()
    return _Round(failure, journal_bytes)


def _sync_folder(folder: Path) -> None:
    """Make the names of new segments durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
