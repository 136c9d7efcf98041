"""What leads from usage to invoices, when the usage of a day has left the tables."""

from datetime import timedelta

import pytest

from tests.features.billing.billing_parts import MARCH, World
from tests.features.billing.billing_parts import event as call
from tests.features.metering.archive_parts import DAY, Usage, event
from tradewind.features.billing.checks import billing_checks
from tradewind.features.metering.archive.errors import UsageArchived
from tradewind.readmodels.archive_checks import archive_checks
from tradewind.readmodels.invoice_evidence import events_csv

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(180)]


@pytest.fixture
def usage(database, tmp_path) -> Usage:
    return Usage(database, tmp_path)


def differences(usage, checks):
    with usage.database.transaction() as tx:
        return [each for check in checks for each in check.run(tx, lambda _done, _total: None)]


def of_usage(usage):
    checks = [check for check in billing_checks() if check.name == "usage"]
    assert checks
    return differences(usage, [*checks, *archive_checks()])


def test_books_stay_right_while_days_leave_and_late_events_come(usage):
    usage.add_hours()
    usage.add_hours(DAY.replace(month=5, day=30), count=5)
    assert of_usage(usage) == []

    usage.archiver().run()
    assert of_usage(usage) == []

    usage.add([event(1, DAY)])
    assert of_usage(usage) == []

    usage.archiver().run()
    assert usage.states() == [(0, "dropped", 50), (1, "dropped", 1), (0, "verified", 5)]
    assert of_usage(usage) == []


def test_an_hour_that_is_not_what_its_file_says_is_told(usage):
    usage.add_hours()
    usage.archiver().run()
    with usage.database.connect_raw(autocommit=True) as connection:
        connection.execute("UPDATE usage_hour SET cost_nanos = cost_nanos + 7 WHERE currency='USD'")
        [(hours,)] = connection.execute(
            "SELECT count(*) FROM usage_hour WHERE currency = 'USD'"
        ).fetchall()

    found = differences(usage, archive_checks())

    assert [(each.subject, each.nanos) for each in found] == [("2026-03-01", 7 * hours)]


def test_the_calls_of_an_invoice_are_told_whole_or_where_they_are(usage):
    world = World.begin(usage.database)
    acme = world.add_buyer()
    price_id = world.add_price()
    world.use(*(call(acme, price_id, MARCH) for _ in range(9)))
    world.settle()
    [invoice_id] = world.draft(acme)
    with usage.database.transaction() as tx:
        assert len(events_csv(tx, invoice_id).splitlines()) == 10
        tx.exec_driver_sql("DELETE FROM usage_news")

    usage.archiver(now=MARCH + timedelta(days=60)).run()

    with (
        usage.database.transaction() as tx,
        pytest.raises(UsageArchived, match=f"{MARCH:%Y-%m-%d}"),
    ):
        events_csv(tx, invoice_id)
