"""Data of checks that policies bring along: blocklists, weights of custom categories, indexes.

Known by the SHA-256 of their bytes, so what was once fetched from the control plane is good for
ever and is kept on disk: a gateway that starts without its control plane still has what it had.
Reading, checking and preparing happen in a thread of its own, not to hold up checks that have what
they need. Memory and folder are bounded; what was used least recently goes first.
"""

import contextlib
import functools
import hashlib
import logging
import os
import re
from asyncio import AbstractEventLoop
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec

from tradewind.gateway.backstage import AsksBackstage, BackstageAnswer
from tradewind.plugins.checks.base import CheckFailed, LocalCheck
from tradewind.snapshot.safety import DataReference

MOST_MEMORY_BYTES = 256 * 1024 * 1024
MOST_FOLDER_BYTES = 1024 * 1024 * 1024
_MOST_WANTED = 256
"""Data that are fetched or prepared at once."""
_TRY_AGAIN_S = 5.0
_DIGEST = re.compile(r"[0-9a-f]{64}")
_log = logging.getLogger(__name__)

Came = Callable[[object | None], None]
"""Gets data ready for use; None when they cannot be had now."""
_Key = tuple[str, str, str]


class _Prepared(msgspec.Struct, frozen=True):
    data: object
    size: int


