"""The form that has a model called at a provider, and the page of its first call: both themes, wide
and narrow, full and failing, and without scripts.
"""

import pytest
from playwright.sync_api import ViewportSize, expect

from tests.features.endpoints.offer_parts import add_listed_model, add_offer
from tradewind.testing.portal_browser import NARROW, WIDE, Tab

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

HERE = "/models/kestrel/sirocco/call"
KEY = "gsk-0123456789-abcdefgh-wxyz"


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[WIDE, NARROW], ids=["wide", "narrow"])
def viewport(request: pytest.FixtureRequest) -> ViewportSize:
    return request.param


@pytest.fixture
def model(portal):
    with portal.world.database.transaction() as tx:
        model_id = add_listed_model(tx)
        add_offer(tx, model_id, upstream_model="a-name/that-is-much-longer-than-others-" * 3)
        add_offer(tx, model_id, "openai", region="eu-west-1", input_nanos=None, output_nanos=None)
        add_offer(tx, model_id, "nobody-knows", upstream_model="x")


def look(tab: Tab) -> list[str]:
    found = tab.violations()
    return [*found, f"{tab.overflow_px} px too wide"] if tab.overflow_px else found


def test_the_form_and_its_errors_and_the_first_call(
    *, open_tab, portal, signed_in, model, theme, viewport
):
    portal.world.connect(signed_in.viewer, "openai")
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)
    page = tab.open(HERE)
    assert look(tab) == []
    page.get_by_role("button", name="Set up and make one call").click()
    expect(page.get_by_text("The price is not confirmed.")).to_be_visible()
    assert look(tab) == []
    page.get_by_label("API key of Groq").fill(KEY)
    page.get_by_label("This price is right").check()
    page.get_by_role("button", name="Set up and make one call").click()
    expect(page.locator("#try-answer")).to_contain_text("trade wind")
    expect(page.locator("#try-facts")).to_contain_text("0.000005260 USD")
    assert look(tab) == []
    assert portal.gateway.requests[-1]["model"] == "kestrel/sirocco"


def test_another_offer_is_picked_with_the_keyboard_and_its_account_is_there(
    *, open_tab, portal, signed_in, model
):
    portal.world.connect(signed_in.viewer, "openai")
    tab = open_tab(session_token=signed_in.session_token)
    page = tab.open(f"{HERE}?host=groq")
    page.get_by_role("link", name="Pick OpenAI").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Call Sirocco through OpenAI")
    expect(page.get_by_role("radio", name="OpenAI")).to_be_checked()
    page.get_by_label("Input, USD per 1M tokens").fill("0.2")
    page.get_by_label("Output, USD per 1M tokens").fill("0.4")
    page.get_by_label("This project alone").check()
    page.get_by_label("This price is right").check()
    page.keyboard.press("Enter")
    expect(page.locator("#try-answer")).to_contain_text("trade wind")
    found = portal.world.endpoint(signed_in.viewer, "kestrel/sirocco")
    assert found.project_id == signed_in.viewer.project_id


def test_without_scripts_all_but_the_first_call_works(*, open_tab, signed_in, model):
    tab = open_tab(session_token=signed_in.session_token, has_scripts=False)
    page = tab.open(f"{HERE}?host=groq")
    page.get_by_label("API key of Groq").fill(KEY)
    page.get_by_label("This price is right").check()
    page.get_by_role("button", name="Set up and make one call").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("kestrel/sirocco")
    expect(page.locator("#use-python")).to_be_visible()
