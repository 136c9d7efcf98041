"""The gateway's process: `python -m tradewind.gateway.process --config FILE`.

SIGTERM drains: no new connections, running answers end, the journal is sealed.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import errno
import gc
import logging
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

import uvloop

from tradewind.core.api_keys import PEPPER_BYTES
from tradewind.core.errors import StartupError
from tradewind.core.parent_death import end_with_parent
from tradewind.gateway.admission.build import close_admissions
from tradewind.gateway.application import GatewayApplication
from tradewind.gateway.coalescing import Coalescer
from tradewind.gateway.config import GatewayConfig, load
from tradewind.gateway.http.batch import WriteBatch
from tradewind.gateway.http.limits import ServerLimits, UpstreamLimits, UpstreamTimeouts
from tradewind.gateway.http.server import HttpServer
from tradewind.gateway.http.server_tls import server_context
from tradewind.gateway.http.upstream import UpstreamClient
from tradewind.gateway.http.upstream_tls import build_ssl_context
from tradewind.gateway.kill_switch import end_stopped
from tradewind.gateway.live_gateways import LiveGatewaysWatch
from tradewind.gateway.metrics import Metrics
from tradewind.gateway.record import Recorder
from tradewind.gateway.safety_models import SafetyModels
from tradewind.gateway.snapshots import SnapshotWatch
from tradewind.gateway.state import GatewayState
from tradewind.plugins.checks.base import AnyCheck
from tradewind.plugins.checks.registry import checks
from tradewind.plugins.providers.registry import providers
from tradewind.snapshot.view import SnapshotView
from tradewind.telemetry.logs import log_to_stderr
from tradewind.usage.journal import Journal

_log = logging.getLogger("tradewind.gateway")

# Every client's stream may be at the same host; how much a host is given is routing's matter.
_MOST_CONNECTIONS_OF_A_HOST = 10_000

_DELIVERY_S = 3.0
"""For stored responses, and for contents, that are not delivered when a gateway stops."""

_SWITCH_S = 0.001
"""After which the loop gets the interpreter back from the thread of the checks. By default that is
5 ms, which each event of each stream would wait while a long prompt is looked at."""


def main() -> None:
    """Run until SIGTERM or SIGINT. Exit status 1 and one line on stderr when it cannot start."""
    parser = argparse.ArgumentParser(prog="tradewind-gateway")
    parser.add_argument("--config", type=Path, required=True, help="JSON, see GatewayConfig")
    parser.add_argument("--parent", type=int, help="end with the process of this id")
    arguments = parser.parse_args()
    log_to_stderr()
    sys.setswitchinterval(_SWITCH_S)
    try:
        if arguments.parent is not None:
            end_with_parent(arguments.parent)
        config = load(arguments.config)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(config))
    except StartupError as error:
        print(f"tradewind: {error}", file=sys.stderr)
        sys.exit(1)


async def serve(config: GatewayConfig) -> None:
    """Serve until a signal asks to stop. Raises StartupError."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(config) as url:
        # What lives from now on is short-lived and mostly without cycles: older objects need not be
        # looked at by each collection, and one each 700 objects costs 6 % of a request's CPU.
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        print(f"listening {url}", flush=True)
        await stop.wait()
        _log.info("draining")


