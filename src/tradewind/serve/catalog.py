"""`tradewind catalog`: reads sources into the database of a running platform, tells what is there,
and decides what was held.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from tradewind.core.clock import SystemClock
from tradewind.core.errors import InvalidInput, NotFound
from tradewind.core.settings import Settings
from tradewind.db.database import Database, Timeouts
from tradewind.features.catalog.schemas import CatalogStats, ChangeRow, SyncRow
from tradewind.features.catalog.service import Catalog
from tradewind.features.catalog.sync import CHANGES_MAX, Comparison, Syncs
from tradewind.plugins.sources.base import MAX_BYTES, Fetch, Source
from tradewind.plugins.sources.registry import shipped_sources, sources
from tradewind.serve.imports.apply import KeeperOfTheData
from tradewind.serve.running_platform import running_database
from tradewind.worker.catalog import Importer
from tradewind.worker.fetch import Fetcher
from tradewind.worker.webhook_post import trusted

SHIPPED = "shipped"
"""Stands for the lists that come with this release."""
_STATEMENT_S = 300.0
"""Of an import of a million entries the longest."""


class Synced(NamedTuple):
    """What a sync of one source did, or would do."""

    source: str
    row: SyncRow | None
    """None in a dry run."""
    comparison: Comparison | None
    """Only in a dry run."""


def sync(
    settings: Settings, source: str, *, file: Path | None = None, is_dry_run: bool = False
) -> list[Synced]:
    """Read a source, or the shipped lists, and bring what they say into the catalog.

    `file` holds what the source would have answered: nothing is fetched then. Raises InvalidInput,
    StartupError when no platform runs, and what fetching raises.
    """
    wanted = _named(source, settings.catalog_hub_url)
    if file is not None and len(wanted) != 1:
        raise InvalidInput("a file is of one source", hint="name the source")
    fetch = _reader(file) if file is not None else Fetcher(trusted(settings.ca_bundle))
    with _running(settings) as database:
        importer = Importer(database, Syncs(SystemClock()), SystemClock(), fetch)
        if is_dry_run:
            return [Synced(each.name, None, importer.compare(each)) for each in wanted]
        return [Synced(each.name, importer.sync(each), None) for each in wanted]


def stats(settings: Settings) -> CatalogStats:
    """Raises StartupError when no platform runs."""
    with _running(settings) as database, database.transaction() as tx:
        return Catalog(SystemClock()).stats(tx)


def held_changes(settings: Settings) -> Sequence[ChangeRow]:
    """Return the changes that wait for a decision. Raises StartupError."""
    with _running(settings) as database, database.transaction() as tx:
        return Syncs(SystemClock()).list_changes(tx, KeeperOfTheData(), limit=CHANGES_MAX)


def decide(settings: Settings, change_ids: Sequence[str], *, applies: bool) -> Sequence[ChangeRow]:
    """Apply held changes or dismiss them, all or none. Raises NotFound, ChangeDecided."""
    if not change_ids:
        raise NotFound("no change was named", hint="`tradewind catalog changes` lists them")
    syncs = Syncs(SystemClock())
    act = syncs.apply_change if applies else syncs.dismiss_change
    with _running(settings) as database, database.transaction() as tx:
        return [act(tx, KeeperOfTheData(), change_id) for change_id in change_ids]


def _named(source: str, hub_url: str) -> Sequence[Source]:
    today = SystemClock().now().date()
    if source == SHIPPED:
        return shipped_sources(today)
    known = sources(today, hub_url=hub_url)
    if source not in known:
        names = ", ".join([SHIPPED, *sorted(known)])
        raise InvalidInput(f"there is no source {source[:64]!r}", hint=f"there are {names}")
    return [known[source]]


def _reader(file: Path) -> Fetch:
    def read(_url: str) -> bytes:
        try:
            with file.open("rb") as opened:
                content = opened.read(MAX_BYTES + 1)
        except OSError as error:
            raise InvalidInput(f"{file} cannot be read: {error.strerror}") from error
        if len(content) > MAX_BYTES:
            raise InvalidInput(f"{file} is larger than {MAX_BYTES // 1024**2} MiB")
        return content

    return read


def _running(settings: Settings) -> AbstractContextManager[Database]:
    patient = Timeouts(statement_s=_STATEMENT_S, answer_s=None)
    return running_database(settings, "tradewind-catalog", timeouts=patient, needs_folder=False)
