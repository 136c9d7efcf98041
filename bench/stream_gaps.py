"""Read a few streams at once; print when their first token came and how long the gaps were.

BENCH_KEY=… BENCH_MODEL=… python -m bench.stream_gaps URL --streams 8
"""

import argparse
import asyncio
import json
import statistics
import time
from urllib.parse import urlsplit

from bench.stream_client import END_OF_BODY, request_of

_PATIENCE_S = 60
_TEXT = b'"content":"'


async def _read(url: str) -> tuple[float, list[float]]:
    """Return the time to the first text, and the gaps behind it, in seconds."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    asked = time.perf_counter()
    writer.write(request_of(url, 200))
    first, last, gaps, tail = 0.0, 0.0, list[float](), b""
    while True:
        data = await asyncio.wait_for(reader.read(65_536), _PATIENCE_S)
        if not data:
            raise ConnectionError("the stream was cut")
        now = time.perf_counter()
        seen = tail + data
        if last:
            gaps.append(now - last)
        if last or _TEXT in seen:
            first, last = first or now - asked, now
        if seen.endswith(END_OF_BODY):
            break
        tail = seen[-64:]
    writer.close()
    return first, gaps


async def load(url: str, streams: int) -> dict[str, object]:
    found = await asyncio.gather(*(_read(url) for _ in range(streams)), return_exceptions=True)
    good = [each for each in found if not isinstance(each, BaseException)]
    gaps = sorted(gap for _, each in good for gap in each) or [0.0]
    return {
        "errors": len(found) - len(good),
        "first_error": next(
            (repr(each) for each in found if isinstance(each, BaseException)), None
        ),
        "ttft_ms_p50": 1000 * statistics.median(first for first, _ in good) if good else 0.0,
        "gap_ms_p99": 1000 * gaps[min(len(gaps) - 1, int(len(gaps) * 0.99))],
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.stream_gaps")
    parser.add_argument("url")
    parser.add_argument("--streams", type=int, required=True)
    options = parser.parse_args()
    print(json.dumps(asyncio.run(load(options.url, options.streams))))


if __name__ == "__main__":
    main()
