"""Fills a month, settles it, closes it, and tells what that took."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from tradewind.core.clock import SystemClock
from tradewind.core.data_folder import DataFolder
from tradewind.core.errors import StartupError
from tradewind.db.database import Database, Timeouts
from tradewind.db.embedded import EmbeddedPostgres
from tradewind.features.artifacts.stores.disk import DiskStore
from tradewind.features.billing.checks import billing_checks
from tradewind.features.billing.closing import Closing
from tradewind.features.billing.rules.taxes import ANY, TaxRule
from tradewind.features.billing.schemas import Issuer, Party, TaxTreatment
from tradewind.features.billing.service import Billing
from tradewind.features.ledger.service import Ledger
from tradewind.features.metering.archive.archiver import Archiver
from tradewind.features.metering.archive.rules import last_closed
from tradewind.features.metering.archive.schemas import Part, Step
from tradewind.features.metering.repository import create_default_partition, create_partition
from tradewind.migrations.runner import migrate
from tradewind.readmodels import made_up_usage as made_up
from tradewind.readmodels.archive_checks import archive_checks
from tradewind.readmodels.usage import Window, read_groups, read_series, read_totals
from tradewind.readmodels.usage_slices import Grouping, Measure, Scope
from tradewind.serve.bench_billing.journal import callers_of_an_hour, write_journal
from tradewind.serve.billing import build_billing

ROUNDS = 11
SHIPPED = 200_000
"""Of the events, those that go through a journal: of as many callers as an hour has."""
SCATTERED = 100_000
"""Those that go through another one, of all organizations at once: the worst there is."""
_BEHIND_GRACE = timedelta(days=3)
_SHIPPER_S = 600


class Figures(NamedTuple):
    events: int
    organizations: int
    hours: int
    """Of organizations, that were settled."""
    filling_s: float
    """What making usage up took, which nobody waits for elsewhere."""
    ingest_events_per_core_s: int
    """Through journal and shipper, by the CPU time of the shipper and of all of PostgreSQL."""
    ingest_scattered_events_per_core_s: int
    """The same where hardly two calls of a batch are summed into the same hour."""
    shipper_mb: float
    settle_s: float
    settle_lines: int
    usage_page_ms: float
    """What the page of usage asks, of the large organization's month: the median."""
    invoice_ms: float
    """Drawing up and finalizing the large organization's invoice, committed: the median."""
    invoice_lines: int
    close_s: float
    """Of everybody else's month."""
    invoices: int
    archive_s: float
    """Of a day: written, read back, compared."""
    archive_mb: float
    retention_ms: float
    """What taking that day out of the tables took: all that keeps anybody else waiting."""
    verify_s: float
    ledger_difference_nanos: int
    differences: int
    database_mb: float


class _StandingClock(SystemClock):
    def now(self) -> datetime:
        return made_up.MONTH_END + _BEHIND_GRACE


def measure(events: int, organizations: int, say: Callable[[str], None], *, run_as: str) -> Figures:
    """Measure with so many made-up calls of so many organizations."""
    with tempfile.TemporaryDirectory(prefix="tradewind-bench-") as folder:
        # PostgreSQL runs as another user when we are root, and has to get through.
        Path(folder).chmod(0o711)
        with _own_database(DataFolder(Path(folder)), run_as) as (server, database):
            return _measure(server, database, Path(folder), (events, organizations), say)


