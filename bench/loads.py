"""The two loads, each run in a process of its own on the load's core and metered at the server."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bench.mock import EVENTS_ON_THE_WIRE
from bench.processes import BenchError, cpu_us, load_core
from bench.servers import Server
from scripts import debian

CONNECTIONS = 64
STREAMS = 128
CHAT_PATH = "/v1/chat/completions"
MESSAGES_PATH = "/v1/messages"


class JsonFigures(NamedTuple):
    cpu_us: float
    """Of the server, per request."""
    requests_per_s: float
    p50_ms: float
    p99_ms: float


class StreamFigures(NamedTuple):
    cpu_us: float
    """Of the server, per event, the request's share included."""
    events_per_s: float
    ttft_ms_p50: float
    ttft_ms_p99: float


def ensure_wrk() -> None:
    problem = None if shutil.which("wrk") else debian.install("wrk")
    if shutil.which("wrk") is None:
        raise BenchError(f"wrk is missing: {problem}")


def load_json(
    server: Server,
    duration_s: int,
    *,
    connections: int = CONNECTIONS,
    path: str = CHAT_PATH,
    cores: Collection[int] = (),
    varies: bool = False,
) -> JsonFigures:
    """Post completions over and over. Raises BenchError when one is not answered 200.

    The body is the same in OpenAI's and in Anthropic's dialect: only the path differs. Where it
    `varies`, no two prompts are the same.
    """
    before = _spent_us(server)
    result = run_load(
        [
            *("wrk", "-t1", f"-c{connections}", f"-d{duration_s}s", "--timeout", "10s"),
            *("-s", str(Path(__file__).with_name("chat.lua")), server.url + path),
        ],
        server,
        cores,
        {"BENCH_VARY": "1"} if varies else {},
    )
    spent = _spent_us(server) - before
    if result["refused"] or result["broken"] or not result["requests"]:
        raise BenchError(f"{server.name} failed under JSON load: {result}")
    return JsonFigures(
        cpu_us=spent / result["requests"],
        requests_per_s=result["requests"] / (result["duration_us"] / 1e6),
        p50_ms=result["p50_us"] / 1000,
        p99_ms=result["p99_us"] / 1000,
    )


def load_streams(server: Server, duration_s: int) -> StreamFigures:
    """Keep 128 streams open. Raises BenchError when one is cut or loses an event."""
    before = _spent_us(server)
    result = run_load(
        [
            *(sys.executable, "-m", "bench.stream_client", server.url + CHAT_PATH),
            *("--streams", str(STREAMS), "--duration", str(duration_s)),
        ],
        server,
    )
    spent = _spent_us(server) - before
    expected = result["streams"] * EVENTS_ON_THE_WIRE
    if result["errors"] or not result["streams"] or result["events"] != expected:
        raise BenchError(f"{server.name} failed under streaming load: {result}")
    return StreamFigures(
        cpu_us=spent / result["events"],
        events_per_s=result["events"] / result["duration_s"],
        ttft_ms_p50=result["ttft_ms_p50"],
        ttft_ms_p99=result["ttft_ms_p99"],
    )


def run_load(
    command: list[str],
    server: Server,
    cores: Collection[int] = (),
    more: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Run a load to its end, on its own core or on `cores`; its last line of output is JSON."""
    place = ",".join(map(str, sorted(cores) or [load_core()]))
    headers = "\n".join(f"{name}: {value}" for name, value in server.headers)
    run = subprocess.run(
        ["taskset", "-c", place, *command],
        env=os.environ
        | {"BENCH_KEY": server.key, "BENCH_MODEL": server.model, "BENCH_HEADERS": headers}
        | dict(more or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    lines = run.stdout.strip().splitlines()
    if run.returncode or not lines:
        raise BenchError(f"{command[0]} failed: {(run.stderr or run.stdout).strip()[-300:]}")
    return json.loads(lines[-1])


def _spent_us(server: Server) -> int:
    return sum(map(cpu_us, server.pids))
