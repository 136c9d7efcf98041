"""RESP2, the wire format of Valkey and Redis, as far as commands and their answers need it, with a
bound on everything (valkey.io, "Redis serialization protocol specification").
"""

from collections.abc import Iterable

MOST_REPLY_BYTES = 64 * 1024
_MOST_ITEMS = 1024
_MOST_DEPTH = 4
_END = b"\r\n"


class MalformedReply(Exception):
    """What came is not RESP, or larger than anything that was asked for."""


class ErrorReply(Exception):
    """The server's own refusal, such as `NOSCRIPT`."""


Reply = int | bytes | None | ErrorReply | list["Reply"]


def command(parts: Iterable[bytes]) -> bytes:
    """Return a command as the array of bulk strings that servers take."""
    listed = list(parts)
    encoded = [b"*%d\r\n" % len(listed)]
    encoded += [b"$%d\r\n%b\r\n" % (len(part), part) for part in listed]
    return b"".join(encoded)


class Replies:
    """Cuts a stream of bytes into replies."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[Reply]:
        """Return the replies that are complete now. Raises MalformedReply."""
        buffer = self._buffer + data
        found: list[Reply] = []
        at = 0
        while at < len(buffer):
            parsed = _parse(buffer, at, 0)
            if parsed is None:
                break
            reply, at = parsed
            found.append(reply)
        self._buffer = buffer[at:]
        if len(self._buffer) > MOST_REPLY_BYTES:
            raise MalformedReply("a reply is too large")
        return found


def _parse(buffer: bytes, at: int, depth: int) -> tuple[Reply, int] | None:
    """Return a reply and where it ends; None when it is not complete."""
    end = buffer.find(_END, at)
    if end < 0:
        return None
    kind, line, after = buffer[at : at + 1], buffer[at + 1 : end], end + 2
    match kind:
        case b"+":
            return line, after
        case b"-":
            return ErrorReply(line[:200].decode("latin-1")), after
        case b":":
            return _number(line), after
        case b"$":
            length = _number(line)
            if length < 0:
                return None, after
            if length > MOST_REPLY_BYTES:
                raise MalformedReply("a string is too large")
            stop = after + length
            if len(buffer) < stop + 2:
                return None
            if buffer[stop : stop + 2] != _END:
                raise MalformedReply("a string is longer than it says")
            return buffer[after:stop], stop + 2
        case b"*":
            return _parse_items(buffer, after, _number(line), depth)
        case _:
            raise MalformedReply("a reply of no known kind")


def _parse_items(buffer: bytes, at: int, count: int, depth: int) -> tuple[Reply, int] | None:
    if count < 0:
        return None, at
    if count > _MOST_ITEMS or depth >= _MOST_DEPTH:
        raise MalformedReply("an array is too large")
    items: list[Reply] = []
    for _ in range(count):
        parsed = _parse(buffer, at, depth + 1)
        if parsed is None:
            return None
        item, at = parsed
        items.append(item)
    return items, at


def _number(line: bytes) -> int:
    digits = line.removeprefix(b"-")
    if not digits.isdigit() or len(digits) > 19:
        raise MalformedReply("a number is none")
    return int(line)
