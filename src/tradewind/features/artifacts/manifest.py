"""The manifest of an artifact: what its files are, in a form that can be signed and compared.

Canonical JSON (RFC 8785 for what is used here: texts, integers below 2^53, keys in order, no
blanks), files in the order of their paths. Its SHA-256 is the artifact's digest. It is signed as a
DSSE envelope (github.com/secure-systems-lab/dsse, protocol.md) with Ed25519, so that tools which
know neither us nor this format can check who signed which bytes. OpenSSF's model-signing does not
take Ed25519 keys, and wraps its own statement in a Sigstore bundle: a converter could be added
beside this, without changing what is here.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tradewind.features.artifacts.errors import SignatureRefused
from tradewind.features.artifacts.schemas import Signature

PAYLOAD_TYPE = "application/vnd.tradewind.manifest+json"
FORMAT = "tradewind-manifest-1"
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64


class ManifestFile(msgspec.Struct, frozen=True):
    path: str
    sha256: str
    size: int


class _Manifest(msgspec.Struct, frozen=True):
    files: list[ManifestFile]
    format: str


class Difference(NamedTuple):
    """How a file differs from its manifest."""

    path: str
    what: str


def write_manifest(files: Iterable[ManifestFile]) -> bytes:
    """Return the one form that these files have."""
    ordered = sorted(files, key=lambda file: file.path.encode())
    content = {
        "files": [
            {"path": file.path, "sha256": file.sha256, "size": file.size} for file in ordered
        ],
        "format": FORMAT,
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def read_manifest(manifest: bytes) -> list[ManifestFile]:
    """Raises SignatureRefused when it is not one, or not in its one form."""
    try:
        read = msgspec.json.decode(manifest, type=_Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise SignatureRefused("this is no manifest") from None
    if read.format != FORMAT or write_manifest(read.files) != manifest:
        raise SignatureRefused("this is no manifest in its canonical form")
    return read.files


def digest_of(manifest: bytes) -> str:
    return "sha256:" + hashlib.sha256(manifest).hexdigest()


def signed_bytes(manifest: bytes) -> bytes:
    """Return what a signature is made over (DSSE's pre-authentication encoding)."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(manifest), manifest)


class PlatformSigner:
    """Signs with the platform's own key."""

    def __init__(self, seed: bytes) -> None:
        """`seed` is the 32 bytes of an Ed25519 private key (RFC 8032, section 5.1.5)."""
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def __repr__(self) -> str:
        return f"PlatformSigner({key_id_of(self.public_key)})"

    def sign(self, manifest: bytes) -> Signature:
        return Signature(
            key_id=key_id_of(self.public_key),
            public_key=self.public_key,
            signature=self._key.sign(signed_bytes(manifest)),
            signer="platform",
        )


def key_id_of(public_key: bytes) -> str:
    return hashlib.sha256(public_key).hexdigest()


def check_signature(manifest: bytes, public_key: bytes, signature: bytes) -> None:
    """Raises SignatureRefused."""
    if len(public_key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        raise SignatureRefused("an Ed25519 key has 32 bytes and a signature 64")
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, signed_bytes(manifest))
    except (InvalidSignature, ValueError):
        raise SignatureRefused(
            f"this is no signature of the manifest {digest_of(manifest)} with that key",
            hint="sign the DSSE pre-authentication encoding of the manifest's bytes",
        ) from None


def differences(manifest: bytes, found: dict[str, tuple[int, str]]) -> list[Difference]:
    """Compare files, by path their size and sha256, with a manifest; name each that differs."""
    expected = {file.path: file for file in read_manifest(manifest)}
    told: list[Difference] = []
    for path, file in expected.items():
        if path not in found:
            told.append(Difference(path, "is missing"))
            continue
        size, sha256 = found[path]
        if size != file.size:
            told.append(Difference(path, f"has {size} bytes and not {file.size}"))
        elif sha256 != file.sha256:
            told.append(Difference(path, f"has the digest {sha256} and not {file.sha256}"))
    told += [Difference(path, "is not in the manifest") for path in sorted(found.keys() - expected)]
    return told
