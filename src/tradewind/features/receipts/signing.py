"""Signatures of heads and of ends of exports."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from tradewind.core.errors import InvalidInput
from tradewind.features.receipts.canonical import digest, signed_bytes

KEY_BYTES = 32
_PEM_MAX_BYTES = 4096


class ReceiptSigner:
    """Signs with the platform's own key."""

    def __init__(self, seed: bytes) -> None:
        """`seed` is the 32 bytes of an Ed25519 private key (RFC 8032, section 5.1.5)."""
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key_id = key_id_of(self.public_key)

    def __repr__(self) -> str:
        return f"ReceiptSigner({self.key_id})"

    def sign(self, payload_type: bytes, payload: bytes) -> bytes:
        """Return 64 bytes. About 50 us."""
        return self._key.sign(signed_bytes(payload_type, payload))


def key_id_of(public_key: bytes) -> str:
    """Return the name of a key, which is of what it is made."""
    return digest(public_key)


def pem_of(public_key: bytes) -> str:
    key = Ed25519PublicKey.from_public_bytes(public_key)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def public_keys_in(pem: bytes) -> dict[str, bytes]:
    """Return the Ed25519 keys of a PEM file by their ids. Raises InvalidInput."""
    keys: dict[str, bytes] = {}
    for part in pem.split(b"-----BEGIN PUBLIC KEY-----")[1:]:
        try:
            key = load_pem_public_key(b"-----BEGIN PUBLIC KEY-----" + part[:_PEM_MAX_BYTES])
        except ValueError:
            key = None
        if not isinstance(key, Ed25519PublicKey):
            raise InvalidInput("this file has a key that is no Ed25519 public key")
        raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        keys[key_id_of(raw)] = raw
    if not keys:
        raise InvalidInput(
            "this file has no public key in PEM",
            hint="take it from /api/receipts/keys.pem of the platform",
        )
    return keys


def is_signed(public_key: bytes, payload_type: bytes, payload: bytes, signature: bytes) -> bool:
    try:
        key = Ed25519PublicKey.from_public_bytes(public_key)
        key.verify(signature, signed_bytes(payload_type, payload))
    except (InvalidSignature, ValueError):
        return False
    return True
