"""Request bodies: where they end and what they hold. Pure, fed with any split of the bytes.

Both kinds of body have `feed(data) -> rest | None`: the bytes after the body once it is complete,
None while it is not. A body that is only drained keeps nothing.
"""

import re

from tradewind.gateway.http.error_answers import RequestRefused

MAX_CHUNK_LINE_BYTES = 256
"""Size, extensions and line end of one chunk. Extensions are dropped, so a client gains nothing."""
MAX_TRAILER_BYTES = 8 * 1024

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = rb'"[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]*"'
_CHUNK_LINE = re.compile(
    rb"([0-9A-Fa-f]{1,15})(?:;%b(?:=(?:%b|%b))?)*\r\n" % (_TOKEN, _TOKEN, _QUOTED)
)
_TRAILER_LINE = re.compile(rb"%b:[\t\x20-\x7e\x80-\xff]*\r\n" % _TOKEN)

_SIZE, _DATA, _DATA_END, _TRAILER = range(4)


class LengthBody:
    """A body of a length told beforehand."""

    __slots__ = ("_is_kept", "_left", "_parts")

    def __init__(self, length: int, *, is_kept: bool = True) -> None:
        self._left = length
        self._is_kept = is_kept
        self._parts = bytearray()

    def feed(self, data: bytes) -> bytes | None:
        left = self._left
        if self._is_kept:
            self._parts += data if len(data) <= left else data[:left]
        if len(data) < left:
            self._left = left - len(data)
            return None
        self._left = 0
        return data[left:]

    def drain(self) -> None:
        self._is_kept = False
        self._parts.clear()

    def content(self) -> bytes:
        return bytes(self._parts)


class ChunkedBody:
    """A chunked body (RFC 9112, 7.1). Stricter than the RFC: CRLF only, no blanks around the size,
    a bounded size line. Trailers are checked and dropped. Raises RequestRefused.
    """

    __slots__ = ("_content", "_left", "_limit", "_line", "_state", "_trailer_bytes")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._content = bytearray()
        self._line = b""
        self._left = 0
        self._state = _SIZE
        self._trailer_bytes = 0

    def feed(self, data: bytes) -> bytes | None:
        at, end = 0, len(data)
        while at < end:
            if self._state == _DATA:
                taken = min(self._left, end - at)
                self._content += data[at : at + taken]
                self._left -= taken
                at += taken
                if not self._left:
                    self._state = _DATA_END
                continue
            line_end = data.find(b"\n", at) + 1
            line = self._line + data[at : line_end or end]
            if not line_end:
                self._check_unfinished(line)
                self._line = line
                return None
            self._line = b""
            at = line_end
            if self._take_line(line):
                return data[at:]
        return None

    def content(self) -> bytes:
        return bytes(self._content)

    def _take_line(self, line: bytes) -> bool:
        """Act on one line with its end; True when it was the last of the body."""
        if self._state == _SIZE:
            match = _CHUNK_LINE.fullmatch(line)
            if match is None or len(line) > MAX_CHUNK_LINE_BYTES:
                raise _malformed()
            size = int(match[1], 16)
            if len(self._content) + size > self._limit:
                raise body_too_large()
            self._left = size
            self._state = _DATA if size else _TRAILER
        elif self._state == _DATA_END:
            if line != b"\r\n":
                raise _malformed()
            self._state = _SIZE
        elif line == b"\r\n":
            return True
        else:
            self._trailer_bytes += len(line)
            if self._trailer_bytes > MAX_TRAILER_BYTES or _TRAILER_LINE.fullmatch(line) is None:
                raise _malformed()
        return False

    def _check_unfinished(self, line: bytes) -> None:
        if self._state == _TRAILER:
            longest = MAX_TRAILER_BYTES - self._trailer_bytes
        else:
            longest = 2 if self._state == _DATA_END else MAX_CHUNK_LINE_BYTES
        if len(line) >= longest:
            raise _malformed()


def body_too_large() -> RequestRefused:
    return RequestRefused(413, "body_too_large", "The request body is too large.")


def _malformed() -> RequestRefused:
    return RequestRefused(400, "malformed_body", "The chunked request body is malformed.")
