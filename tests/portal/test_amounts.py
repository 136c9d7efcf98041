"""Numbers as people type them."""

from decimal import Decimal

import pytest

from tradewind.core.errors import InvalidInput
from tradewind.portal.amounts import amount, count, percent


@pytest.mark.parametrize(
    ("text", "nanos"),
    [("0.15", 150_000_000), (" $1,000 ", 10**12), ("0", 0), ("0.000000001", 1), ("", None)],
)
def test_an_amount_is_exact(text, nanos):
    assert amount(text, "it") == nanos


@pytest.mark.parametrize(
    "text", ["1e3", "-1", ".5", "1.", "0.0000000001", "٣", "1_0", "nan", "9" * 40]
)
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(InvalidInput, match="it is not an amount"):
        amount(text, "it")


@pytest.mark.parametrize(("text", "number"), [("1,200", 1200), (" 7 ", 7), ("", None), ("0", 0)])
def test_a_count_is_a_whole_number(text, number):
    assert count(text, "it") == number


@pytest.mark.parametrize("text", ["1.5", "-1", "٣", "many", "9" * 5000, "1e3"])
def test_what_is_no_count_is_refused(text):
    with pytest.raises(InvalidInput, match="it is not a whole number"):
        count(text, "it")


@pytest.mark.parametrize(
    ("text", "number"), [("15", 15), ("12.5 %", Decimal("12.5")), ("", 0), ("0%", 0)]
)
def test_a_percentage_may_have_its_sign(text, number):
    assert percent(text, "it") == number


@pytest.mark.parametrize("text", ["1.555", "-1", "all", "1e2", "999999"])
def test_what_is_no_percentage_is_refused(text):
    with pytest.raises(InvalidInput, match="it is not a percentage"):
        percent(text, "it")
