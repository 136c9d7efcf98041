"""A preview goes through the calls of this month and the last, of whoever the budget is of."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.features.billing.billing_parts import World, event
from tradewind.core.errors import InvalidInput
from tradewind.features.budgets.schemas import NewBudget, PeriodKind
from tradewind.readmodels.budget_preview import MOST_REPLAYED, preview_budget

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 4, 20, tzinfo=UTC)
LAST = datetime(2026, 3, 10, tzinfo=UTC)
THIS = datetime(2026, 4, 10, tzinfo=UTC)
BEFORE = datetime(2026, 2, 10, tzinfo=UTC)


@pytest.fixture
def world(database):
    return World.begin(database)


@pytest.fixture
def preview(world):
    acme, price = world.add_buyer(), world.add_price()
    world.use(
        event(acme, price, BEFORE, cost_nanos=50),
        *[
            event(acme, price, LAST + timedelta(minutes=number), cost_nanos=40)
            for number in range(5)
        ],
        event(acme, price, THIS, cost_nanos=40, key_id="key_2"),
        event(world.add_buyer(), price, LAST, cost_nanos=10**9),
    )

    def preview(amount, period=PeriodKind.MONTH, **more):
        new = NewBudget("Preview", "USD", amount, period, **more)
        with world.database.transaction() as tx:
            return preview_budget(tx, acme, new, NOW)

    return preview


def counts(preview):
    return [(each.calls, each.stopped) for each in preview.months]


def test_it_says_how_many_requests_would_have_been_stopped_last_month(preview):
    found = preview(80)

    assert counts(found) == [(5, 3), (1, 0)]
    assert found.last_month.stopped_nanos == 120
    assert found.first_stopped_at == LAST + timedelta(minutes=2)
    assert (found.periods_stopped, found.unread) == (1, 0)


def test_a_budget_of_all_time_counts_what_was_spent_before(preview):
    assert counts(preview(130, PeriodKind.TOTAL)) == [(5, 3), (1, 1)]


def test_a_budget_of_a_key_looks_at_its_calls_alone(preview):
    assert counts(preview(0, key_id="key_2")) == [(0, 0), (1, 1)]


def test_a_soft_budget_tells_when_it_would_have_alerted(preview):
    found = preview(100, is_hard=False, alert_percents=(80,))

    assert found.stopped == 0
    assert [percent for percent, _ in found.reached] == [80]


def test_calls_that_are_kept_in_sums_alone_are_told(preview, world):
    with world.database.transaction() as tx:
        tx.execute(text("DELETE FROM usage_event WHERE at = :at"), {"at": LAST})

    found = preview(80)

    assert (found.unread, found.calls) == (1, 5)


def test_of_too_many_calls_nothing_is_said(preview, world):
    with world.database.transaction() as tx:
        tx.execute(text("UPDATE usage_hour SET requests = :n"), {"n": MOST_REPLAYED})

    found = preview(80)

    assert found.is_too_much
    assert found.stopped == 0


def test_what_can_be_no_budget_is_refused(preview):
    with pytest.raises(InvalidInput):
        preview(-1)
