"""Every page in both themes, wide and narrow: axe finds nothing, and nothing is wider than the
window.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest
from playwright.sync_api import ViewportSize

from tradewind.features.accounts.schemas import SignedIn
from tradewind.features.catalog.builtin import BUILTIN_MODELS
from tradewind.testing.logged_calls import OWN_ATTEMPT, ended_call, refused_call
from tradewind.testing.portal_browser import NARROW, WIDE, Keys, Playground, Requests, Tab
from tradewind.testing.portal_world import CHAT_MODEL, EMBEDDING_MODEL
from tradewind.usage.event import Attempt, Outcome, Refused, Trail, UsageEvent

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

LONG = "a-key-whose-name-is-much-longer-than-anybody-would-ever-need-to-read"
PAGES = {
    "home": "/",
    "models": "/models",
    "models as a table": "/models?view=table",
    "no model found": "/models?q=zebra",
    "chat model": f"/models/{CHAT_MODEL.name}",
    "embedding model": f"/models/{EMBEDDING_MODEL.name}",
    "playground": "/playground",
    "keys": "/keys",
    "new key": "/keys/new",
    "usage": "/usage?range=24h",
    "usage by key": "/usage?by=key&show=tokens",
    "requests": "/requests",
    "requests with filters": f"/requests?state=failed&host={LONG}&model={LONG}",
    "not found": "/nowhere",
}


def calls_of_every_kind(key_id: str) -> list[UsageEvent | Refused]:
    busy = Attempt(f"dep_{LONG}", LONG, f"cheapest of {LONG}", 503, "busy", 90_000)
    trail = Trail(
        "messages",
        f"kestrel/{LONG}",
        (busy, OWN_ATTEMPT),
        queued_us=1_500,
        overhead_us=210,
        error_code="upstream_error",
        trace_parent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        user_agent=LONG * 2,
        tags={LONG: LONG},
    )
    return [
        ended_call(key_id=key_id, trail=trail),
        ended_call(outcome=Outcome.FAILED, http_status=502, trail=trail),
        ended_call(outcome=Outcome.CANCELLED, http_status=499),
        refused_call(requested_model=f"kestrel/{LONG}", error_code="rate_limit_exceeded"),
    ]


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[WIDE, NARROW], ids=["wide", "narrow"])
def viewport(request: pytest.FixtureRequest) -> ViewportSize:
    return request.param


class Problems(dict[str, list[str]]):
    """What was found, by where; empty is good."""

    def look(self, tab: Tab, where: str) -> None:
        found = tab.violations()
        if tab.overflow_px:
            found.append(f"the page is {tab.overflow_px} px too wide")
        if found:
            self[where] = found


def test_full_pages(portal, open_tab, signed_in: SignedIn, theme, viewport):
    world = portal.world
    world.models += [
        replace(CHAT_MODEL, name="kestrel/a", state="starting", state_detail="loading, 41%"),
        replace(CHAT_MODEL, name="kestrel/b", state="failed", state_detail="no memory"),
        replace(CHAT_MODEL, name="kestrel/c", state="stopped", state_detail="not wanted"),
    ]
    with world.database.transaction() as tx:
        for entry in BUILTIN_MODELS:
            world.catalog.add_builtin(tx, entry)
    key_id = world.add_key(signed_in.viewer, LONG)
    world.add_usage(signed_in.viewer, key_id=key_id)
    world.add_usage(signed_in.viewer, model=f"kestrel/{LONG}", currency="EUR", price_id="p2")
    calls = world.add_calls(signed_in.viewer, *calls_of_every_kind(key_id))
    pages = PAGES | {f"request {call}": f"/requests/{call}" for call in calls}
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)

    problems = Problems()
    for name, path in pages.items():
        page = tab.open(path)
        if name == "requests":
            Requests(page).live.click()
            page.get_by_text("Waiting for new calls").wait_for()
        if name.startswith("usage"):
            page.locator("[data-chart][data-ready]").wait_for()
            page.get_by_text("Show table").click()
        problems.look(tab, name)

    assert problems == {}


def test_empty_pages(portal, open_tab, signed_in: SignedIn, theme, viewport):
    portal.world.models.clear()
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)

    problems = Problems()
    for path in ("/", "/models", "/playground", "/keys", "/usage", "/requests"):
        tab.open(path)
        problems.look(tab, path)

    assert problems == {}


def test_pages_before_signing_in(portal, open_tab, theme, viewport):
    tab = open_tab(theme=theme, viewport=viewport)
    code = portal.world.first_run()
    problems = Problems()

    tab.open("/sign-in")
    problems.look(tab, "password")
    tab.page.get_by_label("E-mail").fill("nobody@example.org")
    tab.page.get_by_label("Password").fill("wrong")
    tab.page.get_by_role("button", name="Sign in").click()
    tab.page.get_by_role("alert").wait_for()
    problems.look(tab, "refused")
    tab.open(f"/sign-in?code={code}")
    problems.look(tab, "link")
    tab.page.get_by_role("button", name="Sign in").click()
    tab.page.get_by_label("Name").wait_for()
    problems.look(tab, "set-up")
    tab.open("/nowhere")
    problems.look(tab, "not found")

    assert problems == {}


def test_what_opens_on_a_page(portal, open_tab: Callable[..., Tab], signed_in, theme, viewport):
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)
    problems = Problems()

    page = tab.open("/keys")
    keys = Keys(page)
    page.get_by_role("link", name="Create key").click()
    page.get_by_role("dialog").get_by_label("Name").wait_for()
    problems.look(tab, "dialog")
    page.keyboard.press("Escape")
    keys.create(LONG)
    problems.look(tab, "new key")
    keys.done()
    page.get_by_role("link", name=f"Revoke {LONG}").click()
    page.get_by_role("button", name="Revoke key").wait_for()
    problems.look(tab, "revoke")

    page = tab.open("/")
    page.get_by_role("button", name="Account").click()
    problems.look(tab, "account menu")
    page.keyboard.press("Escape")
    if viewport == NARROW:
        page.get_by_role("button", name="Menu").click()
        page.get_by_role("link", name="Usage and cost").wait_for()
        problems.look(tab, "navigation")

    playground = Playground(tab.open("/playground"))
    playground.ask("What is a trade wind?")
    playground.wait_for_text("for centuries")
    playground.wait_until_idle()
    problems.look(tab, "answer")
    playground.ask("fail")
    tab.page.locator(".notice-bad").wait_for()
    playground.code("Python")
    problems.look(tab, "error and code")

    assert problems == {}
