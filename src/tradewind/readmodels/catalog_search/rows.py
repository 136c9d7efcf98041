"""What goes into the search, one model each, and what comes out of it."""

from datetime import date

import msgspec

EVERYONE = ""
"""Stands in `callable_by` where an organization's id would, when all may call the model."""


class LowestPrice(msgspec.Struct, frozen=True):
    """Of one offer, in nanos per 1,000,000 tokens."""

    input_nanos: int
    output_nanos: int | None
    """None where the offer names none, as for embeddings."""

    @property
    def mixed_nanos(self) -> int:
        """What prices are compared by: three parts of input and one of output."""
        if self.output_nanos is None:
            return self.input_nanos
        return (3 * self.input_nanos + self.output_nanos) // 4


class CatalogRow(msgspec.Struct, frozen=True, kw_only=True):
    """All that the search knows of one model."""

    model_id: str
    publisher: str
    publisher_name: str
    slug: str
    display_name: str
    description: str = ""
    family: str = ""
    licence: str = ""
    operation: str = ""
    """Empty for what nothing here serves."""
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    parameters: int | None = None
    released_on: date | None = None
    input_modalities: tuple[str, ...] = ()
    output_modalities: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    open_weights: bool | None = None
    is_gated: bool = False
    lifecycle: str = "ga"
    visibility: str = "listed"
    organization_id: str | None = None
    """Whose it is when it is not listed."""
    aliases: tuple[str, ...] = ()
    offers: int = 0
    """How many ways to get it are known."""
    regions: tuple[str, ...] = ()
    price: LowestPrice | None = None
    """Of the cheapest offer that takes one, of a free one where none does. None is unknown, which
    is not free."""
    has_free_offer: bool = False
    has_weights: bool = False
    """Its weights can be run on this platform."""
    callable_by: tuple[str, ...] = ()
    """Organizations that can call it through a connection; EVERYONE for the platform's own."""

    @property
    def name(self) -> str:
        """What clients send as `model`."""
        return f"{self.publisher}/{self.slug}"


class Reader(msgspec.Struct, frozen=True):
    """Who asks. Nobody in particular sees what is listed."""

    organization_id: str | None = None


class Card(msgspec.Struct, frozen=True):
    """One model among the results."""

    model: CatalogRow
    currency: str
    is_callable: bool
    """By whoever asked, now."""
    sort_value: int | date | str | None
    """What the results are sorted by, where that is a value: nanos, tokens, a day, a name."""


class ValueCount(msgspec.Struct, frozen=True):
    value: str
    label: str
    count: int
    is_chosen: bool


class FacetCounts(msgspec.Struct, frozen=True):
    name: str
    label: str
    values: tuple[ValueCount, ...]
    hidden: int = 0
    """Further values with results, which are too many to show."""


class CatalogPage(msgspec.Struct, frozen=True):
    """The answer to a `CatalogQuery`."""

    total: int
    cards: tuple[Card, ...]
    facets: tuple[FacetCounts, ...]
    corrected_text: str | None
    """What was searched for in place of the text, when nothing matched a word of it."""
    pages: int
    stamp: str
    """Which index answered: the same stamp and query give the same page."""
