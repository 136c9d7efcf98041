"""The changes file: what is different since a base file was written. Append-only.

    preamble   magic (6), format (2), the base's digest (32)
    frames     each: length of the payload (4), CRC-32 of the payload (4), CRC-32 of these 8 bytes
               (4), then MessagePack of a `Change`

It lies beside its base and carries the base's digest in its name, so that the rename which puts
a new base in place also puts its changes in place: no moment, and no crash, leaves one without the
other. Versions follow one another without a gap. An end that is cut is not an error but a frame
that is still being written.
"""

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import TypeVar

import msgspec

from tradewind.snapshot.base import FileStamp
from tradewind.snapshot.contents import Budget, Endpoint, Grant, Terms
from tradewind.snapshot.errors import SnapshotDamaged
from tradewind.snapshot.safety import Policy
from tradewind.wire.decoding import UNREADABLE

MOST_FRAME_BYTES = 32 * 1024 * 1024
_MAGIC = b"TWCHNG"
_FORMAT = 1
_FRAME = Struct("<II")
_HEAD_CHECK = Struct("<I")
_HEAD_BYTES = _FRAME.size + _HEAD_CHECK.size
_READ_BYTES = 1024 * 1024
_NAME_DIGITS = 16
_Entry = TypeVar("_Entry")
# Decoding one frame holds the interpreter's lock, and with it the calls of a gateway: 1 us a grant,
# 10 us an endpoint.
_ENTRIES_IN_FRAME = 500


class Change(msgspec.Struct, frozen=True, array_like=True):
    """What makes one version from the one before. None is: gone. Applying it again is harmless."""

    version: int = 0
    compiled_at_ms: int = 0
    grants: dict[str, Grant | None] = {}
    terms: dict[str, Terms | None] = {}
    budgets: dict[str, Budget | None] = {}
    endpoints: dict[str, Endpoint | None] = {}
    aliases: dict[str, str | None] = {}
    """Aliases that stand for another endpoint now, or for none."""
    order: tuple[str, ...] | None = None
    """Names of all endpoints in the order of the catalog; None is: as `order_after` says."""
    policies: dict[str, Policy | None] = {}

    @property
    def is_empty(self) -> bool:
        return self.order is None and not (
            self.grants
            or self.terms
            or self.budgets
            or self.endpoints
            or self.aliases
            or self.policies
        )


_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder = msgspec.msgpack.Decoder(Change)


def changes_path(base: Path, digest: bytes) -> Path:
    """Return where the changes of the base at `base` with this digest are."""
    return base.with_name(f"{base.name}.changes-{digest.hex()[:_NAME_DIGITS]}")


def preamble(digest: bytes) -> bytes:
    return _MAGIC + _FORMAT.to_bytes(2, "big") + digest


def encode(change: Change) -> bytes:
    payload = _encoder.encode(change)
    head = _FRAME.pack(len(payload), zlib.crc32(payload))
    return head + _HEAD_CHECK.pack(zlib.crc32(head)) + payload


def split(change: Change) -> Iterator[Change]:
    """Yield the same in pieces of at most 500 entries. What names and orders endpoints, or takes
    them away, comes last and together, so that no piece makes an alias lead nowhere. Policies come
    before all that may bind them, and go after it: a call under one that is not there is refused.
    """
    bound: dict[str, Policy | None] = {}
    unbound: dict[str, Policy | None] = {}
    for id_, policy in change.policies.items():
        (unbound if policy is None else bound)[id_] = policy
    yield from (Change(policies=piece) for piece in _pieces(bound))
    yield from (Change(grants=piece) for piece in _pieces(change.grants))
    yield from (Change(terms=piece) for piece in _pieces(change.terms))
    yield from (Change(budgets=piece) for piece in _pieces(change.budgets))
    staying: dict[str, Endpoint | None] = {}
    leaving: dict[str, Endpoint | None] = {}
    for name, endpoint in change.endpoints.items():
        (leaving if endpoint is None else staying)[name] = endpoint
    pieces: list[dict[str, Endpoint | None]] = list(_pieces(staying)) or [{}]
    yield from (Change(endpoints=piece) for piece in pieces[:-1])
    final = Change(endpoints={**pieces[-1], **leaving}, aliases=change.aliases, order=change.order)
    if not final.is_empty:
        yield final
    yield from (Change(policies=piece) for piece in _pieces(unbound))


