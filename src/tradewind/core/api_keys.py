"""The format of an API key: `sk-tw-<id>-<secret><checksum>`.

`id` (12 characters) finds the record, `secret` (32 characters of base 62, 190 bits) proves the
caller, `checksum` (CRC-32 of all before it, 6 characters of base 62) lets a leak scanner and the
gateway throw out mistyped keys without a look-up. The store holds HMAC-SHA256(pepper, whole key)
and never the key: a fast keyed hash is right here because the secret is random, not chosen by a
person.
"""

import hmac
import re
import secrets
import string
import zlib
from typing import NamedTuple

PREFIX = "sk-tw-"
ID_LENGTH = 12
SECRET_LENGTH = 32
CHECKSUM_LENGTH = 6
KEY_LENGTH = len(PREFIX) + ID_LENGTH + 1 + SECRET_LENGTH + CHECKSUM_LENGTH
PEPPER_BYTES = 32

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
LEAK_PATTERN = re.compile(r"sk-tw-[0-9a-hjkmnp-tv-z]{12}-[0-9A-Za-z]{38}")


class MintedKey(NamedTuple):
    """A new key. `text` is shown once and then forgotten; `key_id` and `digest` are stored."""

    text: str
    key_id: str
    digest: bytes


def mint(pepper: bytes) -> MintedKey:
    """Return a fresh random key and what to store of it."""
    key_id = "".join(secrets.choice(_ID_ALPHABET) for _ in range(ID_LENGTH))
    secret = "".join(secrets.choice(_BASE62) for _ in range(SECRET_LENGTH))
    body = f"{PREFIX}{key_id}-{secret}"
    text = body + _checksum(body)
    return MintedKey(text, key_id, digest(pepper, text.encode()))


def digest(pepper: bytes, key: bytes) -> bytes:
    """Return the 32 bytes that stand for `key` in the store. About 1 us."""
    return hmac.digest(pepper, key, "sha256")


def is_well_formed(text: str) -> bool:
    """Say whether `text` has the shape and the checksum of a key; false for a mistyped one."""
    return LEAK_PATTERN.fullmatch(text) is not None and text[-CHECKSUM_LENGTH:] == _checksum(
        text[:-CHECKSUM_LENGTH]
    )


def masked(key_id: str) -> str:
    """Return what screens and logs show of a key."""
    return f"{PREFIX}{key_id}-…"


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    digits: list[str] = []
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, 62)
        digits.append(_BASE62[digit])
    return "".join(reversed(digits))
