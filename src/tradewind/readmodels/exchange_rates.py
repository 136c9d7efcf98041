"""Stored rates of exchange, as the price book wants them."""

from datetime import datetime

from sqlalchemy import Connection

from tradewind.core.money import NANOS_PER_UNIT
from tradewind.features.ledger.errors import NoRate
from tradewind.features.ledger.service import Ledger
from tradewind.features.market.schemas import Rate


class StoredRates:
    """Implements `market.ports.Rates`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def rate(self, tx: Connection, base: str, quote: str, at: datetime) -> Rate | None:
        try:
            found = self._ledger.rate(tx, base, quote, at)
        except NoRate:
            return None
        # A rate serves in both directions, exactly.
        if found.base == base:
            return Rate(found.nanos, NANOS_PER_UNIT)
        return Rate(NANOS_PER_UNIT, found.nanos)
