"""The files of a journal, as a reader sees them: their names, their life, their content.

A segment is `<node>-<boot_ns>-<number>.journal`. Its writer holds it under flock(2) from before it
has this name until it is closed, so "can be locked" means "nothing will be added". A writer makes
segment n+1 before it seals segment n: whoever has read n to its end and then finds no later segment
knows that the writer is gone. flock is not reliable over network file systems; a journal belongs on
a local disk.
"""

import contextlib
import fcntl
import os
import re
import zlib
from pathlib import Path
from typing import NamedTuple, Self

from tradewind.core.errors import InvalidInput
from tradewind.usage.frames import Damage, Frame, SegmentFooter, scan

SUFFIX = ".journal"
UNNAMED_SUFFIX = ".new"
"""Of a segment that is not locked yet; a crash may leave one behind, see `sweep`."""
CHUNK_BYTES = 4 * 1024 * 1024

_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NAME = re.compile(rf"({_NODE.pattern})-(\d{{1,19}})-(\d{{1,9}})")


class MalformedNode(InvalidInput):
    """A node name that cannot be part of a file name."""

    code = "malformed_node_name"

    def __init__(self, node: str) -> None:
        super().__init__(
            f"{node[:80]!r} cannot name a node",
            hint="use up to 64 letters, digits, dots, dashes and underscores",
        )


class Writer(NamedTuple):
    """One life of one process that writes a journal."""

    node: str
    boot_ns: int


class SegmentName(NamedTuple):
    """Sorts in the order of writing within one writer."""

    node: str
    boot_ns: int
    number: int

    def __str__(self) -> str:
        return f"{self.node}-{self.boot_ns}-{self.number}{SUFFIX}"

    @property
    def writer(self) -> Writer:
        return Writer(self.node, self.boot_ns)

    @classmethod
    def of_writer(cls, node: str, boot_ns: int, number: int) -> Self:
        """Return the name of a segment to be written. Raises MalformedNode."""
        if not _NODE.fullmatch(node):
            raise MalformedNode(node)
        return cls(node, boot_ns, number)

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the name a file carries, or None when it is no segment."""
        found = _NAME.fullmatch(text.removesuffix(SUFFIX)) if text.endswith(SUFFIX) else None
        if found is None:
            return None
        name = cls(found[1], int(found[2]), int(found[3]))
        # One file, one name: `a-007-0` would be a second spelling of `a-7-0`.
        return name if str(name) == text and name.boot_ns < 2**63 else None


class Batch(NamedTuple):
    """What one read of a segment gave: its frames and damages in order, without gaps."""

    items: list[Frame | Damage]
    """Their `start` and `end` are places in the file."""
    is_sealed: bool
    """The footer is the last of them, or damage behind the footer: nothing follows."""
    is_at_end: bool
    """All there was is read; an unfinished tail may remain."""


def list_segments(folder: Path) -> list[SegmentName]:
    """Return the segments of a folder in the order in which they must be read."""
    try:
        entries = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    return sorted(name for entry in entries if (name := SegmentName.parse(entry)) is not None)


def measure(folder: Path) -> int:
    """Return the bytes that all segments of a folder hold."""
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(SUFFIX):
                with contextlib.suppress(FileNotFoundError):
                    total += entry.stat().st_size
    return total


def is_writer_alive(path: Path) -> bool:
    """Say whether somebody may still add to a segment. False when the file is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def sweep(folder: Path) -> None:
    """Delete what a writer left that died between making a segment and naming it."""
    for path in folder.glob(f"*{UNNAMED_SUFFIX}"):
        # An empty one may be about to be locked this very moment; it costs nothing to leave it to
        # the next sweep, and a header is only written under the lock.
        try:
            if path.stat().st_size > 0 and not is_writer_alive(path):
                path.unlink(missing_ok=True)
        except FileNotFoundError:
            continue


def read_batch(path: Path, offset: int, *, is_closed: bool, max_items: int) -> Batch:
    """Read up to `max_items` items or 4 MiB from `offset`, where a former batch ended.

    `is_closed` says that nothing will be added, as seen before this call: only then is an
    unfinished tail damage. Raises FileNotFoundError.
    """
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        data = os.pread(file.fileno(), CHUNK_BYTES, offset)
    is_last_chunk = offset + len(data) >= size
    items: list[Frame | Damage] = []
    for item in scan(data, is_whole=is_closed and is_last_chunk):
        if len(items) >= max_items:
            return Batch(items, is_sealed=False, is_at_end=False)
        # Made anew rather than by `_replace`, which takes longer than reading the frame.
        start, end = offset + item.start, offset + item.end
        placed = (
            Frame(start, end, item.sequence, item.content)
            if isinstance(item, Frame)
            else Damage(start, end, item.reason)
        )
        items.append(placed)
        if isinstance(placed, Frame) and isinstance(placed.content, SegmentFooter):
            if placed.end < size:
                items.append(Damage(placed.end, size, "bytes behind the footer"))
            return Batch(items, is_sealed=True, is_at_end=True)
    return Batch(items, is_sealed=False, is_at_end=is_last_chunk)


def retire(path: Path, attic: Path | None, *, attic_bytes: int) -> None:
    """Delete a segment, or move it to `attic`, whose oldest files go when it is over its size."""
    if attic is None or attic_bytes <= 0:
        path.unlink(missing_ok=True)
        return
    attic.mkdir(mode=0o700, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        path.rename(attic / path.name)
    kept = sorted((file.stat().st_mtime_ns, file.stat().st_size, file) for file in attic.iterdir())
    excess = sum(size for _, size, _ in kept) - attic_bytes
    for _, size, file in kept:
        if excess <= 0:
            return
        file.unlink()
        excess -= size


def is_intact(path: Path) -> bool:
    """Say whether a segment is sealed, undamaged and complete, by its footer. Reads all of it."""
    data = path.read_bytes()
    items = list(scan(data, is_whole=True))
    if not items or any(isinstance(item, Damage) for item in items):
        return False
    last = items[-1]
    if isinstance(last, Damage) or not isinstance(last.content, SegmentFooter):
        return False
    footer = last.content
    return (
        footer.frames == len(items) - 1
        and footer.crc32 == zlib.crc32(data[: last.start])
        and [item.sequence for item in items if isinstance(item, Frame)] == list(range(len(items)))
    )