class CheckData:
    """One for a gateway process. Used from the event loop."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        backstage: AsksBackstage,
        folder: Path | None,
        *,
        most_memory_bytes: int = MOST_MEMORY_BYTES,
        most_folder_bytes: int = MOST_FOLDER_BYTES,
        try_again_s: float = _TRY_AGAIN_S,
    ) -> None:
        """Without a folder data are kept in memory alone."""
        self._loop = loop
        self._backstage = backstage
        self._folder = folder
        self._most_memory_bytes = most_memory_bytes
        self._most_folder_bytes = most_folder_bytes
        self._try_again_s = try_again_s
        self._ready: OrderedDict[_Key, _Prepared] = OrderedDict()
        self._bytes = 0
        self._wanted: dict[_Key, list[Came]] = {}
        self._not_before: dict[_Key, float] = {}
        self._thread = ThreadPoolExecutor(1, "check-data")

    def find(self, check: LocalCheck, reference: DataReference) -> object | None:
        """Return data that are ready; None where they have to be fetched."""
        key = _key(check, reference)
        found = self._ready.get(key)
        if found is None:
            return None
        self._ready.move_to_end(key)
        return found.data

    def fetch(self, check: LocalCheck, reference: DataReference, came: Came) -> None:
        """Call back with data once they are ready; never before this returned.

        What could not be had is not asked for again for some seconds.
        """
        key = _key(check, reference)
        ready = self._ready.get(key)
        if ready is not None:
            self._loop.call_soon(came, ready.data)
            return
        waiting = self._wanted.get(key)
        if waiting is not None:
            waiting.append(came)
            return
        if (
            len(self._wanted) >= _MOST_WANTED
            or self._not_before.get(key, 0.0) > self._loop.time()
            or not _DIGEST.fullmatch(reference.digest)
        ):
            self._loop.call_soon(came, None)
            return
        self._wanted[key] = [came]
        work = self._thread.submit(_from_disk, self._folder, check, reference)
        work.add_done_callback(self._in_loop(functools.partial(self._read, check, reference)))

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _in_loop(
        self, done: "Callable[[Future[_Prepared | None]], None]"
    ) -> "Callable[[Future[_Prepared | None]], None]":
        def tell(future: "Future[_Prepared | None]") -> None:
            # The loop is closed when a gateway stops while data are prepared: nobody waits then.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(done, future)

        return tell

    def _read(
        self, check: LocalCheck, reference: DataReference, work: "Future[_Prepared | None]"
    ) -> None:
        """The disk was looked at: ask the control plane for what was not there."""
        if work.cancelled():
            return
        found = work.result()
        if found is not None:
            self._take(check, reference, found)
            return
        self._backstage.ask(
            "GET",
            f"/safety/data/{reference.digest}",
            b"",
            functools.partial(self._answered, check, reference),
        )

    def _answered(
        self, check: LocalCheck, reference: DataReference, answer: BackstageAnswer
    ) -> None:
        if answer.status != 200:
            self._take(check, reference, None)
            return
        work = self._thread.submit(
            _from_bytes, self._folder, self._most_folder_bytes, check, reference, answer.body
        )
        work.add_done_callback(self._in_loop(functools.partial(self._prepared, check, reference)))

    def _prepared(
        self, check: LocalCheck, reference: DataReference, work: "Future[_Prepared | None]"
    ) -> None:
        if not work.cancelled():
            self._take(check, reference, work.result())

    def _take(self, check: LocalCheck, reference: DataReference, found: _Prepared | None) -> None:
        key = _key(check, reference)
        if found is None:
            if len(self._not_before) >= _MOST_WANTED:
                self._not_before.clear()
            self._not_before[key] = self._loop.time() + self._try_again_s
            _log.warning("data %s of the check %s cannot be had", reference.digest[:12], check.name)
        else:
            self._ready[key] = found
            self._bytes += found.size
            while self._bytes > self._most_memory_bytes and len(self._ready) > 1:
                self._bytes -= self._ready.popitem(last=False)[1].size
        for came in self._wanted.pop(key, ()):
            came(None if found is None else found.data)


def _key(check: LocalCheck, reference: DataReference) -> _Key:
    return check.name, reference.name, reference.digest


# In the thread.


def _from_disk(
    folder: Path | None, check: LocalCheck, reference: DataReference
) -> _Prepared | None:
    """Return what is in the folder and whole, if anything is."""
    if folder is None:
        return None
    path = folder / reference.digest
    try:
        raw = path.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(raw).hexdigest() != reference.digest:
        _log.warning("data %s on disk are damaged", reference.digest[:12])
        with contextlib.suppress(OSError):
            path.unlink()
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # what was used last is kept longest
    return _prepare(check, reference, raw)


def _from_bytes(
    folder: Path | None, most_bytes: int, check: LocalCheck, reference: DataReference, raw: bytes
) -> _Prepared | None:
    if hashlib.sha256(raw).hexdigest() != reference.digest:
        _log.error("data %s came as something else", reference.digest[:12])
        return None
    if folder is not None:
        try:
            _keep(folder, most_bytes, reference.digest, raw)
        except OSError as error:
            _log.warning("data of a check cannot be kept on disk: %s", error.strerror)
    return _prepare(check, reference, raw)


def _prepare(check: LocalCheck, reference: DataReference, raw: bytes) -> _Prepared | None:
    try:
        return _Prepared(check.prepare(reference.name, raw), len(raw))
    except CheckFailed as error:
        _log.error("data %s: %s", reference.digest[:12], error)
    except Exception as error:  # noqa: BLE001 - the edge of a member: its bug is its data's failure
        _log.error("data %s: %s in %s", reference.digest[:12], type(error).__name__, check.name)
    return None


def _keep(folder: Path, most_bytes: int, digest: str, raw: bytes) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Of this process alone: all gateways of a host may share the folder.
    beside = folder / f"{digest}.{os.getpid()}.new"
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(raw)
        beside.replace(folder / digest)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    kept: list[tuple[float, int, Path]] = []
    for path in folder.iterdir():
        with contextlib.suppress(OSError):  # another gateway may have taken it away
            found = path.stat()
            kept.append((found.st_mtime, found.st_size, path))
    size = sum(each[1] for each in kept)
    for _, of_file, path in sorted(kept):
        if size <= most_bytes or path.name == digest:
            break
        size -= of_file
        with contextlib.suppress(OSError):
            path.unlink()
