"""Brings lists of models into the catalog, and models through their lives.

At the first start what is shipped is imported, once, when the platform is up already: nobody waits
for it. Nothing is fetched unless somebody asks for it, or has set an interval.
"""

import hashlib
import importlib.metadata
import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from tradewind import __version__
from tradewind.core.clock import Clock
from tradewind.core.errors import InvalidInput, TradewindError, Unavailable
from tradewind.core.ids import SyncId
from tradewind.db.database import Database
from tradewind.features.catalog.reading import said_by
from tradewind.features.catalog.rules.said import Said
from tradewind.features.catalog.schemas import SyncRow
from tradewind.features.catalog.sync import Comparison, Syncs
from tradewind.plugins.sources import genai_prices, models_dev, mteb, openrouter
from tradewind.plugins.sources.base import Fetch, Reading, Source
from tradewind.plugins.sources.compact import SHIPPED_ON
from tradewind.plugins.sources.registry import shipped_sources, sources

FIRST_WAIT_S = 2.0
"""The first start has its first call to make; an import takes a core for some seconds."""
_POLL_S = 60.0
REFRESHED = (models_dev.NAME, openrouter.NAME)
"""What an interval refreshes: the lists that are whole and fetched from one address."""
_log = logging.getLogger(__name__)


class Steps(NamedTuple):
    """What the loop has done by others."""

    import_shipped: Callable[[], bool]
    """Imports what is shipped; tells whether it is all there."""
    live: Callable[[Connection], object]
    """Moves models whose day has come."""


class Importer:
    """Reads sources and has what they say applied. Each sync is one transaction."""

    def __init__(
        self,
        database: Database,
        syncs: Syncs,
        clock: Clock,
        fetch: Fetch,
        *,
        hub_url: str = "",
    ) -> None:
        self._database = database
        self._syncs = syncs
        self._clock = clock
        self._fetch = fetch
        self._hub_url = hub_url

    def source(self, name: str) -> Source:
        """Return a source by its name. Raises InvalidInput."""
        members = sources(self._clock.now().date(), hub_url=self._hub_url)
        if name not in members:
            raise InvalidInput(f"there is no source {name!r}")
        return members[name]

    def compare(self, source: Source, fetch: Fetch | None = None) -> Comparison:
        """Return what a source would change. Raises as `sync`."""
        said, reading, _ = self._read(source, fetch or self._fetch)
        with self._database.transaction() as tx:
            return self._syncs.compare(tx, said, reading.skipped)

    def sync(
        self, source: Source, fetch: Fetch | None = None, *, sync_id: SyncId | None = None
    ) -> SyncRow:
        """Read a source and bring what it says into the catalog.

        Raises what the source and fetching raise, which is recorded as well; Unavailable.
        """
        try:
            said, reading, edition = self._read(source, fetch or self._fetch)
        except TradewindError as error:
            if sync_id is None:  # who was asked notes it there
                self.note_failure(source.name, error, None)
            raise
        with self._database.transaction() as tx:
            return self._syncs.apply(
                tx, said, edition=edition, skipped=reading.skipped, sync_id=sync_id
            )

    def import_shipped(self) -> list[SyncRow]:
        """Import what is shipped with this release and is not in the catalog yet."""
        return [self.sync(source) for source in self.missing()]

    def missing(self) -> list[Source]:
        """Return the shipped lists that are not in the catalog yet. Reads none of them."""
        found: list[Source] = []
        for source in shipped_sources(self._clock.now().date()):
            edition = shipped_edition(source.name)
            with self._database.transaction() as tx:
                is_known = self._syncs.is_known(tx, source.name, edition)
                day = self._syncs.last_day(tx, source.name)
            # A list that somebody fetched since is newer than the one of the release.
            is_older = source.name == models_dev.NAME and day is not None and day > SHIPPED_ON
            if not is_known and not is_older:
                found.append(source)
        return found

    def ask_for_due(self, hours: int) -> None:
        """Ask for what was last read so long ago. Nothing is due after 0 hours."""
        if not hours:
            return
        now = self._clock.now()
        with self._database.transaction() as tx:
            for source in REFRESHED:
                if _is_due(self._syncs.last_tried_at(tx, source), now, hours):
                    self._syncs.ask(tx, source)

    def next_waiting(self) -> tuple[SyncId, str] | None:
        """Return the oldest sync that was asked for, with its source."""
        with self._database.transaction() as tx:
            return self._syncs.next_waiting(tx)

    def note_failure(self, source: str, error: TradewindError, sync_id: SyncId | None) -> None:
        with self._database.transaction() as tx:
            self._syncs.note_failure(tx, source, str(error), sync_id)

    def _read(self, source: Source, fetch: Fetch) -> tuple[Said, Reading, str]:
        recorded = _RecordingFetch(fetch)
        reading = source.read(recorded)
        today = self._clock.now().date()
        with self._database.transaction() as tx:
            names = self._syncs.names(tx)
        edition = recorded.edition() or shipped_edition(source.name)
        return said_by(source.name, reading, names, today), reading, edition


