"""From the bytes of a response head to its status and fields. Pure.

llhttp (strict) judges the status line and the other lines, see `header_lines`.
"""

import functools
from collections.abc import Iterable

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from tradewind.gateway.http.header_lines import Field, MalformedLine, field_of

NO_LENGTH = -1
"""The body ends with the connection."""
CHUNKED = -2

_MOST_LENGTH_DIGITS = 15
_REMEMBERED_LINE_BYTES = 64


def parse_status_line(line: bytes) -> tuple[int, bool]:
    """Return the status and whether the version is 1.0. Raises MalformedLine."""
    return (_known_status if len(line) <= _REMEMBERED_LINE_BYTES else _judge_status)(line)


def parse_fields(lines: list[bytes]) -> dict[bytes, bytes]:
    """Return lower-case names and values, repeated ones joined. Raises MalformedLine."""
    headers = dict(map(field_of, lines))
    return headers if len(headers) == len(lines) else _joined(map(field_of, lines))


def body_length(headers: dict[bytes, bytes]) -> int:
    """Return how long the body is, or NO_LENGTH or CHUNKED. Raises MalformedLine.

    A length beside a coding, or a coding behind which another parser may see another end, is not
    guessed about (RFC 9112, 6.3).
    """
    length = headers.get(b"content-length")
    coding = headers.get(b"transfer-encoding")
    if coding is not None:
        if length is not None or coding.lower() != b"chunked":
            raise MalformedLine
        return CHUNKED
    if length is None:
        return NO_LENGTH
    if not length.isdigit() or len(length) > _MOST_LENGTH_DIGITS:
        raise MalformedLine
    return int(length)


def _judge_status(line: bytes) -> tuple[int, bool]:
    parser = HttpResponseParser(None)
    try:
        parser.feed_data(line + b"\r\n\r\n")
    except (HttpParserError, HttpParserUpgrade):
        raise MalformedLine from None
    version = parser.get_http_version()
    # llhttp passes over line ends before the status, where a cut between reads would not.
    if not line.startswith(b"HTTP/") or b"\n" in line or version not in {"1.1", "1.0"}:
        raise MalformedLine
    return parser.get_status_code(), version == "1.0"


_known_status = functools.lru_cache(maxsize=256)(_judge_status)


def _joined(fields: Iterable[Field]) -> dict[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    for name, value in fields:
        headers[name] = headers[name] + b", " + value if name in headers else value
    return headers
