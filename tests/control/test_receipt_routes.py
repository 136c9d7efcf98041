"""Receipts over HTTP: exported, proved one by one, and checked with the keys that are there for
everybody.
"""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.features.receipts.receipt_parts import add_price
from tradewind.control.app import RECEIPT_KEYS
from tradewind.core.ids import request_id
from tradewind.features.ledger.schemas import AccountKind, AccountRef, EntryDraft, Posting
from tradewind.features.receipts.signing import public_keys_in
from tradewind.features.receipts.verifying import verify
from tradewind.testing.logged_calls import ended_call, log_calls

pytestmark = pytest.mark.postgres

NOW = datetime(2030, 1, 31, 12, 34, 56, tzinfo=UTC)


@pytest.fixture
def mine(first_run):
    return {
        "organization_id": first_run.organization_id,
        "project_id": first_run.project_id,
        "key_id": first_run.key_id,
    }


@pytest.fixture
def book(database, services):
    """Put calls into the books, make their receipts and sign them."""

    def book(*calls):
        log_calls(database, *calls)
        with database.transaction() as tx:
            services.receipts.make(tx)
            services.receipts.sign(tx)

    return book


@pytest.fixture
def manage(client, with_management_key):
    def manage(path, **params):
        return client.get(f"/api{path}", params=params, headers=dict(with_management_key))

    return manage


@pytest.fixture
def keys(client):
    return lambda: public_keys_in(client.get("/api/receipts/keys.pem").content)


def lines_of(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/jsonl"
    return answer.content.splitlines(keepends=True)


def test_what_is_exported_is_right(manage, book, keys, mine):
    book(*(ended_call(NOW - timedelta(hours=number), **mine) for number in range(3)))
    found = verify(lines_of(manage("/receipts")), keys())
    assert found.problems == []
    assert (found.receipts, found.heads) == (3, 1)
    assert lines_of(manage("/receipts", until="2029-01-01T00:00:00Z")) == []


def test_a_call_has_its_receipt_and_its_proof(client, with_key, book, keys, mine):
    call = ended_call(NOW, **mine)
    book(call, ended_call(NOW + timedelta(seconds=1), **mine))
    path = f"/api/receipts/{request_id(call.event_id)}"
    answer = client.get(path, headers=with_key).json()
    assert (answer["sequence"], answer["previous"]) == (1, "0" * 64)
    assert answer["sale"]["request"] == request_id(call.event_id)
    assert answer["buyer"]["organization"] == mine["organization_id"]
    assert answer["head"]["sequence"] == 2
    assert answer["ledger_entries"] == []
    found = verify(lines_of(client.get(f"{path}/proof", headers=with_key)), keys())
    assert found.problems == []
    assert (found.receipts, found.whole_parts) == (2, 2)


def test_a_call_of_another_project_has_no_receipt_here(client, with_key, book, mine, problem):
    call = ended_call(NOW, **mine | {"project_id": "proj_of_others"})
    book(call)
    for path in (request_id(call.event_id), f"{request_id(call.event_id)}/proof", "req_nothing"):
        problem(client.get(f"/api/receipts/{path}", headers=with_key), 404, "not_found")


def test_a_client_key_exports_nothing(client, with_key, problem):
    problem(client.get("/api/receipts", headers=with_key), 403, "forbidden")
    answer = client.get("/api/receipts/sales/acme", headers=with_key)
    problem(answer, 403, "forbidden")


def test_the_ledger_entries_of_a_settled_hour_are_told(  # noqa: PLR0917  fixtures
    client, with_key, book, database, mine, services
):
    call = ended_call(NOW, **mine)
    book(call)
    hour = datetime(2030, 1, 31, 12, tzinfo=UTC)
    unbilled = AccountRef(AccountKind.UNBILLED, mine["organization_id"], "USD")
    revenue = AccountRef(AccountKind.REVENUE, "usage", "USD")
    with database.transaction() as tx:
        entry_id = services.ledger.post(
            tx,
            EntryDraft(
                key="k",
                kind="settlement",
                at=hour,
                postings=(Posting(unbilled, 6400), Posting(revenue, -6400)),
                subject="stl_1",
            ),
        )
        tx.execute(
            text(
                "INSERT INTO settlement (id, settled_at, hours, lines)"
                " VALUES ('stl_1', now(), 1, 1)"
            )
        )
        tx.execute(text(LINE).bindparams(hour=hour, price=call.price_id, model=call.model, **mine))
    answer = client.get(f"/api/receipts/{request_id(call.event_id)}", headers=with_key).json()
    assert answer["ledger_entries"] == [entry_id]


LINE = """
    INSERT INTO settlement_line (settlement, organization_id, hour, project_id, key_id, model,
        operation, price_id, currency, seller, requests, input_tokens, cached_input_tokens,
        output_tokens, cache_write_tokens, cost_nanos, fee_nanos, settled_at)
    SELECT number, :organization_id, :hour, :project_id, :key_id, :model, 'chat', :price, 'USD',
        '', 1, 40, 0, 12, 0, 6400, 0, now() FROM settlement
"""


def test_a_publisher_sees_the_sales_of_their_own_name_alone(  # noqa: PLR0917  fixtures
    manage, book, keys, database, first_run, problem
):
    with database.transaction() as tx:
        add_price(tx, "price_sold", seller="acme")
        add_price(tx, "price_other", seller="other", slug="o")
        tx.execute(
            text(
                "UPDATE publisher SET organization_id = :mine, verified_at = now()"
                " WHERE slug = 'acme'"
            ).bindparams(mine=first_run.organization_id)
        )
    book(
        ended_call(NOW, organization_id="org_buyer", price_id="price_sold"),
        ended_call(NOW + timedelta(seconds=1), organization_id="org_buyer", price_id="price_other"),
        ended_call(NOW, organization_id="org_no_buyer", price_id="price_other"),
    )
    lines = lines_of(manage("/receipts/sales/acme"))
    found = verify(lines, keys())
    assert found.problems == []
    assert (found.chains, found.receipts, found.whole_parts) == (1, 2, 1)
    assert b"org_buyer" not in b"".join(lines)
    problem(manage("/receipts/sales/other"), 404, "not_found")


def test_the_keys_are_there_for_everybody(client, services):
    [key] = client.get("/api/receipts/keys").json()["keys"]
    assert (len(key["public_key"]), key["algorithm"]) == (64, "Ed25519")
    moved = client.get(RECEIPT_KEYS, follow_redirects=True)
    assert moved.text == key["pem"]
    assert public_keys_in(moved.content) == {key["id"]: bytes.fromhex(key["public_key"])}
