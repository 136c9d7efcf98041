"""Service accounts of Google Cloud: credentials that open nothing, but get tokens that do.

The key's JSON signs an assertion (a JWT, RS256), for which the account's token endpoint gives a
bearer token that lives an hour. Nothing here talks to anybody.

Source: developers.google.com, "Using OAuth 2.0 for Server to Server Applications", "HTTP/REST";
RFC 7523.
"""

import base64
from datetime import timedelta
from typing import NamedTuple
from urllib.parse import urlencode

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tradewind.core.base_urls import parse_base_url
from tradewind.core.errors import InvalidInput

FORM_TYPE = "application/x-www-form-urlencoded"
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFETIME_S = 3600
"""The longest that an assertion may ask for."""
_LEAST_BITS = 2048
_MOST_BITS = 8192
_LONGEST_TOKEN = 4096
_LONGEST_LIFETIME = timedelta(hours=12)


class ServiceAccount(msgspec.Struct, frozen=True, tag_field="type", tag="service_account"):
    """The file that Google Cloud makes for a key of an account."""

    client_email: str
    private_key: str
    token_uri: str = "https://oauth2.googleapis.com/token"  # noqa: S105  an address
    project_id: str = ""
    private_key_id: str = ""

    def __repr__(self) -> str:
        return f"ServiceAccount({self.client_email!r})"


class Token(NamedTuple):
    text: str
    lifetime: timedelta

    def __repr__(self) -> str:
        return f"Token(…, {self.lifetime})"


class _TokenAnswer(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: int
    token_type: str = "Bearer"  # noqa: S105  what it is


_decode_account = msgspec.json.Decoder(ServiceAccount).decode
_decode_token = msgspec.json.Decoder(_TokenAnswer).decode


def service_account_of(credential: str) -> ServiceAccount | None:
    """Return the account whose key a credential is, or None when it is something else."""
    if not credential.startswith("{"):
        return None
    try:
        return _decode_account(credential)
    except (msgspec.MsgspecError, UnicodeError):
        return None


def check(account: ServiceAccount) -> None:
    """Raises InvalidInput, which repeats nothing of the key."""
    _private_key(account)
    try:
        url = parse_base_url(account.token_uri)
    except ValueError as error:
        raise InvalidInput(f"the token_uri of the service account {error}") from None
    if url.scheme != "https":
        raise InvalidInput("the token_uri of the service account is not encrypted")


def token_request(account: ServiceAccount, now_s: int) -> bytes:
    """Return the form to be posted to `token_uri`. Raises InvalidInput."""
    head = {"alg": "RS256", "typ": "JWT"}
    if account.private_key_id:
        head["kid"] = account.private_key_id
    claims = {
        "iss": account.client_email,
        "scope": _SCOPE,
        "aud": account.token_uri,
        "iat": now_s,
        "exp": now_s + _LIFETIME_S,
    }
    signed = b".".join(_base64(msgspec.json.encode(part)) for part in (head, claims))
    key = _private_key(account)
    signature = key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    assertion = b".".join((signed, _base64(signature))).decode()
    return urlencode({"grant_type": _GRANT_TYPE, "assertion": assertion}).encode()


def token_in(answer: bytes) -> Token:
    """Return what a token endpoint gave. Raises ValueError, which repeats nothing of it."""
    try:
        found = _decode_token(answer)
    except (msgspec.MsgspecError, UnicodeError):
        raise ValueError("the answer holds no token") from None
    text = found.access_token
    is_text = text.isascii() and text.isprintable() and " " not in text
    if not is_text or not 1 <= len(text) <= _LONGEST_TOKEN:
        raise ValueError("the answer holds a token that fits into no header")
    if found.token_type.lower() != "bearer" or found.expires_in <= 0:
        raise ValueError("the answer holds a token that cannot be used")
    lifetime_s = min(found.expires_in, int(_LONGEST_LIFETIME.total_seconds()))
    return Token(text, timedelta(seconds=lifetime_s))


def _private_key(account: ServiceAccount) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(account.private_key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InvalidInput(
            "the private_key of the service account cannot be read",
            hint="paste the whole JSON file as Google Cloud made it",
        ) from None
    if not isinstance(key, RSAPrivateKey) or not _LEAST_BITS <= key.key_size <= _MOST_BITS:
        raise InvalidInput("the private_key of the service account is no RSA key of 2,048 bits")
    return key


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
