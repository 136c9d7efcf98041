"""Questions from and to URLs."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core.errors import InvalidInput
from tradewind.readmodels.catalog_search.query import (
    MAX_CHOSEN,
    MAX_TEXT,
    CatalogQuery,
    Sort,
    read_loosely,
    read_query,
)


def test_a_question_is_read_and_written_in_one_form():
    read = read_query(
        [("publisher", "zeta"), ("q", "  gpt \t 5.6"), ("publisher", "acme"), ("task", "chat")]
    )

    assert read.query_string() == "q=gpt+5.6&task=chat&publisher=acme&publisher=zeta"
    assert read == CatalogQuery.of("gpt 5.6", {"task": ["chat"], "publisher": ["acme", "zeta"]})


def test_what_works_for_a_project_is_asked_in_one_word():
    read = read_query([("fits", "yes"), ("task", "chat")])

    assert read.fits
    assert read.query_string() == "task=chat&fits=yes"
    assert read.toggled("task", "chat").query_string() == "fits=yes"
    with pytest.raises(InvalidInput, match="`fits` is `yes`"):
        read_query([("fits", "no")])


def test_what_goes_without_saying_is_not_written():
    assert CatalogQuery.of(facets={"task": []}).query_string() == ""
    assert read_query([("sort", "relevance"), ("page", "1"), ("q", "")]) == CatalogQuery()


parameters = st.lists(
    st.tuples(
        st.sampled_from(
            ["q", "sort", "page", "per_page", "fits", "task", "publisher", "price", "x\0"]
        )
        | st.text(max_size=20),
        st.sampled_from(["chat", "free", "yes", "newest", "2", "-1", "٣", "9" * 30])
        | st.text(max_size=300),
    ),
    max_size=12,
)


@given(parameters)
def test_whatever_a_url_says_gives_a_question_that_reads_back_as_itself(given_parameters):
    query = read_loosely(given_parameters).query

    again = parse_qsl(query.query_string(), keep_blank_values=True)
    assert read_query(again) == query
    assert len(query.text) <= MAX_TEXT


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ([("colour", "red")], "there is no facet 'colour'"),
        ([("task", "dance")], "'dance' is no value of 'task'"),
        ([("publisher", "a" * 121)], "a value of 'publisher' is too long"),
        ([("publisher", "a\0b")], "a value of 'publisher' is too long or not plain text"),
        ([("sort", "profit")], "'profit' is no sort"),
        ([("page", "0")], "`page` is a number from 1"),
        ([("page", "1e3")], "`page` is a number from 1"),
        ([("per_page", "101")], "`per_page` is a number from 1 to 100"),
        ([("q", "a" * 201)], "the text was cut"),
        ([("publisher", f"p{i}") for i in range(MAX_CHOSEN + 1)], "more than 50 values"),
    ],
)
def test_what_cannot_be_used_is_an_error_for_programs_and_a_note_on_a_page(parameters, told):
    with pytest.raises(InvalidInput, match=told):
        read_query(parameters)
    read = read_loosely([*parameters, ("task", "chat")])
    assert told in read.ignored[0]
    assert read.query.values_of("task") == ("chat",)


def test_a_value_is_chosen_and_taken_back_on_the_first_page():
    query = CatalogQuery.of("a", {"task": ["chat"]}, Sort.PRICE, page=3)

    chosen = query.toggled("licence", "MIT")

    assert chosen == CatalogQuery.of("a", {"task": ["chat"], "licence": ["MIT"]}, Sort.PRICE)
    assert chosen.toggled("licence", "MIT") == query.on_page(1)


def test_a_question_made_by_code_is_checked_as_well():
    with pytest.raises(InvalidInput):
        CatalogQuery.of(page=0)
    with pytest.raises(InvalidInput):
        CatalogQuery.of(facets={"colour": ["red"]})
