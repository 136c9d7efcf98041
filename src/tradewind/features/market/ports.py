"""What the price book needs of what stands above it, in shapes of its own."""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

from sqlalchemy import Connection

from tradewind.features.market.schemas import ProviderCost, Rate

ModelIds = Callable[[Connection, Collection[str]], Mapping[str, str]]
"""Ids of models by their names."""


class Rates(Protocol):
    """Stored rates of exchange."""

    def rate(self, tx: Connection, base: str, quote: str, at: datetime) -> Rate | None:
        """Return what one of `base` is in `quote`, as it was in force then; None where nobody
        stored it.
        """
        ...


class PriceReaders(NamedTuple):
    """What the price book reads across features; of `readmodels`."""

    ids_of: ModelIds
    costs: Callable[[Connection], Iterable[ProviderCost]]
    """What providers take, of every model that is called at one."""
    rates: Rates
