"""A Valkey or Redis server for tests, if this machine has one; and one that only misbehaves."""

import asyncio
import contextlib
import shutil
import subprocess
import time

PATIENCE_S = 30.0


def find_server():
    """Return the program, or None."""
    return shutil.which("valkey-server") or shutil.which("redis-server")


class Server:
    """A server on a unix socket, with nothing on disk."""

    def __init__(self, program, folder, *options):
        self.path = folder / "valkey.sock"
        self.url = f"unix://{self.path}"
        self._program = program
        self._folder = folder
        self._options = options
        self.process = None

    def start(self):
        self.path.unlink(missing_ok=True)
        with (self._folder / "valkey.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    self._program,
                    *("--port", "0", "--unixsocket", str(self.path), "--save", ""),
                    *("--appendonly", "no", "--dir", str(self._folder)),
                    *self._options,
                ],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + PATIENCE_S
        while not self.path.exists():
            assert self.process.poll() is None, "the server has ended"
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class FakeServer:
    """Speaks as it is told: `answer` is called with each command's bytes and returns the reply, or
    None for silence.
    """

    def __init__(self, path, answer):
        self.url = f"unix://{path}"
        self.connections = 0
        self._path = path
        self._answer = answer
        self._tasks = set()

    async def __aenter__(self):
        self._server = await asyncio.start_unix_server(self._serve, self._path)
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        self.connections += 1
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:
                    command = await self._read(reader)
                    reply = self._answer(command)
                    if reply is not None:
                        writer.write(reply)
                        await writer.drain()
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    @staticmethod
    async def _read(reader):
        count = int((await reader.readuntil(b"\r\n"))[1:])
        parts = []
        for _ in range(count):
            length = int((await reader.readuntil(b"\r\n"))[1:])
            parts.append((await reader.readexactly(length + 2))[:-2])
        return parts


async def until(condition):
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.005)
