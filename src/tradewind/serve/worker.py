"""The worker's process: `python -m tradewind.serve.worker`."""

import argparse
import gc
import logging
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from types import FrameType

from tradewind.core.checked_hosts import LoopConnector
from tradewind.core.clock import Clock
from tradewind.core.data_folder import DataFolder
from tradewind.core.parent_death import end_with_parent
from tradewind.core.settings import Settings
from tradewind.db.database import Database
from tradewind.db.node_roll import Node, NodeRefused
from tradewind.db.notify import SNAPSHOT_CHANNEL, Listener
from tradewind.db.outbox import OUTBOX_CHANNEL
from tradewind.features.artifacts.manifest import PlatformSigner
from tradewind.features.catalog.sync import CATALOG_CHANNEL
from tradewind.features.files import service as files
from tradewind.features.metering.rules import EventRow, LogRow
from tradewind.features.metering.shipper import run_shipper
from tradewind.features.providers.health_watch import HealthWatch
from tradewind.features.publishing.publishers import Publishers
from tradewind.features.responses import service as responses
from tradewind.features.webhooks.schemas import EventKind
from tradewind.features.webhooks.service import WEBHOOKS_CHANNEL
from tradewind.plugins.sinks.registry import sinks
from tradewind.readmodels.catalog_search.keeping import Keeper
from tradewind.readmodels.first_organization import find_first_organization
from tradewind.serve.archiving import archive_in_a_process, build_archiver, check_archive
from tradewind.serve.artifacts import build_artifacts
from tradewind.serve.card_payments import build_card_payments
from tradewind.serve.catalog_import import import_in_a_process
from tradewind.serve.gateway_configs import METRICS_FOLDER
from tradewind.serve.marketplace import build_marketplace
from tradewind.serve.node_entry import node_of
from tradewind.serve.payouts import build_payout_services, build_processor_payouts
from tradewind.serve.price_services import build_price_services
from tradewind.serve.publishing import build_publisher
from tradewind.serve.receipts import build_receipts
from tradewind.serve.reconciliation import open_reconciler
from tradewind.serve.redteam import build_red_teamer
from tradewind.serve.search_filling import fill_in_a_process
from tradewind.serve.secret_files import (
    load_or_create_key_encryption,
    load_or_create_pepper,
    load_or_create_signing_key,
)
from tradewind.serve.selling import selling_terms
from tradewind.serve.services import Services, build_services
from tradewind.serve.validation import build_validator
from tradewind.telemetry.families import WORKER_TEXT
from tradewind.telemetry.logs import log_to_stderr
from tradewind.worker.abuse import watch_for_abuse
from tradewind.worker.archive import keep_archive
from tradewind.worker.artifacts import look_after_artifacts
from tradewind.worker.billing import BillingUpkeep
from tradewind.worker.budgets import look_after_budgets
from tradewind.worker.catalog import Importer, Steps, run_catalog
from tradewind.worker.catalog_search import keep_catalog_search
from tradewind.worker.connection_health import ConnectionHealth
from tradewind.worker.content import ship_contents, sweep_contents
from tradewind.worker.dns_txt import NameServers, system_servers
from tradewind.worker.expiry import sweep_expired
from tradewind.worker.fetch import Fetcher
from tradewind.worker.marketplace import MarketplaceUpkeep
from tradewind.worker.node_roll import stay_on_roll
from tradewind.worker.offer_stats import OfferStats
from tradewind.worker.outbox import relay_messages
from tradewind.worker.payouts import look_after_payouts
from tradewind.worker.prices import PriceUpkeep
from tradewind.worker.provider_tokens import keep_tokens
from tradewind.worker.receipts import keep_receipts
from tradewind.worker.report import WorkerReport
from tradewind.worker.request_lines import RequestLines
from tradewind.worker.safety import prepare_safety_data, run_dry_runs
from tradewind.worker.sales import advance_subscriptions
from tradewind.worker.spans import open_spans
from tradewind.worker.validate import look_for_proofs
from tradewind.worker.wallets import look_after_wallets
from tradewind.worker.webhook_post import Poster, SystemResolver, trusted
from tradewind.worker.webhooks import Deliveries

_log = logging.getLogger("tradewind.worker")


def main() -> None:
    """Run the loops until SIGTERM. A loop that dies takes the process along, to be started anew."""
    parser = argparse.ArgumentParser(prog="tradewind-worker")
    parser.add_argument("--parent", type=int, help="end with the process of this id")
    parser.add_argument("--gateway", help="base address of the public port from this machine")
    arguments = parser.parse_args()
    log_to_stderr()
    if arguments.parent is not None:
        end_with_parent(arguments.parent)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _setter(stop))
    # A batch is tens of thousands of objects, none in a cycle: looking for some after every
    # thousand would be a third of what shipping costs.
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
    run_worker(Settings(), stop, gateway=arguments.gateway)


