"""The arithmetic of rates, for all numbers there are."""

import math

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tradewind.gateway.admission.rates import (
    TOLERANCE_S,
    WINDOW_S,
    moved,
    remaining,
    reset_ms,
    seconds_per_unit,
    wait_s,
)

moments = st.floats(min_value=0, max_value=1e7)
limits = st.integers(min_value=1, max_value=100_000_000)
steps = st.lists(
    st.tuples(st.floats(min_value=0, max_value=30), st.floats(min_value=0, max_value=1)),
    min_size=1,
    max_size=60,
)


@given(limits, moments, steps)
def test_no_stretch_of_time_takes_more_than_the_rate_and_one_burst(limit, now, found):
    worth_s = seconds_per_unit(limit)
    arrival = 0.0
    taken = []
    for pause, share in found:
        now += pause
        units = max(1, int(share * limit))
        if not wait_s(arrival, units * worth_s, now):
            arrival = moved(arrival, units * worth_s, now)
            taken.append((now, units))
    for first, (begin, _) in enumerate(taken):
        total = 0
        for end, units in taken[first:]:
            total += units
            assert total <= (limit + limit * (end - begin) / WINDOW_S) * (1 + 1e-6) + 1


@given(limits, moments, st.floats(min_value=0, max_value=60), st.floats(min_value=0, max_value=1))
def test_a_wait_suffices_and_a_shorter_one_does_not(limit, now, used_s, share):
    arrival = now + used_s
    worth_s = max(1, int(share * limit)) * seconds_per_unit(limit)
    told = wait_s(arrival, worth_s, now)
    assert not wait_s(arrival, worth_s, now + told)
    if told > 1e-4:
        assert wait_s(arrival, worth_s, now + told / 2)


@given(limits, moments, st.floats(min_value=0, max_value=120))
@example(limit=8_388_607, now=0.0, used_s=9.5)  # one more is within the tolerance
def test_what_is_said_to_remain_fits_and_two_more_do_not(limit, now, used_s):
    arrival, worth_s = now + used_s, seconds_per_unit(limit)
    left = remaining(arrival, limit, now)
    assert 0 <= left <= limit
    assert not left or not wait_s(arrival, left * worth_s, now)
    if left < limit and worth_s > 4 * TOLERANCE_S:
        # What is told stops half a tolerance short, so one more may still pass; never two.
        assert wait_s(arrival, (left + 2) * worth_s, now)


@given(moments, st.floats(min_value=0, max_value=300))
def test_everything_is_back_when_the_reset_has_passed(now, used_s):
    arrival = now + used_s
    assert remaining(arrival, 100, now + reset_ms(arrival, now) / 1000 + 1e-9) == 100


@given(
    moments,
    st.floats(min_value=0, max_value=60),
    st.floats(min_value=0, max_value=60),
    st.floats(min_value=0, max_value=600),
)
def test_what_is_given_back_late_is_worth_nothing(now, used_s, refund_s, pause):
    arrival = now + used_s
    later = now + pause
    after = moved(arrival, -refund_s, later)
    assert after >= min(arrival, later) - refund_s - 1e-6
    assert remaining(after, 100, later) <= 100


@settings(max_examples=30)
@given(limits)
def test_a_full_burst_then_exactly_the_rate(limit):
    worth_s = seconds_per_unit(limit)
    arrival = moved(0.0, limit * worth_s, 1000.0)
    assert math.isclose(wait_s(arrival, worth_s, 1000.0), worth_s, rel_tol=1e-3, abs_tol=2e-6)
