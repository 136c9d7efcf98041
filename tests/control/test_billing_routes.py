"""The routes of billing: finance sets up and writes, members read and take out."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from sqlalchemy import insert, text

from tests.features.billing.billing_parts import event
from tradewind.core.clock import SystemClock
from tradewind.features.billing.schemas import CloseState
from tradewind.features.catalog.builtin import SMOLLM2
from tradewind.features.catalog.service import Catalog
from tradewind.features.market.tables import price
from tradewind.features.metering.repository import create_default_partition, store_events

pytestmark = pytest.mark.postgres
PARTY = {"legal_name": "Tradewind", "country": "DE", "tax_id": "DE1"}
RULE = {
    "seller_country": "DE",
    "buyer_country": "*",
    "treatment": "S",
    "rate_ppm": 190_000,
    "jurisdiction": "DE",
    "valid_from": "2020-01-01",
}


@pytest.fixture
def api(client, with_management_key):
    def call(method, path, body=None):
        return client.request(
            method, f"/api/billing{path}", json=body, headers=dict(with_management_key)
        )

    return call


@pytest.fixture
def hour():
    """A full hour that is long over, by the clock of the platform."""
    now = datetime.now(UTC) - timedelta(days=3)
    return now.replace(minute=0, second=0, microsecond=0)


@pytest.fixture
def organization_id(first_run, database):
    with database.transaction() as tx:
        return tx.execute(text("SELECT id FROM organization")).scalar_one()


@pytest.fixture
def charged(api, database, services, organization_id, hour):
    """An organization that is charged and used something for 5 dollars."""
    assert api("PUT", "/issuer", {"party": PARTY, "payment_details": "IBAN DE1"}).status_code == 200
    made = api("POST", "/tax-rules", RULE)
    assert made.is_success, made.text
    account = {
        "mode": "postpaid",
        "currency": "USD",
        "party": {"legal_name": "Acme", "country": "DE"},
        "buyer_kind": "business",
        "billed_from": (hour - timedelta(days=1)).isoformat(),
    }
    made = api("PUT", f"/accounts/{organization_id}", account)
    assert made.is_success, made.text
    with database.transaction() as tx:
        added = Catalog(SystemClock()).add_builtin(tx, SMOLLM2)
        assert added is not None
        tx.execute(
            insert(price).values(
                id="price_1",
                model_id=added.model_id,
                currency="USD",
                input_nanos=1,
                output_nanos=1,
                cached_input_nanos=1,
                created_at=hour,
                effective_at=hour,
            )
        )
    with database.connect_raw() as connection:
        create_default_partition(connection, "usage_event")
        store_events(
            connection, [event(organization_id, "price_1", hour, cost_nanos=5_000_000_000)]
        )
    with database.transaction() as tx:
        assert services.billing.settle(tx).lines == 1
    return made.json()


def test_an_invoice_is_drawn_up_finalized_taken_out_and_credited(
    api, charged, organization_id, hour
):
    until = (hour + timedelta(hours=1)).isoformat()
    [draft] = api("POST", "/drafts", {"organization": organization_id, "until": until}).json()[
        "invoices"
    ]
    assert (draft["state"], draft["number"], draft["total"]) == ("draft", None, "5.95")
    assert api("GET", f"/invoices/{draft['id']}/paper").json()["code"] == "invoice_not_final"

    row = api("POST", f"/invoices/{draft['id']}:finalize").json()

    assert (row["state"], row["open"]) == ("finalized", "5.95")
    detail = api("GET", f"/invoices/{row['id']}").json()
    assert [(line["exact"], line["amount"]) for line in detail["lines"]] == [("5", "5.00")]
    data = api("GET", f"/invoices/{row['id']}/paper?format=json")
    html = api("GET", f"/invoices/{row['id']}/paper?format=html").text
    assert sha256(data.content).hexdigest() in html
    for form, start in (
        ("pdf", b"%PDF-"),
        ("ubl", b"<?xml"),
        ("csv", b"document,"),
        ("focus", b"BilledCost,"),
        ("settlement", b"number,"),
        ("events", b"event_id,"),
    ):
        answer = api("GET", f"/invoices/{row['id']}/paper?format={form}")
        assert answer.content.startswith(start), form
        assert row["number"] in answer.headers["content-disposition"]
    body = {"reason": "outage", "key": "k", "lines": [{"seq": 1, "amount": "2.5"}]}
    note = api("POST", f"/invoices/{row['id']}:credit", body).json()
    assert (note["net"], note["tax"], note["total"]) == ("2.50", "0.48", "2.98")
    assert api("POST", f"/invoices/{row['id']}:credit", body).json() == note
    fine = {**body, "key": "k2", "lines": [{"seq": 1, "amount": "0.001"}]}
    assert api("POST", f"/invoices/{row['id']}:credit", fine).status_code == 422
    for form, start in (("pdf", b"%PDF-"), ("ubl", b"<?xml"), ("html", b"<!doctype")):
        paper = api("GET", f"/credit-notes/{note['id']}/paper?format={form}")
        assert paper.content.startswith(start)
        assert note["number"] in paper.headers["content-disposition"]
    assert api("GET", f"/credit-notes/{note['id']}/paper?format=events").status_code == 422
    assert api("POST", f"/invoices/{row['id']}:void").json()["code"] == "invoice_final"
    [listed] = api("GET", "/invoices").json()["invoices"]
    assert (listed["credited"], listed["open"]) == ("2.98", "2.97")


def test_drafts_and_accounts_are_listed_and_settling_by_hand_comes_to_an_end(
    api, charged, organization_id, hour
):
    until = (hour + timedelta(hours=1)).isoformat()
    [draft] = api("POST", "/drafts", {"organization": organization_id, "until": until}).json()[
        "invoices"
    ]

    assert api("GET", "/drafts").json() == {"invoices": [draft], "next": None}
    assert api("GET", "/accounts").json() == {"accounts": [charged], "next": None}
    assert api("POST", "/settlements").json() == {
        "is_busy": False,
        "hours": 0,
        "lines": 0,
        "entries": 0,
    }


def test_a_project_has_a_cost_centre_and_tags(api, first_run, database):
    with database.transaction() as tx:
        project_id = tx.execute(text("SELECT id FROM project LIMIT 1")).scalar_one()
    body = {"cost_centre": "CC-7", "tags": {"team": "search"}}

    assert api("PUT", f"/labels/{project_id}", body).json() == {"project": project_id, **body}

    assert api("GET", "/labels").json() == {"labels": [{"project": project_id, **body}]}
    many = {"tags": {f"t{at}": "" for at in range(17)}}
    assert api("PUT", f"/labels/{project_id}", many).status_code == 422
    assert api("PUT", f"/labels/{project_id}", {"cost_centre": "\x07"}).status_code == 422
    assert api("PUT", f"/labels/{project_id}", {}).status_code == 200
    assert api("GET", "/labels").json() == {"labels": []}


def test_settings_are_read_as_they_were_set_and_never_over_somebody_elses(
    api, charged, organization_id
):
    assert api("GET", "/account").json() == charged
    assert api("GET", f"/accounts/{organization_id}").json() == charged
    assert api("GET", "/issuer").json()["party"]["legal_name"] == "Tradewind"
    body = {name: charged[name] for name in charged if name not in {"organization", "revision"}}
    assert api("PUT", f"/accounts/{organization_id}", {**body, "revision": 7}).status_code == 409
    assert api("PUT", "/accounts/org_nobody", body).status_code == 404
    assert api("POST", "/tax-rules", RULE).json()["code"] == "tax_rule_taken"
    [rule] = api("GET", "/tax-rules").json()["tax_rules"]
    assert api("DELETE", f"/tax-rules/{rule['id']}").status_code < 300
    assert api("DELETE", f"/tax-rules/{rule['id']}").status_code == 404
    odd = {**RULE, "treatment": "E"}
    assert api("POST", "/tax-rules", odd).status_code == 422


def test_a_close_is_begun_and_cancelled(api, charged):
    too_early = (datetime.now(UTC) + timedelta(days=40)).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )
    refused = api("POST", "/closes", {"period_end": too_early.isoformat()})
    assert refused.json()["code"] == "billing_period_open"
    close = api("POST", "/closes", {"period_end": "2026-03-01T00:00:00Z"}).json()
    assert api("GET", "/closes").json()["closes"] == [close]
    ended = api("POST", f"/closes/{close['id']}:cancel").json()
    assert ended["state"] == CloseState.CANCELLED


def test_what_is_not_there_is_not_found(api, first_run):
    for path in ("/accounts/org_x", "/invoices/inv_x", "/invoices/inv_x/paper"):
        assert api("GET", path).status_code == 404
    assert api("GET", "/account").json() is None
    assert api("GET", "/issuer").json() is None
    assert api("GET", "/invoices").json() == {"invoices": [], "next": None}
