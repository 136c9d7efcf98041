"""An operator adds a provider, has two of its models called, tries a route, and switches it off."""

import re

import pytest
from playwright.sync_api import expect

from tradewind.features.endpoints.schemas import EndpointChanges, NewTarget
from tradewind.snapshot.contents import Routing

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

KEY = "gsk-0123456789-abcdefgh-wxyz"


def test_a_provider_is_added_by_name_and_key_and_two_of_its_models_are_called(tab, portal):
    page = tab.open("/")
    page.keyboard.press("g")
    page.keyboard.press("v")
    page.wait_for_url("**/providers")
    page.get_by_role("link", name="Add a provider").first.click()

    page.evaluate("document.body.dataset.sameDocument = 'yes'")
    expect(page.get_by_label("Search known hosts")).to_be_focused()
    page.keyboard.type("groq")
    expect(page.locator("#host-count")).to_have_text("1 host")
    assert page.locator("body").get_attribute("data-same-document") == "yes"
    page.get_by_role("link", name="Groq").click()

    expect(page.get_by_label("API key", exact=True)).to_be_focused()
    expect(page.get_by_label("API key", exact=True)).to_have_attribute("type", "password")
    page.keyboard.type(KEY)
    page.keyboard.press("Enter")
    page.wait_for_url("**/models")

    page.get_by_label("Search models of Groq").fill("gpt oss 20b")
    expect(page.locator("#pick-count")).to_have_text("3 models")
    page.get_by_label(re.compile(r"^GPT OSS 20B")).check()
    page.get_by_label("Search models of Groq").fill("llama 3.3")
    page.get_by_label("Choose all that are shown").check()
    expect(page.locator("#pick-chosen")).to_have_text(
        "2 models chosen, 1 of them not shown by this search"
    )
    page.get_by_label("Margin in percent").fill("10")
    page.get_by_role("button", name="Add chosen models").click()

    expect(page.get_by_role("heading", name="2 models added")).to_be_visible()
    page.get_by_role("link", name="meta/llama-3.3-70b-instruct", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("meta/llama-3.3-70b-instruct")
    expect(page.get_by_text("$0.649").first).to_be_visible()
    row = page.locator("#targets tr", has_text="llama-3.3-70b-versatile")
    expect(row.get_by_role("link", name="Groq")).to_be_visible()

    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_text("as if there were no such model")).to_be_visible()
    expect(page.get_by_role("button", name="Enable")).to_be_visible()
    page.get_by_role("link", name="Groq").click()
    expect(page.get_by_text("…wxyz")).to_be_visible()
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_text("No call goes to this provider")).to_be_visible()
    assert KEY not in page.content()


@pytest.fixture
def small(portal, signed_in):
    """An endpoint with own capacity and a provider behind it."""
    world, viewer = portal.world, signed_in.viewer
    world.deploy("small")
    connection = world.connect(viewer, region="us-east-1")
    found = world.endpoint(viewer, "tw/small")
    own = NewTarget(deployment_id=found.targets[0].deployment_id)
    hosted = NewTarget(connection_id=connection.id, upstream_model="small-v2", tier=1)
    with world.database.transaction() as tx:
        return world.endpoints.set_targets(tx, viewer, found.id, [own, hosted])


def test_targets_are_ordered_and_weighed_with_the_keyboard_alone(tab, portal, signed_in, small):
    page = tab.open(f"/endpoints/{small.id}")

    page.get_by_role("button", name="Move Groq up a tier").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".tier-row")).to_have_count(1)
    weight = page.get_by_label("Weight of Groq, small-v2")
    weight.focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    page.wait_for_load_state()
    expect(page.get_by_label("Weight of Groq, small-v2")).to_have_value("3")

    targets = portal.world.endpoint(signed_in.viewer, "tw/small").targets
    assert sorted((target.tier, target.weight) for target in targets) == [(0, 1), (0, 3)]


def test_a_route_is_tried_with_a_real_call_that_says_where_it_went(tab, portal, small):
    portal.gateway.answering_place = small.targets[0].deployment_id
    page = tab.open(f"/endpoints/{small.id}")
    page.get_by_label("Zone", exact=True).first.fill("eu")
    page.get_by_label("Most per 1M input tokens").fill("0.15")
    page.get_by_label("No data retention").check()
    page.get_by_label("With a tool").check()
    page.get_by_role("button", name="Send one call").click()

    facts = page.locator("#try-facts")
    expect(facts).to_contain_text("least load")
    expect(facts).to_contain_text("0.000005260 USD")
    expect(page.locator("#try-answer")).to_contain_text("A **trade wind** is")
    expect(page.locator("#targets .is-answering")).to_have_count(1)
    expect(page.locator("#targets .is-answering")).to_contain_text("Own engine")
    (sent,) = portal.gateway.requests
    assert sent["model"] == "tw/small"
    assert sent["provider"] == {"zone": "eu", "zdr": True, "max_price": {"prompt": "0.15"}}
    assert sent["tools"][0]["function"]["name"] == "look_up_wind"
    assert "stream" not in sent
    page.get_by_text("What was sent").click()
    expect(page.locator("#try-sent")).to_contain_text('"zdr": true')

    page.get_by_label("Stream").check()
    page.get_by_role("button", name="Send one call").click()
    expect(facts).to_contain_text("In the books within a second")
    assert portal.gateway.requests[-1]["stream"] is True


