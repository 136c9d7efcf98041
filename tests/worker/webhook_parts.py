"""A receiver of webhooks on loopback: answers as a test says, and keeps what it was sent."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Self

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What a receiver does on one connection after it has read the request."""


class Received:
    def __init__(self, head: bytes, body: bytes) -> None:
        self.line, *lines = head.decode().split("\r\n")
        self.headers = dict(line.split(": ", 1) for line in lines if line)
        self.body = body


def answer(status: int, *headers: str, body: bytes = b"ok") -> Talk:
    lines = [f"HTTP/1.1 {status} Words", f"content-length: {len(body)}", *headers, "", ""]

    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join(lines).encode() + body)

    return talk


def raw(*pieces: bytes) -> Talk:
    """Send these bytes, one write each, and end."""

    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()

    return talk


async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Say nothing until the other side has enough of it."""
    await reader.read()


class Receiver:
    """Answers requests with its talks one after another, with the last one for ever."""

    def __init__(self, *talks: Talk, tls=None) -> None:
        self._talks = list(talks)
        self._tls = tls
        self.received: list[Received] = []
        self.came = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    @property
    def ids(self) -> Sequence[str]:
        return [each.headers["webhook-id"] for each in self.received]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await self._talk(reader, writer)
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).removesuffix(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.startswith(b"content-length")
            )
            self.received.append(Received(head, await reader.readexactly(length)))
            self.came.set()
            talk = self._talks.pop(0) if len(self._talks) > 1 else self._talks[0]
            await talk(reader, writer)
