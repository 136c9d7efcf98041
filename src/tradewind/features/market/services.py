"""What the market has for people: built once by the composition root."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.ids import OrganizationId
from tradewind.features.market.margins import Margins
from tradewind.features.market.ports import PriceReaders
from tradewind.features.market.price_book import PriceBook
from tradewind.features.market.price_files import PriceFiles
from tradewind.features.market.proposals import Proposals
from tradewind.features.market.service import Market
from tradewind.features.market.simulator import Reader, Simulator
from tradewind.features.market.versions import NOTICE_DAYS, Versions


class PriceServices(NamedTuple):
    book: PriceBook
    files: PriceFiles
    margins: Margins
    proposals: Proposals
    simulator: Simulator


def build_prices(
    market: Market,
    clock: Clock,
    readers: PriceReaders,
    past_use: Reader,
    publishers_of: Callable[[Connection, OrganizationId], Sequence[str]],
    *,
    notice_days: int = NOTICE_DAYS,
    currency: str = "USD",
) -> PriceServices:
    versions = Versions(market, clock, timedelta(days=notice_days))
    return PriceServices(
        PriceBook(versions, clock, readers.ids_of),
        PriceFiles(versions, clock, readers.ids_of),
        Margins(versions, clock, readers, currency),
        Proposals(market, versions, clock),
        Simulator(clock, past_use, publishers_of),
    )
