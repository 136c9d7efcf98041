"""The page of the documentation says what the code does."""

from pathlib import Path

import pytest

from tradewind.readmodels.catalog_search.facets import FACETS
from tradewind.readmodels.catalog_search.query import Sort
from tradewind.readmodels.catalog_search.ranking import RANKING_RULE

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "catalog-search.md"


@pytest.fixture(scope="module")
def page():
    return PAGE.read_text(encoding="utf-8")


def test_the_ranking_rule_is_published_word_for_word(page):
    quoted = " ".join(line[2:] for line in page.splitlines() if line.startswith("> "))

    assert quoted.split() == RANKING_RULE.split()


def test_every_facet_value_and_sort_has_its_place(page):
    table = [line for line in page.splitlines() if line.startswith("|")]
    for name, facet in FACETS.items():
        [line] = [line for line in table if f"`{name}`" in line.split("|")[1]]
        for value in facet.values or ():
            assert f"`{value}`" in line
    for sort in Sort:
        assert f"`{sort}`" in "".join(table)
