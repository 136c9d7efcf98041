"""Weights that were fetched from an object store, kept for the next start of an engine.

A file lies under the digest of its bytes. It is hashed each time before it is used, so that a disk
that lies is found out; what is wrong is fetched anew. An engine gets a name of its own for the file
(a hard link), so that all replicas share one copy in the kernel's memory, and what makes room for
another file is not taken from anybody. Two starts at once, in this process or in another, wait for
one fetch: a lock on the digest, which a process loses when it dies, however it dies.

Sealed weights never come here: they are decrypted into memory, for as long as an engine opens them.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import time
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import NamedTuple

from tradewind.core.errors import Unavailable
from tradewind.features.artifacts.worker_copies import WorkerFile, write_checked

_log = logging.getLogger(__name__)

_READ_BYTES = 1024 * 1024
_UNFINISHED, _ROOM, _LOCK = ".new", ".room", ".lock"
"""Beside a file: its bytes while they come, how many they will be (as the length of a file without
content), and who is at it."""


class _Kept(NamedTuple):
    used_at_ns: int
    digest: str
    size: int


class WeightsCache:
    def __init__(self, folder: Path, most_bytes: int) -> None:
        """Keeps up to `most_bytes` in files of `folder`, which is on one file system with wherever
        they are placed. Nothing is created before the first use.
        """
        self._folder = folder
        self._most_bytes = most_bytes

    def place(
        self,
        file: WorkerFile,
        pieces: Callable[[WorkerFile], Iterable[bytes]],
        target: Path,
    ) -> bool:
        """Give the file the name `target` as well, fetching it first if it is not here. False for
        what is larger than all that may be kept: fetch that to its place.

        Raises what `pieces` and `write_checked` raise, and Unavailable.
        """
        assert file.cipher is None, "sealed weights are opened in memory only"
        if file.size > self._most_bytes:
            return False
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._locked(file.sha256):
                kept = self._folder / file.sha256
                if not _is_right(kept, file):
                    self._make_room(file)
                    self._fetch(kept, file, pieces)
                # When it was used last, for whoever needs room; by itself the kernel writes times
                # in steps of some milliseconds.
                os.utime(kept, ns=(time.time_ns(), time.time_ns()))
                os.link(kept, target)
        except OSError as error:
            raise Unavailable(
                f"fetched weights cannot be kept: {error.strerror}",
                hint="see whether the disk of the data folder is full",
            ) from error
        return True

    def _fetch(
        self, kept: Path, file: WorkerFile, pieces: Callable[[WorkerFile], Iterable[bytes]]
    ) -> None:
        beside = kept.with_name(kept.name + _UNFINISHED)
        beside.unlink(missing_ok=True)
        try:
            write_checked(beside, pieces(file), file)
            beside.replace(kept)
        finally:
            beside.unlink(missing_ok=True)
            kept.with_name(kept.name + _ROOM).unlink(missing_ok=True)

    def _make_room(self, file: WorkerFile) -> None:
        """Remove what was not used for longest, and what killed processes left, until it fits.

        Under a lock of its own, and with the room taken before it is let go of: two that come at
        once do not count on the same.
        """
        with self._locked("all"):
            kept = self._kept()
            total = file.size + sum(each.size for each in kept)
            for each in kept:
                if total <= self._most_bytes:
                    break
                if self._remove(each.digest):
                    total -= each.size
            with (self._folder / (file.sha256 + _ROOM)).open("wb") as room:
                room.truncate(file.size)

    def _kept(self) -> list[_Kept]:
        """Return what takes room, what was not used for longest first."""
        found: dict[str, _Kept] = {}
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.endswith(_LOCK):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    status, digest = entry.stat(), entry.name.partition(".")[0]
                    former = found.get(digest, _Kept(0, digest, 0))
                    found[digest] = _Kept(
                        max(former.used_at_ns, status.st_mtime_ns),
                        digest,
                        max(former.size, status.st_size),
                    )
        return sorted(found.values())

    def _remove(self, digest: str) -> bool:
        """Remove a file that nobody places at this moment."""
        with contextlib.suppress(BlockingIOError), self._locked(digest, waits=False) as lock:
            for name in (digest, digest + _UNFINISHED, digest + _ROOM):
                (self._folder / name).unlink(missing_ok=True)
            lock.unlink()
            return True
        return False

    @contextlib.contextmanager
    def _locked(self, name: str, *, waits: bool = True) -> Generator[Path]:
        """Raises BlockingIOError when somebody else has it and `waits` is not set."""
        path = self._folder / (name + _LOCK)
        how = fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB
        while True:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, how)
                # Whoever had it may have removed the very file that was waited for.
                if _is_same(descriptor, path):
                    yield path
                    return
            finally:
                os.close(descriptor)


def _is_right(kept: Path, file: WorkerFile) -> bool:
    """Say whether the file is here with the bytes that its digest stands for."""
    digest = hashlib.sha256()
    try:
        with kept.open("rb", buffering=0) as stream:
            while data := stream.read(_READ_BYTES):
                digest.update(data)
    except FileNotFoundError:
        return False
    if digest.hexdigest() == file.sha256:
        return True
    _log.warning("%s was kept and is damaged: it is fetched anew", file.path)
    kept.unlink()
    return False


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
