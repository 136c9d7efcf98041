"""What was settled is the sum of receipts, and it is told where it is not."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.features.receipts.receipt_parts import NOW, PRICE, Books, add_price
from tradewind.readmodels.receipt_checks import receipt_checks
from tradewind.testing.logged_calls import ended_call, log_calls

pytestmark = pytest.mark.postgres

LATER = NOW + timedelta(hours=2)
HOUR = datetime(2030, 1, 31, 14, tzinfo=UTC)
SETTLE = """
    INSERT INTO settlement_line (settlement, organization_id, hour, project_id, key_id, model,
        operation, price_id, currency, seller, requests, input_tokens, cached_input_tokens,
        output_tokens, cache_write_tokens, cost_nanos, fee_nanos, settled_at)
    VALUES (1, 'org_a', :hour, 'p', 'k', 'm', 'chat', :price, 'USD', '', 1, 40, 0, 12, 0, :nanos,
        0, now())
"""


@pytest.fixture
def books(database):
    """Two receipts of an hour that is settled for what they came to."""
    books = Books(database)
    with database.transaction() as tx:
        add_price(tx, PRICE)
    for number in range(2):
        at = LATER + timedelta(seconds=number)
        log_calls(database, ended_call(at, organization_id="org_a", price_id=PRICE))
    books.make()
    settle(database, 2 * 6400)
    with database.transaction() as tx:
        tx.execute(text("DELETE FROM settlement_due"))
    return books


def settle(database, nanos):
    with database.transaction() as tx:
        tx.execute(text(SETTLE).bindparams(hour=HOUR, price=PRICE, nanos=nanos))


def differences(database):
    [check] = receipt_checks()
    with database.transaction() as tx:
        return [(each.subject, each.nanos) for each in check.run(tx, lambda _done, _all: None)]


def test_receipts_come_to_what_was_settled(books, database):
    assert differences(database) == []


def test_what_was_settled_without_a_receipt_is_told(books, database):
    settle(database, 7)
    assert differences(database) == [("org_a", 7)]


def test_an_hour_that_is_under_way_is_not_told(books, database):
    settle(database, 7)
    log_calls(database, ended_call(LATER, organization_id="org_a", price_id=PRICE))
    assert differences(database) == [], "it has news"
    books.make()
    assert differences(database) == [], "it is due"
