"""Looks after prices: tells of those that take effect, lets margins follow costs, and raises the
alarm about what has no price.
"""

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import Unavailable
from tradewind.core.ids import OrganizationId
from tradewind.db.database import Database
from tradewind.db.outbox import enqueue
from tradewind.features.market.margins import Margins
from tradewind.features.market.service import Market
from tradewind.readmodels.unpriced import Unpriced, unpriced

PRICE_MISSING = "price.missing"
_LONGEST_WAIT_S = 5.0
"""A price may be set meanwhile that takes effect before the next one that is known."""
_MARGINS_EVERY_S = 60.0
_ALARMS_EVERY_S = 3600.0
_RETRY_S = 2.0

_log = logging.getLogger(__name__)


class PriceUpkeep:
    """Two workers may do this at once: each of them does what the other has not done yet."""

    def __init__(
        self,
        database: Database,
        market: Market,
        margins: Margins,
        clock: Clock,
        *,
        platform: Callable[[Connection], OrganizationId | None],
    ) -> None:
        """`platform` is the organization that runs the platform, None before there is one."""
        self._database = database
        self._market = market
        self._margins = margins
        self._clock = clock
        self._platform = platform

    def run(self, stop: threading.Event) -> None:
        margins_at = alarms_at = self._clock.monotonic()
        while not stop.is_set():
            wait_s = _LONGEST_WAIT_S
            try:
                upcoming = self.tell_effects()
                if upcoming is not None:
                    left_s = (upcoming - self._clock.now()).total_seconds()
                    wait_s = min(wait_s, max(0.0, left_s))
                now = self._clock.monotonic()
                if now >= margins_at:
                    self.follow_costs()
                    margins_at = now + _MARGINS_EVERY_S
                if now >= alarms_at:
                    self.raise_alarms()
                    alarms_at = now + _ALARMS_EVERY_S
            except Unavailable as error:
                _log.warning("prices were not looked after: %s", error)
                wait_s = _RETRY_S
            stop.wait(wait_s)

    def tell_effects(self) -> datetime | None:
        """Tell of prices that took effect; return when the next one will."""
        with self._database.transaction() as tx:
            return self._market.tell_effects(tx)

    def follow_costs(self) -> None:
        with self._database.transaction() as tx:
            done = self._margins.run(tx)
        if done.set_prices or done.held:
            _log.info("margins: %d prices set, %d wait for a review", *done)

    def raise_alarms(self) -> list[Unpriced]:
        """Tell of each model without a price once a day; return those told of now.

        Models that nobody called are no alarm: the price book shows them.
        """
        now = self._clock.now()
        with self._database.transaction() as tx:
            platform = self._platform(tx)
            if platform is None:
                return []
            called = {gap.model: gap for gap in reversed(unpriced(tx, now)) if gap.calls}
            fresh = self._market.note_alarms(tx, called)
            told = [gap for model, gap in sorted(called.items()) if model in fresh]
            for gap in told:
                key = f"{PRICE_MISSING} {gap.model} {now:%Y-%m-%d}"
                enqueue(tx, PRICE_MISSING, platform, _facts(gap), key=key)
        for gap in told:
            _log.warning("%s has no price (%s): %d calls", gap.model, gap.gap.value, gap.calls)
        return told


def _facts(gap: Unpriced) -> dict[str, Any]:
    return {
        "model": gap.model,
        "gap": gap.gap.value,
        "meters": list(gap.meters),
        "calls": gap.calls,
        "organizations": gap.organizations,
        "last_at": None if gap.last_at is None else gap.last_at.isoformat(),
    }
