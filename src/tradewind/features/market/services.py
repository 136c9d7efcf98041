"""What the market has for people: built once by the composition root."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.ids import OrganizationId
from tradewind.features.market.price_book import NOTICE_DAYS, PriceBook, PriceReaders
from tradewind.features.market.service import Market
from tradewind.features.market.simulator import Reader, Simulator


class PriceServices(NamedTuple):
    book: PriceBook
    simulator: Simulator


def build_prices(
    market: Market,
    clock: Clock,
    readers: PriceReaders,
    past_use: Reader,
    publishers_of: Callable[[Connection, OrganizationId], Sequence[str]],
    *,
    notice_days: int = NOTICE_DAYS,
) -> PriceServices:
    return PriceServices(
        PriceBook(market, clock, readers, notice=timedelta(days=notice_days)),
        Simulator(clock, past_use, publishers_of),
    )
