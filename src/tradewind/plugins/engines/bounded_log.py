"""A replica's log on disk: at most two files of `limit_bytes`, and its last lines in memory."""

import os
from pathlib import Path

_TAIL_BYTES = 8192


class BoundedLog:
    """Appends to `path`; when full, moves it to `<path>.1` and begins anew. Not thread-safe."""

    def __init__(self, path: Path, limit_bytes: int) -> None:
        """Raises OSError when the file cannot be opened."""
        self._path = path
        self._limit_bytes = limit_bytes
        self._tail = b""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor = self._open()
        self._size = os.fstat(self._descriptor).st_size

    def write(self, data: bytes) -> None:
        """Append. Raises OSError when the disk refuses; the tail knows the data all the same."""
        self._tail = (self._tail + data)[-_TAIL_BYTES:]
        while data:
            room = self._limit_bytes - self._size
            if room <= 0:
                self._begin_anew()
                continue
            written = os.write(self._descriptor, data[:room])
            self._size += written
            data = data[written:]

    def tail(self) -> str:
        """Return the last lines written, as text."""
        return self._tail.decode("utf-8", "replace")

    def close(self) -> None:
        os.close(self._descriptor)

    def _begin_anew(self) -> None:
        self._path.replace(self._path.with_name(self._path.name + ".1"))
        beside, self._descriptor = self._descriptor, self._open()
        os.close(beside)
        self._size = 0

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(self._path, flags, 0o600)
