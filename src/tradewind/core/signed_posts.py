"""Signatures of requests to other people's programs: the Standard Webhooks specification 1.0.0,
"Signature scheme".

What is signed is `{webhook-id}.{webhook-timestamp}.{body}` by HMAC-SHA256; a secret is written as
`whsec_` and base 64; the header lists one signature for each secret, so that a receiver that knows
either of two verifies. Pure.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence

SECRET_BYTES = 32
"""The specification allows 24 to 64."""
_PREFIX = "whsec_"


def write_secret(key: bytes) -> str:
    """Return random bytes as the text that receivers configure."""
    assert 24 <= len(key) <= 64, "the specification allows 24 to 64 bytes"
    return _PREFIX + base64.b64encode(key).decode()


def signed_headers(
    message_id: str, unix_s: int, body: bytes, secrets: Sequence[str]
) -> dict[str, str]:
    """Return the three headers of a request. `unix_s` is the time of this attempt."""
    # A dot would let one signed text be read as another.
    assert "." not in message_id, "an id of a message has no dot"
    assert secrets, "nothing is sent that is not signed"
    signed = b"%s.%d.%s" % (message_id.encode(), unix_s, body)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(unix_s),
        "webhook-signature": " ".join(_sign(signed, secret) for secret in secrets),
    }


def _sign(signed: bytes, secret: str) -> str:
    digest = hmac.digest(_key_of(secret), signed, "sha256")
    return "v1," + base64.b64encode(digest).decode()


def _key_of(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        # `from None`: the text must not come into a report.
        raise ValueError("this is no signing secret") from None
