"""Selling and subscribing in a real browser: the whole story, and axe on every page of it, in both
themes, wide and narrow.
"""

from datetime import UTC, datetime
from http import HTTPStatus

import msgspec
import pytest
from playwright.sync_api import ViewportSize, expect

from tests.features.sales.sales_parts import add_publisher
from tradewind.core.acting import By
from tradewind.features.billing.schemas import BillingAccount, BuyerKind, Mode, Party
from tradewind.features.sales.schemas import Licensing, NewOffer, OfferKind
from tradewind.gateway.names import find_endpoint
from tradewind.readmodels.terms import compile_terms
from tradewind.snapshot.contents import Endpoint, Grant, Operation, Price, Snapshot
from tradewind.snapshot.view import SnapshotView
from tradewind.testing.portal_browser import NARROW, WIDE, Tab
from tradewind.wire.errors import ApiError

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[WIDE, NARROW], ids=["wide", "narrow"])
def viewport(request: pytest.FixtureRequest) -> ViewportSize:
    return request.param


def look(tab: Tab) -> list[str]:
    found = tab.violations()
    return [*found, f"{tab.overflow_px} px too wide"] if tab.overflow_px else found


def charge(world, viewer):
    """Let the organization be charged for its calls, which nobody has confirmed yet."""
    account = BillingAccount(
        viewer.organization_id,
        Mode.POSTPAID,
        "USD",
        Party("Ada & Co", "BE"),
        BuyerKind.BUSINESS,
        "",
        14,
        datetime(2026, 1, 1, tzinfo=UTC),
        0,
    )
    with world.database.transaction() as tx:
        world.billing.set_account(tx, account)


def call(world, viewer, offer_id):
    """Ask as a gateway does with the terms of now; return 200, or the code of the refusal."""
    with world.database.transaction() as tx:
        terms = tuple(compile_terms(tx, [str(viewer.organization_id)]))
    sold = Endpoint(
        "acme/small",
        Operation.CHAT,
        "acme",
        1,
        512,
        512,
        Price("price", "USD", 1, 2, 3),
        (),
        sale=f"{offer_id} Small for all",
    )
    grant = Grant("key", b"", str(viewer.organization_id), "project")
    # Who sells it may call it anyway; what is asked here is what a buyer gets by subscribing.
    with world.database.transaction() as tx:
        held = {
            row.offer_id
            for row in world.sales.list_own(tx, viewer)
            if row.state in {"trial", "active", "past_due"}
        }
    terms = tuple(
        msgspec.structs.replace(each, licences=each.licences & frozenset(held)) for each in terms
    )
    try:
        find_endpoint(SnapshotView(Snapshot(1, 1, (), (sold,), terms)), grant, "acme/small")
    except ApiError as error:
        return error.code
    return HTTPStatus.OK


def test_a_plan_is_made_subscribed_to_called_and_changed(portal, open_tab, signed_in):
    world, viewer = portal.world, signed_in.viewer
    with world.database.transaction() as tx:
        add_publisher(tx, viewer.organization_id)
    charge(world, viewer)
    tab = open_tab(session_token=signed_in.session_token)
    page = tab.open("/sales")
    page.get_by_label("Model", exact=True).fill("acme/small")
    page.get_by_label("Name", exact=True).fill("Small for all")
    page.get_by_role("button", name="Draft it").click()

    # The publisher makes a plan, sees what it says, and puts the offer up for sale.
    page.get_by_role("link", name="Add a plan").click()
    page.get_by_label("Name", exact=True).fill("Basic")
    page.get_by_label("Fee of a term").fill("10")
    page.get_by_label("What is counted").first.fill("output_tokens")
    page.get_by_label("Price", exact=True).first.fill("2.50")
    page.get_by_role("button", name="Simulate").click()
    expect(page.get_by_text("10.00 USD each month, in advance")).to_be_visible()
    page.get_by_role("button", name="Add this plan").click()
    page.get_by_role("button", name="Put it up for sale").click()
    expect(page.get_by_role("button", name="Take it from sale")).to_be_visible()
    offer_id = page.url.rpartition("/")[2]
    assert call(world, viewer, offer_id) == "subscription_required"

    # The buyer finds it, is shown who pays, subscribes and calls.
    page = tab.open("/subscriptions?q=small")
    page.get_by_role("link", name="Subscribe to Small for all, Basic").click()
    expect(page.get_by_text("Ada & Co, by invoice within 14 days")).to_be_visible()
    page.get_by_label("I know who pays this").check()
    page.get_by_role("button", name="Subscribe", exact=True).click()
    expect(page.get_by_role("heading", name="Stop or go on")).to_be_visible()
    assert call(world, viewer, offer_id) == HTTPStatus.OK

    # The change is previewed to the cent before it is made.
    page.get_by_label("Quantity", exact=True).fill("3")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("come onto the next invoice")).to_be_visible()
    page.get_by_label("I know who pays this").check()
    page.get_by_role("button", name="Change it now").click()
    expect(page.get_by_text("Plan changed")).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    assert call(world, viewer, offer_id) == "subscription_required"
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


