import pytest

from tests.plugins.checks.examining import findings
from tradewind.plugins.checks.base import Content, Sources
from tradewind.plugins.checks.groundedness import Groundedness
from tradewind.snapshot.safety import Direction

CHECK = Groundedness()
SOURCE = (
    "Support staff are paid 10/hour for their first year. Jane Miller manages the store in Berlin. "
    "The warranty does not cover water damage. The company was founded in 1998 and has 1,200 "
    "employees. The battery lasts twelve hours and weighs 300 g."
)


def ungrounded(answer, *sources):
    given = sources or (SOURCE,)
    found = findings(CHECK, answer, direction=Direction.COMPLETION, sources=given)
    return [(each.severity, answer[each.start : each.end]) for each in found]


@pytest.mark.parametrize(
    "answer",
    [
        "Support staff earn 10/hour in their first year.",
        "The rate is 10 per hour for support staff.",
        "The store in Berlin is managed by Jane Miller.",
        "The warranty doesn't cover water damage.",
        "The company was founded in 1998.",
        "It has 1200 employees.",
        "The battery lasts 12 hours.",
        "The battery weighs 300g.",
        "Sure, I can help with that!",
        "What else would you like to know?",
        "",
    ],
)
def test_what_a_source_says_is_grounded(answer):
    assert ungrounded(answer) == []


@pytest.mark.parametrize(
    ("answer", "span"),
    [
        ("Support staff earn 12/hour in their first year.", "12/hour"),
        ("Support staff earn 12 per hour.", "12 per hour"),
        ("The company was founded in 1999.", "1999"),
        ("The battery lasts ten hours.", "ten hours"),
        ("It has 1,300 employees.", "1,300 employees"),
    ],
)
def test_a_number_that_contradicts_a_source_is_found_with_its_span(answer, span):
    assert ungrounded(answer) == [(6, span)]


def test_the_same_number_of_something_else_is_ungrounded():
    assert ungrounded("The battery lasts 10 minutes.") == [(4, "10 minutes")]


def test_a_name_that_stands_nowhere_is_ungrounded():
    assert ungrounded("The store in Munich is managed by Jane Miller.") == [(4, "Munich")]


def test_a_sentence_that_turns_a_source_around_is_ungrounded():
    answer = "The warranty covers water damage."
    assert ungrounded(answer) == [(4, answer)]


def test_a_sentence_about_something_else_is_ungrounded():
    answer = "The store in Berlin. Giraffes sleep standing during most long nights."
    assert ungrounded(answer) == [(4, "Giraffes sleep standing during most long nights.")]


def test_without_sources_nothing_is_said():
    assert findings(CHECK, "It costs 12/hour.", direction=Direction.COMPLETION) == ()


def test_documents_of_the_same_examination_are_sources():
    contents = [
        Content(SOURCE, Direction.DOCUMENT),
        Content("The rate is 12/hour for support staff.", Direction.COMPLETION),
    ]
    document, answer = CHECK.examine(contents, {}, [])
    assert document.findings == ()
    assert [each.severity for each in answer.findings] == [6]


def test_several_sources_stand_together():
    answer = "Anna Berg leads the team in Oslo."
    assert ungrounded(answer, "Anna Berg leads it.", "The team in Oslo.") == []


def test_sources_are_read_once_for_all_pieces_of_an_answer():
    sources = Sources([SOURCE])
    for piece in ("It has 1200 employees.", "It has 1300 employees."):
        CHECK.examine([Content(piece, Direction.COMPLETION, 0, sources)], {}, [])
        made = sources.made
        assert made is not None
    CHECK.examine([Content("More.", Direction.COMPLETION, 0, sources)], {}, [])
    assert sources.made is made


def test_the_number_alone_is_held_against_what_has_its_unit():
    source = (
        "I currently work for a bank that requires strict sales goals to meet. If they aren't met "
        "three times in three months, you're out. They pay me 10/hour and it's not unheard of to "
        "get a raise in six months."
    )
    assert ungrounded("12/hour.", source) == [(6, "12/hour")]
    assert ungrounded("10/hour.", source) == []
