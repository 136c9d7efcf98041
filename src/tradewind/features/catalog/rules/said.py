"""What one source says, folded into models and offers, and what is stored of that. Pure."""

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

FACT_NAMES = (
    "display_name",
    "description",
    "family",
    "licence",
    "licence_url",
    "is_gated",
    "operation",
    "context_tokens",
    "max_output_tokens",
    "dimensions",
    "parameters",
    "released_on",
    "knowledge",
    "input_modalities",
    "output_modalities",
    "capabilities",
    "open_weights",
)
"""Columns of `model` that sources may tell; their values are as JSON holds them."""


class OfferKey(NamedTuple):
    """What a host is asked for."""

    host: str
    upstream_model: str
    region: str = ""


class Prices(NamedTuple):
    """Nanos of `currency` per 1,000,000 units; None is not told, which is not free."""

    currency: str = "USD"
    input_nanos: int | None = None
    output_nanos: int | None = None
    cached_input_nanos: int | None = None
    cache_write_nanos: int | None = None
    meters: tuple[tuple[str, int], ...] = ()
    tiers: tuple[tuple[int, int | None, int | None, int | None, int | None], ...] = ()
    """Of longer inputs: from how many tokens, then the four prices in their order."""


class Terms(NamedTuple):
    """What a host says of a model beside its price."""

    model: str
    """"publisher/slug"."""
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    capabilities: tuple[str, ...] = ()
    status: str = "active"
    version: str = ""
    quantization: str = ""
    variant: str = ""


class SaidOffer(NamedTuple):
    key: OfferKey
    terms: Terms
    prices: Prices | None = None
    """None when none is told."""
    is_price_only: bool = False
    """By a list of prices, whose ids may each stand for several of the host's."""


class SaidModel(NamedTuple):
    name: str
    publisher_name: str
    website: str = ""
    facts: Mapping[str, Any] = {}
    """By names out of FACT_NAMES; what is not told is not in it."""
    aliases: tuple[str, ...] = ()
    inferred: Mapping[str, Any] = {}
    """What the source does not say and its family does; stored as no source's word."""


class Unfolded(NamedTuple):
    host: str
    upstream_model: str
    reason: str


class Said(NamedTuple):
    """All that one source said at one time."""

    source: str
    observed_on: date
    seen: int = 0
    """Entries it was read from."""
    models: tuple[SaidModel, ...] = ()
    offers: tuple[SaidOffer, ...] = ()
    unfolded: tuple[Unfolded, ...] = ()
    hosts: frozenset[str] | None = None
    """The hosts it is a whole list of; None is all of the source's. What is missing elsewhere has
    not vanished."""


class StoredOffer(NamedTuple):
    offer_id: str
    key: OfferKey
    terms: Terms
    prices: Prices | None
    source: str
    price_source: str | None


class Question(NamedTuple):
    """What a held change is about; there is one open question at a time about the same."""

    kind: str
    """price, context or vanished."""
    host: str
    """Empty when it is about a model."""
    upstream_model: str
    """Empty when it is about all of a host's offers; of a model its name."""
    region: str = ""


class Stored(NamedTuple):
    """What is there before a sync, as far as it matters for that."""

    offers: Mapping[OfferKey, StoredOffer] = {}
    """Of all sources."""
    facts: Mapping[tuple[str, str], Any] = {}
    """Of this source, by model and name of the fact."""
    dismissed: Mapping[Question, Any] = {}
    """What somebody has said no to: the same is not asked again."""