def test_the_pages_of_sales(portal, open_tab, signed_in, theme, viewport):
    world, viewer = portal.world, signed_in.viewer
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)
    problems = {}

    def check(name):
        if found := look(tab):
            problems[name] = found

    for path in ("/sales", "/subscriptions"):
        tab.open(path)
        check(f"{path} empty")
    with world.database.transaction() as tx:
        add_publisher(tx, viewer.organization_id)
    charge(world, viewer)
    tab.open("/subscriptions")
    check("unconfirmed")
    page = tab.open("/sales")
    check("first offer")
    page.get_by_label("Model", exact=True).fill("acme/none")
    page.get_by_label("Name", exact=True).fill("An offer of a name that is rather long for a row")
    page.get_by_role("button", name="Draft it").click()
    page.get_by_text("has no model").wait_for()
    check("no such model")
    page.get_by_label("Model", exact=True).fill("acme/small")
    page.get_by_role("button", name="Draft it").click()
    page.get_by_role("link", name="Add a plan").click()
    check("plan empty")
    page.get_by_label("Name", exact=True).fill("Basic")
    page.get_by_label("What is counted").first.fill("output_tokens")
    page.get_by_label("Price", exact=True).first.fill("much")
    page.get_by_role("button", name="Simulate").click()
    page.get_by_text("is not an amount").wait_for()
    check("plan error")
    page.get_by_label("Price", exact=True).first.fill("2")
    page.get_by_label("Fee of a term").fill("10")
    page.get_by_role("button", name="Simulate").click()
    page.get_by_text("Nobody called the model").wait_for()
    check("plan simulated")
    page.get_by_role("button", name="Add this plan").click()
    page.get_by_role("button", name="Put it up for sale").click()
    page.get_by_role("button", name="Take it from sale").wait_for()
    offer = page.url.removeprefix(tab.origin)
    page = tab.open(f"{offer}/private-offers")
    check("private empty")
    page.get_by_label("Name", exact=True).fill("For Ada")
    page.get_by_label("For these organizations").fill(viewer.organization_id)
    page.get_by_label("Percent off everything").fill("20")
    page.get_by_role("button", name="Offer it").click()
    page.get_by_text("not accepted yet").wait_for()
    check("private")
    page = tab.open("/subscriptions")
    check("subscriptions")
    page.get_by_role("link", name="For Ada").click()
    check("private offer")
    page.get_by_label("I have read these terms").check()
    page.get_by_role("button", name="Accept").click()
    page.get_by_text("Signed, Ed25519").wait_for()
    check("accepted")
    page.get_by_role("link", name="Subscribe to Basic").click()
    check("subscribe")
    page.get_by_label("I know who pays this").check()
    page.get_by_role("button", name="Subscribe", exact=True).click()
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Change it now").wait_for()
    check("preview")
    tab.open(offer)
    check("offer sold")
    assert problems == {}


def test_an_app_is_told_with_what_it_wants(portal, open_tab, signed_in):
    world, viewer = portal.world, signed_in.viewer
    with world.database.transaction() as tx:
        add_publisher(tx, viewer.organization_id)
        new = NewOffer(
            "acme", OfferKind.APP, "Helper", scopes=("Reads your mail",), licensing=Licensing.DIRECT
        )
        world.sale_offers.create(tx, viewer, By("user", "Ada"), new)
    tab = open_tab(session_token=signed_in.session_token)
    tab.open("/sales").get_by_role("link", name="Helper").click()
    expect(tab.page.get_by_text("Reads your mail")).to_be_visible()
    expect(tab.page.get_by_text("It needs a plan first.")).to_be_visible()
    assert look(tab) == []
