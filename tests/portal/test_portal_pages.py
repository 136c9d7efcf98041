"""Every page, in each state it can be in: full, empty, forbidden, signed out, broken."""

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from tradewind.core.permissions import Role
from tradewind.features.accounts.schemas import SignedIn
from tradewind.features.catalog.builtin import BUILTIN_MODELS
from tradewind.portal.app import create_portal
from tradewind.readmodels.models import get_model
from tradewind.testing.portal_world import CHAT_MODEL, EMBEDDING_MODEL, PortalWorld

MODEL = f"/models/{CHAT_MODEL.name}"
PAGES = [
    "/",
    "/models",
    "/models?view=table",
    "/compare",
    MODEL,
    f"/models/{EMBEDDING_MODEL.name}",
    "/playground",
    "/keys",
    "/keys/new",
    "/usage",
    "/usage?range=24h&by=key&show=tokens",
    "/requests",
    "/requests?state=failed&since=7d",
    "/limits",
    "/budgets",
    "/budgets/new",
]
HOSTILE = '<script>alert("x")</script>'


@pytest.fixture(autouse=True)
def the_models_that_come_along(world: PortalWorld) -> None:
    with world.database.transaction() as tx:
        for entry in BUILTIN_MODELS:
            world.catalog.add_builtin(tx, entry)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_with_nothing_in_it_renders(browser: TestClient, world: PortalWorld, path: str):
    if not path.startswith("/models/"):
        world.models.clear()

    answer = browser.get(path)

    assert answer.status_code == 200
    assert "<h1" in answer.text


@pytest.mark.parametrize("path", PAGES)
def test_a_full_page_renders(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn, path: str
):
    key_id = world.add_key(signed_in.viewer, "website")
    world.add_usage(signed_in.viewer, key_id=key_id)
    world.add_usage(signed_in.viewer, currency="EUR", price_id="price_euro")

    answer = browser.get(path)

    assert answer.status_code == 200
    assert "Ada Lovelace" in answer.text


@pytest.mark.parametrize("path", PAGES)
def test_whoever_is_signed_out_is_sent_to_sign_in_and_back(anonymous: TestClient, path: str):
    answer = anonymous.get(path)

    assert answer.status_code == 303
    place = answer.headers["location"]
    if path == "/":
        assert place == "/sign-in"
    else:
        assert place == f"/sign-in?next={quote(path, safe='/')}"


@pytest.mark.parametrize("path", ["/playground", "/keys", "/keys/new"])
def test_a_page_that_a_role_may_not_see_names_the_right_and_who_grants_it(
    browser_of: Callable[[Role], TestClient], path: str
):
    answer = browser_of(Role.VIEWER).get(path)

    assert answer.status_code == 403
    assert re.search(r"keys:(read|write)", answer.text)
    assert "An administrator of My organization" in answer.text
    assert "Ada Lovelace" in answer.text, "it is a page in the shell"


def test_a_viewer_sees_usage_and_models_and_no_way_to_keys(
    browser_of: Callable[[Role], TestClient],
):
    browser = browser_of(Role.VIEWER)

    for path in ("/", "/models", MODEL, "/usage"):
        answer = browser.get(path)
        assert answer.status_code == 200
        assert 'href="/keys"' not in answer.text.split("<main")[0]
        assert 'href="/playground' not in answer.text.split("<main")[0]


def test_an_unknown_address_is_a_page_in_the_shell(browser: TestClient):
    answer = browser.get("/nowhere/at/all")

    assert answer.status_code == 404
    assert "There is no page at this address" in answer.text
    assert "Ada Lovelace" in answer.text


def test_an_unknown_model_is_said_by_name(browser: TestClient):
    answer = browser.get("/models/nobody/nothing")

    assert answer.status_code == 404
    assert "nobody/nothing" in answer.text


@pytest.mark.parametrize("name", ["a%00/b", "a/%00", "a/" + "b" * 5000, "%ff/%fe", "a/%0a"])
def test_a_name_that_no_model_can_have_is_not_found(
    world: PortalWorld, signed_in: SignedIn, name: str
):
    services = replace(world.services, get_model=get_model)
    browser = TestClient(create_portal(services), base_url=world.public_url)
    browser.cookies.set("tradewind_session", signed_in.session_token)

    assert browser.get(f"/models/{name}").status_code == 404


