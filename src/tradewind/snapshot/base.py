"""A base file, mapped into memory and read where it lies.

All processes of a host that map it share one copy in the page cache; a process itself keeps only
what it has decoded. A file in place is never changed or cut, only replaced by rename: cutting it
would kill whoever reads the mapping (SIGBUS), while a replaced one stays whole as long as somebody
maps it.
"""

import hashlib
import mmap
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

import msgspec

from tradewind.snapshot.contents import Budget, Endpoint, Grant, Terms
from tradewind.snapshot.errors import SnapshotDamaged
from tradewind.snapshot.layout import (
    DIGEST_AT,
    FEWEST_BYTES,
    FOOTER,
    FORMAT,
    KIND_SHIFT,
    LENGTH_MASK,
    MAGIC,
    PREAMBLE_BYTES,
    RECORD,
    TABLES,
    AliasRecord,
    GrantRecord,
    Kind,
)
from tradewind.snapshot.safety import Policy
from tradewind.snapshot.table import Table
from tradewind.wire.decoding import UNREADABLE

_VERIFY_BYTES = 1024 * 1024
_PROFILES_REMEMBERED = 4096
_TABLE_NUMBERS = 4
_SLOT_BYTES = 8

_Content = TypeVar("_Content")

_grant_record = msgspec.msgpack.Decoder(GrantRecord)
_alias_record = msgspec.msgpack.Decoder(AliasRecord)
_profile = msgspec.msgpack.Decoder(Grant)
_terms = msgspec.msgpack.Decoder(Terms)
_budget = msgspec.msgpack.Decoder(Budget)
_endpoint = msgspec.msgpack.Decoder(Endpoint)
_policy = msgspec.msgpack.Decoder(Policy)
_order = msgspec.msgpack.Decoder(tuple[str, ...])


class FileStamp(NamedTuple):
    """Differs when a file was replaced or written to."""

    device: int
    inode: int
    mtime_ns: int
    size: int

    @classmethod
    def of(cls, found: os.stat_result) -> Self:
        return cls(found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)


