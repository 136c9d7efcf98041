"""The snapshot on disk: magic, format, SHA-256, MessagePack. Written whole, read whole.

A reader can never see half a file: it is written beside its place, synced and renamed over it.
"""

import hashlib
import os
from pathlib import Path

import msgspec

from tradewind.core.errors import TradewindError
from tradewind.snapshot.contents import Snapshot

_MAGIC = b"TWSNAP"
_FORMAT = 1
_HEADER_LENGTH = len(_MAGIC) + 2 + 32

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Snapshot)


class SnapshotDamaged(TradewindError):
    """The file is not a snapshot this release can read; the last good one stays in force."""

    code = "snapshot_damaged"
    status = 503


def encode(snapshot: Snapshot) -> bytes:
    payload = _encoder.encode(snapshot)
    return _MAGIC + _FORMAT.to_bytes(2, "big") + hashlib.sha256(payload).digest() + payload


def decode(raw: bytes) -> Snapshot:
    """Raises SnapshotDamaged when `raw` is cut, changed, of another format or no snapshot."""
    if len(raw) < _HEADER_LENGTH or raw[: len(_MAGIC)] != _MAGIC:
        raise SnapshotDamaged("the file is not a snapshot")
    found = int.from_bytes(raw[len(_MAGIC) : len(_MAGIC) + 2], "big")
    if found != _FORMAT:
        raise SnapshotDamaged(
            f"the snapshot has format {found}, this release reads {_FORMAT}",
            hint="run gateway and control plane of the same release",
        )
    payload = raw[_HEADER_LENGTH:]
    if hashlib.sha256(payload).digest() != raw[len(_MAGIC) + 2 : _HEADER_LENGTH]:
        raise SnapshotDamaged("the snapshot's digest does not fit its content")
    try:
        return _decoder.decode(payload)
    except msgspec.MsgspecError as error:
        raise SnapshotDamaged(f"the snapshot cannot be decoded: {error}") from error


def write(path: Path, snapshot: Snapshot) -> None:
    """Replace the file at `path`. Raises OSError when the disk refuses; the old file then stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(encode(snapshot))
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def read(path: Path) -> Snapshot:
    """Raises FileNotFoundError, OSError or SnapshotDamaged."""
    return decode(path.read_bytes())
