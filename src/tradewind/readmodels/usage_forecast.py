"""What a month will have cost by its end, from the hourly sums of the last four weeks.

Every hour that is left of the month is taken to cost what an hour of the same weekday did on
average in the 28 days before today. Where there was no use for that long yet, only the days since
the first use count, and below a week every hour counts alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, func, select

from tradewind.readmodels.usage_slices import Scope, Slices

LOOKED_BACK = timedelta(days=28)
_WEEK = 7
_HOUR = timedelta(hours=1)
_HOURS_OF_DAY = 24


class ForecastMethod(StrEnum):
    WEEKDAYS = "weekdays"
    """The mean of the same weekdays of the last four weeks."""
    MEAN = "mean"
    """The mean of all days since the first use: it was less than a week ago."""
    NONE = "none"
    """Nothing was used on any whole day before today: nothing can be said."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Of one calendar month of UTC, in one currency."""

    currency: str
    month: date
    spent_nanos: int
    """So far."""
    expected_nanos: int
    """By the end of the month; what is spent, when nothing can be said."""
    method: ForecastMethod
    days_counted: int
    """On how many days of the past it rests."""


def read_forecast(tx: Connection, scope: Scope, now: datetime) -> list[Forecast]:
    """Return the forecast of the month that holds `now`, in each currency, the dearest first."""
    today = now.astimezone(UTC).date()
    month = today.replace(day=1)
    since = min(month, today - LOOKED_BACK)
    slices = Slices(scope, _midnight(since), _midnight(today) + timedelta(days=1))
    day = func.date_trunc("day", slices.columns.hour, "UTC")
    statement: Any = (
        select(
            slices.columns.currency,
            day.label("day"),
            func.sum(slices.columns.cost_nanos).label("nanos"),
        )
        .select_from(slices.source)
        .where(*slices.conditions)
        .group_by(slices.columns.currency, day)
    )
    by_currency: dict[str, dict[date, int]] = {}
    for row in tx.execute(statement):
        days = by_currency.setdefault(row.currency, {})
        days[row.day.astimezone(UTC).date()] = int(row.nanos)
    found = [forecast(currency, days, now) for currency, days in by_currency.items()]
    return sorted(found, key=lambda each: (-each.expected_nanos, each.currency))


def forecast(currency: str, days: Mapping[date, int], now: datetime) -> Forecast:
    """Return what the month of `now` will have cost, by what days cost. Pure and exact: one
    division, rounded down.
    """
    moment = now.astimezone(UTC)
    today = moment.date()
    month = today.replace(day=1)
    spent = sum(nanos for day, nanos in days.items() if month <= day <= today)
    counted = _counted_days(days, today)
    if not counted:
        return Forecast(currency, month, spent, spent, ForecastMethod.NONE, 0)
    left = _hours_left(moment)
    if len(counted) < _WEEK:
        hours = sum(left)
        ahead = sum(days.get(day, 0) for day in counted) * hours
        expected = spent + ahead // (len(counted) * _HOURS_OF_DAY)
        return Forecast(currency, month, spent, expected, ForecastMethod.MEAN, len(counted))
    ahead = 0
    for weekday, hours in enumerate(left):
        alike = [days.get(day, 0) for day in counted if day.weekday() == weekday]
        ahead += sum(alike) * hours // (len(alike) * _HOURS_OF_DAY)
    return Forecast(currency, month, spent, spent + ahead, ForecastMethod.WEEKDAYS, len(counted))


def _counted_days(days: Mapping[date, int], today: date) -> Sequence[date]:
    """Return the whole days before today that are looked at, from the first use on."""
    first = min((day for day in days if day < today), default=today)
    first = max(first, today - LOOKED_BACK)
    return [first + timedelta(days=number) for number in range((today - first).days)]


def _hours_left(moment: datetime) -> list[int]:
    """Return how many whole hours of each weekday the month has left, behind the one that runs."""
    hour = moment.replace(minute=0, second=0, microsecond=0)
    end = (hour.replace(day=1) + timedelta(days=32)).replace(day=1, hour=0)
    left = [0] * _WEEK
    hour += _HOUR
    while hour < end:
        left[hour.weekday()] += 1
        hour += _HOUR
    return left


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
