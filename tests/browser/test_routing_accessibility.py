"""Providers and endpoints in both themes, wide and narrow: axe finds nothing, in any state."""

import pytest
from playwright.sync_api import ViewportSize

from tradewind.features.endpoints.schemas import EndpointChanges, NewEndpoint, NewTarget
from tradewind.features.providers.schemas import ConnectionChanges
from tradewind.snapshot.contents import Limits, Routing
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
    groq = world.connect(viewer, region="us-east-1", zone="us", retains_data=False)
    off = world.connect(viewer, base_url=f"https://{LONG[:60]}.example.org/v1", name=LONG)
    world.add_hosted(viewer, groq, "llama-3.1-8b-instant", "openai/gpt-oss-20b")
    own = world.deploy("small", ready=1, starting=1)
    small = world.endpoint(viewer, "tw/small")
    targets = [
        NewTarget(deployment_id=own),
        NewTarget(connection_id=groq.id, upstream_model="small", tier=1),
        NewTarget(connection_id=off.id, upstream_model=LONG, tier=1),
    ]
    with world.database.transaction() as tx:
        world.endpoints.set_targets(tx, viewer, small.id, targets)
        changes = EndpointChanges(aliases=[f"{LONG}-too", "b", "c", "d"], limits=Limits(1, 2, 3))
        world.endpoints.update_endpoint(tx, viewer, small.id, changes)
        world.endpoints.add_endpoint(tx, viewer, NewEndpoint("tw/small", name=LONG))
        disabled = ConnectionChanges(is_enabled=False)
        world.providers.update_connection(tx, viewer, off.id, disabled)
    pages = [
        "/providers",
        "/providers?q=zebra",
        "/providers/new",
        "/providers/new?q=qvac",
        "/providers/connect",
        "/providers/connect?host=groq",
        "/providers/connect?host=azure",
        f"/providers/{groq.id}",
        f"/providers/{off.id}",
        f"/providers/{groq.id}/delete",
        f"/providers/{groq.id}/models",
        f"/providers/{groq.id}/models/other",
        "/endpoints",
        "/endpoints?q=zebra",
        f"/endpoints/{small.id}",
        f"/endpoints/{small.id}/delete",
        f"/endpoints/{small.id}/targets/new",
        f"/endpoints/{small.id}/targets/new?place={groq.id}",
    ]
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)

    problems = {}
    for path in pages:
        tab.open(path)
        if found := look(tab):
            problems[path] = found

    assert problems == {}


def test_empty_pages(portal, open_tab, signed_in, theme, viewport):
    world, viewer = portal.world, signed_in.viewer
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)
    problems = {}
    for path in ("/providers", "/endpoints"):
        tab.open(path)
        problems[path] = look(tab)
    connection = world.connect(viewer)
    world.deploy("small")
    small = world.endpoint(viewer, "tw/small")
    with world.database.transaction() as tx:
        world.endpoints.set_targets(tx, viewer, small.id, [])
    for path in (f"/providers/{connection.id}", f"/endpoints/{small.id}"):
        tab.open(path)
        problems[path] = look(tab)

    assert {path: found for path, found in problems.items() if found} == {}


def test_pages_with_errors_and_answers(portal, open_tab, signed_in, theme, viewport):
    world, viewer = portal.world, signed_in.viewer
    own = world.deploy("small")
    portal.gateway.answering_place = own
    small = world.endpoint(viewer, "tw/small")
    connection = world.connect(viewer)
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)
    problems = {}

    page = tab.open("/providers/connect?host=groq")
    page.get_by_label("API key", exact=True).fill("a key")
    page.get_by_label("Region").fill("EU!")
    page.get_by_label("Zone").fill("EU!")
    page.get_by_role("button", name="Connect and choose models").click()
    page.locator("#region-error").wait_for()
    problems["errors"] = look(tab)

    page = tab.open(f"/providers/{connection.id}/models")
    page.get_by_label("Choose all that are shown").check()
    problems["chosen"] = look(tab)
    page.get_by_role("button", name="Add chosen models").click()
    page.get_by_role("link", name="Add more").wait_for()
    problems["added"] = look(tab)

    page = tab.open(f"/endpoints/{small.id}")
    page.get_by_role("button", name="Send one call").click()
    page.locator("#try-answer").wait_for()
    page.get_by_text("What was sent").click()
    problems["tried"] = look(tab)
    with world.database.transaction() as tx:
        changes = EndpointChanges(routing=Routing("price", 7))
        world.endpoints.update_endpoint(tx, viewer, small.id, changes)
    page.get_by_label("A tier is full at").fill("3")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Now: 7").wait_for()
    problems["out of date"] = look(tab)
    page.get_by_label("Weight of").first.fill("none")
    page.get_by_role("button", name="Save weights").last.click()
    page.locator(".target-table .field-error").wait_for()
    problems["wrong weight"] = look(tab)

    assert {state: found for state, found in problems.items() if found} == {}
