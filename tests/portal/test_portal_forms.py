"""What changes something: keys, and the proof that our own page asked for it."""

import re

import pytest
from starlette.testclient import TestClient

from tradewind.core import api_keys
from tradewind.core.permissions import Role
from tradewind.features.accounts.schemas import KeyPurpose, KeyState, SignedIn
from tradewind.testing.portal_world import PortalWorld


def keys_of(world: PortalWorld, signed_in: SignedIn) -> dict[str, KeyState]:
    with world.database.transaction() as tx:
        rows = world.accounts.list_keys(tx, signed_in.viewer, purposes=tuple(KeyPurpose))
    return {row.name: row.state for row in rows}


FORMS = ["/keys", "/keys/k0123456789a/revoke", "/playground/key", "/sign-out"]


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("token", [None, "", "wrong", "täuschend"])
def test_a_form_without_the_token_of_the_session_changes_nothing(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn, path: str, token: str | None
):
    before = keys_of(world, signed_in)
    data = {"name": "stolen"} if token is None else {"name": "stolen", "csrf_token": token}

    answer = browser.post(path, data=data)

    assert answer.status_code == 403
    assert "Nothing was changed" in answer.text
    assert keys_of(world, signed_in) == before
    assert browser.get("/").status_code == 200, "the session still lives"


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}]
)
def test_a_form_of_another_site_is_refused_even_with_the_token(
    browser: TestClient,
    world: PortalWorld,
    signed_in: SignedIn,
    path: str,
    headers: dict[str, str],
):
    before = keys_of(world, signed_in)

    answer = browser.post(
        path,
        data={"name": "stolen", "csrf_token": signed_in.viewer.csrf_token},
        headers=headers,
    )

    assert answer.status_code == 403
    assert keys_of(world, signed_in) == before


@pytest.mark.parametrize("path", FORMS)
def test_a_form_without_a_session_leads_to_sign_in(anonymous: TestClient, path: str):
    answer = anonymous.post(path, data={"csrf_token": "x"})

    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in"


def test_a_new_key_is_shown_once(browser: TestClient, world: PortalWorld, signed_in: SignedIn):
    answer = browser.post(
        "/keys",
        data={
            "csrf_token": signed_in.viewer.csrf_token,
            "name": "website",
            "lifetime": "30",
            "requests_per_minute": "1,200",
        },
    )

    assert answer.status_code == 200
    shown = api_keys.LEAK_PATTERN.search(answer.text)
    assert shown is not None
    assert api_keys.is_well_formed(shown[0])
    assert keys_of(world, signed_in)["website"] is KeyState.LIVE
    page = browser.get("/keys").text
    assert api_keys.LEAK_PATTERN.search(page) is None
    assert shown[0][:18] in page
    assert '<b class="number">1,200</b> requests' in page


def test_an_administrator_makes_a_key_for_managing_the_platform(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn
):
    assert "calls no models" in browser.get("/keys/new").text

    answer = browser.post(
        "/keys",
        data={
            "csrf_token": signed_in.viewer.csrf_token,
            "name": "terraform",
            "purpose": "management",
        },
    )

    assert answer.status_code == 200
    assert "everything that an administrator can" in answer.text
    assert f"{world.public_url}/api" in answer.text
    with world.database.transaction() as tx:
        rows = world.accounts.list_keys(tx, signed_in.viewer, purposes=tuple(KeyPurpose))
    assert {row.name: row.purpose for row in rows}["terraform"] is KeyPurpose.MANAGEMENT
    assert "Management" in browser.get("/keys").text.split("<main")[1]


def test_an_administrator_makes_a_red_team_key_that_expires_soon(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn
):
    form = {
        "csrf_token": signed_in.viewer.csrf_token,
        "name": "pyrit",
        "purpose": "red_team",
        "lifetime": "90",
    }
    refused = browser.post("/keys", data=form)
    assert refused.status_code == 422
    assert "expires within 30 days" in refused.text

    answer = browser.post("/keys", data=form | {"lifetime": "30"})

    assert answer.status_code == 200
    assert "without safety policies" in answer.text
    with world.database.transaction() as tx:
        rows = world.accounts.list_keys(tx, signed_in.viewer)
    made = {row.name: row for row in rows}["pyrit"]
    assert made.purpose is KeyPurpose.RED_TEAM
    assert "Red team" in browser.get("/keys").text.split("<main")[1]
    assert "Attacking models" in browser.get(f"/keys/{made.key_id}").text


