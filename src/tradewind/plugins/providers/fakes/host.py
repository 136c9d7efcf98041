"""Serves a fake vendor on loopback, and goes wrong on request."""

import asyncio
import contextlib
import re
import socket
from enum import StrEnum
from typing import Self

from tradewind.plugins.providers.fakes.base import FakeReply, FakeRequest, FakeVendor, Told

_MOST_HEAD_BYTES = 64 * 1024
_MOST_BODY_BYTES = 64 * 1024 * 1024
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *([0-9]{1,12})(?=\r\n|$)")


class Fault(StrEnum):
    NONE = "none"
    REFUSE = "refuse"
    """Nothing listens."""
    SILENT = "silent"
    """Takes the request and never answers."""
    BUSY = "busy"
    """429."""
    FAIL = "fail"
    """500."""
    CUT = "cut"
    """Ends in the middle of its answer, after some output."""
    GARBAGE = "garbage"
    """What comes after some output is not of its format."""
    LATE_USAGE = "late_usage"
    NO_USAGE = "no_usage"
    SLOW = "slow"
    """Byte by byte."""


_TOLD = {Fault.LATE_USAGE: Told.LATE, Fault.NO_USAGE: Told.MISSING}


class FakeHost:
    """One vendor at one address. Open it with `async with`."""

    def __init__(self, vendor: FakeVendor, fault: Fault = Fault.NONE) -> None:
        self.vendor = vendor
        self.fault = fault
        self.requests: list[FakeRequest] = []
        self.address = ""
        self.may_go_wrong = asyncio.Event()
        """A stream goes wrong (`CUT`, `GARBAGE`) only once this is set: what came before has
        arrived."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = None
        if self.fault is not Fault.REFUSE:
            self._server = await asyncio.start_server(self._serve, sock=self._socket)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._socket.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(
                asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError
            ):
                while request := await _read(reader):
                    self.requests.append(request)
                    if not await self._answer(request, writer):
                        break
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, request: FakeRequest, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection can take another."""
        match self.fault:
            case Fault.SILENT:
                await asyncio.Event().wait()
                return False
            case Fault.BUSY:
                reply = self.vendor.failure(429, "Too many requests.")
            case Fault.FAIL:
                reply = self.vendor.failure(500, "Something broke at /srv/host.py:1.")
            case fault:
                try:
                    reply = self.vendor.reply(request, _TOLD.get(fault, Told.IN_PLACE))
                except (ValueError, KeyError, TypeError) as error:
                    reply = self.vendor.failure(400, f"malformed request: {error!r}")
        goes_wrong = reply.status == 200 and self.fault in (Fault.CUT, Fault.GARBAGE)
        if goes_wrong and self.fault is Fault.GARBAGE:
            reply = self._garbled(reply)
        raw = _bytes_of(reply)
        if goes_wrong and self.fault is Fault.CUT:
            # The head is the first of them.
            raw = raw[: reply.first_output + 1] if reply.is_stream else [raw[0], raw[1][:-9]]
        for number, piece in enumerate(raw):
            if goes_wrong and reply.is_stream and number == reply.first_output + 1:
                await self.may_go_wrong.wait()
            step = 1 if self.fault is Fault.SLOW else len(piece)
            for place in range(0, len(piece), step):
                writer.write(piece[place : place + step])
                await writer.drain()
        if self.fault is Fault.CUT:
            if reply.is_stream:
                await self.may_go_wrong.wait()
            return False
        return True

    def _garbled(self, reply: FakeReply) -> FakeReply:
        if not reply.is_stream:
            return reply._replace(pieces=(b"<html>It works!</html>",))
        begun = reply.pieces[: reply.first_output]
        return reply._replace(pieces=(*begun, self.vendor.garbage))


async def _read(reader: asyncio.StreamReader) -> FakeRequest | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    matched = _LENGTH.search(head)
    length = int(matched[1]) if matched is not None else 0
    if len(head) > _MOST_HEAD_BYTES or length > _MOST_BODY_BYTES:
        return None
    body = await reader.readexactly(length)
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, path, _ = first.split(" ")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return FakeRequest(method, path, headers, body)


def _bytes_of(reply: FakeReply) -> list[bytes]:
    """Return the answer as it is sent: the head, then each piece."""
    start = f"HTTP/1.1 {reply.status} Fake\r\ncontent-type: {reply.content_type}\r\n"
    if not reply.is_stream:
        body = b"".join(reply.pieces)
        return [f"{start}content-length: {len(body)}\r\n\r\n".encode(), body]
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in reply.pieces]
    return [f"{start}transfer-encoding: chunked\r\n\r\n".encode(), *chunks, b"0\r\n\r\n"]
