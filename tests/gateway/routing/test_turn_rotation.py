from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from routing_parts import a_target

from tradewind.gateway.routing.rotation import Rotation

weights = st.lists(st.integers(1, 50), min_size=1, max_size=8)


def turns(rotation, targets, number):
    return [rotation.take(targets).replica_id for _ in range(number)]


@given(weights, st.integers(1, 300))
def test_nobody_is_ever_a_whole_turn_off_its_share(weights, number):
    targets = [a_target(str(place), weight=weight) for place, weight in enumerate(weights)]
    rotation = Rotation()
    served = dict.fromkeys((target.replica_id for target in targets), 0)
    for turn in range(1, number + 1):
        served[rotation.take(targets).replica_id] += 1
        for target in targets:
            share = Fraction(turn * target.weight, sum(weights))
            assert abs(served[target.replica_id] - share) < 1


@given(weights)
def test_a_whole_round_serves_each_by_its_weight(weights):
    targets = [a_target(str(place), weight=weight) for place, weight in enumerate(weights)]
    taken = turns(Rotation(), targets, sum(weights))
    assert [taken.count(str(place)) for place in range(len(weights))] == weights


def test_a_heavy_one_is_not_served_in_a_row_while_others_wait():
    heavy, *light = [a_target("heavy", weight=4), a_target("b"), a_target("c"), a_target("d")]
    taken = turns(Rotation(), [heavy, *light], 7)
    assert taken.count("heavy") == 4
    assert taken[:4].count("heavy") < 4


@given(st.lists(st.sets(st.integers(0, 4), min_size=1), min_size=1, max_size=200))
def test_one_that_was_away_gets_no_turns_in_arrears_of_all_that_time(choices):
    targets = [a_target(str(place)) for place in range(5)]
    rotation = Rotation()
    for choice in choices:
        rotation.take([targets[place] for place in sorted(choice)])
    taken = turns(rotation, targets, 50)
    # What it is behind comes from choices it was part of, never from those it was not.
    assert all(taken.count(str(place)) >= 1 for place in range(5))


def test_what_is_gone_is_forgotten():
    rotation = Rotation()
    rotation.take([a_target("a"), a_target("b")])
    rotation.keep_only(["b", "c"])
    assert set(rotation._behind) == {"b"}
