"""TXT records, asked of the name servers of this machine.

The system's own resolver looks up addresses only, and a library for all of DNS is much for one
question. RFC 1035, section 4 (messages) and RFC 7766 (an answer that is cut short is asked for
again over TCP). An answer has to be to our question: of the server that was asked, with its random
number and from a socket with a port of its own. It is not DNSSEC: that is the name server's part.
"""

import asyncio
import secrets
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

TIMEOUT_S = 3.0
"""Of one server, by either way."""
MOST_SERVERS = 3
"""As the system's own resolver does (resolv.conf(5))."""
_PORT = 53
_TXT, _CNAME, _IN = 16, 5, 1
_RESPONSE, _TRUNCATED, _RECURSION_WANTED = 0x8000, 0x0200, 0x0100
_NO_ERROR, _NO_SUCH_NAME = 0, 3
_RCODES = {1: "FORMERR", 2: "SERVFAIL", 4: "NOTIMP", 5: "REFUSED"}
_HEAD = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
_MOST_RECORDS = 128
_MOST_ALIASES = 8
_NAME_MAX, _LABEL_MAX = 253, 63


class TxtUnanswered(Exception):
    """No server has said whether there are records. The message is one line for a person."""


class TxtRecords(Protocol):
    async def txt(self, name: str) -> list[str]:
        """Return the texts at a name; none where it does not exist. Raises TxtUnanswered."""
        ...


class Server(NamedTuple):
    host: str
    port: int = _PORT


class NameServers:
    """Asks one server after another, and takes the first that says yes or no."""

    def __init__(self, servers: Sequence[Server], *, timeout_s: float = TIMEOUT_S) -> None:
        self._servers = tuple(servers[:MOST_SERVERS])
        self._timeout_s = timeout_s

    async def txt(self, name: str) -> list[str]:
        number = secrets.randbelow(0x10000)
        question = _question(name)
        message = _HEAD.pack(number, _RECURSION_WANTED, 1, 0, 0, 0) + question
        reason = "this machine has no name server"
        for server in self._servers:
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await _ask(server, message)
            except TimeoutError:
                reason = "the name server does not answer"
            except OSError:
                reason = "the name server cannot be reached"
            except _Refused as refused:
                reason = str(refused)
        raise TxtUnanswered(reason)


def system_servers(path: Path = Path("/etc/resolv.conf")) -> list[Server]:
    """Return the name servers of this machine; its own address where none are named."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    words = [line.split() for line in lines]
    named = [line[1] for line in words if len(line) > 1 and line[0] == "nameserver"]
    return [Server(host) for host in named[:MOST_SERVERS]] or [Server("127.0.0.1")]


class _Refused(Exception):
    """A server answered, and not the question."""


class _Truncated(Exception):
    pass


async def _ask(server: Server, message: bytes) -> list[str]:
    """Raises OSError, _Refused."""
    try:
        return await _ask_udp(server, message)
    except _Truncated:
        pass
    source, sink = await asyncio.open_connection(server.host, server.port)
    try:
        sink.write(len(message).to_bytes(2, "big") + message)
        length = int.from_bytes(await source.readexactly(2), "big")
        return _texts_of(await source.readexactly(length), message)
    except asyncio.IncompleteReadError:
        raise _Refused("the name server hung up") from None
    except _Truncated:
        raise _Refused("the answer of the name server is cut short") from None
    finally:
        sink.transport.abort()


async def _ask_udp(server: Server, message: bytes) -> list[str]:
    loop = asyncio.get_running_loop()
    # Connected: what other addresses send never arrives.
    transport, waiting = await loop.create_datagram_endpoint(
        lambda: _Waiting(message), remote_addr=(server.host, server.port)
    )
    try:
        transport.sendto(message)
        return _texts_of(await waiting.answer, message)
    finally:
        transport.close()


class _Waiting(asyncio.DatagramProtocol):
    def __init__(self, message: bytes) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._message = message

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        del addr  # the socket is connected
        # Anything else is late, or somebody's guess: the right one may still come.
        if not self.answer.done() and data[:2] == self._message[:2]:
            self.answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


def _question(name: str) -> bytes:
    """Raises TxtUnanswered for what is no name."""
    labels = name.rstrip(".").encode("ascii", "replace").split(b".")
    if len(name) > _NAME_MAX or not all(0 < len(label) <= _LABEL_MAX for label in labels):
        raise TxtUnanswered(f"{name[:80]!r} is no name")
    encoded = b"".join(len(label).to_bytes(1, "big") + label for label in labels)
    return encoded + b"\0" + struct.pack("!HH", _TXT, _IN)


def _texts_of(answer: bytes, message: bytes) -> list[str]:
    """Return the texts in an answer to a message. Raises _Refused, _Truncated."""
    try:
        return _parsed(answer, message)
    except (IndexError, struct.error):
        raise _Refused("the answer of the name server cannot be read") from None


def _parsed(answer: bytes, message: bytes) -> list[str]:
    number, flags, questions, answers, *_ = _HEAD.unpack_from(answer)
    asked = message[_HEAD.size :]
    said = answer[_HEAD.size : _HEAD.size + len(asked)]
    is_ours = number == int.from_bytes(message[:2], "big") and flags & _RESPONSE
    if not is_ours or questions != 1 or said.lower() != asked.lower():
        raise _Refused("the name server answered another question")
    if flags & _TRUNCATED:
        raise _Truncated
    code = flags & 0xF
    if code == _NO_SUCH_NAME:
        return []
    if code != _NO_ERROR:
        raise _Refused(f"the name server answered {_RCODES.get(code, code)}")
    name, _ = _name_at(answer, _HEAD.size)
    place = _HEAD.size + len(asked)
    texts: dict[bytes, list[str]] = {}
    aliases: dict[bytes, bytes] = {}
    for _ in range(min(answers, _MOST_RECORDS)):
        owner, place = _name_at(answer, place)
        kind, form, _, length = _RECORD.unpack_from(answer, place)
        start = place + _RECORD.size
        place = start + length
        if place > len(answer):
            raise IndexError(place)
        if (kind, form) == (_TXT, _IN):
            texts.setdefault(owner, []).append(_text(answer[start:place]))
        elif (kind, form) == (_CNAME, _IN):
            aliases[owner] = _name_at(answer, start)[0]
    for _ in range(_MOST_ALIASES):
        if name in texts or name not in aliases:
            break
        name = aliases[name]
    return texts.get(name, [])


def _text(data: bytes) -> str:
    """Return the strings of one record as one text (RFC 7208, section 3.3, does the same)."""
    pieces: list[bytes] = []
    place = 0
    while place < len(data):
        end = place + 1 + data[place]
        if end > len(data):
            raise IndexError(end)
        pieces.append(data[place + 1 : end])
        place = end
    return b"".join(pieces).decode("ascii", "replace")


def _name_at(message: bytes, place: int) -> tuple[bytes, int]:
    """Return the name at a place in lower case, and where what follows it begins.

    A pointer leads backwards only, or a message would send us round in circles.
    """
    labels: list[bytes] = []
    after: int | None = None
    limit = place
    while length := message[place]:
        if length & 0xC0 == 0xC0:
            target = (length & 0x3F) << 8 | message[place + 1]
            after = place + 2 if after is None else after
            if target >= limit:
                raise IndexError(target)
            place = limit = target
        elif length & 0xC0:
            raise IndexError(length)
        else:
            labels.append(message[place + 1 : place + 1 + length].lower())
            place += 1 + length
            if place > len(message):
                raise IndexError(place)
    return b".".join(labels), place + 1 if after is None else after
