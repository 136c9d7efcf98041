"""The staging folder: one file for each upload, written part by part at its place.

Parts may come in any order, at once, and again after a crash. A lock on a part's bytes (OFD, which
a process loses when it dies, however it dies) keeps two requests from writing the same ones. A
sealed upload is encrypted before it gets here: its plain bytes never touch the disk.
"""

import fcntl
import hashlib
import os
import shutil
import struct
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tradewind.features.artifacts.errors import (
    NoRoom,
    PartInProgress,
    PartRefused,
    StoreUnavailable,
)
from tradewind.features.artifacts.rules import Span
from tradewind.features.artifacts.scan.byte_source import ByteSource, FileSource
from tradewind.features.artifacts.schemas import MIB
from tradewind.features.artifacts.sealed_bytes import (
    CHUNK_BYTES,
    FileCipher,
    SealedSource,
    chunk_start,
    sealed_size,
)

BLOCK_BYTES = 2 * MIB
"""What `PartWriter.write` takes at a time; only the last block of a part is shorter."""
assert BLOCK_BYTES % CHUNK_BYTES == 0, "a block is sealed as whole chunks"
_ROOM_LEFT_BYTES = 1024 * MIB
_MOST_PIECES = os.sysconf("SC_IOV_MAX")


class Staging:
    def __init__(self, folder: Path) -> None:
        """Nothing is created before the first part."""
        self.folder = folder

    def path(self, upload_id: str) -> Path:
        return self.folder / upload_id

    def check_room(self, size: int) -> None:
        """Raise NoRoom when the disk would be full with a file of this size."""
        place = self.folder
        while not place.exists() and place != place.parent:
            place = place.parent
        if shutil.disk_usage(place).free < size + _ROOM_LEFT_BYTES:
            raise NoRoom(
                "there is no room for a file of this size",
                hint="whoever runs the platform has to make some",
            )

    def open_part(
        self, upload_id: str, span: Span, cipher: FileCipher | None, sha256: str | None
    ) -> "PartWriter":
        """Return where to write a part. Raises PartInProgress, StoreUnavailable."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path(upload_id), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise unavailable(error) from error
        try:
            _lock(descriptor, fcntl.F_WRLCK, span)
        except (PartInProgress, OSError):
            os.close(descriptor)
            raise
        return PartWriter(descriptor, span, cipher, sha256)

    def source(
        self, upload_id: str, name: str, size: int, cipher: FileCipher | None
    ) -> "StagedSource":
        """Return the file as its uploader sent it. Close it. Raises OSError."""
        return StagedSource(FileSource(name, self.path(upload_id)), name, size, cipher)

    def growing_source(
        self, upload_id: str, name: str, size: int, cipher: FileCipher | None
    ) -> "StagedSource":
        """Return the file while its parts still come: only those that are there may be read."""
        lies = size if cipher is None else sealed_size(size)
        file = FileSource(name, self.path(upload_id), size=lies)
        return StagedSource(file, name, size, cipher)

    def remove(self, upload_id: str) -> None:
        self.path(upload_id).unlink(missing_ok=True)

    def left_over(self, older_than_s: float) -> list[str]:
        """Return the names of files to which nothing was written for so long."""
        before = time.time() - older_than_s
        try:
            with os.scandir(self.folder) as entries:
                return [each.name for each in entries if each.stat().st_mtime < before]
        except FileNotFoundError:
            return []


class PartWriter:
    """Writes the blocks of one part. Use it as a context: leaving it lets go of the part."""

    def __init__(
        self, descriptor: int, span: Span, cipher: FileCipher | None, sha256: str | None
    ) -> None:
        self._descriptor = descriptor
        self._span = span
        self._cipher = cipher
        self._expected = sha256
        self._hash = hashlib.sha256() if sha256 is not None else None
        self._written = 0
        self._lock = threading.Lock()
        """Held while it is written or closed: whoever closes it, because the request ended, never
        takes the descriptor from under a write that goes on in another thread."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the part. May be repeated."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    @property
    def left(self) -> int:
        """Return how many bytes are still to come."""
        return self._span.size - self._written

    def write(self, *pieces: bytes | bytearray | memoryview) -> None:
        """Write the next block of the part. Raises PartRefused, StoreUnavailable."""
        size = sum(map(len, pieces))
        with self._lock:
            self._check_open()
            if size > self.left:
                raise PartRefused(f"this part has {self._span.size} bytes, and more were sent")
            if size != min(BLOCK_BYTES, self.left):
                raise self._too_short(self._written + size)
            start = self._span.start + self._written
            if self._hash is not None:
                for piece in pieces:
                    self._hash.update(piece)
            if self._cipher is None:
                _write(self._descriptor, pieces, start)
            else:
                self._seal(self._cipher, b"".join(pieces), start // CHUNK_BYTES)
            self._written += size

    def finish(self) -> None:
        """Return when the part would survive a power cut.

        Raises PartRefused when it is too short or not what its digest says.
        """
        with self._lock:
            self._check_open()
            if self.left:
                raise self._too_short(self._written)
            if self._hash is not None and self._hash.hexdigest() != self._expected:
                raise PartRefused(
                    f"the part that arrived has the sha256 {self._hash.hexdigest()}",
                    hint="it was changed on its way: send it again",
                )
            try:
                os.fdatasync(self._descriptor)
            except OSError as error:
                raise unavailable(error) from error

    def _seal(self, cipher: FileCipher, block: bytes, first: int) -> None:
        view = memoryview(block)
        for at in range(0, len(view), CHUNK_BYTES):
            number = first + at // CHUNK_BYTES
            chunk = cipher.seal(number, view[at : at + CHUNK_BYTES])
            _write(self._descriptor, [chunk], chunk_start(number))

    def _check_open(self) -> None:
        if self._descriptor < 0:
            raise PartRefused("the part was not sent to its end", hint="send it again")

    def _too_short(self, sent: int) -> PartRefused:
        return PartRefused(
            f"this part has {self._span.size} bytes, and {sent} were sent",
            hint="send the whole part again",
        )


class StagedSource:
    """A staged file as a `ByteSource`, opened if it is sealed."""

    def __init__(self, file: FileSource, name: str, size: int, cipher: FileCipher | None) -> None:
        self._file = file
        self._is_sealed = cipher is not None
        plain: ByteSource = file if cipher is None else SealedSource(name, size, cipher, file.read)
        self._plain = plain
        self.name = name
        self.size = plain.size
        """Of what is there, which is not yet known to be what was announced."""

    def read(self, start: int, count: int) -> bytes:
        return self._plain.read(start, count)

    def let_go(self, span: Span) -> None:
        """Have the kernel forget these bytes, which are read again from the disk if need be."""
        if not self._is_sealed:
            self._file.let_go(span.start, span.size)
        else:
            first = span.start // CHUNK_BYTES
            start = chunk_start(first)
            self._file.let_go(start, chunk_start(first + -(-span.size // CHUNK_BYTES)) - start)

    def close(self) -> None:
        self._file.close()


def unavailable(error: OSError) -> StoreUnavailable:
    return StoreUnavailable(
        f"uploads cannot be written: {error.strerror}",
        hint="see whether the disk of the data folder is full",
    )


def _write(descriptor: int, pieces: Sequence[bytes | bytearray | memoryview], start: int) -> None:
    left = [memoryview(piece) for piece in pieces]
    try:
        while left:
            written = os.pwritev(descriptor, left[:_MOST_PIECES], start)
            start += written
            while left and written >= len(left[0]):
                written -= len(left.pop(0))
            if written:
                left[0] = left[0][written:]
    except OSError as error:
        raise unavailable(error) from error


def _lock(descriptor: int, kind: int, span: Span) -> None:
    # struct flock of fcntl(2) on 64 bits: l_type, l_whence, l_start, l_len, l_pid.
    wanted = struct.pack("hhqqi4x", kind, os.SEEK_SET, span.start, span.size, 0)
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, wanted)
    except BlockingIOError:
        raise PartInProgress(
            "another request writes this part at the moment",
            hint="ask in a moment which parts are there",
        ) from None
