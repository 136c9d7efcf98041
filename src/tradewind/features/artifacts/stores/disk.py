"""Keeps blobs as files below a folder of this host."""

import contextlib
import os
import re
import secrets
from collections.abc import Generator, Iterator
from pathlib import Path

from tradewind.features.artifacts.errors import BlobDamaged, BlobMissing, StoreUnavailable
from tradewind.features.artifacts.stores.base import READ_BYTES

_LOCATION = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+)*(\.[a-z0-9]+)*")


class DiskStore:
    """Files of mode 0600 in folders of mode 0700.

    A blob comes from the staging folder, on the same file system, by a hard link: nothing is
    copied, and the staged file is there until the database knows that the blob is.
    """

    name = "disk"

    def __init__(self, folder: Path) -> None:
        """Nothing is created before the first `put`."""
        self._folder = folder

    def put(self, location: str, source: Path) -> None:
        target = self._path(location)
        try:
            size = _sync(source)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _size(target) != size:
                beside = target.with_name(f"{target.name}.{secrets.token_hex(8)}.new")
                try:
                    _link_or_copy(source, beside)
                    beside.replace(target)
                finally:
                    beside.unlink(missing_ok=True)
            for folder in (target.parent, target.parent.parent, self._folder):
                _sync(folder)
        except OSError as error:
            raise _unavailable(error) from error

    def size(self, location: str) -> int | None:
        try:
            return _size(self._path(location))
        except OSError as error:
            raise _unavailable(error) from error

    def read(self, location: str, start: int, count: int) -> bytes:
        with self._opened(location) as descriptor:
            return _read(descriptor, location, start, count)

    def stream(self, location: str, start: int, count: int) -> Iterator[bytes]:
        with self._opened(location) as descriptor:
            while count:
                piece = _read(descriptor, location, start, min(READ_BYTES, count))
                start += len(piece)
                count -= len(piece)
                yield piece

    def delete(self, location: str) -> None:
        try:
            self._path(location).unlink(missing_ok=True)
        except OSError as error:
            raise _unavailable(error) from error

    def local_path(self, location: str) -> Path | None:
        return self._path(location)

    @contextlib.contextmanager
    def _opened(self, location: str) -> Generator[int]:
        try:
            descriptor = os.open(self._path(location), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise BlobMissing(f"the store has nothing at {location}") from None
        except OSError as error:
            raise _unavailable(error) from error
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _path(self, location: str) -> Path:
        # Locations are made from digests and ids; this is what keeps a mistake inside the folder.
        assert _LOCATION.fullmatch(location), "a location is made here, not taken from anybody"
        return self._folder / location


def _read(descriptor: int, location: str, start: int, count: int) -> bytes:
    pieces: list[bytes] = []
    while count:
        try:
            piece = os.pread(descriptor, count, start)
        except OSError as error:
            raise _unavailable(error) from error
        if not piece:
            raise BlobDamaged(f"what the store has at {location} ends at byte {start}")
        pieces.append(piece)
        start += len(piece)
        count -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        # Another file system, or one without links: a copy that the kernel makes.
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with (
        source.open("rb") as reading,
        os.fdopen(os.open(target, flags, 0o600), "wb", buffering=0) as writing,
    ):
        while os.sendfile(writing.fileno(), reading.fileno(), None, 2**30):
            pass
        os.fsync(writing.fileno())


def _sync(path: Path) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def _unavailable(error: OSError) -> StoreUnavailable:
    return StoreUnavailable(
        f"the folder of artifacts cannot be used: {error.strerror}",
        hint="see whether its disk is full or gone",
    )
