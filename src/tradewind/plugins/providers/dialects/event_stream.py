"""AWS's binary event streams (`application/vnd.amazon.eventstream`): bytes to messages and back.

Format: docs.aws.amazon.com, Amazon Lex V2, "Event stream encoding" (the same for all services):
total length, length of the headers, CRC-32 of those two, headers, payload, CRC-32 of all before.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

_PRELUDE = struct.Struct(">III")
_MOST_HEADERS_BYTES = 128 * 1024
_MOST_MESSAGE_BYTES = 4 * 1024 * 1024
_OVERHEAD = 16
_STRING = 7
# How long values of the other types are: booleans, byte, short, integer, long, timestamp, UUID.
_FIXED_LENGTHS = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_BYTES = 6


class Malformed(Exception):
    """The stream breaks its format; nothing behind can be trusted."""


class Message(NamedTuple):
    headers: dict[str, str]
    """Those that are texts: `:message-type`, `:event-type`, `:exception-type`, `:content-type`."""
    payload: bytes


class MessageCutter:
    """Holds back the start of a message until its end has come. One per stream."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield the messages that are complete now, to be taken to the end. Raises Malformed where
        the stream breaks, behind those before.
        """
        held = self._held + data if self._held else data
        place = 0
        while len(held) - place >= _PRELUDE.size:
            total, headers_length, checksum = _PRELUDE.unpack_from(held, place)
            if zlib.crc32(held[place : place + 8]) != checksum:
                raise Malformed("the prelude does not fit its checksum")
            if not _OVERHEAD <= total <= _MOST_MESSAGE_BYTES or headers_length > min(
                _MOST_HEADERS_BYTES, total - _OVERHEAD
            ):
                raise Malformed("a message has impossible lengths")
            if len(held) - place < total:
                break
            yield _message(held[place : place + total], headers_length)
            place += total
        self._held = held[place:]

    def rest(self) -> bytes:
        """Return what came after the last whole message; a well-behaved stream leaves nothing."""
        return self._held


def encode(headers: dict[str, str], payload: bytes) -> bytes:
    """Return one message. For fakes: we only read such streams."""
    packed = b"".join(
        struct.pack(">B", len(name.encode()))
        + name.encode()
        + struct.pack(">BH", _STRING, len(value.encode()))
        + value.encode()
        for name, value in headers.items()
    )
    lengths = struct.pack(">II", len(packed) + len(payload) + _OVERHEAD, len(packed))
    message = lengths + struct.pack(">I", zlib.crc32(lengths)) + packed + payload
    return message + struct.pack(">I", zlib.crc32(message))


def _message(raw: bytes, headers_length: int) -> Message:
    (checksum,) = struct.unpack_from(">I", raw, len(raw) - 4)
    if zlib.crc32(raw[:-4]) != checksum:
        raise Malformed("a message does not fit its checksum")
    end = _PRELUDE.size + headers_length
    return Message(_headers(raw[_PRELUDE.size : end]), raw[end:-4])


def _headers(raw: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    place = 0
    try:
        while place < len(raw):
            length = raw[place]
            name = raw[place + 1 : place + 1 + length].decode()
            place += 1 + length
            kind = raw[place]
            place += 1
            if kind in (_STRING, _BYTES):
                (length,) = struct.unpack_from(">H", raw, place)
                value = raw[place + 2 : place + 2 + length]
                place += 2 + length
                if place > len(raw):
                    raise Malformed("a header is cut")
                if kind == _STRING:
                    found[name] = value.decode()
            elif kind in _FIXED_LENGTHS:
                place += _FIXED_LENGTHS[kind]
            else:
                raise Malformed("a header has a type that there is not")
    except (IndexError, struct.error, UnicodeDecodeError):
        raise Malformed("the headers cannot be read") from None
    if place != len(raw):
        raise Malformed("a header is cut")
    return found
