"""Random tokens and the keyed digests that stand for them in the store.

Each use has a key of its own, derived from the pepper, so that a digest of one table says nothing
about another and a CSRF token cannot be turned into a session.
"""

import hmac
import re
import secrets

from tradewind.core.api_keys import PEPPER_BYTES
from tradewind.core.errors import StartupError

_TOKEN_BYTES = 32
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class Tokens:
    """Makes session tokens and link codes (256 random bits each) and digests them."""

    def __init__(self, pepper: bytes) -> None:
        if len(pepper) < PEPPER_BYTES:
            raise StartupError(
                f"the pepper has {len(pepper)} bytes, it needs {PEPPER_BYTES}",
                hint="restore the secrets folder from a backup",
            )
        self._pepper = pepper

    def new(self) -> str:
        return secrets.token_urlsafe(_TOKEN_BYTES)

    def session_digest(self, token: str) -> bytes | None:
        """Return what stands for a session, or None when `token` cannot be one."""
        return self._digest("session", token)

    def link_digest(self, code: str) -> bytes | None:
        """Return what stands for a sign-in link, or None when `code` cannot be one."""
        return self._digest("link", code)

    def invitation_digest(self, code: str) -> bytes | None:
        """Return what stands for an invitation, or None when `code` cannot be one."""
        return self._digest("invitation", code)

    def csrf_token(self, session_token: str) -> str:
        """Return what the forms of this session carry. Always the same, hence never stored."""
        return hmac.digest(self._key("csrf"), session_token.encode(), "sha256").hex()

    def subject_digest(self, kind: str, *parts: str) -> bytes:
        """Return what stands for a counted subject."""
        text = "\x00".join((kind, *parts))
        return hmac.digest(self._key("subject"), text.encode(errors="replace"), "sha256")

    def _digest(self, use: str, token: str) -> bytes | None:
        if _TOKEN.fullmatch(token) is None:
            return None
        return hmac.digest(self._key(use), token.encode(), "sha256")

    def _key(self, use: str) -> bytes:
        return hmac.digest(self._pepper, f"tradewind accounts {use} 1".encode(), "sha256")
