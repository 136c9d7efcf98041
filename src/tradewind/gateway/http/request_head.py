"""From the bytes of a request head to a `Request`, or a refusal. Pure.

llhttp (strict) judges the lines, see `header_lines`. What it lets through and we do not, each shown
by a test on the wire: empty lines and several spaces around the request line, HTTP/0.9 and 2.0,
`Transfer-Encoding: gzip, chunked`, `Transfer-Encoding` on HTTP/1.0, fragments in the target,
missing or repeated `Host`. The head is parsed only when all of it is there, so that where a read
ended cannot change the result and the limits are exact.
"""

import functools
import re
from collections.abc import Iterable

from httptools import HttpParserError, HttpRequestParser

from tradewind.gateway.http.error_answers import RequestRefused
from tradewind.gateway.http.header_lines import Field, MalformedLine, field_of, is_kept_alive
from tradewind.gateway.http.limits import ServerLimits
from tradewind.gateway.http.request import CHUNKED, Request

# Joining two of these would make one parser's answer differ from another's, or mix credentials.
_ONCE = frozenset(
    (
        b"authorization",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"transfer-encoding",
        b"x-api-key",
    )
)
_ALPHANUMERIC = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_is_host = re.compile(rb"[A-Za-z0-9\-._~%!$&'()*+,;=:\[\]]+").fullmatch
_TARGET_BYTES = bytes(b for b in range(0x21, 0x7F) if b != ord("#"))
_SLASH = ord("/")
_TOKEN_BYTES = _ALPHANUMERIC + b"!#$%&'*+-.^_`|~"


def head_length(data: bytes, limits: ServerLimits) -> int:
    """Return how long the head at the start of `data` is, or 0 while its end has not come.

    Refuses early what cannot become a head, so that nobody waits for a timeout.
    """
    if not 0x41 <= data[0] <= 0x5A:
        raise _malformed()  # a TLS hello, an empty line, a space
    end = data.find(b"\r\n\r\n", 0, limits.max_head_bytes)
    if end >= 0:
        return end + 4
    if _has_bare_line_feed(data[: limits.max_head_bytes]):
        raise _malformed()
    if len(data) >= limits.max_head_bytes:
        raise RequestRefused(431, "head_too_large", "The request head is too large.")
    return 0


def parse_request_head(head: bytes, limits: ServerLimits, peer: str) -> Request:
    """Parse one complete head that `head_length` measured. Raises RequestRefused."""
    try:
        return _parse(head, limits, peer)
    except RequestRefused:
        # Whatever else is wrong with it: for this it was refused before its end came, if its bytes
        # came in pieces. A head with one is never taken, so it is looked for only here.
        if _has_bare_line_feed(head):
            raise _malformed() from None
        raise


def _parse(head: bytes, limits: ServerLimits, peer: str) -> Request:
    lines = head.split(b"\r\n")
    line = lines[0]
    # Nearly all requests of a deployment share a few lines.
    parse_line = _request_line if len(line) <= _REMEMBERED_LINE_BYTES else _parse_request_line
    method, target, path, query, is_http10 = parse_line(line)
    lines = lines[1:-2]
    try:
        headers = dict(map(field_of, lines))
    except MalformedLine:
        raise _malformed() from None
    if len(lines) > limits.max_headers:
        raise RequestRefused(431, "too_many_headers", "The request has too many headers.")
    if len(headers) != len(lines):
        headers = _joined(map(field_of, lines))
    keep_alive = is_kept_alive(headers, is_http10)
    request = Request(method, target, path, query, headers, head, peer, is_http10, keep_alive)
    host = headers.get(b"host")
    if host is None:
        if not is_http10:
            raise RequestRefused(400, "host_missing", "The request has no Host header.")
    elif _is_host(host) is None:
        raise RequestRefused(400, "host_malformed", "The Host header is malformed.")
    if path[0] != _SLASH and path != b"*":
        _take_authority(request)
    _set_framing(request)
    return request


def _has_bare_line_feed(data: bytes) -> bool:
    """Some servers take one for the end of a line."""
    return data.count(b"\n") != data.count(b"\r\n")


def _parse_request_line(line: bytes) -> tuple[bytes, bytes, bytes, bytes, bool]:
    """Return method, target, path, query, and whether the version is 1.0."""
    parts = line.split(b" ")
    if len(parts) != 3:
        raise _malformed()
    method, target, version = parts
    if method.translate(None, _TOKEN_BYTES) or target.translate(None, _TARGET_BYTES):
        raise _malformed()
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        if version.startswith(b"HTTP/") and version[5:6].isdigit():
            raise RequestRefused(505, "http_version", "Only HTTP/1.1 and HTTP/1.0 are spoken here.")
        raise _malformed()
    if method not in _METHODS:
        raise RequestRefused(501, "method_not_implemented", "The method is not implemented.")
    if not target.startswith(b"/") and not _is_other_target(method, target):
        raise _malformed()
    try:
        HttpRequestParser(None).feed_data(line + b"\r\n\r\n")
    except HttpParserError:
        raise _malformed() from None
    path, _, query = target.partition(b"?")
    return method, target, path, query, version == b"HTTP/1.0"


_REMEMBERED_LINE_BYTES = 256
_request_line = functools.lru_cache(maxsize=512)(_parse_request_line)


# CONNECT and the rest of llhttp's list (WebDAV, RTSP …) are left out: an unknown method has
# unknown framing.
_METHODS = frozenset((b"GET", b"POST", b"HEAD", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"))


def _is_other_target(method: bytes, target: bytes) -> bool:
    if target == b"*":
        return method == b"OPTIONS"
    return target[:7].lower() == b"http://" or target[:8].lower() == b"https://"


def _joined(fields: Iterable[Field]) -> dict[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    for name, value in fields:
        before = headers.get(name)
        if before is None:
            headers[name] = value
        elif name in _ONCE:
            raise _malformed()
        else:
            headers[name] = before + (b"; " if name == b"cookie" else b", ") + value
    return headers


def _take_authority(request: Request) -> None:
    """Absolute form: its authority replaces Host (RFC 9112, 3.2.2)."""
    authority, slash, path = request.path.partition(b"://")[2].partition(b"/")
    if _is_host(authority) is None:
        raise _malformed()
    request.headers[b"host"] = authority
    request.path = slash + path or b"/"


def _set_framing(request: Request) -> None:
    """Decide where the body ends and whether the connection may be used again."""
    headers = request.headers
    length = headers.get(b"content-length")
    coding = headers.get(b"transfer-encoding")
    if coding is not None:
        # Exactly `chunked`: after any other coding, or beside a length, the next parser may see
        # another end of the body (RFC 9112, 6.1 and 6.3).
        if length is not None or request.is_http10 or coding.lower() != b"chunked":
            raise RequestRefused(
                400, "transfer_encoding", "The Transfer-Encoding of the request is not taken."
            )
        request.content_length = CHUNKED
    elif length is not None:
        if not length.isdigit() or len(length) > 15:
            raise _malformed()
        request.content_length = int(length)
    expectation = headers.get(b"expect")
    if expectation is not None and not request.is_http10:
        if expectation.lower() != b"100-continue":
            raise RequestRefused(417, "expectation_failed", "The expectation cannot be met.")
        request.expects_continue = request.content_length != 0


def _malformed() -> RequestRefused:
    return RequestRefused(400, "malformed_request", "The request head is malformed.")
