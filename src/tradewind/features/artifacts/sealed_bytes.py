"""Sealed files: AES-256-GCM in chunks, so that any part can be written and read alone.

A chunk of 1 MiB lies at a place of its own, as nonce (96 random bits), ciphertext and tag (NIST SP
800-38D). It is bound to its upload, its number and the size of the whole file: chunks cannot be
swapped, taken from another file, or left out at the end. A key is for one file, of at most 2^20
chunks, far below where random nonces become a risk (2^32).
"""

import json
import os
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tradewind.features.artifacts.errors import BlobDamaged
from tradewind.features.artifacts.scan.byte_source import check_range
from tradewind.features.artifacts.schemas import MIB, PART_BYTES

CHUNK_BYTES = MIB
_NONCE_BYTES = 12
_OVERHEAD = _NONCE_BYTES + 16
assert PART_BYTES % CHUNK_BYTES == 0, "a part is a whole number of chunks"


class RawRead(Protocol):
    def __call__(self, start: int, count: int) -> bytes: ...


class FileCipher:
    """The key of one file."""

    def __init__(self, key: bytes, *, sealed_as: str, size: int) -> None:
        self._cipher = AESGCM(key)
        self._sealed_as = sealed_as
        self._size = size

    def seal(self, number: int, plain: bytes | bytearray | memoryview) -> bytes:
        """Return a chunk as it lies in the file, at `chunk_start(number)`."""
        assert len(plain) == self.plain_size(number)
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, self._place(number))

    def open(self, number: int, sealed: bytes) -> bytes:
        """Raises BlobDamaged."""
        nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, ciphertext, self._place(number))
        except (InvalidTag, ValueError):
            raise BlobDamaged(
                f"chunk {number} of the sealed {self._sealed_as} is damaged"
            ) from None

    def plain_size(self, number: int) -> int:
        return min(CHUNK_BYTES, self._size - number * CHUNK_BYTES)

    def _place(self, number: int) -> bytes:
        return json.dumps(("tradewind artifact 1", self._sealed_as, self._size, number)).encode()


def chunk_start(number: int) -> int:
    return number * (CHUNK_BYTES + _OVERHEAD)


def sealed_size(size: int) -> int:
    return size + -(-size // CHUNK_BYTES) * _OVERHEAD


class SealedSource:
    """A sealed file as a `ByteSource`. Keeps the chunk that was read last."""

    def __init__(self, name: str, size: int, cipher: FileCipher, read: RawRead) -> None:
        self.name = name
        self.size = size
        self._cipher = cipher
        self._read = read
        self._number = -1
        self._chunk = b""

    def read(self, start: int, count: int) -> bytes:
        """Raises FileRefused, BlobDamaged."""
        check_range(self, start, count)
        pieces: list[bytes] = []
        while count:
            number, offset = divmod(start, CHUNK_BYTES)
            piece = self._opened(number)[offset : offset + count]
            pieces.append(piece)
            start += len(piece)
            count -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _opened(self, number: int) -> bytes:
        if number != self._number:
            sealed = self._read(chunk_start(number), self._cipher.plain_size(number) + _OVERHEAD)
            self._chunk, self._number = self._cipher.open(number, sealed), number
        return self._chunk
