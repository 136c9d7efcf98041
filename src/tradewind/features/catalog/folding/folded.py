"""What folding gives: models, their offers, and what was left over."""

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from tradewind.plugins.sources.base import TierPrice
from tradewind.snapshot.contents import Operation

FactValue = str | int | bool | date | tuple[str, ...] | frozenset[str]


class Fact(NamedTuple):
    """What one source says of a model, and where it says so; or what follows from its family."""

    name: str
    """The member of FoldedModel it is about."""
    value: FactValue
    source: str
    """`precedence.INFERRED` when nobody says it."""
    host: str
    upstream_id: str
    observed_on: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedModel:
    """One model of a publisher. Members without a value are unknown, which is not no."""

    publisher: str
    publisher_name: str
    slug: str
    display_name: str
    aliases: tuple[str, ...] = ()
    """Other names it is called by at hosts, in small letters, each of one model only."""
    versions: tuple[str, ...] = ()
    """Days of the snapshots that hosts sell: `20250514`."""
    operation: Operation | None = None
    is_operation_known: bool = False
    """Whether `operation` None is "serves nothing here", or nobody says."""
    family: str = ""
    description: str = ""
    licence: str = ""
    is_gated: bool | None = None
    released_on: date | None = None
    knowledge: str = ""
    input_modalities: tuple[str, ...] | None = None
    output_modalities: tuple[str, ...] | None = None
    capabilities: frozenset[str] | None = None
    open_weights: bool | None = None
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    parameters: int | None = None
    dimensions: int | None = None
    url: str = ""
    downloads: int | None = None
    facts: tuple[Fact, ...] = ()
    """One for each name and source; the winner among them is the member's value."""

    @property
    def name(self) -> str:
        return f"{self.publisher}/{self.slug}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedOffer:
    """One model at one host. Unique by host and upstream_id."""

    model: str
    """Its name."""
    host: str
    upstream_id: str
    region: str = ""
    variant: str = ""
    version: str = ""
    quantization: str = ""
    prices: tuple[TierPrice, ...] = ()
    """Empty is not told, which is not free."""
    meters: tuple[tuple[str, int], ...] = ()
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    capabilities: frozenset[str] | None = None
    status: str = ""
    source: str
    """Whose word it is that the host has it."""
    price_source: str = ""
    observed_on: date | None = None
    is_price_only: bool = False
    """Known from a list of prices alone: its id may be short for several."""


class Unfolded(NamedTuple):
    source: str
    host: str
    upstream_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Folded:
    """All of it, in the order of names; equal for the same entries in any order."""

    models: tuple[FoldedModel, ...]
    offers: tuple[FoldedOffer, ...]
    unfolded: tuple[Unfolded, ...]
