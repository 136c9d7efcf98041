"""The index of a base file: from a key to the place of its record, without building anything.

Open addressing with linear probing, half of the slots empty. A slot is one unsigned 64-bit number,
little-endian: the record's offset in the upper 40 bits, 24 bits of the key's hash in the lower
ones; 0 is an empty slot. A lookup that finds nothing touches 2.5 slots on average and no record.
"""

import sys
from array import array
from collections.abc import Callable, Iterator
from hashlib import blake2b
from mmap import mmap
from struct import Struct
from typing import Generic, TypeVar

SALT_BYTES = 16
MOST_OFFSET = 1 << 40

_SLOT = Struct("<Q")
_MARK_BITS = 24
_MARK_MASK = (1 << _MARK_BITS) - 1
_MARK_SHIFT = 64 - _MARK_BITS
_SLOTS_PER_KEY = 2

Record = TypeVar("Record")


class TableBuilder:
    """Collects keys and offsets, 16 bytes for each, and lays out the slots at the end."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt
        self._hashes = array("Q")
        self._offsets = array("Q")

    def __len__(self) -> int:
        return len(self._hashes)

    def add(self, key: str, offset: int) -> None:
        """`key` is new to the table: of two equal ones only the first is ever found."""
        assert 0 < offset < MOST_OFFSET
        self._hashes.append(_hash(key, self._salt))
        self._offsets.append(offset)

    def slots(self) -> bytes:
        """Return the laid out slots; empty for a table without keys."""
        count = len(self._hashes) * _SLOTS_PER_KEY
        slots = array("Q", bytes(8 * count))
        for hashed, offset in zip(self._hashes, self._offsets, strict=True):
            slot = hashed % count
            while slots[slot]:
                slot = slot + 1 if slot + 1 < count else 0
            slots[slot] = offset << _MARK_BITS | hashed >> _MARK_SHIFT
        if sys.byteorder == "big":
            slots.byteswap()
        return slots.tobytes()


class Table(Generic[Record]):
    """Reads the slots where they lie. `read` turns an offset into a key and its record."""

    def __init__(
        self,
        buffer: bytes | mmap,
        start: int,
        slots: int,
        salt: bytes,
        read: Callable[[int], tuple[str, Record]],
    ) -> None:
        self._buffer = buffer
        self._start = start
        self._salt = salt
        self._read = read
        self.slots = slots

    def get(self, key: str) -> Record | None:
        found = self.locate(key)
        return None if found is None else found[1]

    def locate(self, key: str) -> tuple[int, Record] | None:
        """Return the slot of a key, which identifies it within this table, and its record."""
        slots = self.slots
        if not slots:
            return None
        hashed = _hash(key, self._salt)
        slot, mark = hashed % slots, hashed >> _MARK_SHIFT
        for _ in range(slots):
            (entry,) = _SLOT.unpack_from(self._buffer, self._start + 8 * slot)
            if not entry:
                return None
            if entry & _MARK_MASK == mark:
                found, record = self._read(entry >> _MARK_BITS)
                if found == key:
                    return slot, record
            slot = slot + 1 if slot + 1 < slots else 0
        return None

    def unmarked(self, marks: bytearray) -> Iterator[tuple[str, Record]]:
        """Yield what lies in slots whose byte in `marks` is 0."""
        for slot in range(self.slots):
            if not marks[slot]:
                (entry,) = _SLOT.unpack_from(self._buffer, self._start + 8 * slot)
                if entry:
                    yield self._read(entry >> _MARK_BITS)


def _hash(key: str, salt: bytes) -> int:
    # Keyed, because tenants choose aliases: with a known hash they could pile them up in one place.
    raw = key.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(raw, digest_size=8, key=salt).digest(), "little")
