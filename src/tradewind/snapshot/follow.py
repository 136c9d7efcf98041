"""Follows the files of a snapshot as their publisher writes them.

This is also the seam for gateways on other hosts: a base file and the frames of its changes mean
the same wherever they are copied to, so whoever ships them puts down the same two files.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tradewind.snapshot.base import FileStamp, open_base
from tradewind.snapshot.changes import Change, ChangesTail
from tradewind.snapshot.errors import SnapshotDamaged
from tradewind.snapshot.view import SnapshotView

# A base may be replaced while it is read; each time means that a publisher has written one since.
_TRIES = 5


class Found(NamedTuple):
    """A newer view: `former.after(changes)`, or of a new base where there is no `former`."""

    view: SnapshotView
    changes: Sequence[Change] = ()
    former: SnapshotView | None = None


class Follower:
    """Keeps the last view that the files gave. `look` is for an event loop, `read` for a thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.view: SnapshotView | None = None
        self.tail: ChangesTail | None = None
        self._stamp: FileStamp | None = None

    @property
    def damage(self) -> str | None:
        """Why the changes are not read to their end, if they are not."""
        return None if self.tail is None else self.tail.damage

    def look(self) -> bool:
        """Say whether there is something to read. Costs two stats, 3 us."""
        stamp = stamp_at(self.path)
        if stamp is None:
            return False
        return stamp != self._stamp or (self.tail is not None and self.tail.has_more())

    def read(self) -> Found | None:
        """Return the newer view, if there is one.

        Raises SnapshotDamaged once for each damaged base, and OSError for as long as it lasts; the
        former view stays good.
        """
        stamp = stamp_at(self.path)
        if stamp is not None and stamp != self._stamp:
            return self._read_base()
        return self._read_changes()

    def _read_base(self) -> Found:
        tries = 0
        while True:
            tries += 1
            stamp, base = open_base(self.path)
            if isinstance(base, SnapshotDamaged):
                self._stamp = stamp
                raise base
            tail = ChangesTail(self.path, base.digest, base.version)
            view = SnapshotView(base=base).after(tail.read())
            # The publisher takes a base's changes away after it has replaced the base, so without
            # this look they could have been missed.
            if stamp_at(self.path) in (stamp, None) or tries == _TRIES:
                break
        self._stamp, self.tail, self.view = stamp, tail, view
        return Found(view)

    def _read_changes(self) -> Found | None:
        if self.tail is None or self.view is None:
            return None
        changes = self.tail.read()
        if not changes:
            return None
        former, self.view = self.view, self.view.after(changes)
        return Found(self.view, changes, former)


def stamp_at(path: Path) -> FileStamp | None:
    """Return the stamp of the file at `path`; None when it cannot be looked at."""
    try:
        return FileStamp.of(path.stat())
    except OSError:
        return None
