"""Earnings, statements and payouts in both themes, wide and narrow: axe finds nothing, and nothing
is cut off.
"""

import pytest
from playwright.sync_api import ViewportSize

from tests.portal.publisher_parts import BOB, add_publisher, earn
from tradewind.features.payouts.schemas import Terms
from tradewind.testing.portal_browser import NARROW, WIDE, Tab

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

ONE = 1_000_000_000


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[WIDE, NARROW], ids=["wide", "narrow"])
def viewport(request: pytest.FixtureRequest) -> ViewportSize:
    return request.param


def look(tab: Tab) -> list[str]:
    found = tab.violations()
    return [*found, f"{tab.overflow_px} px too wide"] if tab.overflow_px else found


def test_earnings_and_payouts(portal, open_tab, signed_in, theme, viewport):
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)
    world, viewer = portal.world, signed_in.viewer
    problems = {}

    def check(name):
        if found := look(tab):
            problems[name] = found

    for path in ("/earnings", "/payouts"):
        tab.open(path)
        check(f"{path} empty")
    add_publisher(world, viewer)
    tab.open("/earnings")
    check("earnings before the first sale")
    earn(world, 1_234_567 * ONE + 1)
    profiles, runs = world.payouts.profiles, world.payouts.runs
    terms = Terms(0, reserve_ppm=100_000, tax_ppm=150_000, tax_jurisdiction="DE")
    with world.database.transaction() as tx:
        profiles.set_terms(tx, viewer, "acme", terms, by=BOB)
    tab.open("/earnings")
    tab.page.get_by_text("Lines in USD").click()
    check("earnings")
    tab.open("/payouts")
    check("payouts")
    run = runs.prepare(world.database, viewer, "USD", key="k", by=BOB)
    place = f"/payouts/{run.run_id}"
    tab.open(place)
    check("run prepared")
    tab.page.get_by_role("button", name="Approve").click()
    tab.page.get_by_role("button", name="Export").click()
    tab.page.get_by_role("link", name="File for the bank").wait_for()
    check("run exported")
    tab.page.get_by_role("button", name="Failed to reach acme").click()
    tab.page.get_by_text("Nothing was changed.").wait_for()
    check("run refused")
    tab.page.get_by_label("Why the payout to acme failed").fill("the account is closed")
    tab.page.get_by_role("button", name="Failed to reach acme").click()
    tab.page.get_by_text("The account is closed.").wait_for()
    check("run failed")
    tab.page.get_by_role("link", name="acme", exact=True).click()
    tab.page.get_by_role("heading", name="Statement 1 of Acme").wait_for()
    check("statement")
    with world.database.transaction() as tx:
        profiles.hold(tx, viewer, "acme", "chargebacks are looked at", by=BOB)
    for path in ("/earnings", "/payouts"):
        tab.open(path)
        check(f"{path} held")
    assert problems == {}
