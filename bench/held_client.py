"""Hold streams open, some of them hardly read; print one line of JSON (`held.HeldFigures`).

    BENCH_KEY=… BENCH_MODEL=… python -m bench.held_client URL --streams 1000 --slow 500
        --duration 60 --pid PID

An error is a stream that is refused or ends, and one that brought nothing in the second half of
the time. Memory is that of the process PID, once a second, from the moment all streams are open.
"""

import argparse
import asyncio
import contextlib
import json
import socket
import time
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop

from bench.processes import pss_mb
from bench.stream_client import END_OF_BODY, EVENT, request_of

OK = b"HTTP/1.1 200"
# The gateway ends an answer that is longer than it was asked to be.
MOST_TOKENS = 5_000_000
# Less than a packet, so that the kernel does not read ahead for a reader who does not.
SLOW_BUFFER_BYTES = 2_304
OPEN_TIMEOUT_S = 120
_OPENED_AT_ONCE = 20


class HeldStream(asyncio.Protocol):
    """Counts events as they come."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.opened = asyncio.get_running_loop().create_future()
        self.events = 0
        self.error: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            if not data.startswith(OK):
                self.error = data[:200].decode(errors="replace")
            self.opened.set_result(None)
        # An event cut in two between its first bytes is not counted: this is a sign of life.
        self.events += data.count(EVENT)
        if data.endswith(END_OF_BODY):
            self.error = self.error or "the server ended a stream"

    def connection_lost(self, exc: Exception | None) -> None:
        self.error = self.error or f"the server closed a stream: {exc}"
        if not self.opened.done():
            self.opened.set_result(None)


class SlowReader:
    """Takes a byte at a time; the kernel holds what it can of the rest, then the gateway waits."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.close = connection.close
        self._read = b""
        self.error: str | None = None

    def read(self) -> None:
        if self.error:
            return
        try:
            byte = self._connection.recv(1)
        except BlockingIOError:
            return
        except OSError as error:
            self.error = f"the server cut a slow reader: {error}"
            return
        self._read = (self._read + byte)[: len(OK)]
        if not byte:
            self.error = "the server closed a slow reader"
        elif not OK.startswith(self._read):
            self.error = f"a slow reader was told {self._read!r}"


async def hold(url: str, *, streams: int, slow: int, duration_s: float, pid: int) -> dict[str, Any]:
    async with asyncio.timeout(OPEN_TIMEOUT_S):
        held = await _open_streams(url, streams)
        readers = [await _open_slow(url) for _ in range(slow)]
    begun = time.perf_counter()
    events_at_start = sum(stream.events for stream in held)
    events_at_half: list[int] = []
    memory = [pss_mb(pid)]
    while (elapsed := time.perf_counter() - begun) < duration_s:
        if elapsed >= duration_s / 2 and not events_at_half:
            events_at_half = [stream.events for stream in held]
        await asyncio.sleep(min(1.0, duration_s / 4))
        for reader in readers:
            reader.read()
        memory.append(pss_mb(pid))
    events = sum(stream.events for stream in held) - events_at_start
    errors = [party.error for party in (*held, *readers) if party.error]
    errors += [
        "a stream stood still"
        for stream, seen in zip(held, events_at_half, strict=bool(events_at_half))
        if not stream.error and stream.events == seen
    ]
    for stream in held:
        stream.transport.abort()
    for reader in readers:
        reader.close()
    return {
        "errors": len(errors),
        "first_error": errors[0] if errors else None,
        "events_per_s": events / elapsed,
        "pss_mb_start": memory[0],
        "pss_mb_half": memory[len(memory) // 2],
        "pss_mb_end": memory[-1],
        "pss_mb_max": max(memory),
    }


async def _open_streams(url: str, streams: int) -> list[HeldStream]:
    """Open some at a time: all at once would measure the accept queue."""
    loop = asyncio.get_running_loop()
    address = urlsplit(url)
    request = request_of(url, MOST_TOKENS)
    held: list[HeldStream] = []
    for begin in range(0, streams, _OPENED_AT_ONCE):
        some = [
            (
                await loop.create_connection(
                    lambda: HeldStream(request), address.hostname or "", address.port or 80
                )
            )[1]
            for _ in range(min(_OPENED_AT_ONCE, streams - begin))
        ]
        await asyncio.gather(*(stream.opened for stream in some))
        held += some
    return held


async def _open_slow(url: str) -> SlowReader:
    loop = asyncio.get_running_loop()
    address = urlsplit(url)
    connection = socket.socket()
    # Before it connects: the window is agreed upon then.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER_BYTES)
    connection.setblocking(False)
    await loop.sock_connect(connection, (address.hostname, address.port))
    await loop.sock_sendall(connection, request_of(url, MOST_TOKENS))
    return SlowReader(connection)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.held_client")
    parser.add_argument("url")
    parser.add_argument("--streams", type=int, required=True)
    parser.add_argument("--slow", type=int, required=True)
    parser.add_argument("--duration", type=float, required=True)
    parser.add_argument("--pid", type=int, required=True)
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        result = uvloop.run(
            hold(
                options.url,
                streams=options.streams,
                slow=options.slow,
                duration_s=options.duration,
                pid=options.pid,
            )
        )
        print(json.dumps(result))


if __name__ == "__main__":
    main()