class Base:
    """Look-ups in one base file. A grant takes about 4 us, nothing is kept but some profiles.

    Every record has a checksum of its own, so that what is damaged after the file was opened raises
    SnapshotDamaged and is never taken for something else.
    """

    def __init__(self, buffer: bytes | mmap.mmap) -> None:
        """`buffer` has passed `check_preamble` and its digest. Raises SnapshotDamaged."""
        self._buffer = buffer
        self.digest = buffer[DIGEST_AT:PREAMBLE_BYTES]
        self.size = len(buffer)
        footer_at = self.size - FOOTER.size
        numbers = FOOTER.unpack_from(buffer, footer_at)
        self.version: int
        self.compiled_at_ms: int
        self.version, self.compiled_at_ms, salt = numbers[:3]
        self._profiles: dict[int, Grant] = {}
        self._names: tuple[str, ...] | None = None
        self._order_at, self._order_length = numbers[-2:]
        places = [
            numbers[at : at + _TABLE_NUMBERS] for at in range(3, len(numbers) - 2, _TABLE_NUMBERS)
        ]
        former_end = PREAMBLE_BYTES
        for begin, end, slots_at, slots in places:
            # A right digest over wrong numbers is a bug of the writer; reading on could not end.
            if not former_end <= begin <= end <= slots_at:
                raise _undecodable("its parts overlap")
            former_end = slots_at + _SLOT_BYTES * slots
        if former_end > self._order_at or self._order_at + self._order_length != footer_at:
            raise _undecodable("its parts overlap")
        self._regions = {
            kind: range(place[0], place[1]) for kind, place in zip(TABLES, places, strict=True)
        }
        starts = {kind: (place[2], place[3]) for kind, place in zip(TABLES, places, strict=True)}

        def table(kind: Kind, read: Callable[[int], tuple[str, _Content]]) -> Table[_Content]:
            return Table(buffer, *starts[kind], salt, read)

        self.grants = table(Kind.GRANT, self._read_grant)
        self.terms = table(Kind.TERMS, self._read_terms)
        self.budgets = table(Kind.BUDGET, self._read_budget)
        self.endpoints = table(Kind.ENDPOINT, self._read_endpoint)
        self.aliases = table(Kind.ALIAS, self._read_alias)
        self.policies = table(Kind.POLICY, self._read_policy)

    @classmethod
    def of_bytes(cls, raw: bytes) -> Self:
        """Raises SnapshotDamaged when `raw` is cut, changed, of another format or no snapshot."""
        check_preamble(raw[:FEWEST_BYTES], len(raw))
        if hashlib.sha256(memoryview(raw)[PREAMBLE_BYTES:]).digest() != _digest_in(raw):
            raise SnapshotDamaged("the snapshot's digest does not fit its content")
        return cls(raw)

    @classmethod
    def of_descriptor(cls, descriptor: int, *, is_trusted: bool = False) -> Self:
        """Map an open file, after all of it was read once to check its digest (60 ms for 100 MB,
        without holding the interpreter's lock). The descriptor may be closed afterwards.

        `is_trusted` leaves that out: for a file that this process has just written.
        Raises OSError or SnapshotDamaged.
        """
        size = os.fstat(descriptor).st_size
        preamble = os.pread(descriptor, FEWEST_BYTES, 0)
        check_preamble(preamble, size)
        if not is_trusted and _digest_of(descriptor) != _digest_in(preamble):
            raise SnapshotDamaged("the snapshot's digest does not fit its content")
        # Read by call and not through the mapping: pages that were only hashed stay out of this
        # process's memory, and a bad sector is an OSError instead of a signal.
        return cls(mmap.mmap(descriptor, size, access=mmap.ACCESS_READ))

    def names(self) -> tuple[str, ...]:
        """Return the names of all endpoints, in the order of the catalog."""
        if self._names is None:
            order = self._buffer[self._order_at : self._order_at + self._order_length]
            try:
                self._names = _order.decode(order)
            except UNREADABLE as error:
                raise _undecodable(str(error)) from error
        return self._names

    def every_grant(self) -> Iterator[Grant]:
        """Yield all grants, as they were written. About 5 us each."""
        return (self._read_grant(offset)[1] for offset in self._offsets(Kind.GRANT))

    def every_terms(self) -> Iterator[Terms]:
        return (self._read_terms(offset)[1] for offset in self._offsets(Kind.TERMS))

    def every_budget(self) -> Iterator[Budget]:
        return (self._read_budget(offset)[1] for offset in self._offsets(Kind.BUDGET))

    def every_policy(self) -> Iterator[Policy]:
        return (self._read_policy(offset)[1] for offset in self._offsets(Kind.POLICY))

    def _offsets(self, kind: Kind) -> Iterator[int]:
        region = self._regions[kind]
        offset = region.start
        while offset < region.stop:
            head, _ = RECORD.unpack_from(self._buffer, offset)
            if head >> KIND_SHIFT == kind:
                yield offset
            offset += RECORD.size + (head & LENGTH_MASK)

    def _read_grant(self, offset: int) -> tuple[str, Grant]:
        key_id, digest, expires_at_ms, profile_at = self._decoded(Kind.GRANT, offset, _grant_record)
        profile = self._profiles.get(profile_at)
        if profile is None:
            profile = self._decoded(Kind.PROFILE, profile_at, _profile)
            if len(self._profiles) >= _PROFILES_REMEMBERED:
                self._profiles.clear()
            self._profiles[profile_at] = profile
        grant = msgspec.structs.replace(
            profile, key_id=key_id, digest=digest, expires_at_ms=expires_at_ms
        )
        return key_id, grant

    def _read_terms(self, offset: int) -> tuple[str, Terms]:
        terms = self._decoded(Kind.TERMS, offset, _terms)
        return terms.id, terms

    def _read_budget(self, offset: int) -> tuple[str, Budget]:
        budget = self._decoded(Kind.BUDGET, offset, _budget)
        return budget.id, budget

    def _read_endpoint(self, offset: int) -> tuple[str, Endpoint]:
        endpoint = self._decoded(Kind.ENDPOINT, offset, _endpoint)
        return endpoint.name, endpoint

    def _read_alias(self, offset: int) -> AliasRecord:
        return self._decoded(Kind.ALIAS, offset, _alias_record)

    def _read_policy(self, offset: int) -> tuple[str, Policy]:
        policy = self._decoded(Kind.POLICY, offset, _policy)
        return policy.id, policy

    def _decoded(
        self, kind: Kind, offset: int, decoder: msgspec.msgpack.Decoder[_Content]
    ) -> _Content:
        begin = offset + RECORD.size
        if not PREAMBLE_BYTES <= offset <= self.size - RECORD.size:
            raise _undecodable("a record lies outside of it")
        head, checksum = RECORD.unpack_from(self._buffer, offset)
        payload = self._buffer[begin : begin + (head & LENGTH_MASK)]
        if head >> KIND_SHIFT != kind or zlib.crc32(payload) != checksum:
            raise _undecodable("a record's checksum does not fit")
        try:
            return decoder.decode(payload)
        except UNREADABLE as error:
            raise _undecodable(str(error)) from error


def check_preamble(head: bytes, size: int) -> None:
    """Raises SnapshotDamaged unless a file of `size` bytes that begins with `head` may be one."""
    if len(head) < DIGEST_AT or head[: len(MAGIC)] != MAGIC:
        raise SnapshotDamaged("the file is not a snapshot")
    found = int.from_bytes(head[len(MAGIC) : DIGEST_AT], "big")
    if found != FORMAT:
        raise SnapshotDamaged(
            f"the snapshot has format {found}, this release reads {FORMAT}",
            hint="run gateway and control plane of the same release",
        )
    if size < FEWEST_BYTES:
        raise SnapshotDamaged("the snapshot is cut short")


def open_base(path: Path) -> tuple[FileStamp, Base | SnapshotDamaged]:
    """Map the file at `path`; the stamp is of the very file that was read.

    A damaged one is returned rather than raised, with its stamp, so that it is not read again and
    again. Raises OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        stamp = FileStamp.of(os.fstat(descriptor))
        try:
            return stamp, Base.of_descriptor(descriptor)
        except SnapshotDamaged as damage:
            return stamp, damage
    finally:
        os.close(descriptor)


def _digest_in(head: bytes) -> bytes:
    return head[DIGEST_AT:PREAMBLE_BYTES]


def _digest_of(descriptor: int) -> bytes:
    digest, room = hashlib.sha256(), bytearray(_VERIFY_BYTES)
    at = PREAMBLE_BYTES
    while count := os.preadv(descriptor, [room], at):
        digest.update(memoryview(room)[:count])
        at += count
    return digest.digest()


def _undecodable(reason: str) -> SnapshotDamaged:
    return SnapshotDamaged(f"the snapshot cannot be decoded: {reason}")
