import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.plugins.checks.bounded_expressions import ExpressionRefused, bound


@pytest.mark.parametrize(
    "expression",
    [
        "(a+)+b",
        "(a|a)*b",
        "(a|aa)+$",
        "([a-z]+)*x",
        ".*foo",
        r"\S+foo",
        r"(\w+\s?)+y",
        "a*",
        "(?=x)a",
        "(?<=x)a",
        r"(x)\1",
        "(?P<n>x)(?P=n)",
        "^foo",
        "foo$",
        "(?i)foo",
        "(?i:foo)",
        "x{1000}",
        "x{65}",
        "(x{64}){64}",
        "(" * 200 + "x" + ")" * 200,
        "(" * 20 + "x" + ")" * 20,
        "[",
        "",
        "x" * 257,
        "x{99999999999999999999}",
    ],
)
def test_what_may_take_long_or_is_none_is_refused(expression):
    with pytest.raises(ExpressionRefused):
        bound(expression)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (r"\bfoo\w*\b", "foobar"),
        (r"buy\s+now", "buy   now"),
        (r"buy\s+\w+\s+now", "buy it now"),
        (r"colou?r", "color"),
        (r"b[a4@]d", "b4d"),
        (r"foo.{0,20}bar", "foo and bar"),
        (r"(?:one|two) (three|four)", "two four"),
        (r"x{2,4}y", "xxxy"),
        (r"Straße\d+", "strasse12"),
        (r"[^a]bcd", "xbcd"),
        (r"\d{3}-\D{3}", "123-abc"),
    ],
)
def test_plain_ones_match_what_they_say(expression, text):
    assert bound(expression).pattern.fullmatch(text)


def test_the_first_characters_are_known_where_they_can_be():
    assert bound(r"(?:buy|sell)\s+it").prefixes == ("buy", "sell")
    assert bound("ba[dt]").prefixes == ("bad", "bat")
    assert bound(r"\d+x").prefixes == ()


def test_nothing_is_given_back_where_nothing_can_be_won():
    bounded = bound(r"ab\s+c\d+x")
    assert bounded.steps == bounded.longest
    assert "+" in bounded.pattern.pattern


# Only what stands for itself, so that what the engine makes of the original is comparable.
_ATOMS = st.sampled_from(["a", "b", "ab", "[ab]", "[^a]", r"\w", r"\d", "c", " ", r"\s"])
_TIMES = st.sampled_from(["", "?", "{1,3}", "+", "*", "{2}"])
_EXPRESSIONS = st.lists(st.tuples(_ATOMS, _TIMES), min_size=1, max_size=6).map(
    lambda parts: "".join(f"(?:{atom}){times}" for atom, times in parts)
)


@given(_EXPRESSIONS, st.text("abc 1", max_size=30))
def test_a_bounded_expression_finds_where_the_original_finds(expression, text):
    try:
        bounded = bound(expression)
    except ExpressionRefused:
        return
    original = re.compile(expression, re.IGNORECASE)
    for start in range(len(text)):
        ours, theirs = bounded.pattern.match(text, start), original.match(text, start)
        assert (ours is None) == (theirs is None)
        if ours is not None:
            assert ours.end() - start <= bounded.longest
            is_known = not bounded.prefixes or text[start:].lower().startswith(bounded.prefixes)
            assert is_known
