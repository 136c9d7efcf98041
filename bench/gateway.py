"""The gateway with everything on: keys, limits of key, organization and model, a budget, metering
and with it the request log, which the worker writes from the journal afterwards.
"""

import contextlib
import json
import os
import socket
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.processes import BenchError, ready_line, second_core, server_core, started
from bench.servers import MODEL, Server
from tradewind.core import api_keys
from tradewind.snapshot import file as snapshot_file
from tradewind.snapshot.contents import (
    Budget,
    Endpoint,
    Grant,
    Limits,
    Operation,
    Price,
    Snapshot,
    Target,
    Terms,
)
from tradewind.snapshot.safety import Policy

OTHER_KEYS = 1_000
STARTS = 3
_BUDGET = "budget_bench"
_ORGANIZATION = "org_bench"
# Never reached, and counted all the same.
_LIMITS = Limits(requests_per_minute=10**9, tokens_per_minute=10**12, concurrent_requests=10**6)


class StartedGateway(NamedTuple):
    server: Server
    start_s: float
    journal: Path

    def check_metered(self) -> None:
        """Raises BenchError when nothing was recorded: figures would flatter."""
        if not any(path.stat().st_size for path in self.journal.rglob("*") if path.is_file()):
            raise BenchError("the gateway's journal is empty: these figures are without metering")


@contextlib.contextmanager
def running_gateway(
    folder: Path,
    mock_port: int,
    backstage: Path,
    *,
    starts: int = STARTS,
    coalesce_ms: int = 0,
    policies: tuple[Policy, ...] = (),
) -> Iterator[StartedGateway]:
    """Run the gateway as a platform with 1,001 keys would; the key it is called with is limited,
    and its organization under `policies`.
    """
    name = f"coalescing-{coalesce_ms}" if coalesce_ms else "gateway"
    place = folder / name
    key = _write_platform(place, mock_port, policies)
    configuration = _write_configuration(
        place, backstage, {"port": 0, "node": "bench", "stream_coalesce_ms": coalesce_ms}
    )
    log = folder / f"{name}.log"
    took: list[float] = []
    for number in range(starts):
        begun = time.perf_counter()
        with started(_command(configuration), core=server_core(), log=log) as process:
            url = ready_line(process, log)
            took.append(time.perf_counter() - begun)
            if number == starts - 1:
                server = Server("tradewind", url, key, (process.pid,))
                yield StartedGateway(server, statistics.median(took), place / "journal")


@contextlib.contextmanager
def running_two_gateways(folder: Path, mock_port: int, backstage: Path) -> Iterator[StartedGateway]:
    """Run two that share a port by SO_REUSEPORT and count limits in one file, on a core each."""
    place = folder / "gateways"
    key = _write_platform(place, mock_port)
    begun = time.perf_counter()
    pids: list[int] = []
    with contextlib.ExitStack() as stack:
        port = 0
        for number, core in enumerate((server_core(), second_core())):
            listener = stack.enter_context(_shared_listener(port))
            port = listener.getsockname()[1]
            configuration = _write_configuration(
                place,
                backstage,
                {
                    "listen_fd": listener.fileno(),
                    "node": f"bench-{number}",
                    "limits_file": str(place / "limits"),
                },
            )
            log = folder / f"gateway-{number}.log"
            process = stack.enter_context(
                started(_command(configuration), core=core, log=log, sockets=[listener.fileno()])
            )
            ready_line(process, log)
            pids.append(process.pid)
        server = Server("two tradewinds", f"http://127.0.0.1:{port}", key, tuple(pids))
        yield StartedGateway(server, time.perf_counter() - begun, place / "journal")


def _command(configuration: Path) -> list[str]:
    return [sys.executable, "-m", "tradewind.gateway.process", "--config", str(configuration)]


def _shared_listener(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(4096)
    return listener


def _write_configuration(place: Path, backstage: Path, more: dict[str, object]) -> Path:
    configuration = place / f"{more['node']}.json"
    configuration.write_text(
        json.dumps(
            {
                "host": "127.0.0.1",
                "snapshot_path": str(place / "snapshot"),
                "journal_folder": str(place / "journal"),
                "pepper_path": str(place / "pepper"),
                "backstage": str(backstage),
                "durability": "process",
            }
            | more
        )
    )
    return configuration


def _write_platform(place: Path, mock_port: int, policies: tuple[Policy, ...] = ()) -> str:
    """Write what a gateway reads when it starts; the answer is a key to call it with."""
    place.mkdir(mode=0o700)
    pepper = os.urandom(api_keys.PEPPER_BYTES)
    (place / "pepper").write_bytes(pepper)
    (place / "journal").mkdir()
    minted = [api_keys.mint(pepper) for _ in range(OTHER_KEYS + 1)]
    grants = tuple(
        Grant(
            key_id=key.key_id,
            digest=key.digest,
            organization_id=_ORGANIZATION,
            project_id="proj_bench",
            limits=_LIMITS,
        )
        for key in minted
    )
    snapshot_file.write(
        place / "snapshot",
        Snapshot(
            version=1,
            compiled_at_ms=time.time_ns() // 1_000_000,
            grants=grants,
            endpoints=(_endpoint(mock_port),),
            terms=(
                Terms(
                    _ORGANIZATION,
                    limits=_LIMITS,
                    budgets=(_BUDGET,),
                    policies=tuple(policy.id for policy in policies),
                ),
            ),
            budgets=(Budget(_BUDGET, "bench", "USD"),),
            policies=policies,
        ),
    )
    return minted[-1].text


def _endpoint(mock_port: int) -> Endpoint:
    return Endpoint(
        name=MODEL,
        operation=Operation.CHAT,
        publisher="bench",
        created_at_ms=0,
        # Streams that are held for minutes are longer than any real model's.
        context_tokens=10_000_000,
        max_output_tokens=10_000_000,
        limits=_LIMITS,
        price=Price(
            id="price_bench",
            currency="USD",
            input_nanos=150_000_000,
            output_nanos=600_000_000,
            cached_input_nanos=75_000_000,
        ),
        targets=(
            Target(
                deployment_id="dep_bench",
                replica_id="rep_bench",
                provider="openai_compatible",
                address=f"127.0.0.1:{mock_port}",
                upstream_model="mock",
                credential="mock",
                slots=4096,
            ),
        ),
    )
