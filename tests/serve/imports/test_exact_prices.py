"""Prices, to the last digit."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.serve.imports.exact import Nanos, decimal_of, of_ratios, of_token_price


@pytest.mark.parametrize(
    ("dollars", "nanos"),
    [
        ("1.5e-07", 150_000_000),
        ("0.00000015", 150_000_000),
        ("6E-07", 600_000_000),
        ("0.00003", 30_000_000_000),
        ("0", 0),
        ("0.0000000375", 37_500_000),
        ("1e-15", 1),
    ],
)
def test_a_price_of_a_token_is_nanos_for_a_million(dollars, nanos):
    number = decimal_of(dollars)
    assert number is not None
    assert of_token_price(number) == Nanos(nanos, is_exact=True)


def test_what_is_finer_than_a_nano_is_rounded_and_said_so():
    assert of_token_price(Decimal("1.5e-15")) == Nanos(2, is_exact=False)
    assert of_token_price(Decimal("2.5e-15")) == Nanos(2, is_exact=False)


@pytest.mark.parametrize("dollars", ["2", "1e20", "1e999"])
def test_more_than_a_price_can_be_is_none(dollars):
    assert of_token_price(Decimal(dollars)) is None


@pytest.mark.parametrize(
    "value", [None, "", "-1", -1, "nan", "inf", "1_0", "0x1", True, [], "1" * 60, Decimal(-1), "٣"]
)
def test_what_is_no_number_of_dollars_is_none(value):
    assert decimal_of(value) is None


def test_a_ratio_of_one_is_two_dollars_for_a_million():
    # docs.newapi.pro, "Ratio Settings": gpt-4o, model ratio 1.25, completion ratio 4.
    assert of_ratios(Decimal("1.25")) == Nanos(2_500_000_000, is_exact=True)
    assert of_ratios(Decimal("1.25"), Decimal(4)) == Nanos(10_000_000_000, is_exact=True)
    assert of_ratios(Decimal("0.25"), Decimal("1.33")) == Nanos(665_000_000, is_exact=True)


@given(st.integers(0, 10**15))
def test_every_price_survives_being_written_as_one_token_costs(nanos):
    dollars = Decimal(nanos).scaleb(-15)
    for text in (f"{dollars:f}", f"{dollars:e}"):
        number = decimal_of(text)
        assert number is not None
        assert of_token_price(number) == Nanos(nanos, is_exact=True)
