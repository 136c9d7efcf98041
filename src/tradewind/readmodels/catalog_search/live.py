"""`CatalogSearch`: the search as a process uses it, over an index that follows the catalog.

A request never builds an index, and waits for none but the very first. What has changed is asked
at most once a second, in the background and by one thread; until the next index is there, the
last one answers. Only whoever is the first to ask after a while gives it a moment: what the last
one knew may be of yesterday. What is stored of a large catalog is the worker's to fill; until it
is, the last index answers, and nobody where there is none.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from sqlalchemy import Connection, text

from tradewind.core.errors import Unavailable
from tradewind.readmodels.catalog_search.fit import Fit
from tradewind.readmodels.catalog_search.keeping import STORED_FROM, Transactions
from tradewind.readmodels.catalog_search.memory import CatalogIndex
from tradewind.readmodels.catalog_search.query import CatalogQuery
from tradewind.readmodels.catalog_search.reading import count_models, read_batches
from tradewind.readmodels.catalog_search.rows import Card, CatalogPage, CatalogRow, Reader
from tradewind.readmodels.catalog_search.state import StoredState, read_state
from tradewind.readmodels.catalog_search.stored import StoredIndex

_CHECK_EVERY_S = 1.0
_REST = 5
"""Times as long as building took, nothing is built again: that leaves most of a core to others
where a large catalog never stands still."""
_FIRST_WAIT_S = 10.0
_LONG_AGO_S = 10.0
_MOMENT_S = 0.5
_MOST_SEEN = 10_000
_KEPT_S = 1800
"""Half of how long changes are kept: whoever has not asked for longer may have missed some."""
# One statement, so that the horizon and the rows are of the same moment; see `db.change_feed`.
_CHANGES = text("""
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon,
        array(
            SELECT id FROM catalog_search_change WHERE xact >= :former ORDER BY id LIMIT :most
        ) AS ids
""")
_FORGET = text("""
    DELETE FROM catalog_search_change
    WHERE id IN (
        SELECT id FROM catalog_search_change
        WHERE xact < :horizon AND at < now() - interval '1 hour' LIMIT 100000
    )
""")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Position:
    """How far the catalog's changes are in an index in memory."""

    horizon: int
    """Every transaction below it had ended and was read."""
    seen: frozenset[int]
    """Changes at or above the horizon that were read nevertheless."""


