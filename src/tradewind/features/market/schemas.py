"""What the market hands out and takes in."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class PriceTerms:
    """What a model costs and who says so, apart from when."""

    currency: str
    meters: Mapping[str, int]
    """Nanos per 1,000,000 units."""
    seller: str = ""
    """Slug of the publisher who is paid; empty is the platform."""
    is_charged: bool = True
    is_free: bool = False
    """That it costs nothing was said."""


class MeterMove(NamedTuple):
    """One line of a difference. None is that the meter has no price on that side."""

    meter: str
    old: int | None
    new: int | None

    @property
    def percent(self) -> Decimal | None:
        """How much more it is, with two places; None where there is nothing to compare."""
        if not self.old or self.new is None:
            return Decimal(0) if self.old == self.new == 0 else None
        change = Decimal(self.new - self.old) * 100 / self.old
        return change.quantize(Decimal("0.01"), ROUND_HALF_EVEN)


class Difference(NamedTuple):
    moves: tuple[MeterMove, ...]
    """Of every meter that either side names, whether it changes or not."""
    old_currency: str | None
    """None where there was no price."""
    new_currency: str
    is_same: bool
    is_rise: bool
    """Somebody may pay more than before."""
    unusual: str
    """Why somebody should look at it first; empty when nobody need."""


class Scope(StrEnum):
    """What a margin holds for; of two that fit, the narrower one counts."""

    MODEL = "model"
    PUBLISHER = "publisher"
    HOST = "host"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Margin:
    """Cost and `percent` on it, at least `least_nanos`, rounded up to a multiple of `step_nanos`.

    Both are per 1,000,000 units.
    """

    percent: int
    """In hundredths of a percent of the cost."""
    least_nanos: int = 0
    step_nanos: int = 1


class PriceSource(StrEnum):
    """What a price came of."""

    ORDER = "order"
    """Somebody set it: by hand, or with what they put up."""
    FILE = "file"
    MARGIN = "margin"
    SALE = "sale"


@dataclass(frozen=True, slots=True)
class PriceRow:
    """A price version: nanos of `currency` per 1,000,000 tokens."""

    price_id: str
    model_id: str
    currency: str
    input_nanos: int
    output_nanos: int
    cached_input_nanos: int
    cache_write_nanos: int | None
    """None is as any input."""
    meters: Mapping[str, int]
    """Of other meters than these."""
    effective_at: datetime
    created_at: datetime
    seller: str
    is_charged: bool
    is_free: bool
    source: PriceSource
    subject: str
    created_by: str

    @property
    def terms(self) -> PriceTerms:
        meters = {
            "input_tokens": self.input_nanos,
            "output_tokens": self.output_nanos,
            "cached_input_tokens": self.cached_input_nanos,
        }
        if self.cache_write_nanos is not None:
            meters["cache_write_tokens"] = self.cache_write_nanos
        return PriceTerms(
            self.currency, {**meters, **self.meters}, self.seller, self.is_charged, self.is_free
        )


class By(NamedTuple):
    """Who acts, for what is kept of it."""

    name: str


@dataclass(frozen=True, slots=True)
class NewPrice:
    """A price as somebody sets it by hand."""

    model: str
    """publisher/slug."""
    terms: PriceTerms
    effective_at: datetime | None = None
    """None is as soon as may be: now, or after the notice for a rise."""
    expected: str | None = None
    """Id of the last price that was seen, empty for none; None is whichever there is."""
    waives_notice: bool = False
    """A rise may be in force before the notice has passed: nobody pays it yet, or they agreed."""
    is_meant: bool = False
    """It looks unusual and is right."""


@dataclass(frozen=True, slots=True)
class Quote:
    """What would become of a price, or became of it."""

    model: str
    model_id: str
    terms: PriceTerms
    difference: Difference
    effective_at: datetime
    earliest_at: datetime
    """From when it may be in force."""
    line: int = 0
    """In a file."""

    @property
    def is_held(self) -> bool:
        """It waits for a review."""
        return bool(self.difference.unusual)


@dataclass(frozen=True, slots=True)
class FileReport:
    """What a price file does, or would do."""

    file_id: str | None
    """None in a dry run."""
    key_id: str
    is_new: bool
    """False when it was applied before, and nothing was done again."""
    quotes: tuple[Quote, ...]
    """What changes, in the order of the file; empty for one that was applied before."""
    unchanged: int
    """Prices of the file that are so already."""
    set_prices: int
    held: int


@dataclass(frozen=True, slots=True)
class KeyRow:
    """Whose price files are believed."""

    key_id: str
    name: str
    public_key: bytes
    publisher_slug: str
    added_by: str
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class FileRow:
    file_id: str
    key_id: str
    entries: int
    prices: int
    held: int
    applied_by: str
    applied_at: datetime


@dataclass(frozen=True, slots=True)
class NewMargin:
    scope: Scope
    target: str
    """publisher/slug, a publisher, a host, or nothing for all."""
    margin: Margin


@dataclass(frozen=True, slots=True)
class MarginRow:
    margin_id: str
    scope: Scope
    target: str
    margin: Margin
    is_enabled: bool
    revision: int
    created_by: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ProposalRow:
    """A price that waits for a review, or waited."""

    proposal_id: str
    model_id: str
    source: PriceSource
    subject: str
    terms: PriceTerms
    effective_at: datetime
    reason: str
    state: str
    created_at: datetime
    price_id: str | None

    @property
    def can_be_set(self) -> bool:
        """False where a rate of exchange is missing, so that there is no price yet."""
        return bool(self.terms.meters)


class ProviderCost(NamedTuple):
    """What the providers of a model take, at each place where it is called."""

    model_id: str
    model: str
    currency: str
    hosts: frozenset[str]
    meters: Mapping[str, int]
    """The dearest of each."""


class Rate(NamedTuple):
    """One of a currency is `parts / whole` of another."""

    parts: int
    whole: int


@dataclass(frozen=True, slots=True)
class MarginOutcome:
    """What a margin makes of what the places of a model take."""

    model: str
    model_id: str
    currency: str
    costs: Mapping[str, int]
    """The dearest of each meter, in `currency`; empty when a rate is missing."""
    quote: Quote | None
    """None where nothing can be said, and `reason` says why."""
    reason: str
    """Why somebody has to look at it; empty when nobody need."""
    is_held: bool
    """It waits for a review, and is not only left alone."""


class MarginPreview(NamedTuple):
    outcomes: tuple[MarginOutcome, ...]
    """Of the models that the margin would price, by name."""
    left: int
    """Further models, beyond those that are shown."""


class MarginRun(NamedTuple):
    set_prices: int
    held: int
