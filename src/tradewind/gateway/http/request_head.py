"""From the bytes of a request head to a `Request`, or a refusal. Pure.

llhttp (strict) is the parser. What it lets through and we do not, each shown by a test on the wire:
empty lines and several spaces around the request line, HTTP/0.9 and 2.0, `Transfer-Encoding: gzip,
chunked`, `Transfer-Encoding` on HTTP/1.0, fragments in the target, missing or repeated `Host`.
The head is parsed only when all of it is there, so that where a read ended cannot change the result
and the limits are exact.
"""

import functools

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from tradewind.gateway.http.error_answers import RequestRefused
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
_HOST_BYTES = _ALPHANUMERIC + b"-._~%!$&'()*+,;=:[]"
_TARGET_BYTES = bytes(b for b in range(0x21, 0x7F) if b != ord("#"))
_TOKEN_BYTES = _ALPHANUMERIC + b"!#$%&'*+-.^_`|~"


def head_length(data: bytes, limits: ServerLimits) -> int:
    """Return how long the head at the start of `data` is, or 0 while its end has not come.

    Refuses early what cannot become a head, so that nobody waits for a timeout.
    """
    if not 0x41 <= data[0] <= 0x5A:
        raise _malformed()  # a TLS hello, an empty line, a space
    end = data.find(b"\r\n\r\n", 0, limits.max_head_bytes)
    length = end + 4 if end >= 0 else 0
    scanned = length or limits.max_head_bytes
    if data.count(b"\n", 0, scanned) != data.count(b"\r\n", 0, scanned):
        raise _malformed()  # a bare LF: some servers take it for the end of a line
    if not length and len(data) >= limits.max_head_bytes:
        raise RequestRefused(431, "head_too_large", "The request head is too large.")
    return length


def parse_request_head(head: bytes, limits: ServerLimits, peer: str) -> Request:
    """Parse one complete head that `head_length` measured. Raises RequestRefused."""
    line = head[: head.index(b"\r\n")]
    # Nearly all requests of a deployment share a few lines.
    parse_line = _request_line if len(line) <= _REMEMBERED_LINE_BYTES else _parse_request_line
    method, target, path, query, is_http10 = parse_line(line)
    fields = _Fields()
    try:
        HttpRequestParser(fields).feed_data(head)
    except HttpParserUpgrade:
        pass  # the head was parsed; upgrades are not taken, the request is an ordinary one
    except HttpParserError:
        raise _malformed() from None
    raw = fields.raw
    if len(raw) > limits.max_headers:
        raise RequestRefused(431, "too_many_headers", "The request has too many headers.")
    if b" \r\n" in head or b"\t\r\n" in head:  # llhttp keeps blanks after a value
        raw = [(name, value.rstrip(b" \t")) for name, value in raw]
    headers = {name.lower(): value for name, value in raw}
    if len(headers) != len(raw):
        headers = _joined(raw)
    request = Request(method, target, path, query, headers, raw, peer, is_http10)
    _set_authority(request)
    _set_framing(request)
    return request


class _Fields:
    """What llhttp reports of a head. Nothing else is asked of it, since each callback costs."""

    __slots__ = ("raw",)

    def __init__(self) -> None:
        self.raw: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.raw.append((name, value))


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


def _joined(raw: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    for mixed_case, value in raw:
        name = mixed_case.lower()
        before = headers.get(name)
        if before is None:
            headers[name] = value
        elif name in _ONCE:
            raise _malformed()
        else:
            headers[name] = before + (b"; " if name == b"cookie" else b", ") + value
    return headers


def _set_authority(request: Request) -> None:
    host = request.headers.get(b"host")
    if host is None:
        if not request.is_http10:
            raise RequestRefused(400, "host_missing", "The request has no Host header.")
    elif not host or host.translate(None, _HOST_BYTES):
        raise RequestRefused(400, "host_malformed", "The Host header is malformed.")
    if request.path.startswith(b"/") or request.path == b"*":
        return
    # Absolute form: its authority replaces Host (RFC 9112, 3.2.2).
    authority, slash, path = request.path.partition(b"://")[2].partition(b"/")
    if not authority or authority.translate(None, _HOST_BYTES):
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
    connection = headers.get(b"connection")
    if connection is not None:
        options = {option.strip() for option in connection.lower().split(b",")}
        request.keep_alive = b"close" not in options and (
            not request.is_http10 or b"keep-alive" in options
        )
    expectation = headers.get(b"expect")
    if expectation is not None and not request.is_http10:
        if expectation.lower() != b"100-continue":
            raise RequestRefused(417, "expectation_failed", "The expectation cannot be met.")
        request.expects_continue = request.content_length != 0


def _malformed() -> RequestRefused:
    return RequestRefused(400, "malformed_request", "The request head is malformed.")
