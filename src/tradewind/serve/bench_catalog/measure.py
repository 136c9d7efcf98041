"""Fills a catalog, asks it, and tells what that took."""

import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tradewind.core.clock import SystemClock
from tradewind.core.data_folder import DataFolder
from tradewind.db.database import Database, Timeouts
from tradewind.db.embedded import EmbeddedPostgres
from tradewind.features.catalog.reading import said_by
from tradewind.features.catalog.sync import Syncs
from tradewind.migrations.runner import migrate
from tradewind.plugins.sources.models_dev import NAME, ShippedModelsDev
from tradewind.readmodels.catalog_search.keeping import STORED_FROM, Keeper
from tradewind.readmodels.catalog_search.live import CatalogSearch
from tradewind.readmodels.catalog_search.made_up import count_all, seed, tidy, touch_one
from tradewind.readmodels.catalog_search.query import CatalogQuery
from tradewind.readmodels.catalog_search.rows import Reader
from tradewind.serve.bench_catalog.cpu import Cpu, backend_s, resident_mb
from tradewind.serve.bench_catalog.questions import questions

ROUNDS = 20


class Spread(NamedTuple):
    """Milliseconds of CPU."""

    p50_ms: float
    p95_ms: float
    questions: int


class Figures(NamedTuple):
    seed: str
    store: str
    models: int
    offers: int
    making_up_s: float
    """What inventing the models took, which nobody waits for elsewhere and is in no other figure.
    """
    import_s: float
    """Until all is in the catalog: what is shipped is read, folded and applied; what is made up is
    copied."""
    index_s: float
    """From there until it can be searched: what the worker fills, where the catalog is large, and
    what the process that answers then loads."""
    load_s: float
    """Of `index_s`, the loading."""
    entries_per_s: float
    """Offers, over `import_s` and `index_s`."""
    entries_per_cpu_s: float
    """The same by CPU time: what it would be on a machine with nothing else to do."""
    reload_cpu_ms: float
    """What it takes to answer from the next index, when one model has changed."""
    all: Spread
    """Of every question, asked again and again."""
    first_time: Spread
    """Of every question when it is asked first: nothing is remembered of it."""
    kinds: dict[str, Spread]
    resident_mb: float
    index_mb: float
    """Of `resident_mb`, what came with the index."""
    database_mb: float


def measure(models: int | None, say: Callable[[str], None], *, run_as: str) -> Figures:
    """Measure with so many made-up models, or with the shipped list when it is None."""
    with tempfile.TemporaryDirectory(prefix="tradewind-bench-") as folder:
        # PostgreSQL runs as another user when we are root, and has to get through.
        Path(folder).chmod(0o711)
        with _own_database(DataFolder(Path(folder)), run_as) as database:
            return _measure(database, models, say)


def _measure(database: Database, models: int | None, say: Callable[[str], None]) -> Figures:
    say("importing")
    imported = _import_shipped(database) if models is None else _seed(database, models)
    with database.connect_raw(autocommit=True) as connection:
        tidy(connection)
    say("indexing")
    before_mb = resident_mb()
    keeper, search = Keeper(database), CatalogSearch(database)
    try:
        with database.transaction() as tx:
            cpu = Cpu(count_all(tx).pid)
        began, began_s = time.monotonic(), cpu.seconds()
        keeper.keep_up()
        filled = time.monotonic()
        search.refresh()
        loaded, indexed_cpu_s = time.monotonic(), cpu.seconds() - began_s
        with database.transaction() as tx:
            found = count_all(tx)
        reload_s = _reload(database, keeper, search, cpu)
        index_mb = resident_mb() - before_mb
        say("asking")
        first, later = _ask(search, cpu)
    finally:
        search.close()
    times = [time_s for _, time_s in later]
    return Figures(
        seed="shipped" if models is None else "made up",
        store="postgresql" if found.models > STORED_FROM else "memory",
        models=found.models,
        offers=found.offers,
        making_up_s=round(imported.making_up_s, 2),
        import_s=round(imported.import_s, 2),
        index_s=round(loaded - began, 2),
        load_s=round(loaded - filled, 2),
        entries_per_s=round(found.offers / (imported.import_s + loaded - began)),
        entries_per_cpu_s=round(found.offers / (imported.cpu_s + indexed_cpu_s)),
        reload_cpu_ms=round(reload_s * 1000, 1),
        all=_spread(times),
        first_time=_spread([time_s for _, time_s in first]),
        kinds={
            kind: _spread([time_s for other, time_s in later if other == kind])
            for kind in dict.fromkeys(kind for kind, _ in later)
        },
        resident_mb=round(resident_mb(), 1),
        index_mb=round(index_mb, 1),
        database_mb=round(found.size / 1e6, 1),
    )


