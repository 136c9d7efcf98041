"""The house formats: exact where money is exact, short where people read."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core.money import parse_nanos
from tradewind.portal import formats

NOW = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("nanos", "currency", "text"),
    [
        (0, "USD", "Free"),
        (20_000_000, "USD", "$0.02"),
        (37_500_000, "USD", "$0.0375"),
        (1_500_000_000, "EUR", "€1.50"),
        (1, "USD", "$0.000000001"),
        (2_000_000_000, "CHF", "2.00\u00a0CHF"),
    ],
)
def test_a_price_is_exact(nanos: int, currency: str, text: str):
    assert formats.price(nanos, currency) == text


@pytest.mark.parametrize(
    ("nanos", "text"),
    [
        (0, "$0.00"),
        (5_260, "$0.00000526"),
        (12_345_678, "$0.0123"),
        (1_284_096_000_000, "$1,284.10"),
        (-1_284_096_000_000, "-$1,284.10"),
    ],
)
def test_spend_is_rounded_only_as_far_as_people_read_it(nanos: int, text: str):
    assert formats.spend(nanos, "USD") == text


@given(st.integers(min_value=-(10**18), max_value=10**18))
def test_exact_spend_loses_nothing(nanos: int):
    text = formats.exact_spend(nanos, "USD").replace("$", "").replace(",", "")
    assert parse_nanos(text) == nanos


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (812, "812"),
        (1_000, "1K"),
        (1_234, "1.23K"),
        (999_499, "999K"),
        (999_999, "1M"),
        (134_515_008, "135M"),
        (1_920_000_000, "1.92B"),
        (10_000_000_000_000, "10T"),
        (12_345, "12.3K"),
    ],
)
def test_a_large_number_keeps_three_digits(number: int, text: str):
    assert formats.compact(number) == text


@given(st.integers(min_value=1_000, max_value=10**15 - 1))
def test_a_compact_number_is_within_half_a_percent(number: int):
    text = formats.compact(number)
    scale = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}[text[-1]]
    shown = parse_nanos(text[:-1]) * scale // 10**9
    assert abs(shown - number) * 200 <= number


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (512, "512"),
        (8192, "8K"),
        (131_072, "128K"),
        (128_000, "128K"),
        (1_000_000, "1M"),
        (1_048_576, "1M"),
        (1_050_000, "1,050K"),
    ],
)
def test_a_context_length_is_written_as_model_cards_do(tokens: int, text: str):
    assert formats.length(tokens) == text


@pytest.mark.parametrize(
    ("passed", "text"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(hours=5, minutes=59), "5 hours ago"),
        (timedelta(days=2), "2 days ago"),
        (timedelta(days=30), "1 Jan 2030"),
    ],
)
def test_how_long_ago(passed: timedelta, text: str):
    assert formats.ago(NOW - passed, NOW) == text


def test_times_are_shown_in_utc():
    noon_in_tokyo = datetime(2030, 1, 1, 5, 0, tzinfo=timezone(timedelta(hours=9)))

    assert formats.exact_time(noon_in_tokyo) == "2029-12-31 20:00:00 UTC"
    assert formats.day(noon_in_tokyo) == "31 Dec 2029"
    assert formats.short_time(noon_in_tokyo) == "31 Dec 20:00"
    assert formats.day(date(2024, 10, 31)) == "31 Oct 2024"


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(1, 3, "33.33%"), (0, 0, "n/a"), (5, 5, "100.00%"), (2, 3, "66.67%")],
)
def test_percent(part: int, whole: int, text: str):
    assert formats.percent(part, whole) == text


@pytest.mark.parametrize(
    ("microseconds", "text"), [(499, "0 ms"), (212_400, "212 ms"), (12_340_000, "12.3 s")]
)
def test_durations(microseconds: int, text: str):
    assert formats.milliseconds(microseconds) == text.replace(" ", "\u00a0")


@pytest.mark.parametrize(
    ("name", "text"), [("Hugging Face TB", "HF"), ("Kestrel", "Ke"), ("x", "X"), ("- -", "- ")]
)
def test_initials(name: str, text: str):
    assert formats.initials(name) == text


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (0, "0.00\u00a0ms"),
        (214, "0.21\u00a0ms"),
        (1_509, "1.50\u00a0ms"),
        (9_999, "9.99\u00a0ms"),
        (10_000, "10\u00a0ms"),
        (352_236, "352\u00a0ms"),
    ],
)
def test_a_short_duration_is_finer(microseconds: int, text: str):
    assert formats.fine_duration(microseconds) == text


def test_a_second_is_of_utc():
    zone = timezone(timedelta(hours=5))
    assert formats.second(datetime(2030, 1, 31, 3, 4, 5, tzinfo=zone)) == "30 Jan 22:04:05"


@pytest.mark.parametrize(
    ("name", "text"), [("cached_input_tokens", "Cached input tokens"), ("chat", "Chat"), ("", "")]
)
def test_a_name_of_ours_is_read_as_words(name: str, text: str):
    assert formats.words(name) == text
