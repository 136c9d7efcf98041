"""Sinks in all their states, in both themes, wide and narrow: axe finds nothing, nothing is cut
off, and one is added by keyboard alone.
"""

import pytest
from playwright.sync_api import ViewportSize, expect

from tradewind.db.sealing import Secret
from tradewind.features.marketplace.schemas import NewSink, SinkChanges
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


def test_empty_full_and_with_errors(*, portal, open_tab, signed_in, theme, viewport):
    world, viewer = portal.world, signed_in.viewer
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)
    problems = {}
    page = tab.open("/sinks")
    problems["empty"] = look(tab)
    page = tab.open("/sinks/new")
    problems["new"] = look(tab)

    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type("What we bill by, with a name that is long enough for two lines")
    page.get_by_label("Customers").fill("nonsense")
    page.get_by_role("button", name="Add sink").click()
    page.locator("#customers-error").wait_for()
    problems["errors"] = look(tab)
    page.get_by_label("Customers").fill("")
    page.get_by_label("Name", exact=True).focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Sinks", exact=True).wait_for()

    with world.database.transaction() as tx:
        sinks = world.services.sinks
        lago = NewSink("Lago", "lago", "", Secret("x"))
        off = sinks.add(tx, viewer, lago)
        sinks.change(tx, viewer, off.sink_id, SinkChanges(is_enabled=False))
        tx.exec_driver_sql(
            "UPDATE sink SET last_error = 'the name of the host is not known' WHERE kind <> 'lago'"
        )
    for path in ("/sinks", f"/sinks/{off.sink_id}/delete"):
        tab.open(path)
        problems[path] = look(tab)
    assert {state: found for state, found in problems.items() if found} == {}
    assert tab.complaints == []
