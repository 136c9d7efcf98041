import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.gateway.routing.spill import PROBE_EVERY_S, TierLoad
from tradewind.snapshot.contents import Routing


def look(load, routing, in_flight=0, *, slots=8, first_token_s=None, now=0.0):
    return load.look(
        routing, in_flight=in_flight, slots=slots, first_token_s=first_token_s, now=now
    )


def test_without_bounds_nothing_spills():
    assert look(TierLoad(), Routing(), 10_000, first_token_s=600.0) is None


@pytest.mark.parametrize(("bound", "full_at"), [(0, 8), (1, 16), (3, 32)])
def test_a_tier_is_full_when_more_than_the_bound_waits_for_each_slot(bound, full_at):
    load, routing = TierLoad(), Routing(queue_bound=bound)
    assert look(load, routing, full_at - 1) is None
    assert look(load, routing, full_at) == "spill: queue"


def test_a_full_tier_gets_calls_again_when_a_slot_is_free():
    load, routing = TierLoad(), Routing(queue_bound=1)
    look(load, routing, 16)
    for in_flight in (15, 12, 8):
        assert look(load, routing, in_flight) == "spill: queue"
    assert look(load, routing, 7) is None
    assert look(load, routing, 8) is None


def test_a_tier_of_one_slot_and_no_queue_works():
    load, routing = TierLoad(), Routing(queue_bound=0)
    assert [look(load, routing, calls, slots=1) for calls in (0, 1, 0)] == [
        None,
        "spill: queue",
        None,
    ]


def test_a_tier_is_slow_beyond_its_bound_and_until_well_below_it():
    load, routing = TierLoad(), Routing(first_token_bound_ms=500)
    told = [look(load, routing, first_token_s=each) for each in (0.5, 0.51, 0.45, 0.41, 0.4, 0.45)]
    assert told == [None, "spill: slow", "spill: slow", "spill: slow", None, None]


def test_a_slow_tier_that_is_not_measured_any_more_gets_its_calls_back():
    load, routing = TierLoad(), Routing(first_token_bound_ms=500)
    look(load, routing, first_token_s=2.0)
    assert look(load, routing, first_token_s=None) is None


def test_one_call_every_two_seconds_goes_to_a_slow_tier():
    load, routing = TierLoad(), Routing(first_token_bound_ms=500)
    look(load, routing, first_token_s=2.0, now=10.0)
    assert not load.takes_probe(10.0)
    assert load.takes_probe(10.0 + PROBE_EVERY_S)
    assert not load.takes_probe(10.0 + PROBE_EVERY_S)
    assert load.takes_probe(10.0 + 2 * PROBE_EVERY_S)


def test_a_full_tier_gets_no_probe():
    load, routing = TierLoad(), Routing(queue_bound=0, first_token_bound_ms=500)
    look(load, routing, 8, first_token_s=2.0, now=0.0)
    assert not load.takes_probe(100.0)


@given(st.integers(1, 64), st.integers(0, 4), st.lists(st.integers(0, 400), max_size=100))
def test_what_is_full_and_what_is_not_never_contradict_the_marks(slots, bound, calls):
    load, routing = TierLoad(), Routing(queue_bound=bound)
    for in_flight in calls:
        spills = look(load, routing, in_flight, slots=slots) is not None
        if in_flight >= slots * (1 + bound):
            assert spills
        if in_flight == 0:
            assert not spills


def test_a_load_around_the_bound_does_not_flap():
    chance, load, routing = random.Random(3), TierLoad(), Routing(queue_bound=1)
    changes, was = 0, False
    for _ in range(1000):
        spills = look(load, routing, 16 + chance.randint(-3, 3)) is not None
        changes += spills is not was
        was = spills
    assert changes == 1
