"""When two texts are the same text."""

import hashlib


def digest_of(text: str) -> bytes:
    """Return what tells two texts apart, whatever their case and spaces."""
    return hashlib.sha256(" ".join(text.lower().split()).encode("utf-8", "replace")).digest()
