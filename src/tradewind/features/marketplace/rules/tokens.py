"""Purchase tokens: what brings a buyer to a landing page, and its publisher to the subscription.

A token names the subscription and its own end, under an HMAC: nothing is stored, it may be resolved
as often as somebody likes, and it says nothing to whoever cannot.
"""

import base64
import binascii
import hmac
from datetime import UTC, datetime, timedelta

from tradewind.features.marketplace.errors import PurchaseTokenRefused

LIFETIME = timedelta(hours=24)
_CONTEXT = b"tradewind purchase token 1"
_LONGEST = 200


def token_key(secret: bytes) -> bytes:
    """Return the key of tokens, which a secret of the platform is good for beside its own use."""
    return hmac.digest(secret, _CONTEXT, "sha256")


def write_token(key: bytes, subscription_id: str, expires_at: datetime) -> str:
    content = f"{subscription_id}.{int(expires_at.timestamp())}".encode()
    return base64.urlsafe_b64encode(content + b"." + _mark(key, content)).decode()


def read_token(key: bytes, token: str, now: datetime) -> str:
    """Return the subscription it is for. Raises PurchaseTokenRefused."""
    try:
        raw = base64.b64decode(token[:_LONGEST].encode(), altchars=b"-_", validate=True)
        subscription_id, expires, mark = raw.split(b".", 2)
        ends_at = datetime.fromtimestamp(int(expires), UTC)
        found = subscription_id.decode("ascii")
    except (binascii.Error, ValueError, OverflowError, OSError):
        raise _refused("is not one") from None
    if not hmac.compare_digest(_mark(key, subscription_id + b"." + expires), mark):
        raise _refused("is not one")
    if now >= ends_at:
        raise _refused("is too old")
    return found


def _mark(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, content, "sha256")


def _refused(why: str) -> PurchaseTokenRefused:
    return PurchaseTokenRefused(
        f"the purchase token {why}", hint="let the buyer open the landing page again"
    )
