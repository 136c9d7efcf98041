"""`python -m bench.peers [--seconds N] [--only NAME …] [--json]`: other gateways under our load.

Each is installed by itself below `build/peers`, in the release named here, and stands before the
same mock on the same core as ours, one after the other. Each does what its settings below let it
do; ours does all it can (keys, limits, budget, metering). One that cannot be installed, started or
loaded is a row that says why.
"""

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from bench.backstage import running_backstage
from bench.gateway import running_gateway
from bench.loads import JsonFigures, ensure_wrk, load_json
from bench.mock import running_mock
from bench.peer_environments import node_peer, python_peer
from bench.processes import BenchError, allow_many_files, pss_mb, server_core, started
from bench.servers import Server, free_port, running_nginx, wait_for

CONNECTIONS = (16, 64)
WARM_UP_S = 3
START_TIMEOUT_S = 120
# Loopback only and gone with the run: not a secret, and long enough for whoever checks that.
_KEY = "sk-bench-0123456789abcdef0123456789abcdef"


class Place(NamedTuple):
    """Where a server is to be started."""

    folder: Path
    mock_port: int
    say: Callable[[str], object]


class Row(NamedTuple):
    """What became of one server."""

    title: str
    figures: dict[int, JsonFigures]
    """By the number of connections."""
    pss_mb: float
    problem: str | None = None


def main() -> int:
    options = _parse_options()
    console = Console(stderr=True, highlight=False)
    try:
        with tempfile.TemporaryDirectory(prefix="tradewind-peers-") as folder:
            rows = measure(Path(folder), options.only, options.seconds, console.print)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if options.json:
        print(json.dumps([_as_dict(row) for row in rows]))
    else:
        Console(highlight=False).print(table(rows, options.seconds))
    return 0


def measure(
    folder: Path, only: list[str] | None, seconds: int, say: Callable[[str], object]
) -> list[Row]:
    """Load each in turn. Raises BenchError when the mock or the load itself cannot be had."""
    ensure_wrk()
    allow_many_files()
    rows: list[Row] = []
    with running_mock(folder) as mock:
        for name, (title, running) in SERVERS.items():
            if only and name not in only:
                continue
            place = folder / name
            place.mkdir()
            rows.append(_row(title, running, Place(place, mock.port, say), seconds))
    return rows


def table(rows: list[Row], seconds: int) -> Table:
    shown = Table(
        title=f"Gateways before one mock, on one core, {seconds} s for each load",
        caption="CPU of the server; memory after both loads, PSS.",
    )
    shown.add_column("")
    for heading in ("connections", "CPU µs a request", "requests/s", "p50 ms", "p99 ms", "MB"):
        shown.add_column(heading, justify="right")
    for row in rows:
        if row.problem is not None:
            shown.add_row(f"{row.title}: {row.problem}")
            continue
        title, memory = row.title, f"{row.pss_mb:.0f}"
        for connections, figures in row.figures.items():
            shown.add_row(
                title,
                str(connections),
                f"{figures.cpu_us:,.1f}",
                f"{figures.requests_per_s:,.0f}",
                f"{figures.p50_ms:,.1f}",
                f"{figures.p99_ms:,.1f}",
                memory,
            )
            title = memory = ""
    return shown


def _row(title: str, running: "Running", place: Place, seconds: int) -> Row:
    try:
        with running(place) as server:
            place.say(f"loading {title}")
            # Some import half of themselves with their first call.
            load_json(server, WARM_UP_S, connections=CONNECTIONS[0])
            figures = {
                connections: load_json(server, seconds, connections=connections)
                for connections in CONNECTIONS
            }
            return Row(title, figures, sum(map(pss_mb, server.pids)))
    except BenchError as error:
        return Row(title, {}, 0.0, str(error))


@contextlib.contextmanager
def _nginx(place: Place) -> Iterator[Server]:
    with running_nginx(place.folder, place.mock_port) as server:
        yield server


@contextlib.contextmanager
def _tradewind(place: Place) -> Iterator[Server]:
    with (
        running_backstage(place.folder) as backstage,
        running_gateway(place.folder, place.mock_port, backstage.socket, starts=1) as gateway,
    ):
        yield gateway.server
        gateway.check_metered()


