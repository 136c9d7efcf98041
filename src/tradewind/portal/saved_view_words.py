"""A question of the catalog in words, for lists of saved views. Pure."""

from tradewind.readmodels.catalog_search.facets import FACETS
from tradewind.readmodels.catalog_search.query import CatalogQuery, Sort

SORTS = {
    Sort.RELEVANCE: "Best match",
    Sort.NEWEST: "Newest",
    Sort.PRICE: "Lowest price",
    Sort.CONTEXT: "Longest context",
    Sort.OFFERS: "Most offers",
    Sort.NAME: "Name",
}


def words_of(query: CatalogQuery) -> str:
    """Return what is searched, chosen and sorted by; "All models" for nothing of it."""
    said = [f"“{query.text}”"] if query.text else []
    for name, values in query.facets:
        facet = FACETS[name]
        labels = facet.labels or {}
        told = " or ".join(labels.get(value, value) for value in values)
        said.append(f"{facet.label}: {told}")
    if query.fits:
        said.append("works with my budget and regions")
    if query.sort is not Sort.RELEVANCE:
        said.append(f"sorted by: {SORTS[query.sort].lower()}")
    return "; ".join(said) or "All models"
