"""What is billed, from what is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.gateway.record import cost_nanos, usage_of
from tradewind.plugins.providers.base import TokenCounts
from tradewind.snapshot.contents import Price
from tradewind.usage.event import Outcome, Usage, UsageSource

COMPLETED, CANCELLED, FAILED = Outcome.COMPLETED, Outcome.CANCELLED, Outcome.FAILED
UPSTREAM, ESTIMATED, NONE = UsageSource.UPSTREAM, UsageSource.ESTIMATED, UsageSource.NONE
UNKNOWN = ()
ESTIMATE = 40
BILLION = 10**9


@pytest.mark.parametrize(
    ("counts", "events", "outcome", "usage"),
    [
        # The upstream said it.
        ((10, 4, 3), 3, COMPLETED, Usage(10, 4, 3, UPSTREAM)),
        ((10, None, 3), 3, COMPLETED, Usage(10, 0, 3, UPSTREAM)),
        ((10, 4, 3), 99, COMPLETED, Usage(10, 4, 3, UPSTREAM)),
        ((10, 4, 3), 0, COMPLETED, Usage(10, 4, 3, UPSTREAM)),
        ((10, 4, 3), 3, CANCELLED, Usage(10, 4, 3, UPSTREAM)),
        ((10, 4, 3), 3, FAILED, Usage(10, 4, 3, UPSTREAM)),
        # Zero is not missing.
        ((0, 0, 0), 0, COMPLETED, Usage(0, 0, 0, UPSTREAM)),
        ((10, None, 0), 0, COMPLETED, Usage(10, 0, 0, UPSTREAM)),
        ((), 0, COMPLETED, Usage(ESTIMATE, 0, 0, ESTIMATED)),
        # What is missing is counted.
        ((), 7, COMPLETED, Usage(ESTIMATE, 0, 7, ESTIMATED)),
        ((10, 4, None), 7, COMPLETED, Usage(10, 4, 7, ESTIMATED)),
        ((None, None, 7), 5, COMPLETED, Usage(ESTIMATE, 0, 7, ESTIMATED)),
        # But where something was passed on, something was written, and read before.
        ((0, 0, 0), 5, COMPLETED, Usage(ESTIMATE, 0, 5, ESTIMATED)),
        ((0, None, None), 7, COMPLETED, Usage(ESTIMATE, 0, 7, ESTIMATED)),
        ((10, 4, 0), 7, COMPLETED, Usage(10, 4, 7, ESTIMATED)),
        # A client that leaves pays for what was sent.
        ((), 7, CANCELLED, Usage(ESTIMATE, 0, 7, ESTIMATED)),
        ((10, 4, None), 7, CANCELLED, Usage(10, 4, 7, ESTIMATED)),
        ((10, 4, 2), 7, CANCELLED, Usage(10, 4, 7, ESTIMATED)),
        ((10, 4, None), 0, CANCELLED, Usage(10, 4, 0, ESTIMATED)),
        # A failure is free until something was generated.
        ((), 0, FAILED, Usage(0, 0, 0, NONE)),
        ((10, 4, None), 0, FAILED, Usage(0, 0, 0, NONE)),
        ((), 7, FAILED, Usage(ESTIMATE, 0, 7, ESTIMATED)),
        ((10, 4, None), 7, FAILED, Usage(10, 4, 7, ESTIMATED)),
        # Nobody is believed to have read more from a cache than in all.
        ((10, 11, 3), 3, COMPLETED, Usage(10, 10, 3, UPSTREAM)),
        ((None, 500, None), 3, COMPLETED, Usage(ESTIMATE, ESTIMATE, 3, ESTIMATED)),
        # Nobody is believed who says the impossible.
        ((BILLION, 0, BILLION), 3, COMPLETED, Usage(BILLION, 0, BILLION, UPSTREAM)),
        ((BILLION + 1, 0, 3), 3, COMPLETED, Usage(ESTIMATE, 0, 3, ESTIMATED)),
        ((10, 0, 10**30), 3, COMPLETED, Usage(ESTIMATE, 0, 3, ESTIMATED)),
        ((10, 10**30, 3), 3, COMPLETED, Usage(ESTIMATE, 0, 3, ESTIMATED)),
        ((-1, 0, 3), 3, COMPLETED, Usage(ESTIMATE, 0, 3, ESTIMATED)),
        ((10, -(10**18), 3), 3, COMPLETED, Usage(ESTIMATE, 0, 3, ESTIMATED)),
        ((10, 0, -3), 3, COMPLETED, Usage(ESTIMATE, 0, 3, ESTIMATED)),
        ((10**30, 0, None), 0, FAILED, Usage(0, 0, 0, NONE)),
    ],
)
def test_what_is_billed(counts, events, outcome, usage):
    found = usage_of(
        TokenCounts(*counts), output_events=events, input_estimate=ESTIMATE, outcome=outcome
    )
    assert found == usage


said = st.none() | st.integers(min_value=-(10**20), max_value=10**20)


@given(
    st.tuples(said, said, said),
    st.integers(min_value=0, max_value=10**6),
    st.sampled_from([COMPLETED, CANCELLED, FAILED]),
)
def test_a_bill_is_never_absurd_whatever_the_upstream_says(counts, events, outcome):
    usage = usage_of(
        TokenCounts(*counts), output_events=events, input_estimate=ESTIMATE, outcome=outcome
    )
    assert 0 <= usage.cached_input_tokens <= usage.input_tokens <= BILLION
    assert 0 <= usage.output_tokens <= BILLION
    assert cost_nanos(usage, Price("p", "USD", 10**15, 10**15, 10**15)) < 2**63


def test_cached_input_has_its_own_price():
    price = Price("p", "USD", 1_000_000_000, 3_000_000_000, 250_000_000)
    usage = Usage(1000, 400, 10, UPSTREAM)
    assert cost_nanos(usage, price) == 600 * 1000 + 400 * 250 + 10 * 3000


def test_a_free_call_costs_nothing():
    price = Price("p", "USD", 10**9, 10**9, 10**9)
    assert cost_nanos(Usage(0, 0, 0, NONE), price) == 0


def metered(meters, *, events=0, outcome=COMPLETED):
    counts = TokenCounts(None, None, 0, meters=meters)
    return usage_of(counts, output_events=events, input_estimate=ESTIMATE, outcome=outcome)


def test_other_meters_are_billed_beside_tokens():
    usage = metered({"characters": 6, "unpriced": 5})
    assert usage == Usage(ESTIMATE, 0, 0, ESTIMATED, meters={"characters": 6, "unpriced": 5})
    price = Price("p", "USD", 0, 0, 0, meters={"characters": 5_000_000_000, "images": 1})
    assert cost_nanos(usage, price) == 6 * 5000


def test_a_failure_is_not_free_once_something_was_metered():
    assert metered({"characters": 6}, outcome=FAILED).meters == {"characters": 6}
    assert metered(None, outcome=FAILED) == Usage(0, 0, 0, NONE)
    assert metered({}, outcome=FAILED) == Usage(0, 0, 0, NONE)


@pytest.mark.parametrize("meters", [{"audio_ms": -1}, {"audio_ms": BILLION + 1, "images": 1}])
def test_meters_that_cannot_be_are_not_believed(meters):
    assert metered(meters).meters == {}
