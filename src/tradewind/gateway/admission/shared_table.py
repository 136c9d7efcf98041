"""The file in which all gateway processes of a host count, mapped into each of them.

    header     magic, boot id of the machine (clocks of another boot mean nothing); at 1024 how many
               workers there have been at once
    names      16 bytes a slot: a digest of the scope's name; zeros is a free slot
    touched    8 bytes a slot: when it was last used
    requests   8 bytes a slot: the arrival of its requests, see `rates`
    tokens     8 bytes a slot: the arrival of its tokens
    calls      4 bytes a slot and worker: its concurrent calls in each worker

Times are seconds of CLOCK_MONOTONIC, which all processes of a host share (clock_gettime(2)). Each
worker adds to a column of its own, so that those of a dead one can be taken out again; it is alive
while it holds the lock of its column. Sections of a slot are guarded by the lock of its shard, so
that those of one organization cost one lock; all shards together guard which slot is whose.
"""

import contextlib
import mmap
import os
import zlib
from hashlib import blake2b
from pathlib import Path

from tradewind.core.errors import StartupError
from tradewind.gateway.admission.file_locks import ByteLocks, LockBusy, exclusive, unlock

SLOTS = 65_536
WAYS = 16
"""Slots that a name may be in; a name that finds all of them busy pushes out the idlest."""
WORKERS = 64
SHARDS = 1024
NAME_BYTES = 16
_MAGIC = b"TWLIMIT1"
_HEADER_BYTES = 4096
_WIDTH_AT = 1024
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# Bytes far behind the content, which only stand for their locks.
_LOCKS_AT = 1 << 40
_SHARD_LOCKS_AT = _LOCKS_AT
_WORKER_LOCKS_AT = _LOCKS_AT + SHARDS
_JOIN_LOCK_AT = _WORKER_LOCKS_AT + WORKERS

ALL_SHARDS = exclusive(_SHARD_LOCKS_AT, SHARDS)
NO_SHARDS = unlock(_SHARD_LOCKS_AT, SHARDS)


def digest_of(name: str) -> bytes:
    """Return what a scope is found by."""
    return blake2b(name.encode(), digest_size=NAME_BYTES).digest()


def shard_of(organization_id: str) -> int:
    """Return the shard of an organization's scopes; models of all callers have the empty one's."""
    return zlib.crc32(organization_id.encode()) % SHARDS


def shard_lock(shard: int) -> bytes:
    return exclusive(_SHARD_LOCKS_AT + shard)


def shard_unlock(shard: int) -> bytes:
    return unlock(_SHARD_LOCKS_AT + shard)


