"""A whole snapshot as a file: written whole, read whole. `base` and `changes` tell the format.

A reader can never see half a file: it is written beside its place, synced and renamed over it.
"""

import errno
import io
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from tradewind.snapshot.base import Base
from tradewind.snapshot.base_writer import BaseContents, write_base
from tradewind.snapshot.contents import Snapshot
from tradewind.snapshot.errors import SnapshotDamaged
from tradewind.snapshot.follow import Follower
from tradewind.snapshot.view import SnapshotView

__all__ = [
    "SnapshotDamaged",
    "contents_of",
    "decode",
    "encode",
    "put_in_place",
    "read",
    "sync_folder",
    "write",
    "write_beside",
]


def encode(snapshot: Snapshot) -> bytes:
    """Return the base file of a snapshot. Of several things with one id the last one counts."""
    stream = io.BytesIO()
    write_base(stream, contents_of(SnapshotView(snapshot)))
    return stream.getvalue()


def decode(raw: bytes) -> Snapshot:
    """Raises SnapshotDamaged when `raw` is cut, changed, of another format or no snapshot."""
    return _whole(SnapshotView(base=Base.of_bytes(raw)))


def write(path: Path, snapshot: Snapshot) -> None:
    """Replace the file at `path`. Raises OSError when the disk refuses; the old file then stays."""
    beside = write_beside(path, lambda stream: stream.write(encode(snapshot)))
    put_in_place(beside, path)


def read(path: Path) -> Snapshot:
    """Return everything in the file at `path` and its changes.

    Raises FileNotFoundError, OSError or SnapshotDamaged, also for damage among the changes.
    """
    follower = Follower(path)
    follower.read()
    if follower.view is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    if follower.damage is not None:
        raise SnapshotDamaged(follower.damage)
    return _whole(follower.view)


def contents_of(view: SnapshotView) -> BaseContents:
    return BaseContents(
        version=view.version,
        compiled_at_ms=view.compiled_at_ms,
        grants=view.every_grant(),
        terms=view.every_terms(),
        budgets=view.every_budget(),
        endpoints=view.every_endpoint(),
        policies=view.every_policy(),
    )


def write_beside(path: Path, fill: Callable[[BinaryIO], object]) -> Path:
    """Write a file for `path` beside it, private and synced. Raises OSError and leaves nothing."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    is_whole = False
    try:
        with os.fdopen(descriptor, "wb") as stream:
            fill(stream)
            stream.flush()
            os.fsync(stream.fileno())
        is_whole = True
    finally:
        if not is_whole:
            beside.unlink(missing_ok=True)
    return beside


def put_in_place(beside: Path, path: Path) -> None:
    """Rename `beside` to `path`, so that it stays there after a power cut. Raises OSError and
    leaves nothing beside.
    """
    try:
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Some file systems cannot do it; the rename itself was made.
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _whole(view: SnapshotView) -> Snapshot:
    return Snapshot(
        version=view.version,
        compiled_at_ms=view.compiled_at_ms,
        grants=tuple(view.every_grant()),
        endpoints=tuple(view.every_endpoint()),
        terms=tuple(view.every_terms()),
        budgets=tuple(view.every_budget()),
        policies=tuple(view.every_policy()),
    )
