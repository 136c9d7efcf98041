import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.gateway.choose import Targets
from tradewind.snapshot.contents import Target

NONE = frozenset()


def a_target(replica_id: str, weight: int = 1) -> Target:
    return Target("dep", replica_id, "llama_server", "h:1", "m", "key", weight)


A, B, C = a_target("a"), a_target("b"), a_target("c")


def test_without_targets_there_is_no_choice():
    assert Targets().choose((), NONE, 0.0) is None


def test_the_least_loaded_is_chosen():
    targets = Targets()
    targets.started(A)
    targets.started(A)
    targets.started(B)
    assert targets.choose((A, B), NONE, 0.0) is B
    assert targets.in_flight == 3
    targets.ended(A)
    targets.ended(A)
    assert targets.choose((A, B), NONE, 0.0) is A


@given(st.lists(st.integers(min_value=1, max_value=9), min_size=1, max_size=6))
def test_load_is_shared_by_weight(weights):
    targets, members = Targets(), [a_target(str(i), weight) for i, weight in enumerate(weights)]
    for _ in range(10 * sum(weights)):
        chosen = targets.choose(members, NONE, 0.0)
        assert chosen is not None
        targets.started(chosen)
    taken = [targets._in_flight[member.replica_id] for member in members]
    assert taken == [10 * weight for weight in weights]


def test_a_tried_one_is_not_chosen_again():
    targets = Targets()
    assert targets.choose((A, B), frozenset({"a"}), 0.0) is B
    assert targets.choose((A, B), frozenset({"a", "b"}), 0.0) is None


def test_one_that_could_not_be_reached_rests_however_busy_the_others_are():
    targets = Targets()
    targets.failed(A, 100.0)
    for _ in range(50):
        targets.started(B)
    assert targets.choose((A, B), NONE, 101.9) is B
    assert targets.choose((A, B), NONE, 102.1) is A


def test_when_all_rest_the_least_loaded_is_tried():
    targets = Targets()
    for target in (A, B, C):
        targets.failed(target, 100.0)
    targets.started(A)
    assert targets.choose((A, B, C), NONE, 100.5) is B


def test_a_restarted_replica_starts_anew():
    targets = Targets()
    targets.failed(A, 100.0)
    assert targets.choose((B, a_target("a2")), NONE, 100.0) is B
    targets.started(B)
    assert targets.choose((B, a_target("a2")), NONE, 100.0) == a_target("a2")


def test_the_memory_of_failures_is_bounded():
    targets = Targets()
    for number in range(5000):
        targets.failed(a_target(str(number)), float(number))
    assert len(targets._ejected_until) <= 1025


def test_ending_what_was_not_started_is_a_bug_that_shows():
    with pytest.raises(KeyError):
        Targets().ended(A)
