"""Which series there are, and where their numbers lie: one list for all processes of a host.

A file of lines, each `[place, block, label, …]`, that is only ever added to, under flock(2). So a
series has the same place in the numbers of every process, adding them up needs no names, and the
limits of `families` hold for the host. Adding is rare: a series is new once.
"""

import fcntl
import logging
import os
import time
from pathlib import Path
from typing import NamedTuple

import msgspec

from tradewind.core.errors import StartupError
from tradewind.gateway.metrics.families import BLOCKS, Block

NOWHERE = 0
"""The place of what found none of its own; nobody reads what is added from there on."""
SCRATCH = max(block.width for block in BLOCKS)
CAPACITY = SCRATCH + sum(block.width * block.most_at_all for block in BLOCKS)
"""Numbers of one process."""
MOST_LABEL_CHARACTERS = 200
_LOCK_TRIES = 100
_LOCK_PAUSE_S = 0.0005
_LOCK_REST_S = 5.0
_MOST_READ_BYTES = 8 * 1024 * 1024
_DAMAGE = (OSError, msgspec.MsgspecError, ValueError, LookupError)
_log = logging.getLogger(__name__)
_decode = msgspec.json.Decoder(list[int | str]).decode
_encode = msgspec.json.encode
_BLOCKS = {block.name: block for block in BLOCKS}


class Series(NamedTuple):
    place: int
    block: Block
    labels: tuple[str, ...]


class SeriesList:
    """`path` None is a list of this process alone."""

    def __init__(self, path: Path | None) -> None:
        """Raises StartupError."""
        self._places: dict[tuple[str, tuple[str, ...]], int] = {}
        self._counts = dict.fromkeys(_BLOCKS, 0)
        self._read_to = 0
        self._rests_until = 0.0
        self._descriptor: int | None = None
        self.end = SCRATCH
        """Behind the last place that is taken."""
        self.series: list[Series] = []
        if path is not None:
            try:
                flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
                self._descriptor = os.open(path, flags, 0o600)
                self._read()
            except _DAMAGE as error:
                raise StartupError(f"the metrics {path} cannot be used: {error}") from error

    def place_of(self, block: Block, labels: tuple[str, ...]) -> int | None:
        """Return where the numbers of a series begin, which may be those of all that are beyond
        the limit. None when the list cannot be added to right now; ask again later.
        """
        labels = tuple(_clean(label) for label in labels)
        found = self._places.get((block.name, labels))
        if found is not None:
            return found
        now = time.monotonic()
        if now < self._rests_until:
            return None
        try:
            place = self._add(block, labels)
        except _DAMAGE as error:
            _log.error("a metric is not counted: %s", error)
            place = None
        if place is None:
            self._rests_until = now + _LOCK_REST_S
        return place

    def refresh(self) -> None:
        """Learn what other processes have added."""
        try:
            self._read()
        except _DAMAGE as error:
            _log.error("the list of metrics cannot be read: %s", error)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _read(self) -> None:
        """Raises one of `_DAMAGE`."""
        if self._descriptor is None:
            return
        data = os.pread(self._descriptor, _MOST_READ_BYTES, self._read_to)
        whole = data[: data.rfind(b"\n") + 1]
        for line in whole.splitlines():
            place, name, *labels = _decode(line)
            self._learn(Series(int(place), _BLOCKS[str(name)], tuple(map(str, labels))))
        self._read_to += len(whole)

    def _add(self, block: Block, labels: tuple[str, ...]) -> int | None:
        if self._descriptor is None:
            return self._append(block, labels)
        if not _try_lock(self._descriptor):
            return None
        try:
            self._read()
            if os.fstat(self._descriptor).st_size > self._read_to:
                # The end of a line is missing: its writer was killed in the middle of it.
                os.ftruncate(self._descriptor, self._read_to)
            return self._append(block, labels)
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _append(self, block: Block, labels: tuple[str, ...]) -> int:
        if self._counts[block.name] >= block.most:
            labels = block.beyond(labels)
        found = self._places.get((block.name, labels))
        if found is not None:
            return found
        if self._counts[block.name] >= block.most_at_all:
            return NOWHERE
        series = Series(self.end, block, labels)
        if self._descriptor is not None:
            line = _encode([series.place, block.name, *labels]) + b"\n"
            self._read_to += os.write(self._descriptor, line)
        self._learn(series)
        return series.place

    def _learn(self, series: Series) -> None:
        if series.place != self.end or len(series.labels) != len(series.block.labels):
            raise ValueError("the list of series is damaged")
        self._places[series.block.name, series.labels] = series.place
        self._counts[series.block.name] += 1
        self.series.append(series)
        self.end += series.block.width
        if self.end > CAPACITY:
            raise ValueError("the list of series is too long")


def _clean(label: str) -> str:
    """Return a label on one line, whatever it holds: what cannot be seen becomes a `?`."""
    return "".join(each if each.isprintable() else "?" for each in label[:MOST_LABEL_CHARACTERS])


def _try_lock(descriptor: int) -> bool:
    """Lock the list, which others do for microseconds. False when one was stopped meanwhile."""
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_PAUSE_S)
        else:
            return True
    return False
