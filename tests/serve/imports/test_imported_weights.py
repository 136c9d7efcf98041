"""Shares become weights."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tradewind.features.endpoints.rules import WEIGHT_MAX
from tradewind.serve.imports.planner import whole_weights

shares = st.lists(
    st.fractions(min_value=Fraction(1, 1000), max_value=1000, max_denominator=1000),
    min_size=1,
    max_size=64,
)


@given(shares)
def test_weights_are_whole_and_nothing_with_a_share_loses_it(given_shares):
    weights = whole_weights(given_shares)
    assert len(weights) == len(given_shares)
    assert all(1 <= weight <= WEIGHT_MAX for weight in weights)


@given(st.lists(st.integers(1, 100), min_size=1, max_size=64), st.fractions(min_value="1/9"))
def test_weights_are_in_proportion_and_as_small_as_can_be(numbers, scale):
    weights = whole_weights([scale * number for number in numbers])
    first = Fraction(weights[0], numbers[0])
    assert all(Fraction(*pair) == first for pair in zip(weights, numbers, strict=True))
    assert weights == whole_weights([Fraction(weight) for weight in weights])
