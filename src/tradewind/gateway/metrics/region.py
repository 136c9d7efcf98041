"""The numbers of each process, in a file that is mapped into it and that others can read.

Adding to one is adding to memory. What a killed process has counted stays in its file; the next
process of that name goes on from there, so no sum goes backwards. A process is alive while it holds
the flock(2) of its file.
"""

import contextlib
import fcntl
import logging
import mmap
import os
import time
import zlib
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tradewind.core.errors import StartupError
from tradewind.gateway.metrics.families import BLOCKS
from tradewind.gateway.metrics.series import CAPACITY

NUMBER_BYTES = 8
_MOST_SIBLINGS = 256
_LOCK_TRIES = 50
_LOCK_PAUSE_S = 0.01
_log = logging.getLogger(__name__)

LAYOUT = f"{zlib.crc32(repr(BLOCKS).encode()):08x}"
"""Part of the files' names, so that releases whose numbers lie elsewhere do not share any."""


class Sibling(NamedTuple):
    is_alive: bool
    numbers: Sequence[int]


class Region:
    """The numbers of this process: `numbers[place] += 1`."""

    def __init__(self, folder: Path | None, node: str) -> None:
        """Without a folder they are this process's alone. Raises StartupError."""
        self._folder = folder
        self._path: Path | None = None
        self._descriptor: int | None = None
        if folder is not None:
            self._path = folder / f"{node}.{LAYOUT}.numbers"
            try:
                self._descriptor = _open(self._path)
            except BlockingIOError:
                raise StartupError(
                    f"the metrics {self._path} are another gateway's",
                    hint="give each gateway a node name of its own",
                ) from None
            except OSError as error:
                raise StartupError(f"the metrics {self._path} cannot be used: {error}") from error
        self._map = mmap.mmap(
            -1 if self._descriptor is None else self._descriptor, CAPACITY * NUMBER_BYTES
        )
        self.numbers = memoryview(self._map).cast("q")

    def siblings(self, end: int) -> list[Sibling]:
        """Return the numbers of all other processes of this host, up to `end`. One that is gone,
        or whose file cannot be read, is not an error.
        """
        if self._folder is None:
            return []
        found: list[Sibling] = []
        paths = sorted(self._folder.glob(f"*.{LAYOUT}.numbers"))
        for path in paths[:_MOST_SIBLINGS]:
            if path != self._path:
                try:
                    found.append(_read(path, end))
                except OSError as error:
                    _log.warning("the metrics %s cannot be read: %s", path, error)
        return found

    def close(self) -> None:
        self.numbers.release()
        self._map.close()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _open(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(descriptor)
        # Writing to a mapped hole kills the process when the disk is full; so there are no holes.
        os.posix_fallocate(descriptor, 0, CAPACITY * NUMBER_BYTES)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _lock(descriptor: int) -> None:
    """Raises BlockingIOError when another process has the file, not when one merely looks at it."""
    for _ in range(_LOCK_TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(_LOCK_PAUSE_S)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _read(path: Path, end: int) -> Sibling:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.pread(descriptor, end * NUMBER_BYTES, 0)
        is_alive = True
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            is_alive = False
    finally:
        os.close(descriptor)
    numbers = array("q", data.ljust(end * NUMBER_BYTES, b"\0"))
    return Sibling(is_alive, numbers)
