"""An upstream on a real socket that does what a test's script says, for good or ill."""

import asyncio
import contextlib
import json

PATIENCE_S = 30.0
"""How long a test waits for what must happen; never how long something takes."""


class ScriptedCall:
    """One request, seen from the upstream."""

    def __init__(self, head, body, reader, writer):
        self.head = head
        self.body = body
        self._reader = reader
        self._writer = writer
        self._is_chunked = False

    @property
    def json(self):
        return json.loads(self.body)

    async def answer(self, body, *, status=200, content_type="application/json", pieces=1):
        """A whole answer with its length, in pieces."""
        raw = self._head(status, content_type, f"content-length: {len(body)}") + body
        size = -(-len(raw) // pieces)
        for place in range(0, len(raw), size):
            await self.raw(raw[place : place + size])

    async def begin(self, *, status=200, content_type="text/event-stream"):
        """Begin a chunked answer."""
        await self.raw(self._head(status, content_type, "transfer-encoding: chunked"))

    async def send(self, data):
        await self.raw(b"%x\r\n%b\r\n" % (len(data), data))

    async def end(self):
        await self.raw(b"0\r\n\r\n")

    async def stream(self, *events):
        """A whole streamed answer, one chunk for each event."""
        await self.begin()
        for event in events:
            await self.send(event)
        await self.end()

    async def raw(self, data):
        self._writer.write(data)
        await self._writer.drain()

    def cut(self):
        """Disappear as a killed process does."""
        self._writer.transport.abort()

    async def gone(self):
        """Wait until the gateway has closed the connection."""
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(self._reader.read(), PATIENCE_S) == b""

    @staticmethod
    def _head(status, content_type, framing):
        return (
            f"HTTP/1.1 {status} Scripted\r\ncontent-type: {content_type}\r\n{framing}\r\n\r\n"
        ).encode()


class ScriptedUpstream:
    """Runs `script(call)` for each request. What a script raises fails the test at its end."""

    def __init__(self, script=None, *, path=None):
        self.script = script
        self.calls = []
        self.came = asyncio.Event()
        """Set by the first request."""
        self._path = path
        self._tasks = set()
        self._failures = []

    async def __aenter__(self):
        if self._path is not None:
            self._server = await asyncio.start_unix_server(self._run, self._path)
            self.address = str(self._path)
        else:
            self._server = await asyncio.start_server(self._run, "127.0.0.1", 0)
            self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._failures:
            raise ExceptionGroup("scripts failed", self._failures)

    async def _run(self, reader, writer):
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(
                    head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0
                )
                body = await reader.readexactly(length)
                call = ScriptedCall(head, body, reader, writer)
                self.calls.append(call)
                self.came.set()
                assert self.script is not None, "the test expects no call"
                await self.script(call)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the gateway has had enough, or the test has
        except Exception as error:  # noqa: BLE001  told at the end
            self._failures.append(error)
        finally:
            writer.transport.abort()
            self._tasks.discard(task)
