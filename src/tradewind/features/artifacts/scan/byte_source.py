"""Where a scan reads from: bytes at an offset, of a plain file or of one that is sealed."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from tradewind.features.artifacts.errors import FileRefused

_WINDOW_BYTES = 256 * 1024


class ByteSource(Protocol):
    @property
    def name(self) -> str:
        """Return what to call the file in messages."""
        ...

    @property
    def size(self) -> int: ...

    def read(self, start: int, count: int) -> bytes:
        """Return exactly `count` bytes. Raises FileRefused when the file ends before."""
        ...


class BytesSource:
    """A file in memory."""

    def __init__(self, name: str, content: bytes) -> None:
        self.name = name
        self.size = len(content)
        self._content = content

    def read(self, start: int, count: int) -> bytes:
        check_range(self, start, count)
        return self._content[start : start + count]


class FileSource:
    """A plain file, read with pread so that no position is shared. Close it."""

    def __init__(self, name: str, path: Path, *, size: int | None = None) -> None:
        """`size` is told of a file that still grows. Raises OSError."""
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.name = name
        self.size = os.fstat(self._descriptor).st_size if size is None else size

    def read(self, start: int, count: int) -> bytes:
        check_range(self, start, count)
        pieces: list[bytes] = []
        while count:
            piece = os.pread(self._descriptor, count, start)
            if not piece:
                raise FileRefused(self.name, "it became shorter while it was read")
            pieces.append(piece)
            start += len(piece)
            count -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def let_go(self, start: int, count: int) -> None:
        """Have the kernel forget what it holds of these bytes in memory, where it can."""
        os.posix_fadvise(self._descriptor, start, count, os.POSIX_FADV_DONTNEED)

    def close(self) -> None:
        os.close(self._descriptor)


def check_range(source: ByteSource, start: int, count: int) -> None:
    """Raise FileRefused unless the file has these bytes."""
    assert count >= 0
    if start < 0 or count > source.size - start:
        raise FileRefused(source.name, f"it ends at byte {source.size}, inside what it announces")


class Cursor:
    """Walks over a header, little-endian, through a window, so that small reads cost little."""

    def __init__(self, source: ByteSource, *, limit: int) -> None:
        """`limit` bounds how far the cursor may come."""
        self._source = source
        self._limit = min(limit, source.size)
        self._window = b""
        self._window_start = 0
        self.at = 0

    def refuse(self, why: str) -> FileRefused:
        return FileRefused(self._source.name, why)

    def take(self, count: int) -> bytes:
        start = self.at
        self.skip(count)
        offset = start - self._window_start
        if offset < 0 or offset + count > len(self._window):
            if count > _WINDOW_BYTES:
                return self._source.read(start, count)
            self._window = self._source.read(start, min(_WINDOW_BYTES, self._limit - start))
            self._window_start = start
            offset = 0
        return self._window[offset : offset + count]

    def skip(self, count: int) -> None:
        if count > self._limit - self.at:
            if self._limit < self._source.size:
                raise self.refuse(f"its header is longer than {self._limit} bytes")
            raise self.refuse(f"it ends at byte {self._source.size}, inside its header")
        self.at += count

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def u64(self) -> int:
        return int.from_bytes(self.take(8), "little")


class BoundedStream(io.RawIOBase):
    """A source as a file for the standard library, which then cannot read more than `most` bytes
    at once however long something claims to be.
    """

    def __init__(self, source: ByteSource, most: int, refuse: Callable[[str], FileRefused]) -> None:
        super().__init__()
        self._source = source
        self._most = most
        self._refuse = refuse
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._source.size}[whence]
        if base + offset < 0:
            raise OSError("negative seek position")
        self._at = base + offset
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        left = max(0, self._source.size - self._at)
        wanted = left if size is None or size < 0 else min(size, left)  # pyright: ignore[reportUnnecessaryComparison]
        if wanted > self._most:
            raise self._refuse(f"a part of it claims {wanted} bytes")
        data = self._source.read(self._at, wanted)
        self._at += wanted
        return data

    def readinto(self, buffer: bytearray, /) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
