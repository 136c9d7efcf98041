"""What is asked while measuring, by kind: what people ask of a catalog, and what is dear."""

from tradewind.readmodels.catalog_search.query import CatalogQuery, Sort

_FACETS = (
    {"task": ["chat"]},
    {"context": ["128k", "1m"]},
    {"licence": ["Apache-2.0", "MIT"], "weights": ["open"]},
    {"price": ["free", "unknown"], "input": ["image"]},
    {"task": ["chat"], "capability": ["tools"], "region": ["eu-central-1"]},
    {"lifecycle": ["ga"], "deployability": ["elsewhere"], "output": ["text"]},
)
_TEXTS = (
    "llama",
    "llama 3.3 70b",
    "qwen3 vision",
    "mistral large",
    "gpt 5.6",
    "deepseek r1",
    "70b instruct",
    "gemma",
    "claude thinking",
    "coder 32b",
)
_MISTYPED = ("mistrall", "deepseak r1", "lamma 70b", "gemmma", "cluade", "instrukt 8b", "qwenn")
_TYPING = ("ll", "lla", "mis", "mist", "deeps", "ge", "thin", "inst")


def questions() -> list[tuple[str, CatalogQuery]]:
    """Return each question with its kind."""
    asked = [("first_page", CatalogQuery())]
    asked += [("facets", CatalogQuery.of(facets=facets)) for facets in _FACETS]
    asked += [
        ("sorted", CatalogQuery.of(facets=facets, sort=sort))
        for sort in Sort
        for facets in _FACETS[:2]
    ]
    asked += [("deep_page", CatalogQuery.of(sort=Sort.NAME, page=page)) for page in (2, 40, 60)]
    asked += [("text", CatalogQuery.of(text)) for text in _TEXTS]
    asked += [
        ("text_and_facets", CatalogQuery.of(text, facets))
        for text, facets in zip(_TEXTS, _FACETS, strict=False)
    ]
    asked += [("typing", CatalogQuery.of(text)) for text in _TYPING]
    asked += [("mistyped", CatalogQuery.of(text)) for text in _MISTYPED]
    return asked
