"""The one small process beside the gateways of a host that runs nothing else.

`python -m tradewind.serve.gateway_node_worker --backstage PATH`

It writes this host's snapshot, ships this host's journal, keeps the node on the roll and answers
the gateways' own questions. What is done once for all hosts (migrations, budgets' upkeep,
retention) is left to the first one.
"""

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from tradewind.core.data_folder import DataFolder
from tradewind.core.errors import StartupError, Unavailable
from tradewind.core.parent_death import end_with_parent
from tradewind.core.settings import Settings
from tradewind.db.database import Database
from tradewind.db.node_roll import Node
from tradewind.db.notify import SNAPSHOT_CHANNEL, Listener
from tradewind.features.metering.rules import EventRow, LogRow
from tradewind.features.metering.shipper import run_shipper
from tradewind.features.providers.health_watch import HealthWatch
from tradewind.serve.backstage import backstage_served
from tradewind.serve.control import build_backstage
from tradewind.serve.gateway_configs import METRICS_FOLDER
from tradewind.serve.loops import Loops
from tradewind.serve.node_entry import enter, node_of
from tradewind.serve.publishing import publisher_without_engines
from tradewind.serve.secret_files import load_or_create_key_encryption, load_or_create_pepper
from tradewind.serve.services import Services, build_services
from tradewind.telemetry.families import WORKER_TEXT
from tradewind.telemetry.logs import log_to_stderr
from tradewind.worker.connection_health import ConnectionHealth
from tradewind.worker.content import ship_contents
from tradewind.worker.node_roll import stay_on_roll
from tradewind.worker.report import WorkerReport
from tradewind.worker.request_lines import RequestLines
from tradewind.worker.spans import open_spans

_log = logging.getLogger("tradewind.node")

REFUSED = 78
"""Exit status: starting again does not help (sysexits.h, EX_CONFIG)."""
_DATABASE_WAIT_S = 5.0
_RETRY_S = 1.0
# Old logs are dropped by the first host, after the days that are set there: this is more than any.
_LOG_DAYS = 3650


def main() -> None:
    """Run until SIGTERM. Ends with REFUSED and one line when this node may not serve."""
    parser = argparse.ArgumentParser(prog="tradewind-node")
    parser.add_argument("--backstage", type=Path, required=True, help="socket for the gateways")
    parser.add_argument("--parent", type=int, help="end with the process of this id")
    arguments = parser.parse_args()
    log_to_stderr()
    if arguments.parent is not None:
        end_with_parent(arguments.parent)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _setter(stop))
    try:
        run_node_worker(Settings(), stop, arguments.backstage)
    except StartupError as error:
        print(" ".join(str(error).splitlines()), file=sys.stderr, flush=True)
        sys.exit(REFUSED)


def run_node_worker(settings: Settings, stop: threading.Event, backstage: Path) -> None:
    """Run until `stop` is set. Raises StartupError when the node is refused, or what a loop died
    of.
    """
    assert settings.database_url is not None, "whoever starts the worker hands it the database"
    folder = DataFolder(settings.data.resolve())
    database = Database(settings.database_url, application_name="tradewind-node", pool_size=4)
    pepper = load_or_create_pepper(folder.secrets)
    services = build_services(pepper, load_or_create_key_encryption(folder.secrets))
    node = node_of(settings, folder, pepper)
    lines = RequestLines(folder.logs / "requests.jsonl")
    spans = open_spans(os.environ, share=settings.trace_share)

    publisher = publisher_without_engines(database, folder, services)
    report = WorkerReport(folder.run / METRICS_FOLDER / WORKER_TEXT, publisher, services.clock)

    connection_health = ConnectionHealth(database, HealthWatch(services.clock))

    def observe(rows: Sequence[EventRow], log: Sequence[LogRow]) -> None:
        report.observe(rows)
        connection_health.observe(log)
        lines.write(rows, log)
        if spans is not None:
            spans.write(rows, log)

    def ship() -> None:
        run_shipper(
            database,
            folder.journal,
            stop,
            counters=report.shipper,
            log_days=_LOG_DAYS,
            observe=observe,
        )

    listener = Listener(database, [SNAPSHOT_CHANNEL])
    try:
        if not _enter_when_up(database, services, node, stop):
            return
        with backstage_served(build_backstage(settings), backstage):
            loops = Loops(stop)
            loops.start("publish", lambda: publisher.run(_waiter(listener), stop))
            loops.start("ship", ship)
            loops.start("report", lambda: report.run(stop))
            # The platform's worker judges, of what all hosts have noted.
            loops.start("connection-health", lambda: connection_health.run(stop, judges=False))
            loops.start(
                "ship-contents",
                lambda: ship_contents(database, folder.content, services.clock, stop),
            )
            loops.start(
                "roll",
                lambda: stay_on_roll(database, node, folder.live_gateways, services.clock, stop),
            )
            loops.join()
    finally:
        listener.close()
        lines.close()
        if spans is not None:
            spans.close()
        database.close()


def _enter_when_up(
    database: Database, services: Services, node: Node, stop: threading.Event
) -> bool:
    """Wait for the database, then enter; false when asked to stop before. Raises StartupError."""
    is_told = False
    while not stop.is_set():
        try:
            database.wait_until_up(_DATABASE_WAIT_S)
        except StartupError as error:
            if not is_told:
                is_told = True
                _log.warning("gateways serve from the last snapshot, and usage waits: %s", error)
            stop.wait(_RETRY_S)
            continue
        try:
            enter(database, services, node, may_be_newer=True)
        except Unavailable as error:
            _log.warning("the database went away again: %s", error)
            continue
        return True
    return False


def _waiter(listener: Listener) -> Callable[[float], None]:
    def wait(wait_s: float) -> None:
        listener.wait(wait_s)

    return wait


def _setter(stop: threading.Event) -> Callable[[int, FrameType | None], None]:
    def set_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    return set_stop


if __name__ == "__main__":
    main()
