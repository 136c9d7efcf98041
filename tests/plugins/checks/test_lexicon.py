"""The graded lexicon: words, what they are together, and what mutes them."""

import pytest

from tradewind.plugins.checks.lexicon import lexicon

WORDS = lexicon(
    """
[roles]
kill = "kill, killed, murder*"
victim = "him, people"
technical = "process, server"
kind = "sorry"

[[alone]]
role = "kill"
category = "violence"
severity = 3

[[together]]
roles = ["kill", "victim"]
category = "violence"
severity = 5
within = 20

[[muted]]
roles = ["kill"]
by = ["technical"]
within = 15

[[context]]
category = "violence"
roles = ["kind"]
at = 1
less = 2
least = 1
""",
    {"victim": ["cat"]},
)


def marks(text):
    return [(mark.severity, text[mark.start : mark.end]) for mark in WORDS.read(text).marks]


def test_whole_words_count_and_open_ones_take_the_rest():
    assert marks("They MURDERED it") == [(3, "MURDERED")]
    assert marks("skill and overkill") == []


def test_words_together_say_more_than_alone():
    assert marks("kill him") == [(3, "kill"), (5, "kill him")]
    assert marks("him they kill") == [(3, "kill"), (5, "him they kill")]


def test_words_too_far_apart_or_in_two_sentences_are_not_together():
    assert marks("kill the mood, and then tell him") == [(3, "kill")]
    assert marks("They kill. Ask him.") == [(3, "kill")]
    assert marks("kill\n\nhim") == [(3, "kill")]


def test_a_word_beside_it_mutes():
    assert marks("kill the process") == []
    assert marks("kill the old and rather slow server") == [(3, "kill")]


def test_context_takes_something_off():
    reading = WORDS.read("Sorry, they killed him")
    assert (reading.less["violence"], reading.least["violence"]) == (2, 1)
    assert WORDS.read("they killed him").less == {}


def test_spans_are_those_of_the_text_given():
    text = "\u0130\u0130 \ufb01ne, k\u0456ll him"
    [_, (severity, span)] = marks(text)
    assert (severity, span) == (5, "k\u0456ll him")


@pytest.mark.parametrize("text", ["", " ", "\x00", "\ud800 kill", "kill" * 1_000])
def test_odd_texts_are_read(text):
    WORDS.read(text)


def test_further_terms_join_those_that_are_listed():
    assert marks("kill the cat") == [(3, "kill"), (5, "kill the cat")]
