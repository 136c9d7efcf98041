"""Usage of one project, as sums of the hourly roll-up."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert

from tradewind.features.metering.tables import usage_hour
from tradewind.readmodels.project_usage import UsageGroup, UsageQuestion, read_project_usage

pytestmark = pytest.mark.postgres

DAY = datetime(2030, 1, 31, tzinfo=UTC)
NEXT_DAY = datetime(2030, 2, 1, tzinfo=UTC)


def at(hour: int, day: int = 31) -> datetime:
    return DAY.replace(day=day, hour=hour)


def an_hour(**changes):
    return {
        "organization_id": "org_a",
        "hour": at(10),
        "project_id": "proj_a",
        "key_id": "key1",
        "model": "tw/small",
        "operation": "chat",
        "price_id": "price_1",
        "currency": "USD",
        "requests": 10,
        "failed": 1,
        "cancelled": 2,
        "orphaned": 3,
        "input_tokens": 100,
        "cached_input_tokens": 50,
        "output_tokens": 200,
        "cost_nanos": 7,
        "first_token_count": 6,
        "first_token_us_total": 600,
        "duration_us_total": 0,
    } | changes


@pytest.fixture
def read(database):
    rows = [
        an_hour(),
        an_hour(hour=at(11), key_id="key2", cost_nanos=2**62),
        an_hour(hour=at(11), model="tw/large", price_id="price_2", cost_nanos=2**62),
        an_hour(hour=at(11), currency="EUR", price_id="price_3", cost_nanos=5),
        an_hour(hour=at(23, day=30), requests=1),
        an_hour(project_id="proj_b", requests=1_000_000),
        an_hour(organization_id="org_b", requests=1_000_000),
    ]
    with database.transaction() as tx:
        tx.execute(insert(usage_hour), rows)

    def read_usage(group, since=DAY, until=NEXT_DAY, limit=100):
        question = UsageQuestion("org_a", "proj_a", since, until, group, limit)
        with database.transaction() as tx:
            return read_project_usage(tx, question)

    return read_usage


def shown(found):
    return [(line.group, line.currency, line.requests, line.cost_nanos) for line in found.lines]


def test_the_total_is_one_exact_line_for_each_currency(read):
    found = read(UsageGroup.TOTAL)
    assert shown(found) == [("", "EUR", 10, 5), ("", "USD", 30, 2**63 + 7)]
    dollars = found.lines[1]
    assert (dollars.failed, dollars.cancelled, dollars.orphaned) == (3, 6, 9)
    assert (dollars.input_tokens, dollars.cached_input_tokens, dollars.output_tokens) == (
        300,
        150,
        600,
    )
    assert found.is_complete


def test_hours_and_days_are_utc(read):
    assert shown(read(UsageGroup.HOUR)) == [
        ("2030-01-31T10:00:00Z", "USD", 10, 7),
        ("2030-01-31T11:00:00Z", "EUR", 10, 5),
        ("2030-01-31T11:00:00Z", "USD", 20, 2**63),
    ]
    assert shown(read(UsageGroup.DAY, since=at(0, day=30))) == [
        ("2030-01-30T00:00:00Z", "USD", 1, 7),
        ("2030-01-31T00:00:00Z", "EUR", 10, 5),
        ("2030-01-31T00:00:00Z", "USD", 30, 2**63 + 7),
    ]


def test_models_and_keys_are_apart(read):
    assert shown(read(UsageGroup.MODEL)) == [
        ("tw/large", "USD", 10, 2**62),
        ("tw/small", "EUR", 10, 5),
        ("tw/small", "USD", 20, 2**62 + 7),
    ]
    assert [line.group for line in read(UsageGroup.KEY).lines] == ["key1", "key1", "key2"]


def test_since_is_inclusive_and_until_exclusive(read):
    assert shown(read(UsageGroup.TOTAL, since=at(10), until=at(11))) == [("", "USD", 10, 7)]


def test_more_lines_than_the_limit_are_said_to_be_missing(read):
    found = read(UsageGroup.HOUR, limit=2)
    assert len(found.lines) == 2
    assert not found.is_complete


def test_no_usage_is_no_lines(read):
    assert read(UsageGroup.TOTAL, since=at(20), until=at(21)).lines == []
