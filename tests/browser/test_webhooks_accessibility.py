"""Webhooks in both themes, wide and narrow: axe finds nothing, and the keyboard is enough."""

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tradewind.db.outbox import outbox_message
from tradewind.features.webhooks.schemas import DestinationChanges, EventKind, Outcome
from tradewind.testing.portal_browser import NARROW, WIDE, Tab

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

LONG = "a-name-that-is-much-longer-than-anybody-would-ever-need-to-read-in-a-table"
BROKEN = Outcome(None, "no answer within 10 s")


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[WIDE, NARROW], ids=["wide", "narrow"])
def viewport(request: pytest.FixtureRequest) -> ViewportSize:
    return request.param


def look(tab: Tab) -> list[str]:
    found = tab.violations()
    return [*found, f"{tab.overflow_px} px too wide"] if tab.overflow_px else found


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the focus is on what has this name."""
    for _ in range(60):
        page.keyboard.press("Tab")
        text: str = page.evaluate("document.activeElement.textContent.trim()")
        if name in text:
            return
    raise AssertionError(f"the keyboard does not come to {name!r}")


def test_full_pages(*, portal, open_tab, signed_in, theme, viewport):
    world, viewer = portal.world, signed_in.viewer
    well = world.add_webhook(viewer, kinds=("budget.alert", "budget.exhausted"))
    gone = world.add_webhook(viewer, f"https://{LONG[:60]}.example.org/{LONG}", description=LONG)
    off = world.add_webhook(viewer, "http://10.0.0.7/", is_private_network=True, description="")
    failing = world.add_webhook(viewer, description="Failing")
    world.deliver(viewer, well.webhook_id, Outcome(200), BROKEN, Outcome(503, "the answer was 503"))
    world.deliver(viewer, gone.webhook_id, Outcome(410, "the answer was 410"))
    with world.database.transaction() as tx:
        world.webhooks.update_webhook(
            tx, viewer, off.webhook_id, DestinationChanges(is_enabled=False)
        )
        world.webhooks.rotate_secret(tx, viewer, well.webhook_id)
        tx.exec_driver_sql(
            f"UPDATE webhook SET failing_since = now() WHERE id = '{failing.webhook_id}'"
        )
        tx.execute(
            outbox_message.insert().values(
                id="msg_1",
                organization_id=viewer.organization_id,
                kind="budget.alert",
                key="k",
                payload={},
                set_aside_at=well.created_at,
                error=f"KeyError: {LONG}",
            )
        )
    pages = ["/webhooks", "/webhooks/new"]
    pages += [f"/webhooks/{row.webhook_id}" for row in (well, gone, off, failing)]
    pages += [f"/webhooks/{gone.webhook_id}/{action}" for action in ("secret", "delete")]
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)

    problems = {}
    for path in pages:
        tab.open(path)
        if found := look(tab):
            problems[path] = found

    assert problems == {}
    assert tab.complaints == []


def test_empty_pages_pages_with_errors_and_the_secret(
    *, portal, open_tab, signed_in, theme, viewport
):
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)
    problems = {}
    page = tab.open("/webhooks")
    problems["empty"] = look(tab)

    page = tab.open("/webhooks/new")
    page.get_by_label("URL").fill("http://hooks.example.org/")
    for kind in EventKind:
        page.get_by_label(kind.value).uncheck()
    page.get_by_role("button", name="Add webhook").click()
    page.locator("#kinds-error").wait_for()
    expect(page.get_by_label("URL")).to_be_focused()
    problems["errors"] = look(tab)

    page.get_by_label("URL").fill("https://hooks.example.org/")
    page.get_by_label("budget.alert").check()
    page.keyboard.press("Enter")
    page.get_by_text("Copy it now.").wait_for()
    expect(page.get_by_role("button", name="Copy secret")).to_be_focused()
    problems["secret"] = look(tab)

    page.get_by_role("link", name="Done").click()
    page.get_by_text("Nothing yet").wait_for()
    problems["no deliveries"] = look(tab)

    assert {state: found for state, found in problems.items() if found} == {}


def test_a_test_message_by_keyboard_shows_what_came_of_it_by_itself(portal, open_tab, signed_in):
    world, viewer = portal.world, signed_in.viewer
    row = world.add_webhook(viewer)
    tab = open_tab(session_token=signed_in.session_token)
    page = tab.open(f"/webhooks/{row.webhook_id}")

    tab_to(page, "Send a test message")
    page.keyboard.press("Enter")
    page.get_by_text("On its way").wait_for()
    with world.database.transaction() as tx:
        (attempt,) = world.courier.claim(tx, 1)
        world.courier.settle(tx, attempt, Outcome(200))

    expect(page.get_by_text("Delivered", exact=True)).to_be_visible(timeout=30_000)
    assert tab.complaints == []