def run_worker(settings: Settings, stop: threading.Event, *, gateway: str | None = None) -> None:
    """Run until `stop` is set. Raises what a loop died of."""
    assert settings.database_url is not None, "whoever starts the worker hands it the database"
    check_archive(settings)
    folder = DataFolder(settings.data.resolve())
    database = Database(settings.database_url, application_name="tradewind-worker", pool_size=8)
    pepper = load_or_create_pepper(folder.secrets)
    services = build_services(
        pepper, load_or_create_key_encryption(folder.secrets), selling_terms(settings)
    )
    artifacts = build_artifacts(settings, folder, load_or_create_key_encryption(folder.secrets))
    arrivals = artifacts.arrivals
    node = node_of(settings, folder, pepper)
    publisher = build_publisher(database, folder, services)
    listener = Listener(database, [SNAPSHOT_CHANNEL])
    messages = Listener(database, [OUTBOX_CHANNEL])
    to_deliver = Listener(database, [WEBHOOKS_CHANNEL])
    to_sync = Listener(database, [CATALOG_CHANNEL])
    fetch = Fetcher(trusted(settings.ca_bundle))
    importer = Importer(
        database, services.syncs, services.clock, fetch, hub_url=settings.catalog_hub_url
    )
    environment = os.environ | {
        "TRADEWIND_DATABASE_URL": settings.database_url,
        "TRADEWIND_DATA": str(folder.root),
    }
    names = SystemResolver()
    poster = Poster(names, LoopConnector(), trusted(settings.ca_bundle))
    publishers = Publishers(services.catalog, services.clock)
    receipts = build_receipts(folder, services.clock)
    records = NameServers(system_servers())
    validator = build_validator(
        settings,
        folder,
        database,
        services,
        artifacts.artifacts,
        resolver=names,
        trusted=trusted(settings.ca_bundle),
    )
    deliveries = Deliveries(database, services.courier, poster)
    handlers = {kind.value: services.courier.take_in for kind in EventKind}
    prices = PriceUpkeep(
        database,
        services.market,
        build_price_services(
            services.market,
            services.clock,
            notice_days=settings.price_notice_days,
            currency=settings.currency,
        ).margins,
        services.clock,
        platform=find_first_organization,
    )
    public_url = settings.public_url or ""
    cards = build_card_payments(settings, database, services, public_url=public_url)
    payouts = build_payout_services(services.clock, services.ledger, services.catalog)
    by_processor = build_processor_payouts(settings, database, payouts.runs)
    billing = BillingUpkeep(database, services.billing, services.closing, services.clock)
    patient = ExitStack()
    reconciler = patient.enter_context(
        open_reconciler(settings.database_url, services.clock, services.ledger)
    )
    lines = RequestLines(folder.logs / "requests.jsonl")
    spans = open_spans(os.environ, share=settings.trace_share)

    marketplace = MarketplaceUpkeep(
        database,
        build_marketplace(
            services.sales,
            load_or_create_key_encryption(folder.secrets),
            PlatformSigner(load_or_create_signing_key(folder.secrets)),
            pepper,
            services.clock,
        ),
        sinks(),
        poster,
    )
    report = WorkerReport(folder.run / METRICS_FOLDER / WORKER_TEXT, publisher, services.clock)

    offer_stats = OfferStats(database, services.clock)
    connection_health = ConnectionHealth(database, HealthWatch(services.clock))

    def observe(rows: Sequence[EventRow], log: Sequence[LogRow]) -> None:
        report.observe(rows)
        offer_stats.observe(log)
        connection_health.observe(log)
        lines.write(rows, log)
        if spans is not None:
            spans.write(rows, log)

    died: list[BaseException] = []

    def loop(name: str, body: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                body()
            except BaseException as error:  # noqa: BLE001  a thread's edge: main re-raises it
                died.append(error)
                stop.set()

        thread = threading.Thread(target=run, name=name)
        thread.start()
        return thread

    threads = [
        loop("publish", lambda: publisher.run(lambda wait_s: _wait(listener, wait_s), stop)),
        loop(
            "ship",
            lambda: run_shipper(
                database,
                folder.journal,
                stop,
                counters=report.shipper,
                log_days=settings.request_log_days,
                observe=observe,
            ),
        ),
        loop(
            "ship-contents",
            lambda: ship_contents(database, folder.content, services.clock, stop),
        ),
        loop("sweep-contents", lambda: sweep_contents(database, services.clock, stop)),
        loop("report", lambda: report.run(stop)),
        loop(
            "sweep-responses",
            lambda: sweep_expired(
                database, services.clock, stop, responses.sweep, "stored responses"
            ),
        ),
        loop(
            "sweep-files",
            lambda: sweep_expired(database, services.clock, stop, files.sweep, "records of files"),
        ),
        loop("roll", lambda: _stay_on_roll(database, node, folder, services.clock, stop)),
        loop("budgets", lambda: look_after_budgets(database, services.budget_upkeep, stop)),
        loop("tokens", lambda: keep_tokens(database, services.providers, poster, stop)),
        loop("artifacts", lambda: look_after_artifacts(database, arrivals, stop)),
        loop("prices", lambda: prices.run(stop)),
        loop("billing", lambda: billing.run(stop)),
        loop(
            "sales",
            lambda: advance_subscriptions(
                database, services.sales, services.dunning, services.clock, stop
            ),
        ),
        loop(
            "payouts",
            lambda: look_after_payouts(database, payouts.runs, by_processor, stop),
        ),
        loop(
            "wallets",
            lambda: look_after_wallets(
                database, services.wallets, services.open_invoices, cards, stop
            ),
        ),
        loop("offer-stats", lambda: offer_stats.run(stop)),
        loop("connection-health", lambda: connection_health.run(stop)),
        loop(
            "catalog",
            lambda: run_catalog(
                database,
                importer,
                Steps(lambda: import_in_a_process(environment, stop), services.lives.advance),
                wait=to_sync.wait,
                stop=stop,
                refresh_hours=settings.catalog_sync_hours,
            ),
        ),
        loop(
            "catalog-search",
            lambda: keep_catalog_search(
                Keeper(database, currency=settings.currency, may_fill=False),
                lambda: fill_in_a_process(environment, stop),
                stop,
            ),
        ),
        loop(
            "validate",
            lambda: validator.run(stop, every=timedelta(hours=settings.validation_hours)),
        ),
        *_attack_models(settings, database, services, (loop, stop), gateway),
        loop("proofs", lambda: look_for_proofs(database, publishers, poster, records, stop)),
        loop("receipts", lambda: keep_receipts(database, receipts, stop)),
        loop("reconciliation", lambda: reconciler.run(stop)),
        loop("marketplace", lambda: marketplace.run(stop)),
        *_archive(settings, database, environment, loop, stop),
        loop(
            "safety-data",
            lambda: prepare_safety_data(database, services.safety.preparing, stop),
        ),
        loop("abuse", lambda: watch_for_abuse(database, services.abuse.scoring, stop)),
        loop("dry-runs", lambda: run_dry_runs(database, services.safety.dry_run_work, stop)),
        loop("outbox", lambda: relay_messages(database, handlers, messages.wait, stop)),
        loop("webhooks", lambda: deliveries.run(to_deliver.wait, stop)),
    ]
    stop.wait()
    for thread in threads:
        thread.join()
    for each in (listener, messages, to_deliver, to_sync, names):
        each.close()
    lines.close()
    patient.close()
    if spans is not None:
        spans.close()
    database.close()
    if died:
        raise died[0]


def _archive(
    settings: Settings,
    database: Database,
    environment: Mapping[str, str],
    loop: Callable[[str, Callable[[], None]], threading.Thread],
    stop: threading.Event,
) -> list[threading.Thread]:
    if not settings.archive_usage:
        return []
    archiver = build_archiver(settings, database)
    return [
        loop(
            "archive",
            lambda: keep_archive(archiver, lambda: archive_in_a_process(environment, stop), stop),
        )
    ]


def _attack_models(
    settings: Settings,
    database: Database,
    services: Services,
    how: tuple[Callable[[str, Callable[[], None]], threading.Thread], threading.Event],
    gateway: str | None,
) -> list[threading.Thread]:
    if gateway is None:
        return []
    loop, stop = how
    folder = DataFolder(settings.data.resolve())
    attacker = build_red_teamer(
        settings, folder, database, services.accounts, services.clock, gateway=gateway
    )
    return [loop("red-team", lambda: attacker.run(stop))]


def _stay_on_roll(
    database: Database, node: Node, folder: DataFolder, clock: Clock, stop: threading.Event
) -> None:
    try:
        stay_on_roll(database, node, folder.live_gateways, clock, stop)
    except NodeRefused as error:
        # What this process does for all hosts is needed all the same.
        _log.error("limits are divided by the number of nodes of before: %s", error)


def _setter(stop: threading.Event) -> Callable[[int, FrameType | None], None]:
    def set_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    return set_stop


def _wait(listener: Listener, wait_s: float) -> None:
    listener.wait(wait_s)


if __name__ == "__main__":
    main()
