"""Invoices and the pages of finance in both themes, wide and narrow: axe finds nothing, and nothing
is cut off; a close shows by itself how far it is.
"""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import ViewportSize, expect
from sqlalchemy import insert, text

from tests.features.billing.billing_parts import ISSUER, TAX_RULES, buyer, event
from tradewind.core.clock import SystemClock
from tradewind.core.ids import OrganizationId
from tradewind.features.accounts.tables import organization
from tradewind.features.billing.closing import Closing
from tradewind.features.billing.rules import periods
from tradewind.features.billing.schemas import BillingAccount, BuyerKind, Label, Mode
from tradewind.features.ledger.schemas import FxRate
from tradewind.features.ledger.service import Ledger
from tradewind.features.market.tables import price
from tradewind.features.metering.repository import create_default_partition, store_events
from tradewind.testing.portal_browser import NARROW, WIDE, Tab

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
_LONG = "a-model-whose-name-is-rather-long-and-has-no-place-to-break-in-it"


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[WIDE, NARROW], ids=["wide", "narrow"])
def viewport(request: pytest.FixtureRequest) -> ViewportSize:
    return request.param


def look(tab: Tab) -> list[str]:
    found = tab.violations()
    return [*found, f"{tab.overflow_px} px too wide"] if tab.overflow_px else found


def charge(world, organization_id, party, since):
    with world.database.transaction() as tx:
        world.billing.set_account(
            tx,
            BillingAccount(
                organization_id=organization_id,
                mode=Mode.POSTPAID,
                currency="USD",
                party=party,
                buyer_kind=BuyerKind.BUSINESS,
                buyer_reference="PO-7",
                payment_terms_days=14,
                billed_from=since,
                revision=0,
            ),
        )


def fill(world, viewer):
    """An organization with a paid past, a draft and a credit note, and one that no rule fits."""
    now = datetime.now(UTC)
    hour = (now - timedelta(days=3)).replace(minute=0, second=0, microsecond=0)
    end = periods.newest_closable(now)
    other = OrganizationId.new()
    world.deploy("small")
    with world.database.transaction() as tx:
        world.billing.set_issuer(tx, ISSUER)
        for rule in TAX_RULES:
            world.billing.add_tax_rule(tx, rule)
        tx.execute(insert(organization).values(id=other, name="Ocean", created_at=now))
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
        project_id = tx.execute(text("SELECT id FROM project LIMIT 1")).scalar_one()
        label = Label("CC-4711", {"team": "search", "stage": "production"})
        world.billing.set_label(tx, str(viewer.organization_id), project_id, label)
        Ledger(SystemClock()).set_rate(tx, FxRate("EUR", "USD", 1_081_200_000, "ECB", end))
    since = end - timedelta(days=30)
    charge(world, viewer.organization_id, buyer(), since)
    charge(world, other, buyer("Ocean Ltd", "NZ"), since)
    own = str(viewer.organization_id)
    costs = {"cost_nanos": 5_000_000_000, "project_id": project_id}
    with world.database.connect_raw() as connection:
        create_default_partition(connection, "usage_event")
        store_events(
            connection,
            [
                event(own, "price_1", end - timedelta(days=2), meters={"images": 3}, **costs),
                event(own, "price_1", end - timedelta(days=1), model=f"tw/{_LONG}", **costs),
                event(own, "price_1", hour, **costs),
                event(str(other), "price_1", end - timedelta(days=1), **costs),
            ],
        )
    closing = Closing(world.billing, SystemClock())
    closing.close_period(world.database, end, lambda _: None)
    with world.database.transaction() as tx:
        [row] = world.billing.list_invoices(tx)
        world.billing.credit(tx, row.invoice_id, reason="an outage", key="k", lines={1: 100})
        world.billing.draft(tx, own, periods.hour_start(now))
    return str(row.invoice_id)


def test_invoices_and_the_pages_of_finance(portal, open_tab, signed_in, theme, viewport):
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)
    problems = {}

    def check(name):
        if found := look(tab):
            problems[name] = found

    paths = ("/invoices", "/billing", "/taxes", "/fx")
    for path in paths:
        tab.open(path)
        check(f"empty {path}")
    invoice_id = fill(portal.world, signed_in.viewer)
    for path in (*paths, f"/invoices/{invoice_id}"):
        tab.open(path)
        check(path)
    page = tab.open("/taxes")
    page.get_by_label("Country of the seller").fill("XX")
    page.get_by_label("Country of the buyer").fill("X")
    page.get_by_label("Owed to").fill("DE")
    page.get_by_role("button", name="Add this rule").click()
    page.get_by_text("This is no country").wait_for()
    check("error taxes")

    assert problems == {}
    assert tab.complaints == []


def test_a_close_by_keyboard_shows_how_far_it_is_by_itself(portal, open_tab, signed_in):
    world = portal.world
    fill(world, signed_in.viewer)
    tab = open_tab(session_token=signed_in.session_token)
    page = tab.open("/billing")

    page.get_by_role("button", name="Close it").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("0 of 2 organizations")).to_be_visible()
    closing = Closing(world.billing, SystemClock())
    with world.database.transaction() as tx:
        running = closing.running(tx)
        assert running is not None
        closing.step(tx, running.close_id, at_once=1)
    expect(page.get_by_text("1 of 2 organizations")).to_be_visible()

    page.get_by_role("button", name="Stop it here").click()

    expect(page.get_by_role("button", name="Close it")).to_be_visible()
    expect(page.get_by_text("cancelled")).to_be_visible()
    assert tab.complaints == []
