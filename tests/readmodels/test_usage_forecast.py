"""A forecast is exact arithmetic on what days cost."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tradewind.readmodels.usage_forecast import ForecastMethod, forecast

TODAY = date(2030, 1, 21)
NOON = datetime(2030, 1, 21, 12, 30, tzinfo=UTC)
LEFT_HOURS = 11 + 10 * 24
"""Behind the hour that runs, to the end of January."""


def test_with_four_weeks_each_weekday_counts_for_itself():
    # Weekends are free, every other day costs 24 an hour.
    days = {
        day: 0 if day.weekday() >= 5 else 24 * 24
        for day in (TODAY - timedelta(days=back) for back in range(1, 29))
    }

    found = forecast("USD", days, NOON)

    # 21 January 2030 is a Monday; of the ten days behind it two are a weekend.
    assert found.method is ForecastMethod.WEEKDAYS
    assert found.days_counted == 28
    spent = sum(nanos for day, nanos in days.items() if day >= TODAY.replace(day=1))
    assert found.spent_nanos == spent
    assert found.expected_nanos == spent + (11 + 8 * 24) * 24


def test_in_the_first_week_all_days_count_alike():
    days = {TODAY - timedelta(days=2): 4_800, TODAY: 10}

    found = forecast("USD", days, NOON)

    assert (found.method, found.days_counted) == (ForecastMethod.MEAN, 2)
    assert found.expected_nanos == 4_810 + 100 * LEFT_HOURS


def test_before_a_whole_day_nothing_is_said():
    found = forecast("USD", {TODAY: 10}, NOON)

    assert found.method is ForecastMethod.NONE
    assert (found.spent_nanos, found.expected_nanos) == (10, 10)


@given(
    st.dictionaries(st.integers(0, 60), st.integers(0, 10**15)),
    st.datetimes(
        min_value=datetime(2029, 1, 1),  # noqa: DTZ001
        max_value=datetime(2031, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    ),
)
def test_a_month_never_costs_less_than_it_has(days, now):
    spent = {now.date() - timedelta(days=back): nanos for back, nanos in days.items()}

    found = forecast("USD", spent, now)

    assert found.expected_nanos >= found.spent_nanos >= 0
