"""What hosts take for tokens, from the data of the `genai-prices` package. Prices only.

Format: `genai_prices.types` (Provider, ModelInfo, ModelPrice) of github.com/pydantic/genai-prices:
Decimals of US dollars for 1,000,000 tokens, some with tiers by the length of the input, some with a
day they hold from. The package is read as data: nothing of it fetches unless it is told to.

Loading it takes some 0.4 s and 40 MB, so it is loaded when it is read and by nothing else.
"""

import importlib
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from tradewind.plugins.sources.base import (
    BadEntry,
    Fetch,
    Reading,
    SourceEntry,
    SourceUnreadable,
    TierPrice,
    clean_id,
    clean_text,
    clean_tokens,
    collect,
    nanos_of,
    ordered_tiers,
)

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices

NAME = "genai_prices"
# Its names of hosts, where they are not ours.
_HOSTS = {
    "aws": "amazon-bedrock",
    "cloudflare": "cloudflare-workers-ai",
    "fireworks": "fireworks-ai",
    "novita": "novita-ai",
    "together": "togetherai",
    "voyageai": "voyage",
    "x-ai": "xai",
}
# Not the price of a host's models: a way to count another's.
_NOT_HOSTS = frozenset({"openai-decisions"})
_NAMESPACED = frozenset({"openrouter", "huggingface"})
_ROUTER = "huggingface_"
_TOKENS = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")
_METERS = {
    "requests_kcount": ("requests", 12),
    "input_audio_mtok": ("audio_input_tokens", 9),
    "output_audio_mtok": ("audio_output_tokens", 9),
}


class GenaiPrices:
    """`today` decides which of several prices holds."""

    name = NAME

    def __init__(self, today: date) -> None:
        self._today = today

    def read(self, fetch: Fetch) -> Reading:  # noqa: ARG002  the family's form
        """Fetches nothing. Raises SourceUnreadable when the package is not installed."""
        try:
            data = importlib.import_module("genai_prices.data")
        except ImportError as error:
            raise SourceUnreadable(
                f"{NAME}: the package cannot be loaded: {error}", hint="install genai-prices"
            ) from error
        return collect(_flat(cast("list[Provider]", data.providers)), self._entry)

    def _entry(self, item: tuple[str, str, "ModelInfo"]) -> SourceEntry:
        host, suffix, model = item
        price = _price_on(self._today, model)
        return SourceEntry(
            source=NAME,
            host=host,
            upstream_id=clean_id(f"{model.id}{suffix}"),
            name=clean_text(model.name),
            description=clean_text(model.description, 600),
            context_tokens=clean_tokens(model.context_window),
            prices=_tiers(price),
            meters=tuple(_meters(price)),
            status="deprecated" if model.deprecated else "",
            is_price_only=True,
        )


def _flat(providers: "list[Provider]") -> Iterator[tuple[str, str, "ModelInfo"]]:
    for provider in providers:
        if provider.id in _NOT_HOSTS:
            continue
        host, suffix = _HOSTS.get(provider.id, provider.id), ""
        if provider.id.startswith(_ROUTER):
            # The hub's router takes the host behind the name: "model:provider" (its documentation,
            # "Inference Providers").
            host, suffix = "huggingface", f":{provider.id.removeprefix(_ROUTER)}"
        for model in provider.models:
            # A shorthand of the list's own: it tells of a model, and nothing that can be called.
            is_shorthand = host in _NAMESPACED and "/" not in model.id
            yield ("" if is_shorthand else host), suffix, model


def _price_on(today: date, model: "ModelInfo") -> "ModelPrice":
    """Return the newest price that holds on this day at any hour; the first if none does."""
    prices = model.prices
    if not isinstance(prices, list):
        return prices
    if not prices:
        raise BadEntry("it has no price")
    held = [
        (start, place)
        for place, conditional in enumerate(prices)
        if (start := _start(conditional.constraint)) is not None and start <= today
    ]
    return prices[max(held)[1] if held else 0].prices


def _start(constraint: object) -> date | None:
    """Return the day a price holds from; None for one that holds for some hours of each day."""
    if constraint is None:
        return date.min
    start = getattr(constraint, "start_date", None)
    return start if isinstance(start, date) else None


def _tiers(price: "ModelPrice") -> tuple[TierPrice, ...]:
    told = [_told(price, name) for name in _TOKENS]
    starts = {0}
    for value in told:
        if value is not None and not isinstance(value, Decimal):
            starts |= {tier.start for tier in value.tiers}
    tiers = [
        TierPrice(*(nanos_of(_at(value, start)) for value in told), from_context_tokens=start)
        for start in sorted(starts)
    ]
    return () if tiers == [TierPrice()] else ordered_tiers(tiers)


def _meters(price: "ModelPrice") -> Iterator[tuple[str, int]]:
    for name, (meter, scale) in _METERS.items():
        nanos = nanos_of(_at(_told(price, name), 0), scale=scale)
        if nanos is not None:
            yield meter, nanos


def _told(price: "ModelPrice", name: str) -> "Decimal | TieredPrices | None":
    # What is not told is no member at all.
    return cast("Decimal | TieredPrices | None", vars(price).get(name))


def _at(value: "Decimal | TieredPrices | None", start: int) -> Decimal | None:
    """Return what a price is for inputs that are longer than `start`."""
    if value is None or isinstance(value, Decimal):
        return value
    price = value.base
    for tier in value.tiers:
        if tier.start <= start:
            price = tier.price
    return price
