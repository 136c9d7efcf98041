"""From rows to what is handed out: cards, and the page they are on. Pure."""

from collections.abc import Iterable

from tradewind.readmodels.catalog_search.answer import Answer
from tradewind.readmodels.catalog_search.packed import is_callable
from tradewind.readmodels.catalog_search.query import CatalogQuery, Sort
from tradewind.readmodels.catalog_search.ranking import sort_value
from tradewind.readmodels.catalog_search.rows import Card, CatalogPage, CatalogRow, Reader


def page_of(  # noqa: PLR0917  what a page is made of
    found: Answer,
    rows: Iterable[CatalogRow],
    query: CatalogQuery,
    reader: Reader,
    currency: str,
    stamp: str,
) -> CatalogPage:
    return CatalogPage(
        total=found.total,
        cards=tuple(card_of(row, reader, currency, query.sort) for row in rows),
        facets=found.facets,
        corrected_text=found.corrected_text,
        pages=-(-found.total // query.per_page),
        stamp=stamp,
    )


def card_of(row: CatalogRow, reader: Reader, currency: str, sort: Sort = Sort.RELEVANCE) -> Card:
    return Card(row, currency, is_callable(row, reader), sort_value(row, sort))


def may_open(row: CatalogRow, reader: Reader) -> bool:
    """Say whether a reader who knows a model's name may see it."""
    return row.visibility != "private" or (
        row.organization_id is not None and row.organization_id == reader.organization_id
    )
