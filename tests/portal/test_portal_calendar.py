"""Links to the calendar of models that end."""

import re

import pytest
from starlette.testclient import TestClient

from tradewind.core.permissions import Role
from tradewind.features.accounts.schemas import SignedIn
from tradewind.features.catalog.calendars import MOST_LINKS
from tradewind.testing.portal_world import PortalWorld


@pytest.fixture
def send(browser: TestClient, signed_in: SignedIn):
    """Post a form of our own page."""

    def post(path: str, **fields):
        return browser.post(path, data={"csrf_token": signed_in.viewer.csrf_token} | fields)

    return post


def test_an_empty_page_says_what_to_do(browser):
    assert "No calendar follows yet" in browser.get("/calendar").text


def test_a_link_is_shown_once_listed_and_revoked(browser, world: PortalWorld, send):
    made = send("/calendar", name="Phone <1>").text
    [url] = re.findall(r"https?://[^<\s]+/api/catalog/calendars/twcal_[A-Za-z0-9_-]{43}\.ics", made)
    token = url.rpartition("/")[2].removesuffix(".ics")
    with world.database.transaction() as tx:
        assert world.services.calendar_links.open(tx, token)

    listed = browser.get("/calendar").text
    assert "Phone &lt;1&gt;" in listed
    assert token not in listed
    [path] = re.findall(r'action="(/calendar/cal_[a-z0-9]+/revoke)"', listed)
    assert send(path).status_code == 303
    assert send(path).status_code == 404
    assert "No calendar follows yet" in browser.get("/calendar").text


def test_a_name_that_is_missing_is_said_and_too_many_links_too(browser, send):
    answer = send("/calendar", name=" ")
    assert answer.status_code == 422
    assert "1 to 80 printable characters" in answer.text
    for number in range(MOST_LINKS):
        assert send("/calendar", name=f"c{number}").status_code == 200
    assert send("/calendar", name="one more").status_code == 409
    assert "all you can have" in browser.get("/calendar").text


def test_who_may_make_no_keys_makes_no_links(browser_of):
    browser = browser_of(Role.VIEWER)
    assert browser.get("/calendar").status_code == 403
    assert browser.post("/calendar", data={"name": "x"}).status_code == 403
