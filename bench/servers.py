"""What a load is run against, and nginx as a plain reverse proxy, which all are compared with."""

import contextlib
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import urlopen

from bench.processes import READY_TIMEOUT_S, BenchError, server_core, started
from scripts import debian

MODEL = "bench/model"

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
    """A running server: where it answers, to what, and the processes to meter."""

    name: str
    url: str
    key: str
    pids: tuple[int, ...]
    model: str = MODEL
    headers: tuple[tuple[str, str], ...] = ()
    """What it wants to be told beside the key."""


@contextlib.contextmanager
def running_nginx(folder: Path, mock_port: int) -> Iterator[Server]:
    program = _nginx_program()
    place = folder / "nginx"
    place.mkdir()
    port = free_port()
    configuration = place / "nginx.conf"
    configuration.write_text(NGINX_CONFIGURATION.format(mock=mock_port, port=port))
    log = folder / "nginx.log"
    command = [program, "-p", str(place), "-e", "stderr", "-c", str(configuration)]
    with started(command, core=server_core(), log=log) as process:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, log)
        yield Server("nginx", url, "any", (process.pid,))


def _nginx_program() -> str:
    def find() -> str | None:
        return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

    problem = None if find() else debian.install("nginx-light")
    program = find()
    if program is None:
        raise BenchError(f"nginx is missing: {problem}")
    return program


def wait_for(url: str, log: Path, timeout_s: float = READY_TIMEOUT_S) -> None:
    """Wait until something answers, whatever it says. Raises BenchError with the log's end."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            with urlopen(url, timeout=5):
                return
        except HTTPError:
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise BenchError(f"{log.stem} did not start: {log.read_text()[-300:]}") from error
            time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