def test_a_developer_is_not_offered_a_management_key_and_gets_none(
    anonymous: TestClient, world: PortalWorld
):
    developer = world.sign_in(Role.DEVELOPER)
    anonymous.cookies.set("tradewind_session", developer.session_token)
    assert "calls no models" not in anonymous.get("/keys/new").text

    answer = anonymous.post(
        "/keys",
        data={"csrf_token": developer.viewer.csrf_token, "name": "mine", "purpose": "management"},
    )

    assert answer.status_code == 403
    assert "mine" not in keys_of(world, developer)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("purpose", "playground", "no such kind of key"),
        ("name", " ", "name of the key"),
        ("lifetime", "7", "not offered"),
        ("requests_per_minute", "-5", "requests per minute"),
        ("tokens_per_minute", "many", "tokens per minute"),
        ("concurrent_requests", "0", "concurrent_requests"),
        ("tokens_per_minute", "٣", "tokens per minute"),
        ("tokens_per_minute", "9" * 5000, "tokens per minute"),
    ],
)
def test_a_key_form_that_is_wrong_says_where_and_keeps_the_rest(
    browser: TestClient,
    world: PortalWorld,
    signed_in: SignedIn,
    *,
    field: str,
    value: str,
    said: str,
):
    form = {
        "csrf_token": signed_in.viewer.csrf_token,
        "name": "website",
        "lifetime": "365",
        "requests_per_minute": "60",
    }

    answer = browser.post("/keys", data=form | {field: value})

    assert answer.status_code == 422
    assert said in answer.text
    if field != "lifetime":
        assert re.search(r'<option value="365" selected', answer.text)
    assert "website" not in keys_of(world, signed_in)


def test_revoking_asks_first_and_names_the_key(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn
):
    key_id = world.add_key(signed_in.viewer, "old laptop")

    page = browser.get(f"/keys/{key_id}/revoke")
    assert page.status_code == 200
    assert "Revoke “old laptop”?" in page.text
    assert keys_of(world, signed_in)["old laptop"] is KeyState.LIVE

    answer = browser.post(
        f"/keys/{key_id}/revoke", data={"csrf_token": signed_in.viewer.csrf_token}
    )
    assert answer.headers["location"] == "/keys"
    assert keys_of(world, signed_in)["old laptop"] is KeyState.REVOKED
    assert "already" in browser.get(f"/keys/{key_id}/revoke").text


def test_a_key_that_is_not_there_cannot_be_revoked(browser: TestClient, signed_in: SignedIn):
    answer = browser.post(
        "/keys/k0123456789a/revoke", data={"csrf_token": signed_in.viewer.csrf_token}
    )

    assert answer.status_code == 404


def test_the_playground_gets_a_key_that_ends(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn
):
    answer = browser.post(
        "/playground/key",
        headers={
            "x-csrf-token": signed_in.viewer.csrf_token,
            "accept": "application/json",
        },
    )

    assert answer.status_code == 200
    assert api_keys.is_well_formed(answer.json()["key"])
    assert answer.json()["expires_at"].endswith("+00:00")
    assert "Playground" not in browser.get("/keys").text.split("<main")[1]


def test_a_program_is_told_in_json(anonymous: TestClient, browser: TestClient):
    headers = {"accept": "application/json"}
    refused = browser.post("/playground/key", headers=headers)
    assert refused.status_code == 403
    assert refused.json()["code"] == "not_our_page"

    browser.cookies.clear()
    signed_out = browser.post("/playground/key", headers=headers)
    assert signed_out.status_code == 401
    assert signed_out.json()["code"] == "sign_in_required"


def test_a_fragment_for_someone_signed_out_moves_the_whole_page(anonymous: TestClient):
    answer = anonymous.get("/models?q=a", headers={"hx-request": "true"})

    assert answer.status_code == 200
    assert answer.headers["hx-redirect"] == "/sign-in?next=/models%3Fq%3Da"
    assert answer.text == ""


def test_a_body_past_the_bound_is_refused(browser: TestClient, signed_in: SignedIn):
    answer = browser.post(
        "/keys",
        data={"csrf_token": signed_in.viewer.csrf_token, "name": "a" * 70_000},
    )

    assert answer.status_code == 413
