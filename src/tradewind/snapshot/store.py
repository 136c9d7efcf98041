"""The files of a snapshot, for the one who writes them."""

import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import msgspec

from tradewind.snapshot import changes, file
from tradewind.snapshot.base import Base, FileStamp
from tradewind.snapshot.base_writer import BaseContents, write_base
from tradewind.snapshot.changes import MOST_FRAME_BYTES, Change, changes_path
from tradewind.snapshot.errors import SnapshotDamaged
from tradewind.snapshot.follow import Follower, stamp_at
from tradewind.snapshot.view import SnapshotView

_log = logging.getLogger(__name__)

# Each gateway process keeps what has changed since the base decoded, about 600 bytes a grant.
MOST_ENTRIES = 10_000
MOST_CHANGES_BYTES = 4 * 1024 * 1024
# While a base is written, which takes 10 s for a million keys, changes go on up to this many.
_MOST_ENTRIES_MEANWHILE = 20 * MOST_ENTRIES
_TRY_AGAIN_S = 30.0
_LOOK_FOR_STOP_EVERY = 1000

_Content = TypeVar("_Content")


class SnapshotStore:
    """A base file and its changes. Small changes are appended; when they have become many, a new
    base is written from both, in a thread, while more are appended.

    `view` is what the files say; it never runs ahead of them. One thread calls; nobody else writes.
    """

    def __init__(
        self,
        path: Path,
        *,
        most_entries: int = MOST_ENTRIES,
        most_changes_bytes: int = MOST_CHANGES_BYTES,
    ) -> None:
        self.path = path
        self.view: SnapshotView | None = None
        """None until there is a good base."""
        self._most_entries = most_entries
        self._most_changes_bytes = most_changes_bytes
        self._stamp: FileStamp | None = None
        self._digest = b""
        self._appender: _Appender | None = None
        self._compaction: _Compaction | None = None
        self._not_before = 0.0

    def open(self, now_ms: int) -> None:
        """Take up what a former process left, whatever state it died in.

        A crash while a change was appended leaves an end that nobody has read; damage may have been
        read by some before it became damage. Both end with a new base, of a version above all that
        were ever published.
        """
        self._clear_away_new_files()
        follower = Follower(self.path)
        try:
            follower.read()
        except (SnapshotDamaged, OSError) as error:
            _log.warning("the former snapshot is not used: %s", error)
            return
        view, tail = follower.view, follower.tail
        if view is None or view.base is None or tail is None:
            return
        if tail.damage is not None or tail.is_torn:
            _log.warning("the changes of the former snapshot end early: %s", tail.damage or "torn")
            version = max(view.version + 1, now_ms)
            self.write_base(replace(file.contents_of(view), version=version))
            return
        self._stamp, self._digest, self.view = stamp_at(self.path), view.base.digest, view
        if tail.end:
            self._appender = _Appender(tail.path, tail.end)
        self._clear_away_changes()

    def write_base(self, contents: BaseContents) -> None:
        """Replace everything. Raises OSError, and whatever the contents raise when they are read;
        the files are then as they were.
        """
        self._give_up_compaction()
        beside = file.write_beside(self.path, lambda stream: write_base(stream, contents))
        self._put_in_place(beside, _mapped(beside), ())

    def append(self, change: Change, now_ms: int) -> None:
        """Make one or several versions of a change. Raises OSError; what was not written is then
        not in `view` either.
        """
        assert self.view is not None, "there is nothing yet that could change"
        if change.is_empty:
            return
        pieces = [
            msgspec.structs.replace(
                piece, version=self.view.version + number, compiled_at_ms=now_ms
            )
            for number, piece in enumerate(changes.split(change), 1)
        ]
        frames = [changes.encode(piece) for piece in pieces]
        if max(map(len, frames)) > MOST_FRAME_BYTES:
            self.write_base(file.contents_of(self.view.after(pieces)))
            return
        if self._appender is None:
            self._appender = _Appender.create(self.path, self._digest)
        written = 0
        try:
            for frame in frames:
                self._appender.append(frame)
                written += 1
            self._appender.sync()
        finally:
            # A whole frame may have been read already, so it counts even if the next one failed.
            self.view = self.view.after(pieces[:written])
            if self._compaction is not None:
                self._compaction.since += zip(pieces[:written], frames, strict=False)
        if self._compaction is not None and len(self.view.overlay) > _MOST_ENTRIES_MEANWHILE:
            self._finish_compaction()

    def tend(self) -> None:
        """Begin a new base when one is due, and put one in place that is written. Quick.

        Raises OSError when it could not be written; it is tried again after 30 s.
        """
        if self._compaction is not None:
            if not self._compaction.is_running:
                self._finish_compaction()
        elif self._is_base_due() and time.monotonic() >= self._not_before:
            self._begin_compaction()

    def compact(self) -> None:
        """Write a new base now and wait for it."""
        self._give_up_compaction()
        self._begin_compaction()
        self._finish_compaction()

    def check(self) -> None:
        """Read the files again as a gateway would, and write a new base when they are damaged.

        Takes 0.1 s for each 150 MB. Raises OSError.
        """
        view = self.view
        if view is None or self._compaction is not None:
            return
        follower = Follower(self.path)
        problem: object = None
        try:
            follower.read()
        except (SnapshotDamaged, OSError) as error:
            problem = error
        else:
            if follower.damage is not None:
                problem = follower.damage
            elif follower.view is None or follower.view.version != view.version:
                problem = "they are not what was written"
        if problem is not None:
            _log.error("the files of the snapshot are written anew: %s", problem)
            self.compact()

    def close(self) -> None:
        """Give up what is being written. What is in place stays."""
        self._give_up_compaction()
        if self._appender is not None:
            self._appender.close()
            self._appender = None

    def _is_base_due(self) -> bool:
        if self.view is None:
            return False
        if stamp_at(self.path) != self._stamp:
            _log.error("somebody changed or removed %s; it is written anew", self.path)
            return True
        appender = self._appender
        return len(self.view.overlay) > self._most_entries or (
            appender is not None and (appender.end > self._most_changes_bytes or appender.is_gone())
        )

    def _begin_compaction(self) -> None:
        assert self.view is not None
        self._compaction = _Compaction(self.path, self.view)
        self._compaction.start()

    def _finish_compaction(self) -> None:
        """Wait for the new base and put it in place. Raises OSError."""
        compaction, self._compaction = self._compaction, None
        assert compaction is not None
        self._not_before = time.monotonic() + _TRY_AGAIN_S
        beside = compaction.result()
        self._put_in_place(beside, _mapped(beside), compaction.since)
        self._not_before = 0.0

    def _give_up_compaction(self) -> None:
        compaction, self._compaction = self._compaction, None
        if compaction is not None:
            compaction.give_up()

    def _put_in_place(
        self, beside: Path, base: Base, since: "list[tuple[Change, bytes]] | tuple[()]"
    ) -> None:
        """Swap to a new base, whose changes are written first: the rename is what makes both
        valid.
        """
        appender = None
        try:
            if since:
                appender = _Appender.create(self.path, base.digest)
                for _, frame in since:
                    appender.append(frame)
                appender.sync()
            file.put_in_place(beside, self.path)
        except OSError:
            beside.unlink(missing_ok=True)
            if appender is not None:
                appender.close()
            raise
        if self._appender is not None:
            self._appender.close()
        self._appender = appender
        self._stamp, self._digest = stamp_at(self.path), base.digest
        self.view = SnapshotView(base=base).after([change for change, _ in since])
        self._clear_away_changes()

    def _clear_away_changes(self) -> None:
        """Remove the changes of bases that are no more. One that a crash left does no harm."""
        mine = changes_path(self.path, self._digest).name
        for path in self.path.parent.glob(f"{self.path.name}.changes-*"):
            if path.name != mine:
                with suppress(OSError):
                    path.unlink()

    def _clear_away_new_files(self) -> None:
        for path in self.path.parent.glob(f"{self.path.name}.*.new"):
            with suppress(OSError):
                path.unlink()


