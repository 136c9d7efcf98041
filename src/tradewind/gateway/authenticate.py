"""Who calls: from the headers of a request to the grant of its key. Pure."""

import hmac

from tradewind.core import api_keys
from tradewind.snapshot.contents import Grant
from tradewind.snapshot.view import SnapshotView
from tradewind.wire.errors import ApiError, invalid_key

_ID_START = len(api_keys.PREFIX)
_ID_END = _ID_START + api_keys.ID_LENGTH
_MOST_PROVEN_KEYS = 10_000
_PREFIX = api_keys.PREFIX.encode()


def authenticate(
    headers: dict[bytes, bytes],
    view: SnapshotView,
    pepper: bytes,
    now_ms: int,
    query: bytes = b"",
) -> Grant:
    """Return the grant of the caller's key, from whichever header carries it.

    `query` is the request's where its `key` counts too: only on paths whose clients send it so,
    because addresses are written down in more places than headers are. Every route and every
    header comes through here. Raises ApiError 401, 403 for a key that is suspended.
    """
    # Kept as most clients write it, so that a look at the header as it came finds it: to take a key
    # out of one costs more than all else here.
    written = headers.get(b"authorization")
    grant = None if written is None else view.proven.get(written)
    if grant is None:
        grant = _proven(_key_of(headers, query), view, pepper)
    if grant.expires_at_ms is not None and grant.expires_at_ms <= now_ms:
        raise invalid_key("The API key has expired. Make a new one in the portal.")
    return grant


def _proven(key: bytes, view: SnapshotView, pepper: bytes) -> Grant:
    written = b"Bearer " + key
    grant = view.proven.get(written)
    if grant is None:
        grant = _prove(key, view, pepper)
        if len(view.proven) >= _MOST_PROVEN_KEYS:
            view.proven.clear()
        view.proven[written] = grant
    return grant


def _prove(key: bytes, view: SnapshotView, pepper: bytes) -> Grant:
    if len(key) != api_keys.KEY_LENGTH or not key.startswith(_PREFIX):
        raise invalid_key("The API key is malformed: it has the form sk-tw-….")
    grant = view.grant(key[_ID_START:_ID_END].decode("latin-1"))
    if grant is None or not hmac.compare_digest(grant.digest, api_keys.digest(pepper, key)):
        raise invalid_key("The API key is unknown or was revoked. Keys are made in the portal.")
    if grant.is_suspended:
        raise ApiError(
            403,
            "The API key, or its organization, is suspended. Whoever administers the organization"
            " sees why in the portal under Abuse, and may appeal.",
            code="key_suspended",
        )
    return grant


def _key_of(headers: dict[bytes, bytes], query: bytes) -> bytes:
    authorization = headers.get(b"authorization")
    if authorization is not None:
        scheme, _, key = authorization.partition(b" ")
        if scheme.lower() != b"bearer":
            raise invalid_key("Send the API key as 'Authorization: Bearer sk-tw-…'.")
        return key.strip()
    key = headers.get(b"api-key") or headers.get(b"x-api-key") or headers.get(b"x-goog-api-key")
    if key is None:
        key = headers.get(b"ocp-apim-subscription-key")
    if key is None and query:
        key = next((each[4:] for each in query.split(b"&") if each.startswith(b"key=")), None)
    if key is None:
        raise invalid_key("No API key: send it as 'Authorization: Bearer sk-tw-…'.")
    return key
