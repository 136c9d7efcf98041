"""Nobody loses a model before its time: states, least times, and what they are told."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.features.catalog.rules.lifecycle import (
    LEAST_DEPRECATED,
    LEAST_GA,
    LEAST_LEGACY,
    LEAST_NOTICE_OF_PREVIEW,
    NEXT,
    Life,
    Lifecycle,
    LifecycleMove,
    announced,
    arrived,
    may_be_deployed,
    moved,
    postponed,
    schedule,
)

BEGAN = datetime(2026, 1, 10, 23, 30, tzinfo=UTC)


def at(day):
    return datetime.combine(day, time(12), UTC)


def test_a_model_walks_through_its_whole_life_on_the_earliest_days():
    life = Life(Lifecycle.PREVIEW, BEGAN)
    life = moved(life, Lifecycle.GA, at(date(2026, 2, 1)))
    assert life.ga_since == at(date(2026, 2, 1))
    life = moved(life, Lifecycle.LEGACY, at(date(2026, 12, 1)))
    life = moved(life, Lifecycle.DEPRECATED, at(date(2026, 12, 31)))
    assert life.retires_on == date(2027, 3, 31), "90 days, and a year after it became available"
    with pytest.raises(LifecycleMove, match="2027-03-31 at the earliest"):
        moved(life, Lifecycle.RETIRED, at(date(2027, 3, 30)))
    life = moved(life, Lifecycle.RETIRED, at(date(2027, 3, 31)))
    assert schedule(life, date(2027, 4, 1)) is None


def test_a_model_is_available_for_a_year_however_early_it_is_left():
    life = Life(Lifecycle.LEGACY, at(date(2026, 2, 1)), ga_since=at(date(2026, 1, 1)))
    life = moved(life, Lifecycle.DEPRECATED, at(date(2026, 3, 3)))
    assert life.retires_on == date(2027, 1, 1)


def test_a_preview_ends_with_a_month_of_notice():
    life = moved(Life(Lifecycle.PREVIEW, BEGAN), Lifecycle.DEPRECATED, at(date(2026, 2, 1)))
    assert life.retires_on == date(2026, 2, 1) + LEAST_NOTICE_OF_PREVIEW


@pytest.mark.parametrize("state", list(Lifecycle))
@pytest.mark.parametrize("to", list(Lifecycle))
def test_only_the_drawn_ways_are_open(state, to):
    life = Life(state, BEGAN, ga_since=BEGAN, retires_on=date(2026, 6, 1))
    later = at(date(2030, 1, 1))
    if to in NEXT[state]:
        assert moved(life, to, later).state is to
    else:
        with pytest.raises(LifecycleMove, match=f"{state} cannot become {to}"):
            moved(life, to, later)


def test_a_legacy_model_is_not_deprecated_before_a_month_is_over():
    life = Life(Lifecycle.LEGACY, BEGAN, ga_since=BEGAN)
    with pytest.raises(LifecycleMove, match="2026-02-09 at the earliest"):
        moved(life, Lifecycle.DEPRECATED, at(date(2026, 2, 8)))


def test_a_told_last_day_may_be_later_and_never_earlier():
    legacy = Life(Lifecycle.LEGACY, BEGAN, ga_since=at(date(2024, 1, 1)))
    with pytest.raises(LifecycleMove, match="can retire on 2026-06-08 at the earliest"):
        moved(legacy, Lifecycle.DEPRECATED, at(date(2026, 3, 10)), retires_on=date(2026, 6, 7))
    life = moved(legacy, Lifecycle.DEPRECATED, at(date(2026, 3, 10)), retires_on=date(2026, 9, 1))
    assert postponed(life, date(2026, 10, 1)).retires_on == date(2026, 10, 1)
    with pytest.raises(LifecycleMove, match="cannot come earlier"):
        postponed(life, date(2026, 8, 31))
    with pytest.raises(LifecycleMove, match="no day of retirement"):
        postponed(legacy, date(2030, 1, 1))


def test_a_last_day_is_told_only_with_the_deprecation():
    life = Life(Lifecycle.GA, BEGAN, ga_since=BEGAN)
    with pytest.raises(LifecycleMove, match="becomes deprecated"):
        moved(life, Lifecycle.LEGACY, at(date(2026, 5, 1)), retires_on=date(2030, 1, 1))


def test_what_is_being_left_is_not_deployed_anew():
    assert [state for state in Lifecycle if may_be_deployed(state)] == [
        Lifecycle.PREVIEW,
        Lifecycle.GA,
        Lifecycle.LEGACY,
    ]


days = st.dates(date(2025, 1, 1), date(2035, 1, 1))


@given(began=days, tries=st.lists(st.tuples(st.sampled_from(list(Lifecycle)), days), max_size=40))
def test_no_order_of_wishes_shortens_a_life(began, tries):
    """Whatever is asked for, whenever: the least times lie between the states that came true."""
    life, times = Life(Lifecycle.PREVIEW, at(began)), {Lifecycle.PREVIEW: began}
    for to, day in sorted(tries, key=lambda each: each[1]):
        try:
            life = moved(life, to, at(day))
        except LifecycleMove:
            continue
        times[to] = day
    if Lifecycle.DEPRECATED in times:
        assert life.retires_on is not None
        assert life.retires_on >= times[Lifecycle.DEPRECATED] + LEAST_NOTICE_OF_PREVIEW
    if Lifecycle.RETIRED in times:
        assert times[Lifecycle.RETIRED] >= life.retires_on
        if Lifecycle.GA in times:
            assert times[Lifecycle.RETIRED] - times[Lifecycle.GA] >= LEAST_GA
            assert times[Lifecycle.RETIRED] - times[Lifecycle.DEPRECATED] >= LEAST_DEPRECATED
    if Lifecycle.LEGACY in times and Lifecycle.DEPRECATED in times:
        assert times[Lifecycle.DEPRECATED] - times[Lifecycle.LEGACY] >= LEAST_LEGACY


@given(state=st.sampled_from(list(Lifecycle)), since=days, ga=days, today=days)
def test_the_schedule_is_what_really_can_happen(state, since, ga, today):
    ga, since = min(ga, since), max(ga, since)
    today = max(today, since)
    life = Life(state, at(since), at(ga), today + timedelta(days=3))
    found = schedule(life, today)
    if found is None:
        assert state is Lifecycle.RETIRED
        return
    for to, day in (
        (Lifecycle.LEGACY, found.legacy_on),
        (Lifecycle.DEPRECATED, found.deprecated_on),
        (Lifecycle.RETIRED, found.retires_on),
    ):
        if day is not None:
            life = moved(life, to, at(day))
    assert life.state is Lifecycle.RETIRED


def test_a_day_ahead_of_a_preview_and_its_last_day_keep_the_least_times():
    preview = Life(Lifecycle.PREVIEW, BEGAN)
    with pytest.raises(LifecycleMove):
        announced(preview, date(2026, 3, 10), at(date(2026, 3, 10)))
    life = announced(preview, date(2026, 3, 11), at(date(2026, 3, 10)))
    assert life.retires_on == date(2026, 3, 11) + LEAST_NOTICE_OF_PREVIEW
    with pytest.raises(LifecycleMove, match="comes by itself"):
        moved(life, Lifecycle.GA, at(date(2026, 3, 10)))
    now = arrived(life)
    assert (now.state, now.since, now.is_announced) == (
        Lifecycle.DEPRECATED,
        at(date(2026, 3, 11)).replace(hour=0),
        False,
    )


def test_putting_one_day_off_keeps_a_last_day_that_was_told():
    preview = Life(Lifecycle.PREVIEW, BEGAN)
    now, last = at(date(2026, 3, 10)), date(2026, 9, 1)
    life = announced(preview, date(2026, 4, 1), now, last)
    assert announced(life, date(2026, 4, 10), now).retires_on == last
    with pytest.raises(LifecycleMove, match="cannot come earlier"):
        announced(life, date(2026, 4, 10), now, date(2026, 8, 31))
    assert announced(life, date(2026, 9, 1), now).retires_on == date(2026, 10, 1)