def _measure(
    server: EmbeddedPostgres,
    database: Database,
    folder: Path,
    size: tuple[int, int],
    say: Callable[[str], None],
) -> Figures:
    events, organizations = size
    clock = _StandingClock()
    ledger = Ledger(clock)
    billing = build_billing(clock, ledger)
    closing = Closing(billing, clock)
    shipped, scattered = min(SHIPPED, events // 2), min(SCATTERED, events // 4)
    made = events - shipped - scattered
    say(f"making up {made:,} events")
    began = time.monotonic()
    _fill(database, made, organizations)
    with database.transaction() as tx:
        billing.set_issuer(tx, Issuer(Party("Bench", "DE"), ""))
        billing.add_tax_rule(
            tx, TaxRule(ANY, ANY, None, TaxTreatment.STANDARD, 190_000, "DE", "", date(2020, 1, 1))
        )
    # Or autovacuum would look through what was made up while something else is measured.
    _vacuum(database)
    filling_s = time.monotonic() - began
    say(f"ingesting {shipped + scattered:,} events")
    callers = callers_of_an_hour(organizations)
    ingest = _ship(server, database, folder / "journal-bench", shipped, callers)
    worst = _ship(server, database, folder / "journal-scattered", scattered, organizations)
    say(
        f"  {ingest.events_per_core_s:,} events in a core-second, of all organizations at once"
        f" {worst.events_per_core_s:,}, in {max(ingest.peak_mb, worst.peak_mb)} MB"
    )
    say("settling")
    began, hours, lines = time.monotonic(), 0, 0
    while True:
        with database.transaction() as tx:
            done = billing.settle(tx)
        if done is None or done.hours == 0:
            break
        hours, lines = hours + done.hours, lines + done.lines
    settle_s = time.monotonic() - began
    _vacuum(database)
    say("asking")
    large = made_up.organization_id(1)
    usage_page_s = _median(lambda: _usage_page(database, large))
    invoice_s, invoice_lines = _invoice(database, billing, large)
    say(
        f"  settled in {settle_s:.1f} s; the page of usage takes {usage_page_s * 1000:.1f} ms,"
        f" an invoice {invoice_s * 1000:.1f} ms"
    )
    say("closing the month")
    began = time.monotonic()
    close = closing.close_period(
        database,
        made_up.MONTH_END,
        lambda now: say(f"  {now.done:,} of {now.total:,} organizations"),
    )
    close_s = time.monotonic() - began
    say("archiving a day")
    archived = _archive_a_day(database, folder)
    say(f"  closed in {close_s:.1f} s, a day taken out in {archived.retention_s * 1000:.1f} ms")
    say("verifying")
    began = time.monotonic()
    with database.transaction() as tx:
        ledger.hold_still(tx)
        found = ledger.verify(tx, more=(*billing_checks(), *archive_checks()))
    verify_s = time.monotonic() - began
    with database.transaction() as tx:
        kept_bytes = made_up.database_bytes(tx)
    return Figures(
        events=events,
        organizations=organizations,
        hours=hours,
        filling_s=round(filling_s, 1),
        ingest_events_per_core_s=ingest.events_per_core_s,
        ingest_scattered_events_per_core_s=worst.events_per_core_s,
        shipper_mb=max(ingest.peak_mb, worst.peak_mb),
        settle_s=round(settle_s, 2),
        settle_lines=lines,
        usage_page_ms=round(usage_page_s * 1000, 1),
        invoice_ms=round(invoice_s * 1000, 1),
        invoice_lines=invoice_lines,
        close_s=round(close_s, 2),
        invoices=close.invoices,
        archive_s=round(archived.seconds, 2),
        archive_mb=round(archived.size_bytes / 1e6, 1),
        retention_ms=round(archived.retention_s * 1000, 1),
        verify_s=round(verify_s, 1),
        ledger_difference_nanos=found.difference_nanos,
        differences=found.difference_count,
        database_mb=round(kept_bytes / 1e6, 1),
    )


def _fill(database: Database, events: int, organizations: int) -> None:
    with database.connect_raw() as connection:
        create_default_partition(connection, "usage_event")
        day = made_up.MONTH
        while day < made_up.MONTH_END + timedelta(days=1):
            create_partition(connection, "usage_event", day.date())
            day += timedelta(days=1)
        connection.commit()
    with database.transaction() as tx:
        made_up.add_people(tx, organizations)
    for first in range(1, events + 1, made_up.EVENTS_AT_ONCE):
        with database.transaction() as tx:
            last = min(events, first + made_up.EVENTS_AT_ONCE - 1)
            made_up.add_events(tx, organizations, first, last)
    with database.transaction() as tx:
        made_up.roll_up(tx)


def _vacuum(database: Database) -> None:
    with database.connect_raw(autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")


class _Ingest(NamedTuple):
    events_per_core_s: int
    peak_mb: float


def _ship(
    server: EmbeddedPostgres, database: Database, folder: Path, events: int, callers: int
) -> _Ingest:
    write_journal(folder, events, callers)
    before = _server_cpu_s(server)
    done = subprocess.run(
        [sys.executable, "-m", "tradewind.serve.bench_billing.shipping", str(folder)],
        env={**os.environ, "DATABASE_URL": database.url},
        stdout=subprocess.PIPE,
        check=True,
        timeout=_SHIPPER_S,
    )
    told = json.loads(done.stdout.splitlines()[-1])
    cpu_s = told["cpu_s"] + _server_cpu_s(server) - before
    return _Ingest(round(events / max(cpu_s, 0.01)), round(told["peak_mb"], 1))


def _server_cpu_s(server: EmbeddedPostgres) -> float:
    """Return the CPU time of PostgreSQL: of the first process, of its children that are there, and
    of those that have ended, which are fields 14 to 17 of /proc/PID/stat (man proc), in ticks.
    """
    pid = server.pid
    if pid is None:
        raise StartupError("PostgreSQL has ended while it was measured")
    ticks = 0
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = place.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(place.parent.name) == pid:
            ticks += sum(map(int, fields[11:15]))
        elif int(fields[1]) == pid:
            ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


class _Archived(NamedTuple):
    seconds: float
    retention_s: float
    size_bytes: int


def _archive_a_day(database: Database, folder: Path) -> _Archived:
    """Write the first day of the month into a file, and take it out of the tables."""
    began = time.monotonic()
    reached: dict[Step, float] = {}
    sizes: list[int] = []

    def note(step: Step, part: Part) -> None:
        reached[step] = time.monotonic()
        sizes.append(part.size_bytes)

    clock = _StandingClock()
    archiver = Archiver(
        database,
        DiskStore(folder / "archive"),
        folder / "archiving",
        clock,
        keep_days=(last_closed(clock.now()) - made_up.MONTH.date()).days + 1,
        tell=note,
    )
    archiver.run(lambda: bool(reached))
    detached_s = reached[Step.DETACHED] - reached[Step.VERIFIED]
    dropped_s = reached[Step.DROPPED] - reached[Step.COUNTED]
    return _Archived(reached[Step.VERIFIED] - began, detached_s + dropped_s, sizes[-1])


def _usage_page(database: Database, organization_id: str) -> None:
    scope = Scope(organization_id)
    window = Window(made_up.MONTH_END - timedelta(days=30), made_up.MONTH_END, timedelta(hours=6))
    with database.transaction() as tx:
        totals = read_totals(tx, scope, window)
        largest = read_groups(tx, scope, window, Grouping.MODEL, Measure.SPEND)
        read_series(
            tx,
            scope,
            window,
            Grouping.MODEL,
            Measure.SPEND,
            largest=largest,
            currency=totals[0].currency,
        )


def _invoice(database: Database, billing: Billing, organization_id: str) -> tuple[float, int]:
    """Draw it up again and again, and finalize it at last."""

    def draw() -> None:
        with database.transaction() as tx:
            billing.draft(tx, organization_id, made_up.MONTH_END)

    drawing_s = _median(draw)
    began = time.monotonic()
    with database.transaction() as tx:
        [invoice_id] = billing.draft(tx, organization_id, made_up.MONTH_END)
    with database.transaction() as tx:
        billing.finalize(tx, invoice_id)
    once_s = time.monotonic() - began
    with database.transaction() as tx:
        lines = len(billing.lines(tx, invoice_id))
    return max(drawing_s, once_s), lines


def _median(ask: Callable[[], None]) -> float:
    times: list[float] = []
    for _ in range(ROUNDS):
        began = time.monotonic()
        ask()
        times.append(time.monotonic() - began)
    return sorted(times)[ROUNDS // 2]


@contextmanager
def _own_database(folder: DataFolder, run_as: str) -> Generator[tuple[EmbeddedPostgres, Database]]:
    server = EmbeddedPostgres(folder, run_as=run_as, report=lambda _line: None)
    try:
        server.start()
        server.wait_ready()
        database = Database(
            server.url,
            application_name="tradewind-bench",
            timeouts=Timeouts(statement_s=None, answer_s=None, idle_in_transaction_s=3600),
        )
        try:
            migrate(database)
            yield server, database
        finally:
            database.close()
    finally:
        server.stop()
