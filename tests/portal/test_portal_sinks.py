"""The page of sinks: the list, adding one, switching, deleting."""

from html import unescape

import pytest
from starlette.testclient import TestClient

from tradewind.core.permissions import Role
from tradewind.features.accounts.schemas import SignedIn, Viewer
from tradewind.testing.portal_world import PortalWorld

HOSTILE = '<script>alert("x")</script>'
FORM = {
    "name": "What we bill by",
    "kind": "lago",
    "credential": "very-secret",
    "customers": "proj_a = sub_1\n\nproj_b=sub_2",
    "meters": "requests, input_tokens",
}


@pytest.fixture
def viewer(signed_in: SignedIn) -> Viewer:
    return signed_in.viewer


@pytest.fixture
def send(browser: TestClient, viewer: Viewer):
    """Post a form of our own page."""

    def post(path: str, **fields):
        data = {"csrf_token": viewer.csrf_token} | fields
        return browser.post(path, data=data, follow_redirects=True)

    return post


def all_of(world: PortalWorld, viewer: Viewer):
    with world.database.transaction() as tx:
        return world.services.sinks.list_sinks(tx, viewer)


def test_without_a_sink_the_page_says_what_to_do(browser: TestClient):
    text = browser.get("/sinks").text
    assert "Usage is sent nowhere" in text
    assert 'href="/sinks/new"' in text


def test_a_sink_is_added_switched_and_deleted(browser, send, world, viewer):
    assert "Lago" in browser.get("/sinks/new").text
    added = send("/sinks", **FORM)
    assert added.status_code == 200, "the list, after a redirect"
    assert "What we bill by" in added.text
    assert "very-secret" not in added.text
    [row] = all_of(world, viewer)
    assert row.customers == {"proj_a": "sub_1", "proj_b": "sub_2"}
    assert row.meters == ("requests", "input_tokens")
    assert row.base_url == "https://api.getlago.com"

    off = send(f"/sinks/{row.sink_id}/switch", to="off")
    assert "Off" in off.text
    assert not all_of(world, viewer)[0].is_enabled

    asked = unescape(browser.get(f"/sinks/{row.sink_id}/delete").text)
    assert "Delete this sink?" in asked
    assert "Usage is sent nowhere" in send(f"/sinks/{row.sink_id}/delete").text


def test_what_is_wrong_stands_beside_what_was_typed(send, world, viewer):
    refused = send("/sinks", **FORM | {"customers": HOSTILE})
    assert refused.status_code == 422
    assert "each line is a subject" in refused.text.lower() or "Each line is" in refused.text
    assert HOSTILE not in refused.text
    assert "very-secret" not in refused.text
    refused = send("/sinks", **FORM | {"credential": ""})
    assert (refused.status_code, "needs a credential" in refused.text) == (422, True)
    assert all_of(world, viewer) == []


def test_a_name_is_shown_as_text(send):
    text = send("/sinks", **FORM | {"name": HOSTILE}).text
    assert HOSTILE not in text
    assert "&lt;script&gt;" in text


def test_a_form_without_its_token_is_refused(browser, world, viewer):
    assert browser.post("/sinks", data=FORM).status_code == 403
    assert all_of(world, viewer) == []


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER])
def test_only_administrators_see_sinks(browser_of, role):
    browser = browser_of(role)
    assert browser.get("/sinks").status_code == 403
    assert browser.get("/sinks/new").status_code == 403
    assert 'href="/sinks"' not in browser.get("/").text
