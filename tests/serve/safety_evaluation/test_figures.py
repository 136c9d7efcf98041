"""Figures of the quality card, against values worked out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.serve.safety_evaluation.metrics import (
    auc,
    auc_interval,
    mean_absolute_error,
    mean_interval,
    share,
    wilson,
)


def test_wilson_is_that_of_the_textbook():
    # Eight of ten: Wilson's score interval is 0.4902 to 0.9433.
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_wilson_of_nothing_found_starts_at_nothing_and_does_not_end_there():
    interval = wilson(0, 1_000)
    assert interval is not None
    low, high = interval
    assert low == 0.0
    # z^2 / (n + z^2)
    assert high == pytest.approx(3.8415 / 1003.8415, rel=1e-4)


def test_wilson_without_a_trial_is_unknown():
    assert wilson(0, 0) is None
    assert share(0, 0) is None


@given(st.integers(1, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share(case):
    successes, trials = case
    interval = wilson(successes, trials)
    assert interval is not None
    low, high = interval
    assert 0 <= low <= successes / trials <= high <= 1


def test_the_mean_absolute_error_is_the_mean_of_the_distances():
    assert mean_absolute_error([0.0, 0.5, 1.0], [0.25, 0.5, 0.0]) == pytest.approx(1.25 / 3)


def test_the_area_counts_pairs_in_order_and_ties_half():
    # Pairs of a positive and a negative: 0.9>0.8, 0.9>0.3, 0.3=0.3 (half), 0.3<0.8: 2.5 of 4.
    assert auc([0.9, 0.3, 0.8, 0.3], [True, True, False, False]) == pytest.approx(2.5 / 4)
    assert auc([1, 2, 3], [False, False, True]) == 1.0
    assert auc([1, 1, 1], [False, False, True]) == 0.5


def test_the_area_is_unknown_without_both_sides():
    assert auc([0.1, 0.2], [True, True]) is None


def test_intervals_by_resampling_hold_the_figure_and_stay_the_same():
    values = [0.1, 0.4, 0.2, 0.9, 0.5, 0.3, 0.3, 0.7]
    low, high = mean_interval(values, seed=1)
    assert low < sum(values) / len(values) < high
    assert (low, high) == mean_interval(values, seed=1)
    sides = [False, True, False, True, True, False, True, True]
    bounds = auc_interval(values, sides, seed=1)
    area = auc(values, sides)
    assert area is not None
    assert bounds[0] <= area <= bounds[1]
    assert bounds == auc_interval(values, sides, seed=1)


def test_more_of_the_same_is_known_better():
    few = mean_interval([0.0, 1.0] * 10, seed=1)
    many = mean_interval([0.0, 1.0] * 1_000, seed=1)
    assert many[1] - many[0] < (few[1] - few[0]) / 5
