"""Where the worker puts an artifact so that an engine can load it.

Engines read weights by their path, several times and out of order (they map the file), so a pipe
will not do. Open artifacts on this disk are linked, those of an object store are fetched and
checked. A sealed one is decrypted into a file of mode 0600 on a file system that is memory
(tmpfs), never on a disk, and removed when the engine has it open: what it mapped stays until it
ends, and nothing is left behind, not even by a power cut. It takes as much memory as the file has
bytes, which the engine's mapping shares. A folder whose owner died is told from one in use by a
lock.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from tradewind.core.errors import Unavailable
from tradewind.features.artifacts.errors import BlobDamaged
from tradewind.features.artifacts.schemas import MIB, Visibility
from tradewind.features.artifacts.sealed_bytes import FileCipher, SealedSource
from tradewind.features.artifacts.stores.base import Store

MEMORY = Path("/dev/shm")  # noqa: S108  where Linux keeps shared memory; mode 0700 below it
_PREFIX = "tradewind-sealed-"
_LOCK = ".lock"
_IN_MEMORY = {"tmpfs", "ramfs"}


class WorkerFile(NamedTuple):
    path: str
    size: int
    sha256: str
    location: str
    cipher: FileCipher | None
    """None of an open file."""


class PlaceKept(Protocol):
    """Places files that were fetched before; see `worker.weights_cache`."""

    def __call__(
        self,
        file: WorkerFile,
        pieces: Callable[[WorkerFile], Iterable[bytes]],
        target: Path,
    ) -> bool:
        """False for a file that is not kept: then it is fetched to its place."""
        ...


class WorkerArtifact(NamedTuple):
    """An artifact that may be loaded, with the keys that open it. Keep it in memory, and short."""

    digest: str
    visibility: Visibility
    files: tuple[WorkerFile, ...]
    store: Store

    def place_in(self, folder: Path, place_kept: PlaceKept | None = None) -> None:
        """Put the files below an existing folder, under their paths.

        A sealed artifact takes a folder in memory only, and nothing of it is kept. `place_kept`
        is asked for what has to be fetched. Raises Unavailable, BlobMissing, BlobDamaged.
        """
        if self.visibility is Visibility.SEALED and not is_in_memory(folder):
            raise Unavailable(
                f"{folder} is on a disk, and a sealed artifact is opened in memory only",
                hint=f"mount a tmpfs at {MEMORY}",
            )
        for file in self.files:
            target = folder / file.path
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            local = None if file.cipher else self.store.local_path(file.location)
            if local is not None and _is_linked(local, target):
                continue
            is_fetched = local is None and file.cipher is None
            if is_fetched and place_kept is not None and place_kept(file, self.pieces, target):
                continue
            write_checked(target, self.pieces(file), file)

    @contextlib.contextmanager
    def private_copy(self, memory: Path = MEMORY) -> Generator[Path]:
        """Yield a folder with the files, which is gone afterwards, also when this process dies."""
        with private_folder(memory) as folder:
            self.place_in(folder)
            yield folder

    def pieces(self, file: WorkerFile) -> Iterator[bytes]:
        """Yield a file's plain bytes. Raises BlobMissing, BlobDamaged."""
        if file.cipher is None:
            yield from self.store.stream(file.location, 0, file.size)
            return

        def read(start: int, count: int) -> bytes:
            return self.store.read(file.location, start, count)

        source = SealedSource(file.path, file.size, file.cipher, read)
        for start in range(0, file.size, MIB):
            yield source.read(start, min(MIB, file.size - start))


@contextlib.contextmanager
def private_folder(memory: Path = MEMORY) -> Generator[Path]:
    """Yield a new folder of mode 0700, and remove it afterwards."""
    remove_abandoned(memory)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=memory))
    lock = os.open(folder / _LOCK, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def remove_abandoned(memory: Path = MEMORY) -> list[Path]:
    """Remove the folders of processes that were killed; return them. Called by each new one."""
    removed: list[Path] = []
    for folder in memory.glob(f"{_PREFIX}*"):
        try:
            lock = os.open(folder / _LOCK, os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            continue  # somebody else's, or one that is just being made
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder)
        finally:
            os.close(lock)
    return removed


def is_in_memory(folder: Path, mounts: Callable[[], str] | None = None) -> bool:
    """Say whether the folder's file system keeps nothing on a disk (but what is swapped out)."""
    text = Path("/proc/self/mountinfo").read_text() if mounts is None else mounts()
    device = folder.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in text.splitlines():
        mounted, _, kind = line.partition(" - ")
        if mounted.split(" ")[2] == wanted:
            return kind.split(" ")[0] in _IN_MEMORY
    return False


def _is_linked(local: Path, target: Path) -> bool:
    """Give the file a second name, so that it may be deleted while an engine starts."""
    try:
        os.link(local, target)
    except OSError:
        return False  # another file system: it is copied
    return True


def write_checked(target: Path, pieces: Iterable[bytes], file: WorkerFile) -> None:
    """Write a new file and check it: what an engine gets is what was scanned, to the byte.

    Raises Unavailable, BlobDamaged.
    """
    digest = hashlib.sha256()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(target, flags, 0o600), "wb", buffering=0) as stream:
            for piece in pieces:
                digest.update(piece)
                stream.write(piece)
    except OSError as error:
        raise Unavailable(
            f"the artifact cannot be put where an engine loads it: {error.strerror}",
            hint="see whether there is memory or disk for it",
        ) from error
    if digest.hexdigest() != file.sha256:
        target.unlink()
        raise BlobDamaged(f"{file.path!r} has the sha256 {digest.hexdigest()}, not {file.sha256}")
