"""Invoices in the portal: none, not charged, one with its lines and papers, and who sees them."""

from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from sqlalchemy import insert, text

from tests.features.billing.billing_parts import ISSUER, TAX_RULES, buyer, event
from tradewind.core.permissions import Role
from tradewind.features.billing.schemas import BillingAccount, BuyerKind, Mode
from tradewind.features.market.tables import price
from tradewind.features.metering.repository import create_default_partition, store_events

pytestmark = pytest.mark.postgres


@pytest.fixture
def hour():
    return (datetime.now(UTC) - timedelta(days=3)).replace(minute=0, second=0, microsecond=0)


@pytest.fixture
def charged(world, signed_in, hour):
    with world.database.transaction() as tx:
        world.billing.set_issuer(tx, ISSUER)
        for rule in TAX_RULES:
            world.billing.add_tax_rule(tx, rule)
        stored = world.billing.set_account(
            tx,
            BillingAccount(
                organization_id=signed_in.viewer.organization_id,
                mode=Mode.POSTPAID,
                currency="USD",
                party=buyer(),
                buyer_kind=BuyerKind.BUSINESS,
                buyer_reference="",
                payment_terms_days=14,
                billed_from=hour - timedelta(days=1),
                revision=0,
            ),
        )
    assert stored is not None
    return str(stored.organization_id)


@pytest.fixture
def draft(world, charged, hour):
    world.deploy("small")
    with world.database.transaction() as tx:
        model_id = tx.execute(text("SELECT id FROM model LIMIT 1")).scalar_one()
        tx.execute(
            insert(price).values(
                id="price_1",
                model_id=model_id,
                currency="USD",
                input_nanos=1,
                output_nanos=1,
                cached_input_nanos=1,
                created_at=hour,
                effective_at=hour,
            )
        )
    with world.database.connect_raw() as connection:
        create_default_partition(connection, "usage_event")
        store_events(
            connection,
            [event(charged, "price_1", hour, cost_nanos=5_000_000_000, model="tw/<b>small")],
        )
    with world.database.transaction() as tx:
        world.billing.settle(tx)
    with world.database.transaction() as tx:
        [invoice_id] = world.billing.draft(tx, charged, hour + timedelta(hours=1))
    return str(invoice_id)


def main_of(answer):
    assert answer.status_code == 200
    return unescape(answer.text.split("<main", 1)[1])


def test_who_is_not_charged_is_told_so(browser):
    assert "This organization is not charged" in main_of(browser.get("/invoices"))


def test_before_the_first_invoice_the_page_says_when_it_comes(browser, charged):
    assert "There is no invoice yet" in main_of(browser.get("/invoices"))
    past = main_of(browser.get("/invoices?after=inv_0"))
    assert "The list ends before this page" in past


def test_an_invoice_is_listed_with_its_lines_and_papers(browser, world, draft):
    assert "Nothing of a draft is owed" in main_of(browser.get(f"/invoices/{draft}"))
    with world.database.transaction() as tx:
        row = world.billing.finalize(tx, draft)
    listed = main_of(browser.get("/invoices"))
    assert str(row.number) in listed
    assert "5.95 USD" in listed

    answer = browser.get(f"/invoices/{draft}")

    shown = main_of(answer)
    assert "<b>small" not in answer.text
    for words in ("5.95 USD are open", "1,000 input_tokens", "FOCUS"):
        assert words in shown
    file = browser.get(f"/invoices/{draft}/paper?format=pdf")
    assert file.content.startswith(b"%PDF-")
    assert f"{row.number}.pdf" in file.headers["content-disposition"]
    for form in ("html", "ubl", "csv", "focus", "json", "settlement", "events"):
        assert browser.get(f"/invoices/{draft}/paper?format={form}").status_code == 200


def test_a_credit_note_is_linked_and_taken_out(browser, world, draft):
    with world.database.transaction() as tx:
        row = world.billing.finalize(tx, draft)
        note = world.billing.credit(tx, row.invoice_id, reason="outage", key="k")

    shown = main_of(browser.get(f"/invoices/{draft}"))

    paper = f"/credit-notes/{note.credit_note_id}/paper"
    assert f'href="{paper}?format=ubl"' in shown
    for form in ("pdf", "html", "ubl", "csv", "focus", "json"):
        file = browser.get(f"{paper}?format={form}")
        assert note.number in file.headers["content-disposition"]
    assert browser.get(f"{paper}?format=events").status_code == 422
    assert browser.get("/credit-notes/cn_x/paper").status_code == 404


def test_an_invoice_that_is_not_there_is_not_found(browser):
    assert browser.get("/invoices/inv_x").status_code == 404
    assert browser.get("/invoices/inv_x/paper").status_code == 404


def test_who_may_not_see_the_bills_does_not(browser_of):
    viewer = browser_of(Role.VIEWER)
    for path in ("/invoices", "/invoices/inv_x", "/invoices/inv_x/paper"):
        assert viewer.get(path).status_code == 403
