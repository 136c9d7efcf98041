"""Post completions on a few connections, each after a pause; print how long they took.

    BENCH_KEY=… BENCH_MODEL=… python -m bench.paced_client URL --connections 16 --duration 2

A server that is never idle makes every call wait for those before it, which says nothing of how
long one takes.
"""

import argparse
import asyncio
import json
import os
import statistics
import time
from urllib.parse import urlsplit

from bench.stream_client import PROMPT

PAUSE_S = 0.1
_PATIENCE_S = 30


def _request(url: str, number: int) -> bytes:
    """Return a call whose prompt nobody else sends."""
    parts = urlsplit(url)
    messages = [{"role": "user", "content": f"{number}: {PROMPT}"}]
    body = json.dumps({"model": os.environ["BENCH_MODEL"], "messages": messages}).encode()
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Authorization: Bearer {os.environ['BENCH_KEY']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _answer(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise ConnectionError(head[:200].decode(errors="replace"))
    length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
    await reader.readexactly(int(length))


async def _connection(url: str, place: int, ends_at: float) -> list[float]:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    await asyncio.sleep(PAUSE_S * place / 16)
    taken: list[float] = []
    while time.perf_counter() < ends_at:
        asked = time.perf_counter()
        writer.write(_request(url, place * 1_000_000 + len(taken)))
        await asyncio.wait_for(_answer(reader), _PATIENCE_S)
        taken.append(time.perf_counter() - asked)
        await asyncio.sleep(PAUSE_S)
    writer.close()
    return taken


async def load(url: str, connections: int, duration_s: float) -> dict[str, object]:
    ends_at = time.perf_counter() + duration_s
    tasks = [_connection(url, place, ends_at) for place in range(connections)]
    taken = sorted(each for one in await asyncio.gather(*tasks) for each in one)
    return {
        "requests": len(taken),
        "p50_ms": 1000 * statistics.median(taken),
        "p99_ms": 1000 * taken[min(len(taken) - 1, int(len(taken) * 0.99))],
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.paced_client")
    parser.add_argument("url")
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--duration", type=float, required=True)
    options = parser.parse_args()
    print(json.dumps(asyncio.run(load(options.url, options.connections, options.duration))))


if __name__ == "__main__":
    main()
