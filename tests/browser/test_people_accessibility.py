"""People, organizations and invitations in both themes, wide and narrow: axe finds nothing."""

import pytest
from playwright.sync_api import ViewportSize

from tradewind.core.permissions import Role
from tradewind.testing.portal_browser import NARROW, WIDE, Tab

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

LONG = "A name that is much longer than anybody would ever need to read in a table of people"[:80]


def look(tab: Tab) -> list[str]:
    found = tab.violations()
    return [*found, f"{tab.overflow_px} px too wide"] if tab.overflow_px else found


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_full_pages(*, portal, open_tab, signed_in, theme: str, viewport: ViewportSize):
    world, viewer = portal.world, signed_in.viewer
    people = world.people
    with world.database.transaction() as tx:
        made = people.invite(
            tx, viewer, email=f"{'x' * 60}@example.org", role=Role.ADMIN, by=viewer.user_id
        )
        grace = people.invite(
            tx, viewer, email="grace@example.org", role=Role.VIEWER, by=viewer.user_id
        )
        people.add_project(tx, viewer, LONG)
        people.add_organization(tx, viewer, name=LONG, administrator="a@b.example", by=None)
    with world.database.transaction() as tx:
        people.accept_as_new(tx, grace.code, name=LONG, password="a long enough password")
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)

    problems = {}
    gone = f"/invitation?code={'A' * 43}"
    for path in ("/people", "/organizations", "/places", f"/invitation?code={made.code}", gone):
        tab.open(path)
        if found := look(tab):
            problems[path] = found
    tab.open("/people")
    tab.page.get_by_label("E-mail").fill("new@example.org")
    tab.page.get_by_role("button", name="Make an invitation").press("Enter")
    tab.page.wait_for_selector("#invitation-link")
    if found := look(tab):
        problems["made"] = found

    assert problems == {}
    stranger = open_tab(theme=theme, viewport=viewport)
    stranger.open(f"/invitation?code={made.code}")
    assert look(stranger) == []
