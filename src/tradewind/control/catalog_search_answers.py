"""What the search over the catalog answers with."""

from datetime import date
from typing import Self

from pydantic import BaseModel, Field

from tradewind.core.money import format_nanos
from tradewind.readmodels.catalog_search.query import CatalogQuery
from tradewind.readmodels.catalog_search.rows import (
    Card,
    CatalogPage,
    FacetCounts,
    ValueCount,
)


class LowestPriceAnswer(BaseModel):
    """Of the cheapest known offer; decimal amounts of `currency` for 1,000,000 tokens."""

    currency: str
    input: str
    output: str | None
    mixed: str = Field(description="Three parts of input and one of output; sorted by.")


class CardAnswer(BaseModel):
    """A model among the results."""

    name: str
    display_name: str
    publisher: str
    publisher_name: str
    description: str
    family: str
    licence: str
    operation: str | None
    context_tokens: int | None
    max_output_tokens: int | None
    parameters: int | None
    released_on: date | None
    input_modalities: list[str]
    output_modalities: list[str]
    capabilities: list[str]
    open_weights: bool | None
    is_gated: bool
    lifecycle: str
    offers: int = Field(description="How many ways to get it are known.")
    regions: list[str]
    price: LowestPriceAnswer | None = Field(description="Null is unknown, which is not free.")
    has_weights: bool = Field(description="It can be run on this platform.")
    is_callable: bool = Field(description="The caller's organization can call it now.")

    @classmethod
    def of(cls, card: Card) -> Self:
        row = card.model
        price = None
        if row.price is not None:
            output = row.price.output_nanos
            price = LowestPriceAnswer(
                currency=card.currency,
                input=format_nanos(row.price.input_nanos),
                output=None if output is None else format_nanos(output),
                mixed=format_nanos(row.price.mixed_nanos),
            )
        return cls(
            name=row.name,
            display_name=row.display_name,
            publisher=row.publisher,
            publisher_name=row.publisher_name,
            description=row.description,
            family=row.family,
            licence=row.licence,
            operation=row.operation or None,
            context_tokens=row.context_tokens,
            max_output_tokens=row.max_output_tokens,
            parameters=row.parameters,
            released_on=row.released_on,
            input_modalities=list(row.input_modalities),
            output_modalities=list(row.output_modalities),
            capabilities=list(row.capabilities),
            open_weights=row.open_weights,
            is_gated=row.is_gated,
            lifecycle=row.lifecycle,
            offers=row.offers,
            regions=list(row.regions),
            price=price,
            has_weights=row.has_weights,
            is_callable=card.is_callable,
        )


class ValueAnswer(BaseModel):
    value: str
    label: str
    count: int = Field(description="Results with it, whatever else is chosen of its facet.")
    is_chosen: bool

    @classmethod
    def of(cls, value: ValueCount) -> Self:
        return cls(
            value=value.value, label=value.label, count=value.count, is_chosen=value.is_chosen
        )


class FacetAnswer(BaseModel):
    name: str
    label: str
    values: list[ValueAnswer]
    hidden: int = Field(description="Further values with results.")

    @classmethod
    def of(cls, facet: FacetCounts) -> Self:
        return cls(
            name=facet.name,
            label=facet.label,
            values=[ValueAnswer.of(value) for value in facet.values],
            hidden=facet.hidden,
        )


class CatalogSearchAnswer(BaseModel):
    total: int
    page: int
    pages: int
    models: list[CardAnswer]
    facets: list[FacetAnswer]
    corrected_text: str | None = Field(
        description="What was searched for, when nothing matched the text as it was typed."
    )
    query: str = Field(description="The question in its one form, as parameters of a URL.")

    @classmethod
    def of(cls, query: CatalogQuery, page: CatalogPage) -> Self:
        return cls(
            total=page.total,
            page=query.page,
            pages=page.pages,
            models=[CardAnswer.of(card) for card in page.cards],
            facets=[FacetAnswer.of(facet) for facet in page.facets],
            corrected_text=page.corrected_text,
            query=query.query_string(),
        )
