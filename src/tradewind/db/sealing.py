"""Sealing of credentials: AES-256-GCM under a data key, which a key-encryption key wraps.

The form is NIST SP 800-38D's: a random nonce of 96 bits, then the ciphertext with its tag of 128
bits. What is sealed is bound to its place (table, row, organization, version, address), so that a
row copied over another one, or put back from before, does not open. Turning the key-encryption key
wraps the data keys anew and leaves what they sealed alone.
"""

import hmac
import json
import os
from collections.abc import Sequence
from typing import Final, NamedTuple, NoReturn, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tradewind.core.errors import TradewindError

KEY_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16
_FORMAT: Final = b"\x01"


class SealBroken(TradewindError):
    """What was sealed does not open: another key, another place, or it was changed."""

    code = "seal_broken"
    status = 500


class Secret:
    """A text that opens something. It cannot be printed, formatted, encoded or pickled."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text. Every use of it can be found by this name."""
        return self._text

    def __len__(self) -> int:
        return len(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    __hash__ = None  # type: ignore[assignment]  # a secret is no key of a dictionary

    def __repr__(self) -> str:
        return "Secret(…)"

    def __str__(self) -> NoReturn:
        # Raised rather than masked: a mask that is sent upstream as a key hides the mistake.
        raise TypeError("a secret is not text; reveal() it where it is used")

    def __format__(self, _spec: str) -> NoReturn:
        raise TypeError("a secret is not formatted; reveal() it where it is used")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled or copied")


class Place(NamedTuple):
    """Where something sealed belongs. It opens nowhere else."""

    table: str
    row_id: str
    organization_id: str | None
    version: int
    bound_to: str = ""
    """What it may be used for: of a credential, the address of its connection."""

    def authenticated(self) -> bytes:
        # JSON, because its parts cannot flow into each other.
        return json.dumps(("tradewind", *self)).encode()


class WrappedKey(NamedTuple):
    key_id: str
    """Which key-encryption key opens it."""
    wrapped: bytes


class KeyEncryption(Protocol):
    """Wraps data keys. A member may keep its keys in a file, in a device or at a service."""

    @property
    def key_id(self) -> str:
        """Return which key wraps from now on."""
        ...

    def wrap(self, data_key: bytes, place: Place) -> WrappedKey: ...

    def unwrap(self, wrapped: WrappedKey, place: Place) -> bytes:
        """Raises SealBroken when the key is not held, or the place is another."""
        ...


class HeldKeys:
    """Key-encryption keys in memory, the newest last. Older ones only unwrap."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        assert keys, "there is no key to wrap with"
        assert all(len(key) == KEY_BYTES for key in keys), "a key has 32 bytes"
        self._keys = {fingerprint(key): key for key in keys}
        self._key_id = fingerprint(keys[-1])

    def __repr__(self) -> str:
        return f"HeldKeys({', '.join(self._keys)})"

    @property
    def key_id(self) -> str:
        return self._key_id

    def holds(self, key_id: str) -> bool:
        return key_id in self._keys

    def wrap(self, data_key: bytes, place: Place) -> WrappedKey:
        return WrappedKey(self._key_id, _seal(self._keys[self._key_id], data_key, place))

    def unwrap(self, wrapped: WrappedKey, place: Place) -> bytes:
        key = self._keys.get(wrapped.key_id)
        if key is None:
            raise SealBroken(
                f"the key-encryption key {wrapped.key_id} is not held",
                hint="restore the secrets folder from a backup",
            )
        return _open(key, wrapped.wrapped, place)


def fingerprint(key: bytes) -> str:
    """Return a key's public id, which says nothing of the key."""
    return "kek_" + hmac.digest(key, b"tradewind key-encryption key 1", "sha256")[:8].hex()


def new_key() -> bytes:
    return os.urandom(KEY_BYTES)


def seal(data_key: bytes, secret: Secret, place: Place) -> bytes:
    return _seal(data_key, secret.reveal().encode(), place)


def open_sealed(data_key: bytes, sealed: bytes, place: Place) -> Secret:
    """Raises SealBroken."""
    return Secret(_open(data_key, sealed, place).decode())


def _seal(key: bytes, plain: bytes, place: Place) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return _FORMAT + nonce + AESGCM(key).encrypt(nonce, plain, place.authenticated())


def _open(key: bytes, sealed: bytes, place: Place) -> bytes:
    if len(sealed) < 1 + _NONCE_BYTES + _TAG_BYTES or sealed[:1] != _FORMAT:
        raise SealBroken(f"what is sealed in {place.table} {place.row_id} is damaged")
    nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, place.authenticated())
    except InvalidTag:
        # `from None`: nothing of the ciphertext belongs into a report.
        raise SealBroken(
            f"what is sealed in {place.table} {place.row_id} does not open at this place"
        ) from None