@contextlib.contextmanager
def _ferrogw(place: Place) -> Iterator[Server]:
    folder = python_peer("ferrogw", ["ferrogw==1.5.10"], place.say)
    configuration = place.folder / "config.yaml"
    configuration.write_text("strategy: {mode: single}\ntargets: [{virtual_key: openai}]\n")
    port = free_port()
    environment = {
        "OPENAI_API_KEY": "mock",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{place.mock_port}",
        "MASTER_KEY": _KEY,
        "PORT": str(port),
        "GATEWAY_CONFIG": str(configuration),
        # Refusals are cheap: they would flatter it.
        "RATE_LIMIT_RPS": "1000000",
        "RATE_LIMIT_BURST": "1000000",
    }
    command = [str(folder / "bin" / "ferrogw"), "serve"]
    with _peer(place, "ferrogw", command, port, environment) as pid:
        yield Server("ferrogw", _url(port), _KEY, (pid,), model="gpt-4o-mini")


@contextlib.contextmanager
def _portkey(place: Place) -> Iterator[Server]:
    node, folder = node_peer("portkey", "@portkey-ai/gateway@1.15.2", place.say)
    program = folder / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    port = free_port()
    command = [str(node), str(program), f"--port={port}", "--headless"]
    with _peer(place, "portkey", command, port, {"NODE_ENV": "production"}) as pid:
        headers = (
            ("x-portkey-provider", "openai"),
            ("x-portkey-custom-host", f"http://127.0.0.1:{place.mock_port}/v1"),
        )
        yield Server("portkey", _url(port), _KEY, (pid,), model="mock", headers=headers)


@contextlib.contextmanager
def _litellm(place: Place) -> Iterator[Server]:
    # Without the OpenTelemetry SDK it compiles a module that cannot be imported with each call,
    # which costs it half as much again.
    packages = [
        "litellm[proxy]==1.106.2",
        "opentelemetry-sdk==1.45.2",
        "opentelemetry-exporter-otlp==1.45.2",
        "httptools==0.9.0",
    ]
    folder = python_peer("litellm", packages, place.say)
    configuration = place.folder / "config.yaml"
    configuration.write_text(
        json.dumps(
            {
                "model_list": [
                    {
                        "model_name": "mock",
                        "litellm_params": {
                            "model": "openai/mock",
                            "api_base": f"http://127.0.0.1:{place.mock_port}/v1",
                            "api_key": "mock",
                        },
                    }
                ],
                "litellm_settings": {
                    "request_timeout": 600,
                    "set_verbose": False,
                    "json_logs": True,
                },
                "general_settings": {"master_key": _KEY},
            }
        )
    )
    port = free_port()
    command = [
        *(str(folder / "bin" / "litellm"), "--config", str(configuration)),
        *("--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"),
        *("--telemetry", "False"),
    ]
    environment = {
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    with _peer(place, "litellm", command, port, environment) as pid:
        yield Server("litellm", _url(port), _KEY, (pid,), model="mock")


Running = Callable[[Place], contextlib.AbstractContextManager[Server]]
SERVERS: dict[str, tuple[str, Running]] = {
    "nginx": ("nginx (plain proxy)", _nginx),
    "tradewind": ("Tradewind (all on)", _tradewind),
    "ferrogw": ("ferrogw 1.5.10 (Go)", _ferrogw),
    "portkey": ("Portkey 1.15.2 (Node.js)", _portkey),
    "litellm": ("LiteLLM 1.106.2 (Python)", _litellm),
}


@contextlib.contextmanager
def _peer(
    place: Place, name: str, command: list[str], port: int, environment: dict[str, str]
) -> Iterator[int]:
    place.say(f"starting {name}")
    log = place.folder / f"{name}.log"
    with started(
        command,
        core=server_core(),
        log=log,
        cwd=place.folder,
        environment=environment,
        is_heard=False,
    ) as process:
        wait_for(_url(port), log, START_TIMEOUT_S)
        yield process.pid


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _as_dict(row: Row) -> dict[str, object]:
    figures: dict[str, object] = {
        str(connections): each._asdict() for connections, each in row.figures.items()
    }
    return {"name": row.title, "pss_mb": round(row.pss_mb, 1), "problem": row.problem} | figures


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench-peers", description="Measure other gateways beside this one."
    )
    parser.add_argument("--seconds", type=int, default=10, help="of each load")
    parser.add_argument("--only", action="append", choices=SERVERS, help="may be given again")
    parser.add_argument("--json", action="store_true", help="print one line of JSON at the end")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
