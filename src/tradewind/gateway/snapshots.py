"""Keeps the snapshot in force up to date with its file."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from tradewind.snapshot import file
from tradewind.snapshot.view import SnapshotView

_log = logging.getLogger(__name__)

_Stamp = tuple[int, int, int]


class SnapshotWatch:
    """Looks at the file's stamp every so often; a changed one is read in a thread and swapped in
    whole.

    A stat is 1 us, so polling ten times a second costs nothing and needs no channel to the
    publisher. A damaged file is reported and left, one that cannot be read is tried again: the
    former snapshot stays in force.
    """

    def __init__(self, path: Path, swap: Callable[[SnapshotView], None], poll_s: float) -> None:
        self._path = path
        self._swap = swap
        self._poll_s = poll_s
        self._stamp: _Stamp | None = None
        self._version = 0
        self._is_unreadable = False

    def load_first(self) -> None:
        """Take what is there at the start; a gateway without a snapshot waits for one."""
        stamp = self._look()
        if stamp is not None:
            self._take(stamp, self._read())

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(self._poll_s)
            stamp = self._look()
            if stamp is not None and stamp != self._stamp:
                self._take(stamp, await asyncio.to_thread(self._read))

    def _look(self) -> _Stamp | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _read(self) -> SnapshotView | Exception:
        try:
            return SnapshotView(file.read(self._path))
        except (OSError, file.SnapshotDamaged) as error:
            return error

    def _take(self, stamp: _Stamp, view: SnapshotView | Exception) -> None:
        if isinstance(view, OSError):
            # Want of file descriptors, say. It passes, and nothing may ever be published again: the
            # stamp stays unseen, or a revoked key would live on.
            if not self._is_unreadable:
                self._is_unreadable = True
                _log.error("the snapshot %s cannot be read: %s", self._path, view)
            return
        self._stamp = stamp
        self._is_unreadable = False
        if isinstance(view, Exception):
            _log.error("the snapshot %s was not taken: %s", self._path, view)
            return
        if view.version < self._version:
            _log.warning("snapshot %d is older than %d, ignored", view.version, self._version)
            return
        self._version = view.version
        self._swap(view)
