"""The wallet, a payment and the bank in all their states, in both themes, wide and narrow: axe
finds nothing, nothing is cut off, and a card is paid with by keyboard alone.
"""

import pytest
from playwright.sync_api import ViewportSize

from tests.browser.conftest import RunningPortal
from tests.features.payments.test_bank_transfers import entry, statement
from tradewind.plugins.payments.stripe import Stripe
from tradewind.testing.fake_stripe import SECRET_KEY, fake_stripe, signed
from tradewind.testing.portal_browser import NARROW, WIDE, Tab
from tradewind.testing.portal_world import FakeGateway, PortalWorld, serve_on_loopback

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

ONE = 1_000_000_000
SECRET = "whsec_x"


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[WIDE, NARROW], ids=["wide", "narrow"])
def viewport(request: pytest.FixtureRequest) -> ViewportSize:
    return request.param


@pytest.fixture
def stripe():
    with fake_stripe() as fake:
        yield fake


@pytest.fixture
def portal(database, tmp_path, stripe):
    """The portal of a platform that takes cards."""
    world = PortalWorld(
        database,
        logs=tmp_path,
        artifacts_folder=tmp_path / "artifacts",
        processor=Stripe(SECRET_KEY, (SECRET,), address=stripe.address),
    )
    gateway = FakeGateway()
    with serve_on_loopback(world, gateway) as url:
        yield RunningPortal(world, gateway, url)


def look(tab: Tab) -> list[str]:
    found = tab.violations()
    return [*found, f"{tab.overflow_px} px too wide"] if tab.overflow_px else found


def settle(cards, viewer, payment):
    cards.look_again(viewer, payment.payment_id)
    return cards.payment(viewer, payment.payment_id)


def fill(world, viewer, stripe):
    """Payments of all kinds and ends; return their ids by what they show."""
    cards, bank = world.card_payments, world.services.bank_transfers
    waiting, _ = cards.top_up(viewer, 250 * ONE, "USD", key="waiting")
    left, _ = cards.top_up(viewer, 7 * ONE, "USD", key="left")
    stripe.leave(left.processor_id)
    settle(cards, viewer, left)
    paid, _ = cards.top_up(viewer, 25 * ONE, "USD", key="paid")
    stripe.pay(paid.processor_id)
    paid = settle(cards, viewer, paid)
    cards.refund(viewer, paid.payment_id, 5 * ONE, key="back")
    denied, _ = cards.top_up(viewer, 12 * ONE, "USD", key="denied")
    stripe.pay(denied.processor_id)
    denied = settle(cards, viewer, denied)
    dispute = stripe.dispute(denied.intent_id)
    told = stripe.event("charge.dispute.created", dispute)
    cards.take_notice(told, signed(told, SECRET))
    saved, _ = cards.save_card(viewer, "USD", key="card")
    stripe.save_card(saved.processor_id)
    settle(cards, viewer, saved)
    with world.database.transaction() as tx:
        bank.announce(tx, viewer, 1000 * ONE, "USD", key="bank")
    return {"waiting": waiting, "left": left, "paid": paid, "denied": denied}


def test_the_wallet_and_its_payments(portal, open_tab, signed_in, stripe, theme, viewport):  # noqa: PLR0917
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)
    problems = {}

    def check(name):
        if found := look(tab):
            problems[name] = found

    tab.open("/wallet")
    check("empty")
    payments = fill(portal.world, signed_in.viewer, stripe)
    tab.open("/wallet")
    check("full")
    for name, payment in payments.items():
        tab.open(f"/wallet/payments/{payment.payment_id}")
        check(name)
    tab.open("/wallet")
    tab.page.get_by_label("Charge the card").fill("50")
    tab.page.get_by_role("button", name="Save", exact=True).first.click()
    tab.page.get_by_role("alert").wait_for()
    check("automatic top-up with errors")
    stripe.is_away = True
    tab.open(f"/wallet/payments/{payments['waiting'].payment_id}")
    tab.page.get_by_role("button", name="Look again").click()
    tab.page.get_by_role("alert").wait_for()
    check("away")
    assert problems == {}


def test_the_bank(portal, open_tab, signed_in, theme, viewport):
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)
    tab.open("/bank")
    assert look(tab) == []
    told = statement(
        entry("2.00", "a text that a payer wrote and that goes on for quite a while"),
        entry("1234567.89", "RF12W-wrong", bank="2"),
    )
    with portal.world.database.transaction() as tx:
        portal.world.services.bank_transfers.take_statement(tx, signed_in.viewer, told)
    tab.open("/bank")
    assert look(tab) == []
    tab.page.get_by_label("An invoice's number").first.fill("INV-9")
    tab.page.get_by_role("button", name="Assign").first.click()
    tab.page.get_by_role("alert").wait_for()
    assert look(tab) == []


def test_a_card_is_paid_with_by_keyboard(portal, tab, signed_in, stripe):
    tab.open("/wallet")
    tab.page.get_by_label("Amount").first.focus()
    tab.page.keyboard.type("25")
    tab.page.keyboard.press("Enter")
    way = tab.page.get_by_role("link", name="Go on at Stripe")
    way.wait_for()
    [session] = stripe.of_kind("checkout.session")
    assert way.get_attribute("href") == session["url"]
    stripe.pay(session["id"])
    tab.page.get_by_role("button", name="Look again").press("Enter")
    tab.page.get_by_text("25.00 USD,").wait_for()
    tab.open("/wallet")
    tab.page.get_by_role("heading", name="25.00 USD can be spent").wait_for()