class CatalogSearch:
    """Answers questions about the catalog. Built once for a process; `close` it."""

    def __init__(
        self,
        database: Transactions,
        *,
        currency: str = "USD",
        stored_from: int = STORED_FROM,
        monotonic: Callable[[], float] = time.monotonic,
        moment_s: float = _MOMENT_S,
    ) -> None:
        """Prices in other currencies than `currency` are unknown to the search. `moment_s` is how
        long the first to ask after a while may wait.
        """
        self._monotonic = monotonic
        self._moment_s = moment_s
        self._database = database
        self._currency = currency
        self._stored_from = stored_from
        self._building = threading.Lock()
        self._asking = threading.Lock()
        self._index: CatalogIndex | StoredIndex | None = None
        self._position = _Position(0, frozenset())
        self._builds = 0
        self._closing = threading.Event()
        self._check: Future[None] | None = None
        self._checked_at = 0.0
        self._read_at = 0.0
        self._pause_s = _CHECK_EVERY_S
        self._background = ThreadPoolExecutor(1, thread_name_prefix="catalog-search")

    @property
    def currency(self) -> str:
        """What prices are searched in."""
        return self._currency

    def close(self) -> None:
        """End what goes on in the background."""
        with self._asking:
            self._closing.set()
        self._background.shutdown(cancel_futures=True)

    def start(self) -> None:
        """Begin to build the first index, so that the first request finds it."""
        self._check_in_background()

    def search(
        self,
        query: CatalogQuery,
        reader: Reader,
        tx: Connection | None = None,
        *,
        fit: Fit | None = None,
    ) -> CatalogPage:
        """Answer a question, in the caller's transaction where it has one; of what fits alone.

        Raises Unavailable when there is no index yet and the database cannot be reached.
        """
        index = self._current()
        if isinstance(index, CatalogIndex):
            return index.search(query, reader, fit)
        with self._transaction(tx) as own:
            return index.search(own, query, reader, fit)

    def find(
        self, names: Sequence[str], reader: Reader, tx: Connection | None = None
    ) -> list[Card]:
        """Return the cards of these "publisher/slug", in this order and without those that there
        are not for the reader. Raises as `search` does.
        """
        index = self._current()
        if isinstance(index, CatalogIndex):
            return index.find(names, reader)
        with self._transaction(tx) as own:
            return index.find(own, names, reader)

    def stamp(self) -> str:
        """Return which index answers now: it has another stamp after each change."""
        return self._current().stamp

    def refresh(self) -> None:
        """Read what has changed and wait for it: for commands, and after a change of one's own."""
        with self._building:
            self._build()

    def _transaction(self, tx: Connection | None) -> AbstractContextManager[Connection]:
        return self._database.transaction() if tx is None else nullcontext(tx)

    def _build(self) -> CatalogIndex | StoredIndex:
        began = self._monotonic()
        self._index = index = self._next()
        self._checked_at = self._read_at = self._monotonic()
        self._pause_s = max(_CHECK_EVERY_S, _REST * (self._read_at - began))
        return index

    def _current(self) -> CatalogIndex | StoredIndex:
        index = self._index
        if index is None:
            return self._first()
        idle_s = self._monotonic() - self._checked_at
        if idle_s > self._pause_s:
            check = self._check_in_background()
            if idle_s > max(self._pause_s, _LONG_AGO_S):
                wait([check], self._moment_s)
        return self._index or index

    def _first(self) -> CatalogIndex | StoredIndex:
        check = self._check_in_background()
        wait([check], _FIRST_WAIT_S)
        if self._index is None:
            if check.done() and not check.cancelled():
                check.result()
            raise Unavailable("the catalog's search is still being prepared", hint="retry")
        return self._index

    def _check_in_background(self) -> Future[None]:
        """Return the check that is under way, or begins."""
        with self._asking:
            check = self._check
            if check is not None:
                return check
            if self._closing.is_set():
                raise Unavailable("the process ends", hint="retry")
            check = self._check = self._background.submit(self.refresh)
        check.add_done_callback(self._checked)
        return check

    def _checked(self, done: Future[None]) -> None:
        with self._asking:
            self._check = None
            self._checked_at = self._monotonic()
        # Whoever waits for the very first is told by the check itself.
        has_former = self._index is not None
        if has_former and not done.cancelled() and (error := done.exception()) is not None:
            # The last index goes on answering; the next request tries again.
            _log.warning("the catalog's search could not be brought up to date: %s", error)

    def _next(self) -> CatalogIndex | StoredIndex:
        """Return the index of the present catalog: the same one when nothing has changed."""
        with self._database.transaction() as tx:
            state = read_state(tx)
            if state.version:
                return self._stored(tx, state)
            if count_models(tx, self._stored_from + 1) <= self._stored_from:
                return self._in_memory(tx)
            if self._index is not None:
                return self._index
            raise Unavailable(_being_built(state), hint="retry in a minute")

    def _in_memory(self, tx: Connection) -> CatalogIndex:
        former = self._position
        found = tx.execute(_CHANGES, {"former": former.horizon, "most": _MOST_SEEN}).one()
        is_full = len(found.ids) == _MOST_SEEN
        has_changed = is_full or not former.seen.issuperset(found.ids)
        # A database that was put back to an earlier state counts from there again.
        has_changed = has_changed or found.horizon < former.horizon
        has_changed = has_changed or self._monotonic() - self._read_at > _KEPT_S
        if isinstance(self._index, CatalogIndex) and not has_changed:
            return self._index
        rows = [row for batch in self._batches(tx) for row in batch]
        tx.execute(_FORGET, {"horizon": found.horizon})
        # With too many to remember all is read once more, until their transactions are all over.
        self._position = _Position(found.horizon, frozenset(() if is_full else found.ids))
        self._builds += 1
        return CatalogIndex.build(
            rows, currency=self._currency, stamp=f"memory-{found.horizon}-{self._builds}"
        )

    def _stored(self, tx: Connection, state: StoredState) -> StoredIndex:
        if isinstance(self._index, StoredIndex) and self._index.version == state.version:
            return self._index
        return StoredIndex.load(tx, state)

    def _batches(self, tx: Connection) -> Iterator[list[CatalogRow]]:
        for batch in read_batches(tx, self._currency):
            if self._closing.is_set():
                raise Unavailable("the process ends", hint="retry")
            yield batch


def _being_built(state: StoredState) -> str:
    told = "the catalog's search is being built"
    if state.filling is None:
        return told
    return f"{told}: {state.filling.models:,} of about {state.filling.of:,} models are in it"
