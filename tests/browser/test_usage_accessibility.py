"""Usage, previews of budgets and reconciliation in both themes, wide and narrow: axe finds nothing,
and nothing is cut off.
"""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import ViewportSize

from tests.features.reconciliation.test_reconciliation_service import outcome
from tradewind.testing.logged_calls import OWN_ATTEMPT, ended_call
from tradewind.testing.portal_browser import NARROW, WIDE, Tab
from tradewind.usage.event import Trail

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
    now = datetime.now(UTC)
    trail = Trail("openai", "small", (OWN_ATTEMPT,), tags={"team": "red", "feature": "search"})
    calls = [
        ended_call(
            now - timedelta(days=day, minutes=5),
            trail=trail,
            region="eu-central" if day % 2 else "",
            cost_nanos=(day + 1) * 700_000_000,
        )
        for day in range(12)
    ]
    world.add_calls(viewer, *calls)
    plain = f"day,measure,quantity,currency\n{now - timedelta(days=5):%Y-%m-%d},cost,1.5,usd\n"
    with world.database.transaction() as tx:
        found = world.services.reconciliation
        found.take_statement(
            tx, viewer, "openai", plain.encode(), file_name="costs-of-march.csv", by="Ada"
        )
        run_id = found.begin(tx, by="the daily run")
        found.end(tx, run_id, [outcome(), outcome(3, "providers")], platform=None)


def test_usage_budgets_and_reconciliation(portal, open_tab, signed_in, theme, viewport):
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)
    problems = {}

    def check(name):
        if found := look(tab):
            problems[name] = found

    for path in ("/usage", "/usage?by=tag", "/reconciliation"):
        tab.open(path)
        check(f"empty {path}")
    fill(portal.world, signed_in.viewer)
    days = "from=2020-01-01&to=2020-01-31"
    for path in (
        "/usage?step=day",
        "/usage?by=tag&range=7d",
        f"/usage?{days}",
        f"/usage?by=region&project={signed_in.viewer.project_id}",
        "/reconciliation",
    ):
        tab.open(path)
        check(path)
    tab.open("/budgets/new")
    tab.page.get_by_label("Name").fill("Monthly")
    tab.page.get_by_label("Amount").fill("2")
    tab.page.get_by_role("button", name="Preview").click()
    tab.page.get_by_role("heading", name="Preview").wait_for()
    check("preview")

    assert problems == {}
