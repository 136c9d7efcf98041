"""The two servers that are compared: nginx as a plain reverse proxy, and the gateway."""

import contextlib
import json
import os
import shutil
import socket
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

from bench.processes import READY_TIMEOUT_S, BenchError, ready_line, server_core, started
from scripts import debian
from tradewind.core import api_keys
from tradewind.snapshot import file as snapshot_file
from tradewind.snapshot.contents import (
    Endpoint,
    Grant,
    Limits,
    Operation,
    Price,
    Snapshot,
    Target,
)

MODEL = "bench/model"
OTHER_KEYS = 1_000
STARTS = 3

NGINX_CONFIGURATION = """\
daemon off; worker_processes 1; pid nginx.pid; error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_buffer_size 64k;
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3;
  uwsgi_temp_path t4; scgi_temp_path t5;
  keepalive_requests 1000000;
  upstream mock {{ server 127.0.0.1:{mock}; keepalive 512; keepalive_requests 1000000; }}
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ proxy_pass http://mock; }} }}
}}
"""


class Server(NamedTuple):
    """A running server: where it answers, with which key, and the process to meter."""

    name: str
    url: str
    key: str
    pid: int


class StartedGateway(NamedTuple):
    server: Server
    start_s: float
    journal: Path


@contextlib.contextmanager
def running_nginx(folder: Path, mock_port: int) -> Iterator[Server]:
    program = _nginx_program()
    place = folder / "nginx"
    place.mkdir()
    port = _free_port()
    configuration = place / "nginx.conf"
    configuration.write_text(NGINX_CONFIGURATION.format(mock=mock_port, port=port))
    log = folder / "nginx.log"
    command = [program, "-p", str(place), "-e", "stderr", "-c", str(configuration)]
    with started(command, core=server_core(), log=log) as process:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url, log)
        yield Server("nginx", url, "any", process.pid)


@contextlib.contextmanager
def running_gateway(folder: Path, mock_port: int) -> Iterator[StartedGateway]:
    """Run the gateway as a platform with 1,001 keys would; the key it is called with is limited."""
    place = folder / "gateway"
    place.mkdir(mode=0o700)
    configuration, key = _configure_gateway(place, mock_port)
    command = [
        sys.executable,
        "-m",
        "tradewind.gateway.process",
        "--config",
        str(configuration),
    ]
    log = folder / "gateway.log"
    starts: list[float] = []
    for number in range(STARTS):
        begun = time.perf_counter()
        with started(command, core=server_core(), log=log) as process:
            url = ready_line(process, log)
            starts.append(time.perf_counter() - begun)
            if number == STARTS - 1:
                server = Server("tradewind", url, key, process.pid)
                yield StartedGateway(server, statistics.median(starts), place / "journal")


def _configure_gateway(place: Path, mock_port: int) -> tuple[Path, str]:
    pepper = os.urandom(api_keys.PEPPER_BYTES)
    (place / "pepper").write_bytes(pepper)
    (place / "journal").mkdir()
    minted = [api_keys.mint(pepper) for _ in range(OTHER_KEYS + 1)]
    limits = Limits(requests_per_minute=10**9, tokens_per_minute=10**12, concurrent_requests=10**6)
    grants = tuple(
        Grant(
            key_id=key.key_id,
            digest=key.digest,
            organization_id="org_bench",
            project_id="proj_bench",
            limits=limits,
        )
        for key in minted
    )
    price = Price(
        id="price_bench",
        currency="USD",
        input_nanos=150_000_000,
        output_nanos=600_000_000,
        cached_input_nanos=75_000_000,
    )
    target = Target(
        deployment_id="dep_bench",
        replica_id="rep_bench",
        provider="openai_compatible",
        address=f"127.0.0.1:{mock_port}",
        upstream_model="mock",
        credential="mock",
        slots=4096,
    )
    endpoint = Endpoint(
        name=MODEL,
        operation=Operation.CHAT,
        publisher="bench",
        created_at_ms=0,
        context_tokens=32_768,
        max_output_tokens=4_096,
        price=price,
        targets=(target,),
    )
    snapshot_file.write(
        place / "snapshot",
        Snapshot(
            version=1,
            compiled_at_ms=time.time_ns() // 1_000_000,
            grants=grants,
            endpoints=(endpoint,),
        ),
    )
    configuration = place / "gateway.json"
    configuration.write_text(
        json.dumps(
            {
                "host": "127.0.0.1",
                "port": 0,
                "snapshot_path": str(place / "snapshot"),
                "journal_folder": str(place / "journal"),
                "pepper_path": str(place / "pepper"),
                "control_socket": None,
                "durability": "process",
                "node": "bench",
            }
        )
    )
    return configuration, minted[-1].text


def _nginx_program() -> str:
    def find() -> str | None:
        return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

    problem = None if find() else debian.install("nginx-light")
    program = find()
    if program is None:
        raise BenchError(f"nginx is missing: {problem}")
    return program


def _wait_for(url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while True:
        try:
            with urlopen(url, timeout=5):
                return
        except OSError as error:
            if time.monotonic() > deadline:
                raise BenchError(f"nginx did not start: {log.read_text()[-300:]}") from error
            time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
