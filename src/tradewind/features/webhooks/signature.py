"""Signatures of webhooks, with secrets that stay out of every repr; see `core.signed_posts`."""

from collections.abc import Sequence

from tradewind.core import signed_posts
from tradewind.db.sealing import Secret

SECRET_BYTES = signed_posts.SECRET_BYTES


def write_secret(key: bytes) -> Secret:
    """Return random bytes as the text that receivers configure."""
    return Secret(signed_posts.write_secret(key))


def headers_of(
    message_id: str, unix_s: int, body: bytes, secrets: Sequence[Secret]
) -> dict[str, str]:
    """Return the three headers of a request. `unix_s` is the time of this attempt."""
    return signed_posts.signed_headers(
        message_id, unix_s, body, [secret.reveal() for secret in secrets]
    )
