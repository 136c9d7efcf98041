"""Models for the search: one by hand, or whole catalogs by Hypothesis."""

from datetime import UTC, date, datetime
from typing import Any

import msgspec
from hypothesis import strategies as st

from tradewind.readmodels.catalog_search.rows import CatalogRow, LowestPrice

NOW = datetime(2030, 1, 1, tzinfo=UTC)
OURS = "org_00000000000000000000000001"
THEIRS = "org_00000000000000000000000002"
_numbers = iter(range(10**9))


def a_row(name="acme/rocket-7b", **changes) -> CatalogRow:
    publisher_slug, _, slug = name.partition("/")
    values: dict[str, Any] = {
        "model_id": f"model_{next(_numbers):026d}",
        "publisher": publisher_slug,
        "publisher_name": publisher_slug.title(),
        "slug": slug,
        "display_name": slug.replace("-", " ").title(),
        "operation": "chat",
    }
    return CatalogRow(**(values | changes))


_FAMILIES = ("llama", "qwen3", "gpt", "mistral", "gemma", "phi", "Élan")
_slugs = st.builds(
    lambda *parts: "-".join(part for part in parts if part),
    st.sampled_from([family.lower().replace("é", "e") for family in _FAMILIES]),
    st.sampled_from(["", "3.3", "5.6", "v3", "4o", "vl", "large2"]),
    st.sampled_from(["", "7b", "70b", "mini", "instruct", "embedding"]),
    st.uuids().map(lambda one: one.hex[:6]),
)
_prices = st.none() | st.builds(
    LowestPrice,
    st.sampled_from([0, 1, 99_999_999, 100_000_000, 2_000_000_000, 10**11]),
    st.none() | st.sampled_from([0, 4, 400_000_000, 10**10]),
)


@st.composite
def catalogs(draw, most=25) -> list[CatalogRow]:
    """Models with all that a card can show, of few publishers, so that sets overlap."""
    slugs = draw(st.lists(_slugs, max_size=most, unique=True))
    rows = [draw(_rows(slug)) for slug in slugs]
    # Ids as they come: in the order in which models were added.
    return [msgspec.structs.replace(row, model_id=f"model_{i:026d}") for i, row in enumerate(rows)]


def _rows(slug: str):
    maker = st.sampled_from([("acme", "Acme"), ("meta", "Meta"), ("moritz", "Möritz AI")])

    def some(values):
        return st.lists(st.sampled_from(values), unique=True, max_size=2).map(tuple)

    visibility = st.sampled_from(
        [("listed", None)] * 6 + [("private", OURS), ("private", THEIRS), ("unlisted", OURS)]
    )
    return st.builds(
        lambda who, seen, **values: CatalogRow(
            publisher=who[0],
            publisher_name=who[1],
            visibility=seen[0],
            organization_id=seen[1],
            **values,
        ),
        who=maker,
        seen=visibility,
        model_id=st.just(""),
        slug=st.just(slug),
        display_name=st.sampled_from([slug, slug.replace("-", " ").title(), "Élan Vital"]),
        description=st.sampled_from(["", "A small model for chat.", "Reads images; writes code."]),
        family=st.sampled_from(["", *_FAMILIES]),
        licence=st.sampled_from(["", "MIT", "Apache-2.0", "LicenseRef-Llama-3.3"]),
        operation=st.sampled_from(["", "chat", "embeddings", "images"]),
        context_tokens=st.none() | st.sampled_from([7_999, 8_000, 131_072, 1_000_000]),
        max_output_tokens=st.just(None),
        parameters=st.just(None),
        released_on=st.none() | st.dates(date(2023, 1, 1), date(2023, 1, 5)),
        input_modalities=some(["image", "text"]),
        output_modalities=some(["text"]),
        capabilities=some(["tools", "reasoning"]),
        open_weights=st.sampled_from([None, True, False]),
        is_gated=st.booleans(),
        lifecycle=st.sampled_from(["preview", "ga", "legacy"]),
        aliases=st.just(()),
        offers=st.integers(0, 3),
        regions=some(["eu", "us"]).map(lambda found: tuple(sorted(found))),
        price=_prices,
        has_weights=st.booleans(),
        callable_by=st.sampled_from([(), ("",), (OURS,), ("", THEIRS)]),
    )