def _reload(database: Database, keeper: Keeper, search: CatalogSearch, cpu: Cpu) -> float:
    with database.transaction() as tx:
        touch_one(tx)
    began = cpu.seconds()
    keeper.keep_up()
    search.refresh()
    return cpu.seconds() - began


_Times = list[tuple[str, float]]


def _ask(search: CatalogSearch, cpu: Cpu) -> tuple[_Times, _Times]:
    """Return (kind, seconds) of the first round and of all later ones."""
    asked = questions()
    rounds = [
        [(kind, _time(search, query, cpu)) for kind, query in asked] for _ in range(1 + ROUNDS)
    ]
    return rounds[0], [one for later in rounds[1:] for one in later]


def _time(search: CatalogSearch, query: CatalogQuery, cpu: Cpu) -> float:
    began = cpu.seconds()
    search.search(query, Reader())
    return cpu.seconds() - began


def _spread(times: list[float]) -> Spread:
    ordered = sorted(times)
    p50, p95 = (ordered[min(len(ordered) - 1, int(len(ordered) * at))] for at in (0.5, 0.95))
    return Spread(round(p50 * 1000, 2), round(p95 * 1000, 2), len(ordered))


class _Imported(NamedTuple):
    making_up_s: float
    import_s: float
    cpu_s: float
    """Of both processes, without making up."""


def _seed(database: Database, models: int) -> _Imported:
    began, began_s = time.monotonic(), time.process_time()
    with database.connect_raw() as connection:
        seeded = seed(connection, models)
        backend = backend_s(connection.info.backend_pid)
    import_s = time.monotonic() - began - seeded.making_up_s
    cpu_s = time.process_time() - began_s - seeded.making_up_cpu_s + backend
    return _Imported(seeded.making_up_s, import_s, cpu_s)


def _import_shipped(database: Database) -> _Imported:
    clock = SystemClock()
    syncs = Syncs(clock)

    def fetch_nothing(url: str) -> bytes:
        raise AssertionError(f"the shipped list lies in a file, and {url} was asked for")

    began, began_s = time.monotonic(), time.process_time()
    reading = ShippedModelsDev().read(fetch_nothing)
    with database.transaction() as tx:
        syncs.apply(tx, said_by(NAME, reading, syncs.names(tx), clock.now().date()))
        # The backend has done nothing else of note before.
        backend = backend_s(count_all(tx).pid)
    return _Imported(0.0, time.monotonic() - began, time.process_time() - began_s + backend)


@contextmanager
def _own_database(folder: DataFolder, run_as: str) -> Generator[Database]:
    server = EmbeddedPostgres(folder, run_as=run_as, report=lambda _line: None)
    try:
        server.start()
        server.wait_ready()
        database = Database(
            server.url,
            application_name="tradewind-bench",
            pool_size=1,  # one backend, whose time is counted
            timeouts=Timeouts(statement_s=None, answer_s=None, idle_in_transaction_s=3600),
        )
        try:
            migrate(database)
            yield database
        finally:
            database.close()
    finally:
        server.stop()
