"""Reads a key out of an `Authorization` header: pure, and safe on any text.

What comes out is well-formed: of all the header, only the twelve harmless characters of the key's
id are ever looked up.
"""

import hmac
import re
from typing import NamedTuple, Self

from tradewind.core import api_keys
from tradewind.features.accounts.errors import KeyRefused

HINT = "send the header 'Authorization: Bearer sk-tw-…' with a key from the Keys page"

_KEY_ID = re.compile(r"[0-9a-hjkmnp-tv-z]{12}")
_SCHEME = "bearer "
_HEADER_MAX = len(_SCHEME) + api_keys.KEY_LENGTH
_NOBODY = bytes(32)


class PresentedKey(NamedTuple):
    """A well-formed key that somebody sent. Whether it is a real one is not known yet."""

    text: str
    key_id: str

    @classmethod
    def of(cls, text: str) -> Self | None:
        if not api_keys.is_well_formed(text):
            return None
        start = len(api_keys.PREFIX)
        return cls(text, text[start : start + api_keys.ID_LENGTH])

    def proves(self, pepper: bytes, digest: bytes | None) -> bool:
        """Say whether this is the key that `digest` stands for, in constant time.

        None, for an id that nobody has, is compared as well and is never proved.
        """
        is_equal = hmac.compare_digest(
            api_keys.digest(pepper, self.text.encode()), _NOBODY if digest is None else digest
        )
        return is_equal and digest is not None

    def __repr__(self) -> str:
        return f"PresentedKey({api_keys.masked(self.key_id)})"


def parse(authorization: str | None) -> PresentedKey:
    """Return the key of the header. Raises KeyRefused, which never repeats what was sent."""
    if not authorization:
        raise KeyRefused("there is no API key", hint=HINT)
    if len(authorization) > _HEADER_MAX or authorization[: len(_SCHEME)].lower() != _SCHEME:
        raise KeyRefused("the Authorization header is not 'Bearer' and an API key", hint=HINT)
    key = PresentedKey.of(authorization[len(_SCHEME) :])
    if key is None:
        raise KeyRefused("this is not an API key: it is mistyped or cut", hint=HINT)
    return key


def is_key_id(text: str) -> bool:
    """Say whether `text` has the shape of a key's id."""
    return _KEY_ID.fullmatch(text) is not None