@contextlib.asynccontextmanager
async def running(
    config: GatewayConfig, members: Mapping[str, AnyCheck] | None = None
) -> AsyncGenerator[str]:
    """Run a gateway for the time of the block; the value is its base URL. Drains at the end.

    `members` are checks in place of those that there are.
    """
    loop = asyncio.get_running_loop()
    pepper = _read_pepper(config.pepper_path)
    journal = _open_journal(config)
    batch = WriteBatch(loop, before_flush=lambda: _flush(journal))
    upstream = UpstreamClient(
        loop,
        batch,
        UpstreamLimits(max_connections_per_address=_MOST_CONNECTIONS_OF_A_HOST),
        ssl_context=None if config.ca_bundle is None else build_ssl_context(config.ca_bundle),
    )
    metrics = Metrics(config.metrics_folder, config.node)
    state = GatewayState(
        config=config,
        pepper=pepper,
        view=SnapshotView(),
        recorder=Recorder(
            journal,
            metrics,
            schedule_flush=batch.schedule,
            waits_for_disk=config.durability == "disk",
        ),
        metrics=metrics,
        upstream=upstream,
        providers=providers(),
        timeouts=UpstreamTimeouts(),
        loop=loop,
        checks=checks() if members is None else members,
        coalescer=Coalescer(loop, wait_ms / 1000)
        if (wait_ms := config.stream_coalesce_ms)
        else None,
    )

    state.examiner.models = SafetyModels(state)

    def swap(view: SnapshotView) -> None:
        state.view = view
        end_stopped(state)
        _log.info("snapshot %d is in force", view.version)

    watch = SnapshotWatch(config.snapshot_path, swap, config.snapshot_poll_s)
    watch.load_first()
    live = _live_gateways(config, state)
    application = GatewayApplication(
        state, lambda: server.open_connections, lambda: dataclasses.asdict(server.counters)
    )
    server = HttpServer(
        application, batch, ServerLimits(max_body_bytes=config.max_body_bytes), loop
    )
    try:
        url = await _listen(server, config)
    except StartupError:
        await journal.close()
        metrics.close()
        raise
    watching = [asyncio.create_task(watch.run(), name="snapshot-watch")]
    if live is not None:
        watching.append(asyncio.create_task(live.run(), name="live-gateways-watch"))
    application.sampler.start(loop)
    try:
        yield url
    finally:
        state.is_draining = True
        for task in watching:
            task.cancel()
        await asyncio.gather(
            server.drain(config.drain_timeout_s),
            state.background_responses.close(config.drain_timeout_s),
        )
        await state.responses.close(_DELIVERY_S)
        await close_admissions(state.admissions)
        await upstream.close()
        batch.flush_now()
        state.check_data.close()
        await journal.close()
        application.sampler.stop()
        metrics.close()
        await asyncio.to_thread(state.examiner.close, _DELIVERY_S)
        await asyncio.to_thread(state.contents.close, _DELIVERY_S)
        for task in watching:
            with contextlib.suppress(asyncio.CancelledError):
                await task


def _live_gateways(config: GatewayConfig, state: GatewayState) -> LiveGatewaysWatch | None:
    if config.live_gateways_path is None:
        return None
    watch = LiveGatewaysWatch(config.live_gateways_path, state.admissions.share_with)
    watch.look()
    return watch


def _flush(journal: Journal) -> None:
    journal.flush()


def _open_journal(config: GatewayConfig) -> Journal:
    try:
        return Journal.open(
            config.journal_folder,
            node=config.node,
            durability=config.durability,
        )
    except OSError as error:
        raise StartupError(
            f"the journal folder {config.journal_folder} cannot be written: {error.strerror}",
            hint="free disk space or choose another --data folder",
        ) from error


def _read_pepper(path: Path) -> bytes:
    try:
        pepper = path.read_bytes()
    except OSError as error:
        raise StartupError(f"the key pepper {path} cannot be read: {error.strerror}") from error
    if len(pepper) != PEPPER_BYTES:
        raise StartupError(f"the key pepper {path} has {len(pepper)} bytes, not {PEPPER_BYTES}")
    return pepper


async def _listen(server: HttpServer, config: GatewayConfig) -> str:
    context = None
    if config.tls_certificate is not None:
        context = server_context(config.tls_certificate, config.tls_key)
    try:
        if config.listen_fd is not None:
            inherited = socket.socket(fileno=config.listen_fd)
            inherited.setblocking(False)
            address = await server.listen(sock=inherited, tls=context)
        else:
            address = await server.listen(host=config.host, port=config.port, tls=context)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise StartupError(
                f"port {config.port} on {config.host} is in use", hint="choose another with --port"
            ) from error
        raise StartupError(f"cannot listen on {config.host}:{config.port}: {error}") from error
    return f"{'http' if context is None else 'https'}://{address}"


if __name__ == "__main__":
    main()
