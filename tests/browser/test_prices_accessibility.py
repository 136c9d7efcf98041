"""The price book in both themes, wide and narrow: axe finds nothing, and nothing is cut off."""

import pytest
from playwright.sync_api import ViewportSize
from sqlalchemy import insert

from tests.features.market.price_parts import Signer, entry, price_file, terms
from tradewind.features.market.schemas import NewPrice
from tradewind.features.market.tables import price
from tradewind.testing.portal_browser import NARROW, WIDE, Tab

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

MODEL = "tw/small"


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
    """Prices of all kinds: announced, given away, and one that waits."""
    book, files = world.prices.book, world.prices.files
    for slug in ("small", "given-away-by-a-name-that-is-rather-long", "announced"):
        world.deploy(slug)
    signer = Signer()
    usd = 1_000_000_000
    with world.database.transaction() as tx:
        files.add_key(tx, viewer, name="Ops", pem=signer.public_pem, publisher="", by="Ada")
        new = NewPrice("tw/announced", terms(30_000_000, 90_000_000, images=40 * usd))
        book.set_price(tx, viewer, new, by="Ada")
        content = price_file(entry(MODEL)).encode()
        key_id, signature = signer.sign(content)
        files.apply_file(tx, viewer, content, key_id=key_id, signature=signature, by="Ada")
        zero = tx.execute(price.select().where(price.c.currency == "USD")).first()
        given = book.history(tx, zero.model_id)[0]
        tx.execute(
            insert(price).values(
                id="price_zero",
                model_id=given.model_id,
                currency="USD",
                input_nanos=0,
                output_nanos=0,
                cached_input_nanos=0,
                created_at=given.created_at,
                effective_at=given.effective_at,
            )
        )


def test_the_price_book(portal, open_tab, signed_in, theme, viewport):
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)
    problems = {}

    def check(name):
        if found := look(tab):
            problems[name] = found

    tab.open("/prices")
    check("empty")
    fill(portal.world, signed_in.viewer)
    for path in ("/prices", "/prices?q=nothing", "/prices/models/tw/announced", "/prices/file"):
        tab.open(path)
        check(path)
    tab.open(f"/prices/models/{MODEL}")
    tab.page.get_by_label("Input tokens, for 1,000,000").fill("0.021")
    tab.page.get_by_role("button", name="Preview").click()
    tab.page.get_by_role("button", name="Set this price").wait_for()
    check("preview")
    tab.page.get_by_label("Input tokens, for 1,000,000").fill("much")
    tab.page.get_by_role("button", name="Preview").click()
    tab.page.get_by_text("is not an amount").wait_for()
    check("error")

    assert problems == {}
