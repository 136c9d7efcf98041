"""`Keeper`: keeps what is stored of a large catalog up with it, in steps. The worker's part.

A step is one transaction of some seconds at most: it fills one part, applies a batch of changes,
or clears something away. Whoever stops between two steps loses nothing, and whoever goes on, in
this process or another, goes on from there.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from enum import Enum, auto
from typing import Protocol

from sqlalchemy import Connection, text

from tradewind.core.errors import Unavailable
from tradewind.readmodels.catalog_search.filling import (
    apply_changes,
    begin_filling,
    fill_part,
    finish_filling,
    forget_rest,
    give_up_filling,
    lock_filling,
)
from tradewind.readmodels.catalog_search.postings import PART
from tradewind.readmodels.catalog_search.reading import BATCH, count_models, read_after, read_rows
from tradewind.readmodels.catalog_search.rows import CatalogRow
from tradewind.readmodels.catalog_search.state import (
    Filling,
    StoredState,
    made_for,
    read_state,
)

STORED_FROM = 20_000
"""Models; with more of them, words and cards stay in PostgreSQL."""
_MOST_WASTE = 0.5
"""Of all numbers, those that no model has any more; a whole new filling is due beyond it."""
_LEAST_WASTE = 4 * PART
_TAKE_CHANGES = text("""
    DELETE FROM catalog_search_change
    WHERE id IN (SELECT id FROM catalog_search_change ORDER BY id LIMIT :most)
    RETURNING model_id
""")
_FORGET_CHANGES = text("DELETE FROM catalog_search_change")
_COUNT_CHANGES = text("""
    SELECT count(*) FROM (SELECT FROM catalog_search_change LIMIT :most) AS counted
""")
_log = logging.getLogger(__name__)


class Transactions(Protocol):
    """The part of `tradewind.db.database.Database` that is needed."""

    def transaction(self) -> AbstractContextManager[Connection]: ...


class Did(Enum):
    """What came of a step."""

    SOMETHING = auto()
    NOTHING = auto()
    """All is up to date."""
    ELSEWHERE = auto()
    """Another process is at it."""
    IN_MEMORY = auto()
    """The catalog is small: whoever answers holds it in memory."""
    NOT_ALLOWED = auto()
    """There is a whole filling to do, which this keeper leaves to others."""


class Keeper:
    """`step` until it did nothing."""

    def __init__(
        self,
        database: Transactions,
        *,
        currency: str = "USD",
        stored_from: int = STORED_FROM,
        is_over: Callable[[], bool] = lambda: False,
        part: int = PART,
        may_fill: bool = True,
    ) -> None:
        """`is_over` is asked often, and ends a step without its having happened. `part` is how many
        models a step fills, at most PART. A whole filling takes a core for minutes: `may_fill` says
        whether this is the place for it.
        """
        self._database = database
        self._currency = currency
        self._stored_from = stored_from
        self._is_over = is_over
        self._part = part
        self._may_fill = may_fill

    def keep_up(self) -> Did:
        """Take steps until there is nothing to do here. Raises as `step`."""
        while True:
            did = self.step()
            if did is not Did.SOMETHING:
                return did

    def step(self) -> Did:
        """Do the next thing there is to do. Raises Unavailable when it is over, or the database
        away.
        """
        with self._database.transaction() as tx:
            if not lock_filling(tx):
                return Did.ELSEWHERE
            return self._step(tx, read_state(tx))

    def _step(self, tx: Connection, state: StoredState) -> Did:
        if not state.version and state.filling is None:
            if count_models(tx, self._stored_from + 1) <= self._stored_from:
                return Did.IN_MEMORY
            _log.info("the catalog outgrew memory; its search is to be filled")
        wanted = made_for(self._currency)
        is_current = state.version and state.made_for == wanted and not self._is_wasteful(tx, state)
        if state.filling is None and is_current:
            return self._follow(tx, state)
        if not self._may_fill:
            return Did.NOT_ALLOWED
        if state.filling is None:
            # What has changed until now is read with all the rest; what changes from here on is
            # applied after it.
            tx.execute(_FORGET_CHANGES)
            begin_filling(tx, state, wanted)
        elif state.filling.made_for != wanted:
            give_up_filling(tx, state)
        else:
            self._fill(tx, state, state.filling)
        return Did.SOMETHING

    def _fill(self, tx: Connection, state: StoredState, filling: Filling) -> None:
        models = fill_part(tx, state, self._next_models(tx, filling.after))
        if models:
            filled = filling.models + models
            _log.info("filled %d of about %d models into the search", filled, filling.of)
        else:
            version = finish_filling(tx)
            _log.info("the search answers from a new filling, version %d", version)

    def _next_models(self, tx: Connection, after: str) -> Iterator[list[CatalogRow]]:
        left = self._part
        while left:
            if self._is_over():
                raise Unavailable("the process ends", hint="retry")
            rows = read_after(tx, after, self._currency, min(BATCH, left))
            if not rows:
                return
            yield rows
            left -= len(rows)
            after = rows[-1].model_id

    def _is_wasteful(self, tx: Connection, state: StoredState) -> bool:
        """Say whether a whole filling is cheaper than to go on with this one."""
        most = state.models // 2 + BATCH
        if tx.execute(_COUNT_CHANGES, {"most": most}).scalar_one() == most:
            return True
        size = state.next - state.first
        return size - state.models > max(_LEAST_WASTE, _MOST_WASTE * size)

    def _follow(self, tx: Connection, state: StoredState) -> Did:
        changed = sorted(set(tx.execute(_TAKE_CHANGES, {"most": BATCH}).scalars()))
        if changed:
            rows = read_rows(tx, changed, self._currency)
            apply_changes(tx, state, changed, rows)
            return Did.SOMETHING
        if state.rest_first is None or not state.is_rest_old:
            return Did.NOTHING
        forget_rest(tx, state)
        return Did.SOMETHING