def shipped_edition(source: str) -> str:
    """Return what names the shipped list of a source. Folding belongs to it: a release that folds
    otherwise imports again.
    """
    if source == genai_prices.NAME:
        return f"{importlib.metadata.version('genai-prices')} {__version__}"
    return f"{mteb.SHIPPED_ON if source == mteb.NAME else SHIPPED_ON} {__version__}"


def run_catalog(
    database: Database,
    importer: Importer,
    steps: Steps,
    *,
    wait: Callable[[float], object],
    stop: threading.Event,
    refresh_hours: int,
    first_wait_s: float = FIRST_WAIT_S,
) -> None:
    """Run until `stop` is set. `wait` returns when a sync was asked for, or after a time."""
    if stop.wait(first_wait_s):
        return
    is_imported = False
    while not stop.is_set():
        try:
            if not is_imported:
                # What cannot be imported is not tried again before the next start.
                is_imported = True
                if importer.missing() and not steps.import_shipped() and not stop.is_set():
                    _log.error("the shipped lists were not imported")
            with database.transaction() as tx:
                steps.live(tx)
            importer.ask_for_due(refresh_hours)
            sync_what_waits(importer, stop)
        except Unavailable as error:
            _log.warning("the catalog is not looked after: %s", error)
        if not stop.is_set():
            wait(_POLL_S)


def sync_what_waits(importer: Importer, stop: threading.Event) -> None:
    """Do the syncs that were asked for, one after another."""
    while not stop.is_set():
        waiting = importer.next_waiting()
        if waiting is None:
            return
        sync_id, name = waiting
        try:
            _tell(importer.sync(importer.source(name), sync_id=sync_id))
        except Unavailable:
            raise
        except TradewindError as error:
            _log.warning("the source %s was not read: %s", name, error)
            importer.note_failure(name, error, sync_id)


def _is_due(last: datetime | None, now: datetime, hours: int) -> bool:
    return last is None or now - last >= timedelta(hours=hours)


def _tell(row: SyncRow) -> None:
    _log.info(
        "%s: %d entries, %d added, %d changed, %d held, %d vanished%s",
        row.source,
        row.seen,
        row.added,
        row.changed,
        row.held,
        row.vanished,
        f": {row.error}" if row.error else "",
    )


class _RecordingFetch:
    """Passes on what is fetched, and knows its digest afterwards."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._seen = hashlib.sha256()
        self._has_fetched = False

    def __call__(self, url: str) -> bytes:
        data = self._fetch(url)
        self._has_fetched = True
        self._seen.update(data)
        return data

    def edition(self) -> str:
        """Return the digest of all that was fetched; nothing when nothing was."""
        return self._seen.hexdigest() if self._has_fetched else ""
