"""AWS Signature Version 4: what a request is signed with. Pure; the time is handed in.

Source: docs.aws.amazon.com, IAM User Guide, "Create a signed AWS API request" and "Signature
Version 4 test suite". Paths are encoded once on the wire and once more in what is signed, as for
all services but S3.
"""

import hashlib
import hmac
import time
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"


class Keys(NamedTuple):
    """What opens an account. A session token comes with keys that end soon."""

    access_key_id: str
    secret_access_key: str
    session_token: str = ""

    def __repr__(self) -> str:
        return "Keys(...)"


class Scope(NamedTuple):
    region: str
    service: str


def signed_headers(
    keys: Keys,
    scope: Scope,
    *,
    method: str,
    path: str,
    query: str,
    headers: dict[str, str],
    body: bytes,
    at: float,
) -> dict[str, str]:
    """Return the headers that sign a request: `x-amz-date`, `authorization`, and
    `x-amz-security-token` with a session.

    `path` and `query` are as on the request line; `headers` are lower-case and all signed, `host`
    among them. `at` is in Unix seconds.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
    added = {"x-amz-date": stamp}
    if keys.session_token:
        added["x-amz-security-token"] = keys.session_token
    signed = {**headers, **added}
    names = ";".join(sorted(signed))
    canonical = _canonical_request(method, path, query, signed, body)
    where = f"{stamp[:8]}/{scope.region}/{scope.service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"{_ALGORITHM}\n{stamp}\n{where}\n{digest}"
    key = signing_key(keys.secret_access_key, stamp[:8], scope.region, scope.service)
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    added["authorization"] = (
        f"{_ALGORITHM} Credential={keys.access_key_id}/{where}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return added


@lru_cache(maxsize=64)
def signing_key(secret: str, day: str, region: str, service: str) -> bytes:
    """Return the key of one day; deriving it takes four rounds, so it is kept."""
    key = ("AWS4" + secret).encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _canonical_request(
    method: str, path: str, query: str, headers: dict[str, str], body: bytes
) -> str:
    lines = "".join(
        f"{name}:{' '.join(value.split())}\n" for name, value in sorted(headers.items())
    )
    return "\n".join(
        (
            method,
            quote(path or "/", safe="/-_.~"),
            "&".join(sorted(pair if "=" in pair else f"{pair}=" for pair in query.split("&")))
            if query
            else "",
            lines,
            ";".join(sorted(headers)),
            hashlib.sha256(body).hexdigest(),
        )
    )
