"""Swear words: whole words, graded."""

import pytest
from examining import findings, found
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.plugins.checks.base import CheckFailed
from tradewind.plugins.checks.profanity import Profanity
from tradewind.plugins.checks.swear_words import SLUR, terms

PROFANITY = Profanity()


@pytest.mark.parametrize(
    "text",
    [
        "People in Scunthorpe and Penistone assess the classic bass.",
        "The cock crowed, the ass brayed, and Dick shut the door.",
        "A spook story about a negro spiritual and crows in Niger.",
        "Flame retardants retard combustion in 69 cases.",
        "",
    ],
)
def test_ordinary_words_pass(text):
    assert [each.severity for each in findings(PROFANITY, text)] == [0]


def test_words_are_graded():
    assert found(PROFANITY, "Bullshit!") == [("profanity", 2, "Bullshit")]
    assert max(severity for _, severity, _ in found(PROFANITY, "fuck this")) >= 4


def test_what_was_looked_at_before_is_not_told_again():
    text = "bullshit, and more bullshit"
    [again] = findings(PROFANITY, text, look_back=10)
    assert again.start == text.rindex("bullshit")


def test_a_text_of_nothing_else_has_so_many_findings_and_no_more():
    assert len(findings(PROFANITY, "bullshit " * 5_000)) == 200


def test_the_list_is_clean():
    listed = terms()
    assert len({term.text for term in listed}) == len(listed) > 1_000
    assert all(term.text == term.text.lower().strip() and 1 <= term.grade <= 3 for term in listed)
    assert sum(term.kind == SLUR for term in listed) > 100


def test_it_takes_no_data():
    with pytest.raises(CheckFailed):
        PROFANITY.prepare("list", b"")


@given(st.text(max_size=300))
@settings(max_examples=100, deadline=None)
def test_no_text_makes_it_fail(text):
    for each in findings(PROFANITY, text):
        assert 0 <= each.start <= each.end <= len(text)
