"""Margins and the keys of price files in both themes, wide and narrow: axe finds nothing, and
nothing is cut off.
"""

import pytest
from playwright.sync_api import ViewportSize
from sqlalchemy import update

from tests.features.market.price_parts import Signer
from tradewind.features.endpoints.tables import endpoint, endpoint_target
from tradewind.features.market.schemas import Margin, NewMargin, Scope
from tradewind.testing.portal_browser import NARROW, WIDE, Tab

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[WIDE, NARROW], ids=["wide", "narrow"])
def viewport(request: pytest.FixtureRequest) -> ViewportSize:
    return request.param


def look(tab: Tab) -> list[str]:
    found = tab.violations()
    return [*found, f"{tab.overflow_px} px too wide"] if tab.overflow_px else found


def fill(world, viewer):
    """Two models of everybody's, one of which waits for a rate, and two keys."""
    connection = world.connect(viewer, "openai")
    world.add_hosted(viewer, connection, "gpt-4o", "gpt-4o-mini")
    small = endpoint_target.c.upstream_model == "gpt-4o-mini"
    prices = world.prices
    with world.database.transaction() as tx:
        tx.execute(update(endpoint).values(organization_id=None))
        tx.execute(update(endpoint_target).where(small).values(cost_currency="EUR"))
        margin = Margin(1250, 10_000_000, 1_000_000)
        for scope, target in ((Scope.HOST, "openai"), (Scope.PUBLISHER, "a-publisher-of-models")):
            prices.margins.put(tx, viewer, NewMargin(scope, target, margin), by="Ada")
        prices.margins.run(tx)
        for name in ("Price desk", "A desk with a name that is rather long"):
            pem = Signer().public_pem
            key = prices.files.add_key(tx, viewer, name=name, pem=pem, publisher="", by="Ada")
        prices.files.revoke_key(tx, viewer, key.key_id, by="Ada")


def test_margins_and_keys(portal, open_tab, signed_in, theme, viewport):
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)
    problems = {}

    def check(name):
        if found := look(tab):
            problems[name] = found

    for path in ("/margins", "/price-keys"):
        tab.open(path)
        check(f"{path} empty")
    fill(portal.world, signed_in.viewer)
    tab.open("/price-keys")
    check("keys")
    tab.page.get_by_role("button", name="Trust this key").click()
    tab.page.get_by_label("Whose key it is").fill("Ops")
    tab.page.get_by_role("button", name="Trust this key").click()
    tab.page.get_by_text("This is no Ed25519 public key in PEM").wait_for()
    check("no key")
    tab.open("/margins")
    check("margins")
    tab.page.get_by_label("Name", exact=True).fill("openai")
    tab.page.get_by_label("Percent on the cost").fill("20")
    tab.page.get_by_role("button", name="Preview").click()
    tab.page.get_by_role("button", name="Set this margin").wait_for()
    check("preview")
    tab.page.get_by_label("Percent on the cost").fill("a lot")
    tab.page.get_by_role("button", name="Preview").click()
    tab.page.get_by_text("is not a percentage").wait_for()
    check("error")

    assert problems == {}
