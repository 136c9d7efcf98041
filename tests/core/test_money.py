from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.core.money import (
    Money,
    format_nanos,
    parse_nanos,
    rate_nanos,
    round_to_nanos,
)

MOST = 2**63 - 1
quantities = st.integers(min_value=0, max_value=10**9)
prices = st.integers(min_value=0, max_value=10**12)
lines = st.lists(st.tuples(quantities, prices), max_size=4)
amounts = st.integers(min_value=-MOST, max_value=MOST)


@settings(max_examples=500)
@given(lines)
def test_a_cost_is_the_exact_sum_rounded_half_even_once(found):
    exact = sum((Fraction(quantity * price, 1_000_000) for quantity, price in found), Fraction(0))
    assert rate_nanos(*found) == round(exact)  # Fraction rounds half-even


@given(st.integers(min_value=0, max_value=10**12))
def test_halves_go_to_the_even_side(whole):
    assert round_to_nanos(whole * 1_000_000 + 500_000) == whole + whole % 2
    assert round_to_nanos(whole * 1_000_000 + 499_999) == whole
    assert round_to_nanos(whole * 1_000_000 + 500_001) == whole + 1


@given(lines, quantities, prices, quantities)
def test_more_tokens_never_cost_less(found, quantity, price, more):
    less = rate_nanos(*found, (quantity, price))
    assert rate_nanos(*found, (quantity + more, price)) >= less
    assert rate_nanos(*found, (quantity, price + more)) >= less


@given(lines, lines)
def test_splitting_an_event_in_two_changes_the_cost_by_at_most_one_nano(one, other):
    apart = rate_nanos(*one) + rate_nanos(*other)
    assert abs(rate_nanos(*one, *other) - apart) <= 1


def test_nothing_costs_nothing():
    assert rate_nanos() == rate_nanos((0, 10**12)) == rate_nanos((10**9, 0)) == 0


def test_a_price_per_million_is_exact():
    assert rate_nanos((1_000_000, 37_500_000)) == 37_500_000
    assert str(Money(37_500_000, "USD")) == "0.0375 USD"


def test_a_cost_past_64_bits_is_refused_and_not_wrapped():
    assert round_to_nanos(MOST * 1_000_000) == MOST
    assert round_to_nanos(MOST * 1_000_000 + 499_999) == MOST
    with pytest.raises(OverflowError):
        round_to_nanos(MOST * 1_000_000 + 500_000)
    with pytest.raises(OverflowError):
        rate_nanos((10**9, 10**18))


@settings(max_examples=500)
@given(amounts)
def test_an_amount_reads_back_as_it_was_written(nanos):
    assert parse_nanos(format_nanos(nanos)) == nanos


@given(amounts)
def test_an_amount_is_written_without_exponent_or_trailing_zeros(nanos):
    text = format_nanos(nanos)
    assert "e" not in text.lower()
    assert not ("." in text and text.endswith(("0", ".")))
    assert Fraction(text) == Fraction(nanos, 10**9)


@given(amounts, st.integers(min_value=0, max_value=9))
def test_rounded_amounts_have_the_digits_asked_for(nanos, digits):
    text = format_nanos(nanos, digits=digits)
    assert len(text.partition(".")[2]) == digits
    assert Fraction(text) == round(Fraction(nanos, 10**9), digits)


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("0", 0),
        ("0.0375", 37_500_000),
        ("1", 10**9),
        ("-1.5", -1_500_000_000),
        ("0.000000001", 1),
        ("9223372036.854775807", MOST),
        ("1.500000000", 1_500_000_000),
    ],
)
def test_plain_decimals_are_read(text, nanos):
    assert parse_nanos(text) == nanos


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "-",
        "abc",
        "1.0000000001",
        "1.0000000000000000000000000000001",
        "9223372036.854775808",
        "99999999999",
        "1e3",
        "1E999999999",
        "1_000",
        " 1",
        "1\n",
        "+1",
        "NaN",
        "sNaN",
        "Infinity",
        "\N{ARABIC-INDIC DIGIT ONE}",
        "0x10",
        "1,5",
        "9" * 100_000,
    ],
)
def test_anything_else_is_refused_and_never_rounded(text):
    with pytest.raises(ValueError, match="not an amount") as caught:
        parse_nanos(text)
    assert len(str(caught.value)) < 200
