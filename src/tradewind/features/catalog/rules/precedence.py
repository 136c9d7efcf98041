"""Whose word counts when several speak of the same. Pure.

Who publishes a model comes first, then who runs this platform, then what came with it, then lists
in the order of folding.
"""

from tradewind.features.catalog.folding.precedence import PRICE_SOURCES, SOURCES
from tradewind.features.catalog.schemas import BUILTIN, OPERATOR, PUBLISHED

OF_FACTS = (PUBLISHED, OPERATOR, BUILTIN, *SOURCES)
"""The first that says something is believed. One that is not named comes last, by its name."""

_OF_OFFERS = (PUBLISHED, OPERATOR, *SOURCES)
_OF_PRICES = (PUBLISHED, OPERATOR, *PRICE_SOURCES)

PINNED = ("operation", "context_tokens", "max_output_tokens")
"""What an operator's word holds for a model that is served: no list may change what a gateway
checks calls against."""


def lists_before(one: str, other: str) -> bool:
    """Tell whether the word of source `one`, that a host has a model, goes before the other's."""
    return _rank(_OF_OFFERS, one) < _rank(_OF_OFFERS, other)


def prices_before(one: str, other: str) -> bool:
    """Tell whether the price by source `one` goes before the other's."""
    return _rank(_OF_PRICES, one) < _rank(_OF_PRICES, other)


def _rank(order: tuple[str, ...], source: str) -> tuple[int, str]:
    return (order.index(source) if source in order else len(order), source)
