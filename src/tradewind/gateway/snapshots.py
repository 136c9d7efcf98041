"""Keeps the snapshot in force up to date with its files."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from tradewind.snapshot.errors import SnapshotDamaged
from tradewind.snapshot.follow import Follower, Found
from tradewind.snapshot.view import SnapshotView

_log = logging.getLogger(__name__)


class SnapshotWatch:
    """Looks at the files' stamps every so often; what has changed is read in a thread and swapped
    in between two callbacks.

    Looking costs 3 us, so doing it ten times a second costs nothing and needs no channel to the
    publisher. A damaged file is reported and left, one that cannot be read is tried again: the
    former snapshot stays in force.
    """

    def __init__(self, path: Path, swap: Callable[[SnapshotView], None], poll_s: float) -> None:
        self._path = path
        self._swap = swap
        self._poll_s = poll_s
        self._follower = Follower(path)
        self._in_force: SnapshotView | None = None
        self._damage: str | None = None
        self._is_unreadable = False

    def load_first(self) -> None:
        """Take what is there at the start; a gateway without a snapshot waits for one."""
        if self._follower.look():
            self._take(self._read())

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(self._poll_s)
            if self._follower.look():
                # A base of a million keys is read through once to check its digest, 100 ms.
                self._take(await asyncio.to_thread(self._read))

    def _read(self) -> Found | Exception | None:
        try:
            return self._follower.read()
        except (OSError, SnapshotDamaged) as error:
            return error

    def _take(self, found: Found | Exception | None) -> None:
        if isinstance(found, OSError):
            # Want of file descriptors, say. It passes, and nothing may ever be published again: the
            # follower looks again, or a revoked key would live on.
            if not self._is_unreadable:
                self._is_unreadable = True
                _log.error("the snapshot %s cannot be read: %s", self._path, found)
            return
        self._is_unreadable = False
        if isinstance(found, Exception):
            _log.error("the snapshot %s was not taken: %s", self._path, found)
            return
        self._report_damage()
        if found is not None:
            self._put_in_force(found)

    def _report_damage(self) -> None:
        damage = self._follower.damage
        if damage is not None and damage != self._damage:
            _log.error("changes of the snapshot %s were not taken: %s", self._path, damage)
        self._damage = damage

    def _put_in_force(self, found: Found) -> None:
        view, former = found.view, self._in_force
        if former is not None and view.version < former.version:
            _log.warning("snapshot %d is older than %d, ignored", view.version, former.version)
            return
        if former is not None and found.former is former:
            view.take_over(former, found.changes)
        self._in_force = view
        self._swap(view)
