"""Meters with a price of their own: each unit is paid once, by the dearest word about it."""

import pytest

from tradewind.gateway.record import FROM_CACHE, NOTHING, cost_nanos
from tradewind.snapshot.contents import Price
from tradewind.usage.event import Usage, UsageSource

MILLION = 1_000_000


def price(**meters):
    """Input costs 2 a token, output 3, what was cached 1: nanos."""
    return Price("price_1", "USD", 2 * MILLION, 3 * MILLION, MILLION, meters=meters)


def used(*, source=UsageSource.UPSTREAM, **more):
    return Usage(100, 40, 50, source, **more)


PLAIN = 60 * 2 + 40 + 50 * 3


@pytest.mark.parametrize(
    ("meters", "more", "added"),
    [
        ({}, {"reasoning_tokens": 10}, 0),
        ({"reasoning_tokens": 5 * MILLION}, {"reasoning_tokens": 10}, 10 * 2),
        ({"reasoning_tokens": 0}, {"reasoning_tokens": 10}, -10 * 3),
        ({"audio_output_tokens": 9 * MILLION}, {"audio_output_tokens": 20}, 20 * 6),
        # More than was written at all is not paid twice.
        (
            {"audio_output_tokens": 4 * MILLION, "reasoning_tokens": 5 * MILLION},
            {"audio_output_tokens": 45, "reasoning_tokens": 45},
            45 * 1 + 5 * 2,
        ),
        ({"audio_input_tokens": 7 * MILLION}, {"audio_input_tokens": 10}, 10 * 5),
        # What came from the cache costs what the cache does.
        ({"audio_input_tokens": 7 * MILLION}, {"audio_input_tokens": 90}, 60 * 5),
        ({"requests": 8 * MILLION}, {}, 8),
        ({"requests": 8 * MILLION}, {"meters": {"requests": 3}}, 24),
        ({"images": 11 * MILLION}, {"meters": {"images": 2, "pages": 4}}, 22),
    ],
)
def test_a_meter_adds_what_its_own_price_says(meters, more, added):
    assert cost_nanos(used(**more), price(**meters)) == PLAIN + added


@pytest.mark.parametrize("usage", [NOTHING, FROM_CACHE])
def test_a_call_that_no_host_worked_for_pays_no_request(usage):
    assert cost_nanos(usage, price(requests=8 * MILLION)) == 0
