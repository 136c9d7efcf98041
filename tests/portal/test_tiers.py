"""Moving targets between tiers with two buttons."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.portal.tiers import Moves, moved_down, moved_up, moves_of

TIERS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 99), min_size=1)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"a": 0, "b": 1}, {"a": 0, "b": 0}),
        ({"b": 0, "a": 0}, {"b": 0, "a": 1}),
        ({"b": 0}, {"b": 0}),
        ({"a": 0, "b": 3, "c": 7}, {"a": 0, "b": 0, "c": 1}),
        ({"a": 0, "b": 1, "c": 1}, {"a": 0, "b": 0, "c": 1}),
    ],
)
def test_up_joins_the_tier_before_or_goes_in_front_of_all(before, after):
    assert moved_up(before, "b") == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"b": 0, "c": 1}, {"b": 0, "c": 0}),
        ({"b": 0, "a": 0}, {"b": 1, "a": 0}),
        ({"b": 0}, {"b": 0}),
        ({"b": 2, "c": 90, "d": 91}, {"b": 0, "c": 0, "d": 1}),
    ],
)
def test_down_joins_the_tier_behind_or_goes_behind_all(before, after):
    assert moved_down(before, "b") == after


@given(TIERS)
def test_a_button_is_live_exactly_when_it_changes_an_order(tiers):
    def order(of):
        return [[name for name in of if of[name] == tier] for tier in sorted(set(of.values()))]

    for name, moves in moves_of(tiers).items():
        assert moves == Moves(
            up=order(moved_up(tiers, name)) != order(tiers),
            down=order(moved_down(tiers, name)) != order(tiers),
        )


@given(TIERS, st.data())
def test_tiers_are_numbered_without_gaps_and_nobody_is_lost(tiers, data):
    name = data.draw(st.sampled_from(sorted(tiers)))
    for moved in (moved_up(tiers, name), moved_down(tiers, name)):
        assert moved.keys() == tiers.keys()
        assert sorted(set(moved.values())) == list(range(len(set(moved.values()))))


def test_nothing_has_no_moves():
    assert moves_of({}) == {}
