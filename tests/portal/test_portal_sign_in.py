"""Getting in and out: links, passwords, cookies, and who is kept out."""

import re

import pytest
from starlette.testclient import TestClient

from tradewind.portal.access import safe_next
from tradewind.testing.portal_world import EMAIL, PASSWORD, PortalWorld


def token_in(html: str) -> str:
    match = re.search(r'name="csrf_token" value="([^"]+)"', html)
    assert match is not None
    return match[1]


def test_opening_a_link_does_not_use_it_up(anonymous: TestClient, world: PortalWorld):
    code = world.first_run()

    for _ in range(3):
        page = anonymous.get(f"/sign-in?code={code}")
        assert page.status_code == 200
        assert "set-cookie" not in page.headers

    answer = anonymous.post("/sign-in/link", data={"code": code})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/set-up"


def test_a_new_administrator_sets_a_password_before_anything_opens(
    anonymous: TestClient, world: PortalWorld
):
    anonymous.post("/sign-in/link", data={"code": world.first_run()})
    assert anonymous.get("/models").headers["location"] == "/set-up"

    page = anonymous.get("/set-up")
    answer = anonymous.post(
        "/set-up",
        data={
            "csrf_token": token_in(page.text),
            "name": "Ada",
            "email": EMAIL,
            "password": PASSWORD,
        },
    )

    assert answer.status_code == 303
    assert answer.headers["location"] == "/"
    assert anonymous.get("/models").status_code == 200
    assert anonymous.get("/set-up").status_code == 303


def test_a_short_password_keeps_what_was_typed(anonymous: TestClient, world: PortalWorld):
    anonymous.post("/sign-in/link", data={"code": world.first_run()})
    token = token_in(anonymous.get("/set-up").text)

    answer = anonymous.post(
        "/set-up", data={"csrf_token": token, "name": "Ada", "email": EMAIL, "password": "short"}
    )

    assert answer.status_code == 422
    assert "shorter than 12" in answer.text
    assert 'value="Ada"' in answer.text
    assert EMAIL in answer.text
    assert 'value="short"' not in answer.text


def test_a_link_works_once(anonymous: TestClient, world: PortalWorld):
    code = world.first_run()
    anonymous.post("/sign-in/link", data={"code": code})
    anonymous.cookies.clear()

    answer = anonymous.post("/sign-in/link", data={"code": code})

    assert answer.status_code == 401
    assert "used already" in answer.text
    assert "set-cookie" not in answer.headers


def test_a_password_opens_the_page_that_was_asked_for(anonymous: TestClient, world: PortalWorld):
    world.sign_in()

    answer = anonymous.post(
        "/sign-in", data={"email": EMAIL, "password": PASSWORD, "next": "/usage?range=7d"}
    )

    assert answer.status_code == 303
    assert answer.headers["location"] == "/usage?range=7d"
    assert anonymous.get("/usage").status_code == 200


def test_a_wrong_password_is_refused_without_a_session(anonymous: TestClient, world: PortalWorld):
    world.sign_in()

    answer = anonymous.post("/sign-in", data={"email": EMAIL, "password": "wrong wrong wrong"})

    assert answer.status_code == 401
    assert "E-mail or password is wrong." in answer.text
    assert "wrong wrong wrong" not in answer.text
    assert "set-cookie" not in answer.headers


def test_too_many_wrong_passwords_say_when_to_try_again(anonymous: TestClient, world: PortalWorld):
    world.sign_in()
    guess = {"email": EMAIL, "password": "not the password"}

    answers = [anonymous.post("/sign-in", data=guess) for _ in range(8)]

    assert answers[0].status_code == 401
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("public_url", "name", "is_secure"),
    [
        ("http://testserver", "tradewind_session", False),
        ("https://models.example.org", "__Host-tradewind", True),
    ],
)
def test_the_cookie_is_as_strict_as_the_address_allows(
    anonymous: TestClient, world: PortalWorld, public_url: str, name: str, is_secure: bool
):
    world.public_url = public_url

    answer = anonymous.post(
        "/sign-in/link", data={"code": world.first_run()}, headers={"origin": public_url}
    )

    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{name}=")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    assert ("Secure" in cookie) is is_secure


def test_signing_out_ends_the_session_itself(browser: TestClient, world: PortalWorld):
    token = token_in(browser.get("/").text)
    session = browser.cookies["tradewind_session"]

    answer = browser.post("/sign-out", data={"csrf_token": token})

    assert answer.headers["location"] == "/sign-in"
    with world.database.transaction() as tx:
        assert world.accounts.resolve_session(tx, session) is None


def test_whoever_is_signed_in_is_led_past_the_form(browser: TestClient):
    assert browser.get("/sign-in?next=/keys").headers["location"] == "/keys"
    assert browser.get("/sign-in?next=//evil.example").headers["location"] == "/"


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example/",
        "evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/\n/evil.example",
        "/models\\..\\",
        "",
        "/" + "a" * 600,
    ],
)
def test_no_address_leads_to_another_site(path: str):
    assert safe_next(path) == "/"


@pytest.mark.parametrize("path", ["/", "/keys", "/usage?range=7d&by=key", "/models/a/b"])
def test_our_own_addresses_are_kept(path: str):
    assert safe_next(path) == path


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": ""},
    ],
)
def test_another_site_cannot_sign_anybody_in(
    anonymous: TestClient, world: PortalWorld, headers: dict[str, str]
):
    answer = anonymous.post("/sign-in/link", data={"code": world.first_run()}, headers=headers)

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_request_that_does_not_say_where_it_comes_from_cannot_sign_in(
    anonymous: TestClient, world: PortalWorld
):
    del anonymous.headers["origin"]

    answer = anonymous.post("/sign-in/link", data={"code": world.first_run()})

    assert answer.status_code == 403