class ChangesTail:
    """Reads what was appended since it was last asked."""

    def __init__(self, base: Path, digest: bytes, version: int) -> None:
        self.path = changes_path(base, digest)
        self.end = 0
        """Where the last whole frame ends."""
        self.is_torn = False
        """Whether something follows that is no whole frame yet."""
        self.damage: str | None = None
        """Why nothing behind `end` is read. Tried again when the file changes."""
        self._preamble = preamble(digest)
        self._version = version
        self._stamp: FileStamp | None = None

    def has_more(self) -> bool:
        """Say whether the file differs from when it was last read. Costs a stat."""
        try:
            return FileStamp.of(self.path.stat()) != self._stamp
        except OSError:
            return False

    def read(self) -> list[Change]:
        """Return the changes since the last time, of which there may be none.

        Raises OSError; no file is no change.
        """
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return []
        try:
            stamp = FileStamp.of(os.fstat(descriptor))
            found = self._read_from(descriptor)
        finally:
            os.close(descriptor)
        self._stamp = stamp
        return found

    def _read_from(self, descriptor: int) -> list[Change]:
        found: list[Change] = []
        self.damage, self.is_torn = None, False
        pending = bytearray()
        while piece := os.pread(descriptor, _READ_BYTES, self.end + len(pending)):
            pending += piece
            try:
                self._take(pending, found)
            except SnapshotDamaged as damage:
                self.damage = str(damage)
                break
        self.is_torn = bool(pending) and self.damage is None
        return found

    def _take(self, pending: bytearray, found: list[Change]) -> None:
        """Move whole frames from `pending` to `found`. Raises SnapshotDamaged at the first bad
        one.
        """
        at = 0
        try:
            if self.end == 0:
                if not self._preamble.startswith(pending[: len(self._preamble)]):
                    raise SnapshotDamaged("the changes do not belong to their snapshot")
                if len(pending) < len(self._preamble):
                    return
                at = len(self._preamble)
            while (frame := _frame_at(pending, at)) is not None:
                change, at_next = frame
                if change.version != self._version + 1:
                    raise SnapshotDamaged(
                        f"change {change.version} follows version {self._version}"
                    )
                found.append(change)
                self._version = change.version
                at = at_next
        finally:
            self.end += at
            del pending[:at]


def _frame_at(data: bytearray, at: int) -> tuple[Change, int] | None:
    begin = at + _HEAD_BYTES
    if len(data) < begin:
        return None
    (check,) = _HEAD_CHECK.unpack_from(data, at + _FRAME.size)
    if zlib.crc32(data[at : at + _FRAME.size]) != check:
        raise SnapshotDamaged("the head of a change is damaged")
    length, checksum = _FRAME.unpack_from(data, at)
    if length > MOST_FRAME_BYTES:
        raise SnapshotDamaged(f"a change of {length} bytes")
    if len(data) < begin + length:
        return None
    payload = bytes(memoryview(data)[begin : begin + length])
    if zlib.crc32(payload) != checksum:
        raise SnapshotDamaged("a change's checksum does not fit")
    try:
        return _decoder.decode(payload), begin + length
    except UNREADABLE as error:
        raise SnapshotDamaged(f"a change cannot be decoded: {error}") from error


def _pieces(entries: dict[str, _Entry]) -> Iterator[dict[str, _Entry]]:
    items = list(entries.items())
    for start in range(0, len(items), _ENTRIES_IN_FRAME):
        yield dict(items[start : start + _ENTRIES_IN_FRAME])
