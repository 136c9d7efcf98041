"""Invoices are paid in minor units, and their lines add up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.features.billing.rules.minor_units import (
    minor_digits,
    nanos_per_minor,
    shares_in_minor,
    to_minor,
)

amounts = st.integers(-(10**15), 10**15)
currencies = st.sampled_from(["EUR", "JPY", "KWD", "CLF"])


@pytest.mark.parametrize(("currency", "digits"), [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4)])
def test_a_currency_has_the_digits_that_iso_4217_says(currency, digits):
    assert minor_digits(currency) == digits
    assert nanos_per_minor(currency) == 10 ** (9 - digits)


@pytest.mark.parametrize(
    ("nanos", "cents"),
    [
        (4_999_999, 0),
        (5_000_000, 0),
        (5_000_001, 1),
        (15_000_000, 2),
        (25_000_000, 2),
        (-5_000_000, 0),
        (-15_000_000, -2),
    ],
)
def test_halves_go_to_the_even_neighbour(nanos, cents):
    assert to_minor(nanos, "USD") == cents


def test_the_largest_remainders_get_what_is_missing():
    thirds = [333_333_333, 333_333_333, 333_333_334]
    assert shares_in_minor(thirds, "USD") == [33, 33, 34]
    assert shares_in_minor([4_000_000, 4_000_000, 4_000_000], "USD") == [1, 0, 0]


def test_no_lines_have_no_shares():
    assert shares_in_minor([], "USD") == []


@given(st.lists(amounts, max_size=30), currencies)
def test_shares_add_up_and_none_is_a_whole_unit_off(exact, currency):
    shares = shares_in_minor(exact, currency)
    assert sum(shares) == to_minor(sum(exact), currency)
    unit = nanos_per_minor(currency)
    assert all(abs(share * unit - nanos) < unit for share, nanos in zip(shares, exact, strict=True))


@given(amounts, currencies)
def test_rounding_is_off_by_half_a_unit_at_most(nanos, currency):
    unit = nanos_per_minor(currency)
    assert abs(to_minor(nanos, currency) * unit - nanos) * 2 <= unit
