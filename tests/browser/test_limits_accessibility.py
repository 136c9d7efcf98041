"""Limits, budgets and what binds, in both themes, wide and narrow: axe finds nothing."""

import pytest
from playwright.sync_api import ViewportSize, expect

from tradewind.features.budgets.schemas import ModelLimits, NewTerms, PeriodKind
from tradewind.features.budgets.tables import budget_alert
from tradewind.features.endpoints.schemas import EndpointChanges
from tradewind.snapshot.contents import Conditions, Limits
from tradewind.testing.portal_browser import NARROW, WIDE, Tab

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

LONG = "a-name-that-is-much-longer-than-anybody-would-ever-need-to-read-in-a-table"


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[WIDE, NARROW], ids=["wide", "narrow"])
def viewport(request: pytest.FixtureRequest) -> ViewportSize:
    return request.param


def look(tab: Tab) -> list[str]:
    found = tab.violations()
    return [*found, f"{tab.overflow_px} px too wide"] if tab.overflow_px else found


def test_full_pages(portal, open_tab, signed_in, theme, viewport):
    world, viewer = portal.world, signed_in.viewer
    world.deploy("small")
    small = world.endpoint(viewer, "tw/small")
    key_id = world.add_key(viewer, "website")
    models = (ModelLimits("tw/small", Limits(30, 9_000)), ModelLimits(LONG, Limits(1)))
    where = Conditions(frozenset({"eu-west-1"}), frozenset({"eu"}), no_retention=True)
    with world.database.transaction() as tx:
        changes = EndpointChanges(limits=Limits(5_000, 2_000_000, 64))
        world.endpoints.update_endpoint(tx, viewer, small.id, changes)
        terms = NewTerms(Limits(600, 250_000, 32), models, where)
        world.budgets.put_terms(tx, viewer, viewer.organization_id, terms)
        terms = NewTerms(Limits(120, None, 0), models)
        world.budgets.put_terms(tx, viewer, viewer.project_id, terms)
    row = world.add_budget(viewer, "Monthly", amount_nanos=40_000_000_000)
    world.add_budget(viewer, "Spent", amount_nanos=1, key_id=key_id, period=PeriodKind.DAY)
    world.add_budget(viewer, LONG, is_hard=False, project_id=viewer.project_id)
    world.add_usage(viewer, cost_nanos=13_000_000_000)
    with world.database.transaction() as tx:
        alert = {"percent": 25, "spent_nanos": 10**10, "amount_nanos": 4 * 10**10}
        of = {"budget_id": row.budget_id, "period_start": row.period_start}
        tx.execute(budget_alert.insert().values(**of, **alert, at=row.created_at))
    pages = [
        "/limits",
        "/budgets",
        "/budgets/new",
        f"/budgets/{row.budget_id}",
        f"/budgets/{row.budget_id}/delete",
        "/keys",
        f"/keys/{key_id}",
        "/usage",
    ]
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)

    problems = {}
    for path in pages:
        tab.open(path)
        if found := look(tab):
            problems[path] = found

    assert problems == {}


def test_empty_pages_and_pages_with_errors(portal, open_tab, signed_in, theme, viewport):
    world, viewer = portal.world, signed_in.viewer
    key_id = world.add_key(viewer, "website")
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)
    problems = {}
    for path in ("/limits", "/budgets", f"/keys/{key_id}"):
        tab.open(path)
        problems[path] = look(tab)

    page = tab.open("/limits")
    page.get_by_label("Requests per minute").first.fill("many")
    page.get_by_role("button", name="Save limits of").first.click()
    expect(page.locator(".field-error")).to_have_count(1)
    expect(page.get_by_label("Requests per minute").first).to_be_focused()
    problems["wrong limit"] = look(tab)

    page = tab.open("/limits")
    with world.database.transaction() as tx:
        terms = NewTerms(Limits(7), response_days=3)
        world.budgets.put_terms(tx, viewer, viewer.organization_id, terms)
    page.get_by_label("Days responses are kept").fill("9")
    page.get_by_role("button", name="Save policy").click()
    page.get_by_text("Now: 3").wait_for()
    problems["out of date"] = look(tab)

    page = tab.open("/budgets/new")
    page.get_by_label("Name").fill("Launch")
    page.get_by_label("Amount").fill("much")
    page.get_by_role("button", name="Add budget").click()
    page.locator("#amount-error").wait_for()
    problems["wrong amount"] = look(tab)
    page.get_by_label("Amount").fill("25")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Launch", exact=True).wait_for()

    assert {state: found for state, found in problems.items() if found} == {}