def test_a_crash_shows_the_request_id_and_no_details(browser: TestClient, world: PortalWorld):
    world.models.append(replace(CHAT_MODEL, input_nanos="broken"))

    answer = browser.get("/", headers={"x-request-id": "req_0123456789"})

    assert answer.status_code == 500
    assert "req_0123456789" in answer.text
    assert answer.headers["x-request-id"] == "req_0123456789"
    assert "Traceback" not in answer.text
    assert "broken" not in answer.text.replace("Something broke", "")


def test_a_value_that_cannot_be_read_is_named(browser: TestClient):
    answer = browser.get("/usage?range=for-ever")

    assert answer.status_code == 422
    assert "range" in answer.text


@pytest.mark.parametrize("path", [*PAGES, "/sign-in", "/sign-in?code=abc", "/nowhere"])
def test_every_answer_carries_the_strict_policy(browser: TestClient, path: str):
    headers = browser.get(path).headers

    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert re.fullmatch(r"req_[0-9a-f]{32}", headers["x-request-id"])


class _InlineCode(HTMLParser):
    """Collects what the policy would refuse, and where scripts and styles come from."""

    def __init__(self) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in values):
            self.inline.append(tag)
        self.inline += [name for name in values if name == "style" or name.startswith("on")]
        if tag in ("script", "link", "img", "use"):
            self.sources.append(values.get("src") or values.get("href") or "")


@pytest.mark.parametrize("path", [*PAGES, "/sign-in?code=abc", "/nowhere"])
def test_no_page_has_inline_code_or_loads_from_elsewhere(browser: TestClient, path: str):
    parser = _InlineCode()
    parser.feed(browser.get(path).text)

    assert parser.inline == []
    assert parser.sources
    assert all(source.startswith("/static/") for source in parser.sources)


def test_names_that_people_choose_never_become_markup(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn
):
    world.add_key(signed_in.viewer, HOSTILE)
    world.models.append(
        replace(
            CHAT_MODEL,
            name=f"evil/{HOSTILE}",
            display_name=HOSTILE,
            publisher_name=HOSTILE,
            description=HOSTILE,
            licence=HOSTILE,
            state="failed",
            state_detail=HOSTILE,
        )
    )
    world.add_usage(signed_in.viewer, model=HOSTILE)

    for path in ("/", "/playground", "/keys", "/usage"):
        text = browser.get(path).text
        assert HOSTILE not in text
        assert "&lt;script&gt;" in text
    for path in (f"/models?q={HOSTILE}", "/models/a/<script>x", f"/sign-in?code={HOSTILE}"):
        text = browser.get(path).text
        assert "<script>" not in text
        assert "&lt;script&gt;" in text


def test_the_first_steps_follow_what_was_done(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn
):
    # The first run has made a key already.
    assert "1 of 4 done" in browser.get("/").text

    key_id = world.add_key(signed_in.viewer, "website")
    world.add_usage(signed_in.viewer, key_id=key_id)

    assert "3 of 4 done" in browser.get("/").text


def test_prices_carry_their_unit(browser: TestClient):
    text = browser.get(MODEL).text

    assert re.search(r"\$0\.02</b> / 1M tokens", text)
    assert re.search(r"\$0\.005</b> / 1M tokens", text)


@pytest.mark.parametrize(
    ("state", "said"), [("starting", "is starting"), ("failed", "No chat model is ready")]
)
def test_the_playground_says_why_it_cannot_open(
    browser: TestClient, world: PortalWorld, state: str, said: str
):
    world.models[0] = replace(CHAT_MODEL, state=state, state_detail="not enough memory")

    text = browser.get("/playground").text

    assert said in text
    assert "Not enough memory." in text
    assert "playground.js" not in text


def test_the_playground_opens_with_the_model_of_its_address(
    browser: TestClient, world: PortalWorld
):
    world.models.append(replace(CHAT_MODEL, name="kestrel/sirocco", display_name="Sirocco"))

    text = browser.get("/playground?model=kestrel%2Fsirocco").text

    assert re.search(r'<option value="kestrel/sirocco"[^>]* selected', text)
    assert text.count(" selected") == 1
    assert EMBEDDING_MODEL.display_name not in text


def test_the_theme_of_the_cookie_is_rendered_and_any_other_ignored(browser: TestClient):
    browser.cookies.set("tradewind_theme", "dark")
    assert '<html lang="en" data-theme="dark">' in browser.get("/").text

    browser.cookies.set("tradewind_theme", '"><script>')
    assert '<html lang="en">' in browser.get("/").text
