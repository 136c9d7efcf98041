"""The journey through the shell: signing in, finding one's way, keys, theme, no scripts."""

import re

import pytest
from playwright.sync_api import expect

from tradewind.core import api_keys
from tradewind.features.catalog.builtin import BUILTIN_MODELS
from tradewind.testing.portal_browser import NARROW, Keys, SignIn
from tradewind.testing.portal_world import CHAT_MODEL, EMAIL, PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture(autouse=True)
def the_models_that_come_along(portal) -> None:
    with portal.world.database.transaction() as tx:
        for entry in BUILTIN_MODELS:
            portal.world.catalog.add_builtin(tx, entry)


def test_from_the_link_to_home_and_back_in_with_the_password(portal, open_tab):
    tab = open_tab()
    page = tab.page
    SignIn(page).with_link(f"{portal.url}/sign-in?code={portal.world.first_run()}")
    SignIn(page).set_up(name="Ada Lovelace", email=EMAIL, password=PASSWORD)
    expect(page.get_by_role("heading", name="Home", level=1)).to_be_visible()

    page.get_by_role("button", name="Account").click()
    expect(page.get_by_text("Admin of My organization")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    tab.open("/usage?range=7d")
    SignIn(page).with_password(email=EMAIL, password=PASSWORD)

    page.wait_for_url("**/usage?range=7d")


def test_the_list_of_models_follows_the_typing_without_a_new_page(tab):
    page = tab.open("/models")
    page.evaluate("document.body.dataset.sameDocument = 'yes'")
    search = page.get_by_label("Search models", exact=True)
    search.press_sequentially("minilm")

    expect(page.locator("#model-count")).to_have_text("1 model")
    expect(page.get_by_role("link", name=CHAT_MODEL.display_name)).to_have_count(0)
    expect(page).to_have_url(re.compile(r"/models\?.*q=minilm"))
    expect(search).to_be_focused()
    assert page.locator("body").get_attribute("data-same-document") == "yes"

    page.get_by_text("Table", exact=True).click()
    expect(page.locator("#live table")).to_be_visible()
    page.reload()
    expect(page.locator("#model-count")).to_have_text("1 model")


def test_a_key_is_created_copied_and_revoked_in_dialogs(tab):
    keys = Keys(tab.open("/keys"))
    page = tab.page
    text = keys.create("website")
    assert api_keys.is_well_formed(text)
    page.get_by_role("button", name="Copy key").click()
    expect(page.get_by_text("Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == text

    keys.done()
    expect(page.get_by_role("rowheader", name="website")).to_be_visible()
    assert text not in page.content()

    keys.revoke("website")
    expect(page.get_by_role("row", name=re.compile("website"))).to_contain_text("Revoked")


def test_a_mistake_in_the_dialog_is_said_in_the_dialog(tab):
    page = tab.open("/keys")
    page.get_by_role("link", name="Create key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("website")
    dialog.get_by_label("Tokens per minute").fill("many")
    dialog.get_by_role("button", name="Create key").click()

    expect(dialog.get_by_role("alert")).to_contain_text("not a whole number")
    expect(dialog.get_by_label("Name")).to_have_value("website")
    dialog.get_by_role("link", name="Cancel").click()
    expect(dialog).to_be_hidden()
    expect(page).to_have_url(re.compile("/keys$"))


def test_a_key_can_be_made_without_scripts(open_tab, signed_in):
    tab = open_tab(session_token=signed_in.session_token, has_scripts=False)
    page = tab.open("/keys")
    page.get_by_role("link", name="Create key").click()
    page.get_by_label("Name").fill("lynx")
    page.get_by_role("button", name="Create key").click()

    assert api_keys.is_well_formed(page.locator("#new-key").inner_text())
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_role("rowheader", name="lynx")).to_be_visible()


def test_all_samples_are_there_without_scripts(open_tab, signed_in):
    tab = open_tab(session_token=signed_in.session_token, has_scripts=False)
    page = tab.open(f"/models/{CHAT_MODEL.name}")

    for text in ("curl http", "from openai import OpenAI", "await fetch"):
        expect(page.locator("pre", has_text=text)).to_be_visible()


def test_the_tabs_of_a_sample_follow_the_arrow_keys_and_copy_what_is_shown(tab):
    page = tab.open(f"/models/{CHAT_MODEL.name}")
    page.get_by_role("tab", name="curl").focus()
    page.keyboard.press("ArrowRight")

    expect(page.get_by_role("tab", name="Python")).to_be_focused()
    expect(page.get_by_role("tabpanel")).to_have_count(1)
    page.get_by_role("button", name="Copy code").click()
    expect(page.get_by_text("Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("# pip install openai")
    assert tab.origin in copied


def test_the_theme_is_kept_and_drawn_at_once(tab):
    page = tab.open("/")
    root = page.locator("html")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Switch between light and dark").click()

    expect(root).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    page = tab.open("/models")
    expect(root).to_have_attribute("data-theme", "dark")


def test_the_keyboard_leads_to_pages_and_to_the_search_and_can_be_told_not_to(tab):
    page = tab.open("/")
    page.keyboard.press("g")
    page.keyboard.press("u")
    page.wait_for_url("**/usage")
    page.keyboard.press("/")
    expect(page.get_by_label("Search all models")).to_be_focused()
    page.keyboard.press("g")
    page.keyboard.press("m")
    expect(page.get_by_label("Search all models")).to_have_value("gm")

    page.get_by_role("button", name="Account").click()
    page.get_by_label("Keyboard shortcuts").uncheck()
    page.keyboard.press("Escape")
    page.reload()
    page.keyboard.press("/")
    expect(page.get_by_label("Search all models")).not_to_be_focused()


def test_the_open_page_is_in_sight_in_a_rail_that_is_longer_than_the_window(open_tab, signed_in):
    tab = open_tab(session_token=signed_in.session_token, viewport={"width": 1200, "height": 500})
    page = tab.open("/reconciliation")
    expect(page.locator(".rail-link[aria-current]")).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("heading", name="Reconciliation", level=1)).to_be_in_viewport()


def test_a_narrow_window_has_its_navigation_in_a_sheet(open_tab, signed_in):
    tab = open_tab(session_token=signed_in.session_token, viewport=NARROW)
    page = tab.open("/")
    expect(page.get_by_role("link", name="API keys", exact=True)).to_have_count(0)

    page.get_by_role("button", name="Menu").click()
    rail = page.get_by_role("navigation", name="Main")
    page.keyboard.press("Escape")
    expect(rail).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    rail.get_by_role("link", name="Models").click()

    page.wait_for_url("**/models")
    expect(rail).to_be_hidden()


def test_the_chart_reads_out_the_bucket_under_the_pointer(tab, portal, signed_in):
    portal.world.add_usage(signed_in.viewer, cost_nanos=1_234_000_000)
    page = tab.open("/usage?range=24h")
    chart = page.locator("[data-chart][data-ready]")
    chart.wait_for()
    box = chart.locator(".u-over").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 5, box["y"] + 50)

    expect(page.locator("[data-readout]")).to_contain_text("$1.23")
