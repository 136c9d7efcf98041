"""Keep streamed chat completions open against one server; print one line of JSON.

    BENCH_KEY=… BENCH_MODEL=… python -m bench.stream_client URL --streams 128 --duration 3

Every connection asks for one stream after the other. It only counts bytes on the way, so that one
core can keep up with hundreds of streams.
"""

import argparse
import asyncio
import json
import os
import statistics
import time
from typing import cast
from urllib.parse import urlsplit

import uvloop

END_OF_BODY = b"0\r\n\r\n"
EVENT = b"data: "
PROMPT = ("The trade wind carries small ships over warm water to far ports. " * 16)[:1000]
# Connections are opened over this time: all at once would measure the accept queue.
RAMP_S = 0.3
# One stream takes 0.65 s; a server that needs longer than this for the last ones is broken.
LAST_STREAMS_TIMEOUT_S = 30


class Tally:
    """What all connections saw."""

    def __init__(self, request: bytes, ends_at: float, connections: int) -> None:
        self.request = request
        self.ends_at = ends_at
        self.open_connections = connections
        self.all_closed = asyncio.get_running_loop().create_future()
        self.ttft_s: list[float] = []
        self.streams = 0
        self.events = 0
        self.errors: list[str] = []

    def connection_ended(self) -> None:
        self.open_connections -= 1
        if not self.open_connections and not self.all_closed.done():
            self.all_closed.set_result(None)


class StreamingConnection(asyncio.Protocol):
    _transport: asyncio.Transport

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._is_done = False
        self._events = 0
        self._tail = b""
        self._asked_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport is one in all but its base class.
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        # An event or the end of the body may be cut anywhere, so a few bytes are carried over.
        seen = self._tail + data
        if not self._events and not self._tail and not data.startswith(b"HTTP/1.1 200"):
            self._fail(data[:200].decode(errors="replace"))
            return
        events = seen.count(EVENT)
        if events and not self._events:
            self._tally.ttft_s.append(time.perf_counter() - self._asked_at)
        self._events += events
        if seen.endswith(END_OF_BODY):
            self._tally.streams += 1
            self._tally.events += self._events
            self._ask()
        else:
            # One byte less than a whole EVENT, so that none is counted twice.
            self._tail = seen[-(len(EVENT) - 1) :]

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._is_done:
            self._tally.errors.append(f"the server closed a stream: {exc}")
        self._tally.connection_ended()

    def _ask(self) -> None:
        if time.perf_counter() >= self._tally.ends_at:
            self._is_done = True
            self._transport.close()
            return
        self._events = 0
        self._tail = b""
        self._asked_at = time.perf_counter()
        self._transport.write(self._tally.request)

    def _fail(self, reason: str) -> None:
        self._tally.errors.append(reason)
        self._is_done = True
        self._transport.abort()


async def load(url: str, streams: int, duration_s: float) -> dict[str, object]:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    started = time.perf_counter()
    tally = Tally(request_of(url), started + duration_s, streams)
    loop = asyncio.get_running_loop()
    for _ in range(streams):
        await loop.create_connection(lambda: StreamingConnection(tally), host, port)
        await asyncio.sleep(RAMP_S / streams)
    await asyncio.wait_for(tally.all_closed, duration_s + LAST_STREAMS_TIMEOUT_S)
    ttft_ms = sorted(1000 * seconds for seconds in tally.ttft_s) or [0.0]
    return {
        "streams": tally.streams,
        "events": tally.events,
        "errors": len(tally.errors),
        "first_error": tally.errors[0] if tally.errors else None,
        "duration_s": time.perf_counter() - started,
        "ttft_ms_p50": statistics.median(ttft_ms),
        "ttft_ms_p99": ttft_ms[min(len(ttft_ms) - 1, int(len(ttft_ms) * 0.99))],
    }


def request_of(url: str, most_tokens: int = 64) -> bytes:
    parts = urlsplit(url)
    body = json.dumps(
        {
            "model": os.environ["BENCH_MODEL"],
            "messages": [{"role": "user", "content": PROMPT}],
            "max_tokens": most_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        },
        separators=(",", ":"),
    ).encode()
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Authorization: Bearer {os.environ['BENCH_KEY']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.stream_client")
    parser.add_argument("url")
    parser.add_argument("--streams", type=int, required=True)
    parser.add_argument("--duration", type=float, required=True)
    options = parser.parse_args()
    print(json.dumps(uvloop.run(load(options.url, options.streams, options.duration))))


if __name__ == "__main__":
    main()
