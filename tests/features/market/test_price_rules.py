"""What holds for prices, moment by moment: pure."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.features.market.price_parts import NOTICE, START, terms
from tradewind.features.market.rules.margins import dearest, priced
from tradewind.features.market.rules.prices import difference
from tradewind.features.market.rules.timeline import Moment, change_of, spoken, terms_at, to_write
from tradewind.features.market.schemas import Margin, PriceTerms

HOUR = timedelta(hours=1)
MOMENTS = st.integers(0, 60).map(lambda days: START + days * timedelta(days=1))
PRICES = st.integers(1, 9).map(terms)
TIMELINES = st.dictionaries(MOMENTS, PRICES, max_size=5).map(
    lambda found: [Moment(at, found[at]) for at in sorted(found)]
)


def as_read(rows):
    """The timeline that readers see: of one moment the last version written counts."""
    found = dict(rows)
    return [Moment(at, found[at]) for at in sorted(found)]


@given(TIMELINES, st.lists(st.builds(Moment, MOMENTS, PRICES), min_size=1, max_size=4))
def test_what_is_written_makes_the_timeline_that_was_spoken(before, words):
    after = before
    for word in sorted(words, key=lambda word: word.at):
        after = spoken(after, word)

    seen = as_read([*before, *to_write(before, after)])

    for at in {moment.at for moment in (*before, *after)}:
        wanted, found = terms_at(after, at), terms_at(seen, at)
        assert wanted == found or (wanted is None and found == terms_at(before, at))


@given(TIMELINES, PRICES, st.none() | MOMENTS)
def test_nobody_pays_more_before_the_notice_has_passed(timeline, new, asked):
    change = change_of(timeline, new, asked, now=START, with_notice=NOTICE)
    if change.effective_at < change.earliest_at:
        return  # refused by who asked
    after = spoken(timeline, Moment(change.effective_at, new))
    for days in range(32):
        at = START + days * timedelta(days=1)
        old, now = terms_at(timeline, at), terms_at(after, at)
        if old is not None and at < NOTICE:
            assert now is not None
            assert now.meters["input_tokens"] <= old.meters["input_tokens"]


def test_as_soon_as_may_be_is_never_refused():
    timeline = [Moment(START, terms(5))]
    for price in (terms(4), terms(5), terms(6)):
        change = change_of(timeline, price, None, now=START, with_notice=NOTICE)
        assert change.effective_at == change.earliest_at


@pytest.mark.parametrize(
    ("old", "new", "is_same", "is_rise", "unusual"),
    [
        (terms(10), terms(10), True, False, ""),
        (terms(10), terms(10, cached_input_tokens=10), True, False, ""),
        (terms(10), terms(10, cached_input_tokens=11), False, True, ""),
        (terms(10), terms(10, images=1), False, True, ""),
        (terms(10, images=1), terms(10), False, False, ""),
        (terms(10), terms(99), False, True, ""),
        (terms(10), terms(100), False, True, "input_tokens would cost 10 times as much or more"),
        (terms(10), terms(1), False, False, "input_tokens would cost a 10th or less"),
        (terms(10), terms(0), False, False, "input_tokens would cost a 10th or less"),
        (terms(10, is_charged=False), terms(10), False, True, ""),
        (terms(10), terms(10, seller="tw"), False, False, ""),
    ],
)
def test_a_difference_says_what_matters(old, new, is_same, is_rise, unusual):
    found = difference(old, new)
    assert (found.is_same, found.is_rise, found.unusual) == (is_same, is_rise, unusual)


def test_another_currency_is_a_rise_that_somebody_looks_at():
    found = difference(terms(1), terms(1, currency="EUR"))
    assert (found.is_rise, found.unusual) == (True, "it was in USD and would be in EUR")


def test_percentages_are_told_with_two_places():
    moves = difference(terms(3, 3), PriceTerms("USD", {"input_tokens": 4, "output_tokens": 2}))
    assert [str(move.percent) for move in moves.moves] == ["33.33", "-33.33"]


@pytest.mark.parametrize(
    ("margin", "nanos"),
    [
        (Margin(0), 101),
        (Margin(1000), 112),  # 111.1
        (Margin(-5000), 51),
        (Margin(1000, least_nanos=500), 500),
        (Margin(1000, step_nanos=25), 125),
        (Margin(-10_000), 0),
        (Margin(10**7), 10**15),
    ],
)
def test_a_margin_is_rounded_up(margin, nanos):
    cost = 10**15 if margin.percent == 10**7 else 101
    assert priced({"input_tokens": cost}, margin) == {"input_tokens": nanos}


def test_the_dearest_place_counts_for_each_meter():
    assert dearest([{"a": 1, "b": 5}, {"a": 3}]) == {"a": 3, "b": 5}
