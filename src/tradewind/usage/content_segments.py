"""Contents of calls on their way from a gateway to the database: files of their own.

Not in the journal: usage must never be lost and content may, content is large, and it must be
possible to delete it alone. A segment is `<node>-<boot_ns>-<number>.content`, written whole under
another name by one writer and then renamed; so a reader sees it complete. What a writer left that
died before that is read as far as it goes, once nobody holds its lock. A record is its length and
its CRC-32 (each 4 bytes, big-endian) and MessagePack; reading stops at the first that is torn.
"""

import contextlib
import fcntl
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from tradewind.usage.segments import is_writer_alive

SUFFIX = ".content"
UNNAMED_SUFFIX = ".content.new"
MAGIC = b"TWCONT1\n"
MOST_RECORD_BYTES = 2 * 1024 * 1024
_HEAD_BYTES = 8


class ContentRecord(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of one call: redacted JSON."""

    event_id: bytes
    at_us: int
    """When the call was admitted."""
    organization_id: str
    project_id: str
    prompt: bytes
    answer: bytes
    """Empty when there was none."""
    is_prompt_truncated: bool
    is_answer_truncated: bool


class Segment(NamedTuple):
    path: Path
    is_whole: bool
    """False for one that its writer did not end."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ContentRecord)


def encode_record(record: ContentRecord) -> bytes:
    """Return the bytes of one record."""
    payload = _encoder.encode(record)
    return len(payload).to_bytes(4, "big") + zlib.crc32(payload).to_bytes(4, "big") + payload


def write_segment(folder: Path, name: str, records: Sequence[bytes]) -> None:
    """Write a segment of encoded records, for its owner's eyes only. Raises OSError, and leaves
    nothing behind then.
    """
    unnamed = folder / f"{name}{UNNAMED_SUFFIX}"
    descriptor = os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        left = memoryview(b"".join([MAGIC, *records]))
        while left:
            left = left[os.write(descriptor, left) :]
        unnamed.rename(folder / f"{name}{SUFFIX}")
    except OSError:
        unnamed.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def list_segments(folder: Path) -> list[Segment]:
    """Return what may be read and then deleted, by name."""
    found: list[Segment] = []
    with contextlib.suppress(FileNotFoundError):
        for path in sorted(folder.iterdir()):
            if path.name.endswith(SUFFIX):
                found.append(Segment(path, is_whole=True))
            elif path.name.endswith(UNNAMED_SUFFIX) and _is_left_behind(path):
                found.append(Segment(path, is_whole=False))
    return found


def folder_bytes(folder: Path) -> int:
    """Return what all segments of a folder take."""
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                total += entry.stat().st_size
    return total


def read_segment(path: Path) -> Iterator[ContentRecord]:
    """Yield the records of a segment up to the first that is damaged. Raises FileNotFoundError."""
    data = path.read_bytes()
    at = len(MAGIC)
    if data[:at] != MAGIC:
        return
    while at + _HEAD_BYTES <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        start, end = at + _HEAD_BYTES, at + _HEAD_BYTES + size
        payload = data[start:end]
        if size > MOST_RECORD_BYTES or end > len(data):
            return
        if zlib.crc32(payload) != int.from_bytes(data[at + 4 : start], "big"):
            return
        try:
            yield _decoder.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return
        at = end


def _is_left_behind(path: Path) -> bool:
    # An empty one may be about to be locked this very moment; its writer fills it then.
    try:
        return path.stat().st_size > 0 and not is_writer_alive(path)
    except FileNotFoundError:
        return False