def test_a_route_that_nobody_fulfils_is_said_in_the_gateways_words(tab, small):
    page = tab.open(f"/endpoints/{small.id}")
    page.get_by_label("Region", exact=True).first.fill("mars-north-1")
    page.get_by_role("button", name="Send one call").click()

    expect(page.locator("#try-failure")).to_contain_text("'provider.region: mars-north-1'")
    expect(page.locator("#try-facts")).to_contain_text("404")
    expect(page.locator("#targets .is-answering")).to_have_count(0)
    expect(page.get_by_role("button", name="Send one call")).to_be_enabled()


def test_a_try_that_never_ends_is_stopped(tab, portal, small):
    page = tab.open(f"/endpoints/{small.id}")
    page.get_by_label("Question").fill("forever")
    page.get_by_label("Stream").check()
    with page.expect_response("**/v1/chat/completions"):
        page.get_by_role("button", name="Send one call").click()
    page.get_by_role("button", name="Stop").click()

    expect(page.locator("#try-failure")).to_contain_text("Stopped.")
    assert portal.gateway.left.wait(timeout=60)


def test_an_error_has_the_keyboard_where_it_is(tab):
    page = tab.open("/providers/connect?host=groq")
    page.get_by_label("API key", exact=True).fill(KEY)
    page.get_by_label("Region").fill("EU West")
    page.get_by_role("button", name="Connect and choose models").click()

    expect(page.get_by_label("Region")).to_be_focused()
    expect(page.get_by_label("Region")).to_have_value("EU West")
    expect(page.get_by_label("API key", exact=True)).to_have_value("")
    expect(page.get_by_text("Type the key again")).to_be_visible()


def test_a_form_that_is_out_of_date_shows_both_values(tab, portal, signed_in, small):
    page = tab.open(f"/endpoints/{small.id}")
    with portal.world.database.transaction() as tx:
        changes = EndpointChanges(routing=Routing(queue_bound=7))
        portal.world.endpoints.update_endpoint(tx, signed_in.viewer, small.id, changes)
    page.get_by_label("A tier is full at").fill("3")
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.get_by_text("Somebody else has changed this endpoint")).to_be_visible()
    expect(page.get_by_text("Now: 7")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_label("A tier is full at")).to_have_value("3")
    expect(page.get_by_text("Somebody else has changed")).to_have_count(0)


def test_without_scripts_everything_but_trying_works(open_tab, portal, signed_in, small):
    tab = open_tab(session_token=signed_in.session_token, has_scripts=False)
    page = tab.open("/providers/new")
    page.get_by_label("Search known hosts").fill("deepseek")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="DeepSeek").click()
    page.get_by_label("API key", exact=True).fill(KEY)
    page.get_by_role("button", name="Connect and choose models").click()
    page.get_by_label(re.compile("^DeepSeek")).first.check()
    page.get_by_role("button", name="Add chosen models").click()
    expect(page.get_by_role("heading", name="1 model added")).to_be_visible()

    page = tab.open(f"/endpoints/{small.id}")
    # Playwright finds no text inside of a noscript, though it is there to see.
    expect(page.locator("section noscript p")).to_be_visible()
    expect(page.get_by_role("button", name="Send one call")).to_be_hidden()
    page.get_by_role("button", name="Take Groq out").click()
    expect(page.locator("#targets [data-place]")).to_have_count(1)


def test_a_search_that_is_refused_says_so_instead_of_showing_nothing(tab, small):
    page = tab.open("/endpoints")
    search = page.get_by_label("Search endpoints")
    search.evaluate("field => field.removeAttribute('maxlength')")
    search.fill("x" * 101)

    expect(page.get_by_role("heading", name="Something is not filled in right")).to_be_visible()
    expect(page.get_by_role("main")).to_have_count(1)


def test_a_search_that_fails_says_so_instead_of_showing_nothing(tab, small):
    page = tab.open("/endpoints")
    failure = '<main class="content" id="main"><h1>Not available right now</h1></main>'
    page.route(
        "**/endpoints?*",
        lambda route: route.fulfill(status=503, body=failure, content_type="text/html"),
    )
    page.get_by_label("Search endpoints").fill("small")

    expect(page.get_by_role("heading", name="Not available right now")).to_be_visible()
