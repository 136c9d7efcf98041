"""Signatures of price files: Ed25519 over the DSSE pre-authentication encoding of the file's bytes.

The encoding (github.com/secure-systems-lab/dsse, protocol.md) carries what kind of thing is signed,
so that a signature of something else with the same key is none of a price file.
"""

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from tradewind.core.errors import InvalidInput
from tradewind.features.market.errors import SignatureUnknown

PAYLOAD_TYPE = b"application/vnd.tradewind.prices"
SIGNATURE_BYTES = 64
_KEY_MAX_BYTES = 4096


def signed_bytes(content: bytes) -> bytes:
    return b"DSSEv1 %d %b %d %b" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE, len(content), content)


def key_id_of(public_key: bytes) -> str:
    """Return the name of a key, which is of what it is made."""
    return hashlib.sha256(public_key).hexdigest()


def public_key_of(pem: bytes) -> bytes:
    """Return the 32 bytes of an Ed25519 public key in PEM. Raises InvalidInput."""
    try:
        key = load_pem_public_key(pem[:_KEY_MAX_BYTES])
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise InvalidInput(
            "this is no Ed25519 public key in PEM",
            hint="make it with `openssl pkey -in KEY.pem -pubout`",
        )
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def sign(content: bytes, pem: bytes) -> tuple[str, bytes]:
    """Return the id of the key and the signature. `pem` is an Ed25519 private key.

    Raises InvalidInput.
    """
    try:
        key = load_pem_private_key(pem[:_KEY_MAX_BYTES], None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidInput(
            "this is no Ed25519 private key in PEM without a password",
            hint="make one with `openssl genpkey -algorithm ed25519 -out KEY.pem`",
        )
    public_key = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return key_id_of(public_key), key.sign(signed_bytes(content))


def check_signature(content: bytes, public_key: bytes, signature: bytes) -> None:
    """Raises SignatureUnknown."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, signed_bytes(content))
    except (InvalidSignature, ValueError):
        raise SignatureUnknown(
            "the signature is not of this file with that key",
            hint="sign the file as it is: `tradewind prices sign FILE --key KEY.pem`",
        ) from None
