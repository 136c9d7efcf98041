"""The pages of people, organizations, invitations and places."""

import re
from html import unescape

import pytest
from starlette.testclient import TestClient

from tradewind.core.permissions import Role
from tradewind.features.accounts.schemas import SignedIn, Viewer
from tradewind.testing.portal_world import PASSWORD, PortalWorld

HOSTILE = '<b>"x"</b>'
LINK = re.compile(r'value="([^"]*/invitation\?code=[A-Za-z0-9_-]{43})"')
COOKIE = "tradewind_session"


@pytest.fixture
def viewer(signed_in: SignedIn) -> Viewer:
    return signed_in.viewer


@pytest.fixture
def send(browser: TestClient, viewer: Viewer):
    def post(path: str, **fields):
        return browser.post(path, data={"csrf_token": viewer.csrf_token} | fields)

    return post


@pytest.fixture
def stranger(world: PortalWorld) -> TestClient:
    """A browser of somebody who is not signed in."""
    return TestClient(
        world.app,
        base_url=world.public_url,
        headers={"origin": world.public_url},
        follow_redirects=False,
        raise_server_exceptions=False,
    )


@pytest.fixture
def invited(send, world):
    """Return the path of an invitation's link."""

    def invite(email="grace@example.org", role="developer"):
        page = send("/people/invitations", email=email, role=role)
        assert page.status_code == 200, page.text
        url = LINK.search(page.text)
        assert url is not None
        assert url[1].startswith(world.public_url)
        return url[1].removeprefix(world.public_url)

    return invite


def code_of(path: str) -> str:
    return path.partition("code=")[2]


def test_from_an_invitation_to_somebody_at_work(browser, stranger, send, invited):
    path = invited()
    assert "grace@example.org" in browser.get("/people").text
    ask = stranger.get(path).text
    assert "Join My organization" in ask
    joined = stranger.post(
        "/invitation", data={"code": code_of(path), "name": HOSTILE, "password": PASSWORD}
    )
    assert joined.status_code == 303, joined.text
    assert COOKIE in joined.headers["set-cookie"]
    assert stranger.get("/keys").status_code == 200
    page = browser.get("/people").text
    assert HOSTILE not in page
    assert HOSTILE in unescape(page)
    assert "Not here yet" not in page
    gone = stranger.get(path)
    assert gone.status_code == 404
    assert "does not work any more" in gone.text


def test_what_is_wrong_is_told_in_place(browser, stranger, send, invited, viewer):
    assert (
        "This is not an e-mail address."
        in send("/people/invitations", email="x", role="viewer").text
    )
    again = send("/people/invitations", email=viewer.email, role="viewer")
    assert (again.status_code, "is a member already" in again.text) == (422, True)
    assert send("/people/invitations", email="a@b.example", role="king").status_code == 422
    last = send(f"/people/{viewer.user_id}/remove")
    assert (last.status_code, "is the only administrator" in last.text) == (422, True)
    assert send("/people/projects", project_name="default").status_code == 422
    path = invited()
    short = stranger.post(
        "/invitation", data={"code": code_of(path), "name": "Grace", "password": "short"}
    )
    assert (short.status_code, "shorter than 12" in short.text) == (422, True)
    assert 'value="Grace"' in short.text
    assert stranger.get(path).status_code == 200, "it is not used up"


def test_roles_are_changed_and_people_and_invitations_go(
    *, browser, send, stranger, invited, world, viewer
):
    path = invited()
    stranger.post(
        "/invitation", data={"code": code_of(path), "name": "Grace", "password": PASSWORD}
    )
    with world.database.transaction() as tx:
        grace = next(row for row in world.people.list_members(tx, viewer) if row.name == "Grace")
    assert send(f"/people/{grace.user_id}/role", role="viewer").status_code == 303
    assert stranger.get("/keys").status_code == 403
    assert stranger.get("/people").status_code == 403
    assert send(f"/people/{grace.user_id}/remove").status_code == 303
    assert stranger.get("/models").status_code == 303, "to the sign-in: they belong nowhere"
    other = invited("one@example.org")
    withdraw = re.search(
        r'action="(/people/invitations/invite_\w+/withdraw)"', browser.get("/people").text
    )
    assert withdraw is not None
    assert send(withdraw[1]).status_code == 303
    assert stranger.get(other).status_code == 404


def test_an_organization_of_its_own_sees_and_decides_only_its_own(
    *, browser, send, stranger, world, viewer
):
    made = send("/organizations", name="Acme", administrator="ceo@acme.example")
    url = LINK.search(made.text)
    assert url is not None
    stranger.post(
        "/invitation",
        data={"code": code_of(url[1]), "name": "Chief", "password": PASSWORD},
    )
    page = stranger.get("/people").text
    assert "Chief" in page
    assert viewer.email not in page
    for path in ("/organizations", "/prices", "/reviews", "/payouts"):
        assert stranger.get(path).status_code == 403, path
    rail = stranger.get("/").text
    assert 'href="/organizations"' not in rail
    assert 'href="/people"' in rail
    assert "Acme" in browser.get("/organizations").text
    bad = send("/organizations", name=" ", administrator="no")
    assert bad.status_code == 422
    assert "This is not an e-mail address." in bad.text


def test_somebody_in_two_places_goes_from_one_to_the_other(
    *, browser, send, world, viewer, invited
):
    assert send("/people/projects", project_name="Research").status_code == 303
    places = browser.get("/places").text
    there = re.search(r'name="project" value="(proj_\w+)"', places)
    assert there is not None
    assert "You are here" in places
    assert send("/places", project=there[1]).status_code == 303
    assert "Project Research: look at another one" in browser.get("/keys").text
    assert send("/places", project="proj_" + "0" * 26).status_code == 404


def test_an_account_that_is_there_joins_by_signing_in(browser, stranger, send, invited, world):
    made = send("/organizations", name="Acme", administrator="ceo@acme.example")
    url = LINK.search(made.text)
    assert url is not None
    stranger.post(
        "/invitation",
        data={"code": code_of(url[1]), "name": "Chief", "password": PASSWORD},
    )
    path = invited("ceo@acme.example")
    other = stranger.get(path).text
    assert "Join as Chief" in other
    token = re.search(r'name="csrf_token" value="(\w+)"', other)
    assert token is not None
    done = stranger.post("/invitation/accept", data={"code": code_of(path), "csrf_token": token[1]})
    assert done.headers["location"] == "/places"
    assert "My organization" in stranger.get("/places").text
    mine = invited("new@example.org")
    assert "There is an account" not in browser.get(mine).text
    theirs = invited("ceo2@acme.example")
    taken = stranger.post(
        "/invitation/accept", data={"code": code_of(theirs), "csrf_token": token[1]}
    )
    assert taken.status_code == 200, "shown as an invitation of another address"


@pytest.mark.parametrize("role", [Role.VIEWER, Role.DEVELOPER])
def test_who_may_not_change_sees_no_forms(browser_of, role):
    browser = browser_of(role)
    page = browser.get("/people")
    assert page.status_code == (403 if role is Role.VIEWER else 200)
    assert "Invite somebody" not in page.text
    assert browser.get("/organizations").status_code == 403
    assert browser.post("/people/invitations", data={}).status_code == 403
