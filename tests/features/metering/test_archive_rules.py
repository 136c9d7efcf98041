"""What the archive decides by."""

from datetime import UTC, date, datetime

import pytest

from tradewind.features.metering.archive.rules import (
    COLUMNS,
    last_closed,
    last_to_leave,
    location_of,
    read,
    told,
    totals_of,
)
from tradewind.features.metering.rules import EventRow

MARCH_3 = datetime(2026, 3, 3, tzinfo=UTC)


def test_a_file_has_the_columns_of_the_table():
    assert tuple(COLUMNS) == EventRow._fields


def test_totals_add_up_by_currency_and_are_told_and_read_without_loss():
    most = 2**70
    rows = [
        ("USD", None, 3, 2, 1, 2, 3, 4, 5, most, None),
        ("USD", "EUR", 1, 1, 10, 20, 30, 40, 50, -7, 9),
        ("EUR", "EUR", 1, 1, 0, 0, 0, 0, 0, 11, 1),
    ]
    totals = totals_of(rows)
    assert (totals.events, totals.requests) == (5, 4)
    assert totals.sums == {
        "input_tokens": 11,
        "cached_input_tokens": 22,
        "cache_write_tokens": 33,
        "output_tokens": 44,
        "duration_us": 55,
    }
    assert totals.cost_nanos == {"USD": most - 7, "EUR": 11}
    assert totals.provider_cost_nanos == {"EUR": 10}
    assert read(told(totals)) == totals


def test_nothing_adds_up_to_nothing():
    assert totals_of([]).events == 0
    assert read(told(totals_of([]))) == totals_of([])


@pytest.mark.parametrize(("hour", "closed"), [(5, date(2026, 3, 1)), (6, date(2026, 3, 2))])
def test_a_day_is_closed_six_hours_after_its_end(hour, closed):
    assert last_closed(MARCH_3.replace(hour=hour)) == closed


def test_days_leave_when_so_many_are_kept():
    now = MARCH_3.replace(hour=12)
    assert last_to_leave(now, 0) is None
    assert last_to_leave(now, 1) == date(2026, 3, 2)
    assert last_to_leave(now, 30) == date(2026, 2, 1)


def test_another_content_is_another_file():
    day = date(2026, 3, 1)
    first, second = location_of(day, 0, b"\1" * 32), location_of(day, 0, b"\2" * 32)
    assert first == "usage/2026/03/01/part_0_0101010101010101.parquet"
    assert first != second