class SharedTable:
    """The mapped file. Whoever reads or writes a slot holds its shard's lock, or all of them."""

    def __init__(self, path: Path) -> None:
        """Create the file or join those who have it. Raises StartupError."""
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StartupError(f"the shared limits {path} cannot be opened: {error}") from error
        self.locks = ByteLocks(self._descriptor)
        self._buried: set[int] = set()
        try:
            self._map(path)
        except (StartupError, OSError):
            os.close(self._descriptor)
            raise

    def _map(self, path: Path) -> None:
        try:
            self.locks.take(exclusive(_JOIN_LOCK_AT))
        except LockBusy:
            raise StartupError(f"the shared limits {path} are held by a stopped process") from None
        try:
            self._prepare(path)
            # Names are read as bytes from the map itself, which is twice as fast as from a view.
            self.mapped = mmap.mmap(self._descriptor, _size())
            whole = memoryview(self.mapped)
            places = _places()
            self._width = whole[_WIDTH_AT : _WIDTH_AT + 4].cast("I")
            self.touched = whole[places[1] : places[2]].cast("d")
            self.requests = whole[places[2] : places[3]].cast("d")
            self.tokens = whole[places[3] : places[4]].cast("d")
            self.calls = whole[places[4] :].cast("I")
            whole.release()
            self.worker = self._join(path)
        except OSError as error:
            raise StartupError(f"the shared limits {path} cannot be used: {error}") from error
        finally:
            self.locks.release(unlock(_JOIN_LOCK_AT))

    def _prepare(self, path: Path) -> None:
        """Make the file anew unless it is of this release and this boot of the machine."""
        header = _MAGIC + _boot_id()
        if os.pread(self._descriptor, len(header), 0) == header:
            return
        every_worker = exclusive(_WORKER_LOCKS_AT, WORKERS)
        if not self.locks.try_take(every_worker):
            raise StartupError(
                f"the shared limits {path} are in use by another release",
                hint="stop all gateways of this host first",
            )
        os.ftruncate(self._descriptor, 0)
        os.ftruncate(self._descriptor, _size())
        os.pwrite(self._descriptor, header, 0)
        self.locks.release(unlock(_WORKER_LOCKS_AT, WORKERS))

    def _join(self, path: Path) -> int:
        for worker in range(WORKERS):
            if self.locks.try_take(exclusive(_WORKER_LOCKS_AT + worker)):
                self._clear(worker)
                self._width[0] = max(self._width[0], worker + 1)
                return worker
        raise StartupError(f"{WORKERS} gateways use the shared limits {path} already")

    def _clear(self, worker: int) -> None:
        """Forget the calls of a worker that is gone."""
        self.calls[worker::WORKERS] = memoryview(bytes(4 * SLOTS)).cast("I")

    def bury_the_dead(self) -> bool:
        """Forget the calls of workers that died and have no successor; say whether there were any.

        No lock but the dead one's own place is needed: nobody else writes its column, except with
        zeros. A place that was found empty is not looked through again until somebody had it.
        """
        found = False
        for worker in range(self._width[0]):
            if worker == self.worker:
                continue
            if not self.locks.try_take(exclusive(_WORKER_LOCKS_AT + worker)):
                self._buried.discard(worker)
                continue
            if worker not in self._buried:
                self._buried.add(worker)
                found |= any(self.calls[worker::WORKERS])
                self._clear(worker)
            self.locks.release(unlock(_WORKER_LOCKS_AT + worker))
        return found

    def find(self, digest: bytes) -> int | None:
        """Return the slot of a name."""
        start = _first_slot(digest)
        for slot in range(start, start + WAYS):
            if self.name_of(slot) == digest:
                return slot
        return None

    def name_of(self, slot: int) -> bytes:
        at = name_place(slot)
        return self.mapped[at : at + NAME_BYTES]

    def find_or_make(self, digest: bytes, now: float) -> int:
        """Return the slot of a name, a new one if need be. The caller holds all shards.

        Where all slots are busy the one untouched for longest goes, which errs towards its callers.
        """
        slot = self.find(digest)
        if slot is not None:
            return slot
        start = _first_slot(digest)
        slot = min(range(start, start + WAYS), key=lambda each: self._rank(each, now))
        at = name_place(slot)
        self.mapped[at : at + NAME_BYTES] = digest
        self.requests[slot] = self.tokens[slot] = 0.0
        self.calls[slot * WORKERS : (slot + 1) * WORKERS] = memoryview(bytes(4 * WORKERS)).cast("I")
        self.touched[slot] = now
        return slot

    def calls_of(self, slot: int) -> int:
        return sum(self.calls[slot * WORKERS : slot * WORKERS + self._width[0]])

    def close(self) -> None:
        """Let go of the file and of the worker's place. Its calls are cleared by a successor."""
        for view in (self._width, self.touched, self.requests, self.tokens, self.calls):
            view.release()
        self.mapped.close()
        os.close(self._descriptor)

    def _rank(self, slot: int, now: float) -> tuple[int, float]:
        """What goes first: a free slot, an idle one, one without calls; of equals the oldest."""
        if self.name_of(slot) == bytes(NAME_BYTES):
            return 0, 0.0
        has_calls = self.calls_of(slot) > 0
        is_flowing = self.requests[slot] > now or self.tokens[slot] > now
        return 1 + is_flowing + 2 * has_calls, self.touched[slot]


def name_place(slot: int) -> int:
    """Return where in the map the name of a slot begins."""
    return _HEADER_BYTES + slot * NAME_BYTES


def _first_slot(digest: bytes) -> int:
    return int.from_bytes(digest[:4], "little") % (SLOTS // WAYS) * WAYS


def _places() -> list[int]:
    places = [_HEADER_BYTES]
    for width in (NAME_BYTES, 8, 8, 8, 4 * WORKERS):
        places.append(places[-1] + width * SLOTS)
    return places


def _size() -> int:
    return _places()[-1]


def _boot_id() -> bytes:
    with contextlib.suppress(OSError):
        return _BOOT_ID.read_bytes().strip()
    return b"unknown boot"