class _Appender:
    """The open changes file. `end` is where the last whole frame ends."""

    def __init__(self, path: Path, end: int) -> None:
        """Raises OSError."""
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.end = end

    @classmethod
    def create(cls, base: Path, digest: bytes) -> "_Appender":
        path = changes_path(base, digest)
        # One that is there was left by a crash before its base came into place: nobody reads it.
        path.unlink(missing_ok=True)
        appender = cls(path, 0)
        try:
            appender.append(changes.preamble(digest))
        except OSError:
            appender.close()
            raise
        file.sync_folder(path.parent)
        return appender

    def append(self, data: bytes) -> None:
        """Write one frame. Raises OSError; the next call then overwrites the part that was written,
        which readers have taken for a frame to come.
        """
        if os.fstat(self._descriptor).st_size > self.end:
            os.ftruncate(self._descriptor, self.end)
        at, rest = self.end, memoryview(data)
        while rest:
            count = os.pwrite(self._descriptor, rest, at)
            at, rest = at + count, rest[count:]
        self.end = at

    def sync(self) -> None:
        """Readers see a frame as soon as it is written. Synced all the same: a revoked key must not
        come back after a power cut that the control plane does not survive.
        """
        try:
            os.fdatasync(self._descriptor)
        except OSError as error:
            # It was read already, so it cannot be taken back.
            _log.error("the changes of the snapshot may not outlive a power cut: %s", error)

    def is_gone(self) -> bool:
        return os.fstat(self._descriptor).st_nlink == 0

    def close(self) -> None:
        os.close(self._descriptor)


class _GivenUp(Exception):
    """Ends the writing of a base that nobody waits for any more."""


class _Compaction:
    """Writes a base from a view, in a thread."""

    def __init__(self, path: Path, view: SnapshotView) -> None:
        self.since: list[tuple[Change, bytes]] = []
        """What was appended after the view was taken, with its frames."""
        self._path = path
        self._view = view
        self._stop = threading.Event()
        self._written: Path | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="snapshot-base")

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def result(self) -> Path:
        """Wait for the file beside its place. Raises OSError or SnapshotDamaged."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._written is not None
        return self._written

    def give_up(self) -> None:
        self._stop.set()
        self._thread.join()
        if self._written is not None:
            self._written.unlink(missing_ok=True)

    def _run(self) -> None:
        contents = file.contents_of(self._view)
        contents = replace(contents, grants=self._until_stopped(contents.grants))
        try:
            self._written = file.write_beside(
                self._path, lambda stream: write_base(stream, contents)
            )
        except (OSError, SnapshotDamaged, _GivenUp) as error:
            self._error = error

    def _until_stopped(self, contents: Iterable[_Content]) -> Iterator[_Content]:
        for number, content in enumerate(contents):
            if number % _LOOK_FOR_STOP_EVERY == 0 and self._stop.is_set():
                raise _GivenUp
            yield content


def _mapped(path: Path) -> Base:
    """Map a file that this process has just written."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return Base.of_descriptor(descriptor, is_trusted=True)
    finally:
        os.close(descriptor)
