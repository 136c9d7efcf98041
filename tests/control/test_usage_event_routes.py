"""Corrections: what was counted too much is taken back, once, in every sum and by a receipt."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.features.receipts.receipt_parts import PRICE, add_price
from tradewind.core.ids import request_id, uuid7_bytes
from tradewind.features.receipts.signing import public_keys_in
from tradewind.features.receipts.verifying import verify
from tradewind.testing.logged_calls import ended_call, log_calls
from tradewind.usage.event import Usage, UsageSource

pytestmark = pytest.mark.postgres

NOW = datetime(2030, 1, 31, 12, 34, 56, tzinfo=UTC)
USAGE = Usage(100, 20, 30, UsageSource.UPSTREAM, meters={"images": 2})
COST = 80 * 100 + 20 * 50 + 30 * 200


@pytest.fixture
def book(database):
    """Put a call with this usage into the books."""
    with database.transaction() as tx:
        add_price(tx, PRICE)

    def book(at=NOW, **changes):
        call = ended_call(at, price_id=PRICE, usage=USAGE, cost_nanos=COST, **changes)
        log_calls(database, call)
        return request_id(call.event_id)

    return book


@pytest.fixture
def correct(client, with_management_key):
    def correct(call, quantities, *, key="k", reason="counted twice"):
        return client.post(
            f"/api/usage-events/{call}:correct",
            json={"key": key, "reason": reason, "quantities": quantities},
            headers=dict(with_management_key),
        )

    return correct


@pytest.fixture
def ask(database):
    def ask(statement):
        with database.transaction() as tx:
            return [tuple(row) for row in tx.execute(text(statement))]

    return ask


def test_quantities_are_taken_back_from_every_sum(book, correct, ask):
    call = book()
    answer = correct(call, {"output_tokens": -10, "images": -2})
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["corrects"], told["cost"], told["currency"]) == (call, "-0.000002", "USD")
    assert ask("SELECT requests, input_tokens, output_tokens, cost_nanos FROM usage_hour") == [
        (1, 100, 20, COST - 10 * 200)
    ]
    assert ask("SELECT meter, quantity FROM usage_hour_meter") == [("images", 0)]
    assert ask("SELECT output_tokens FROM usage_event ORDER BY 1") == [(-10,), (30,)]
    [(key, reason, by)] = ask("SELECT key, reason, by FROM usage_correction")
    assert (key, reason) == ("k", "counted twice")
    assert "the key" in by


def test_a_correction_has_a_receipt(book, correct, services, database, client):
    call = book()
    correct(call, {"output_tokens": -10})
    with database.transaction() as tx:
        services.receipts.make(tx)
        organization = tx.execute(text("SELECT organization_id FROM receipt_chain")).scalar_one()
        lines = list(
            services.receipts.export(
                tx, organization, NOW - timedelta(days=1), NOW + timedelta(days=1)
            )
        )
    found = verify(lines, public_keys_in(client.get("/api/receipts/keys.pem").content))
    assert found.problems == []
    assert found.cost_nanos == {"USD": COST - 2000}
    sale = json.loads(lines[2])["sale"]
    assert (sale["corrects"], sale["outcome"]) == (call, "corrected")
    assert sale["lines"] == [{"meter": "output_tokens", "price": "0.2", "quantity": -10}]


def test_a_repeat_is_the_same_correction(book, correct, ask, problem):
    call = book()
    first = correct(call, {"output_tokens": -10}).json()
    assert correct(call, {"output_tokens": -10}).json() == first
    assert ask("SELECT output_tokens FROM usage_hour") == [(20,)]
    problem(correct(call, {"output_tokens": -11}), 409, "usage_correction_key_reused")


def test_no_more_is_taken_back_than_there_is(book, correct, ask):
    call = book()
    assert correct(call, {"output_tokens": -31}).status_code == 422
    assert correct(call, {"output_tokens": -20}, key="a").status_code == 201
    assert correct(call, {"output_tokens": -11}, key="b").status_code == 422
    assert correct(call, {"output_tokens": -10}, key="c").status_code == 201
    assert correct(call, {"audio_ms": -1}, key="d").status_code == 422
    # 20 of the 100 were cached: they cannot stay where there is no input.
    assert correct(call, {"input_tokens": -90}, key="e").status_code == 422
    taken = {"input_tokens": -100, "cached_input_tokens": -20}
    assert correct(call, taken, key="f").status_code == 201
    assert ask("SELECT input_tokens, output_tokens, cost_nanos FROM usage_hour") == [(0, 0, 0)]


@pytest.mark.parametrize(
    "quantities", [{}, {"output_tokens": 0}, {"output_tokens": 1}, {"Not a meter": -1}], ids=str
)
def test_what_is_no_correction_is_refused(book, correct, quantities):
    assert correct(book(), quantities).status_code == 422


def test_a_call_that_is_not_there_is_told(book, correct, problem):
    book()
    for call in (request_id(uuid7_bytes()), "req_nothing"):
        problem(correct(call, {"images": -1}), 404, "not_found")


def test_a_correction_is_not_corrected(book, correct, problem):
    corrected = correct(book(), {"output_tokens": -10}).json()["id"]
    problem(correct(corrected, {"output_tokens": -1}, key="z"), 404, "not_found")


def test_an_old_call_is_a_matter_of_credit_notes(book, correct):
    answer = correct(book(NOW - timedelta(days=36)), {"images": -1})
    assert answer.status_code == 422
    assert "credit note" in answer.json()["hint"]
