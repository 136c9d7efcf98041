"""`python -m bench [--rounds N] [--seconds N] [--held-seconds N] [--page-loads N] [--json]`."""

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from bench.backstage import running_backstage
from bench.catalog_page import LOADS, PageFigures, measure_page
from bench.gateway import running_gateway, running_two_gateways
from bench.guarded import GuardedFigures, measure_guarded
from bench.held import HeldFigures, hold_streams
from bench.loads import (
    MESSAGES_PATH,
    JsonFigures,
    StreamFigures,
    ensure_wrk,
    load_json,
    load_streams,
)
from bench.mock import running_mock
from bench.processes import BenchError, allow_many_files, load_core, pss_mb, server_core
from bench.report import AIMS, COALESCE_MS, Report, table
from bench.servers import Server, running_nginx
from bench.workers import WorkerFigures, compare_workers, measured_as


class Round(NamedTuple):
    """One turn: each server under each load, and the mock alone for the time to first token."""

    nginx_json: JsonFigures
    gateway_json: JsonFigures
    gateway_messages: JsonFigures
    direct_streams: StreamFigures
    nginx_streams: StreamFigures
    gateway_streams: StreamFigures
    coalesced_streams: StreamFigures
    workers: WorkerFigures


def main() -> int:
    options = _parse_options()
    # stdout is for the figures; with --json its last line is the object.
    console = Console(stderr=True, highlight=False)
    try:
        with tempfile.TemporaryDirectory(prefix="tradewind-bench-") as folder:
            # PostgreSQL runs as another user when we are root, and has to get through.
            Path(folder).chmod(0o711)
            report = measure(
                Path(folder),
                options.rounds,
                options.seconds,
                options.held_seconds,
                options.page_loads,
                console.print,
            )
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if options.json:
        print(json.dumps(report.as_dict()))
    else:
        Console(highlight=False).print(table(report))
    return 0


def measure(  # noqa: PLR0917  what was asked for on the command line
    folder: Path,
    rounds: int,
    seconds: int,
    held_seconds: int,
    page_loads: int,
    say: Callable[[str], object],
) -> Report:
    """Run the whole benchmark. Raises BenchError when a server fails or answers wrongly."""
    ensure_wrk()
    allow_many_files()
    if server_core() == load_core():
        say("only one core: load and servers share it, so rates and times say little")
    with contextlib.ExitStack() as stack:
        mock = stack.enter_context(running_mock(folder))
        nginx = stack.enter_context(running_nginx(folder, mock.port))
        backstage = stack.enter_context(running_backstage(folder))
        one = stack.enter_context(running_gateway(folder, mock.port, backstage.socket))
        two = stack.enter_context(running_two_gateways(folder, mock.port, backstage.socket))
        coalescing = stack.enter_context(
            running_gateway(folder, mock.port, backstage.socket, starts=1, coalesce_ms=COALESCE_MS)
        ).server
        gateway, pair = one.server, two.server
        direct = Server("mock", f"http://127.0.0.1:{mock.port}", "any", ())
        say("warming up")
        for server in (nginx, gateway, coalescing, pair):
            load_json(server, 1)
            load_streams(server, 1)
        load_json(gateway, 1, path=MESSAGES_PATH)
        taken: list[Round] = []
        for number in range(1, rounds + 1):
            say(f"round {number} of {rounds}")
            taken.append(
                Round(
                    nginx_json=load_json(nginx, seconds),
                    gateway_json=load_json(gateway, seconds),
                    gateway_messages=load_json(gateway, seconds, path=MESSAGES_PATH),
                    direct_streams=load_streams(direct, seconds),
                    nginx_streams=load_streams(nginx, seconds),
                    gateway_streams=load_streams(gateway, seconds),
                    coalesced_streams=load_streams(coalescing, seconds),
                    workers=compare_workers(gateway, pair, mock, seconds),
                )
            )
        for each in (one, two):
            each.check_metered()
        if not backstage.has_leased:
            raise BenchError("nothing was leased: these figures are without a budget")
        memory = pss_mb(gateway.pids[0]), pss_mb(nginx.pids[0])
    say("the same with the default safety policy")
    guarded = measure_guarded(folder / "guarded", rounds, seconds)
    held = None
    if held_seconds:
        say(f"holding streams for {held_seconds} s")
        held = hold_streams(folder / "held", held_seconds)
    page = None
    if page_loads:
        say("opening the catalog in Chromium, once every shipped model is in it")
        page = measure_page(folder / "catalog", page_loads)
        if page is None:
            say("there is no Chromium: the page of the catalog is not measured")
    return _report(taken, held, page, guarded, one.start_s, memory)


def _report(  # noqa: PLR0917  what was measured
    rounds: list[Round],
    held: HeldFigures | None,
    page: PageFigures | None,
    guarded: GuardedFigures,
    start_s: float,
    memory_mb: tuple[float, float],
) -> Report:
    def median(values: Iterable[float]) -> float:
        return statistics.median(values)

    return Report(
        rounds=len(rounds),
        json_cpu_ratio=median(r.gateway_json.cpu_us / r.nginx_json.cpu_us for r in rounds),
        stream_cpu_ratio=median(r.gateway_streams.cpu_us / r.nginx_streams.cpu_us for r in rounds),
        coalesced_cpu_ratio=median(
            r.coalesced_streams.cpu_us / r.nginx_streams.cpu_us for r in rounds
        ),
        translation_extra_us=median(
            r.gateway_messages.cpu_us - r.gateway_json.cpu_us for r in rounds
        ),
        two_workers_ratio=median(r.workers.rate_ratio for r in rounds),
        two_workers_plain_ratio=median(r.workers.plain_ratio for r in rounds),
        two_workers_cpu_ratio=median(r.workers.cpu_ratio for r in rounds),
        two_workers_measured=measured_as(),
        held=held,
        page=page,
        guarded=guarded,
        pss_mb=memory_mb[0],
        nginx_pss_mb=memory_mb[1],
        start_s=start_s,
        ttft_added_ms_p50=median(
            r.gateway_streams.ttft_ms_p50 - r.direct_streams.ttft_ms_p50 for r in rounds
        ),
        nginx_ttft_added_ms_p50=median(
            r.nginx_streams.ttft_ms_p50 - r.direct_streams.ttft_ms_p50 for r in rounds
        ),
        gateway_json=_median_json(r.gateway_json for r in rounds),
        nginx_json=_median_json(r.nginx_json for r in rounds),
        gateway_streams=_median_streams(r.gateway_streams for r in rounds),
        nginx_streams=_median_streams(r.nginx_streams for r in rounds),
    )


def _median_json(figures: Iterable[JsonFigures]) -> JsonFigures:
    return JsonFigures(*(statistics.median(column) for column in zip(*figures, strict=True)))


def _median_streams(figures: Iterable[StreamFigures]) -> StreamFigures:
    return StreamFigures(*(statistics.median(column) for column in zip(*figures, strict=True)))


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench",
        description=f"Measure the gateway beside nginx. Aims: {AIMS}.",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of each load in a round")
    parser.add_argument(
        "--held-seconds", type=int, default=10, help="to hold 1,500 streams; 0 is not at all"
    )
    parser.add_argument(
        "--page-loads",
        type=int,
        default=LOADS,
        help="of the catalog's page in Chromium; 0 does not measure it",
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON at the end")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
