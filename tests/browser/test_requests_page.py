"""The log of calls in a browser: filters without a new page, the live list, the keyboard."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from tradewind.core.permissions import Role
from tradewind.portal.live_tail import Pace
from tradewind.testing.logged_calls import ended_call, refused_call
from tradewind.testing.portal_browser import Requests
from tradewind.usage.event import Outcome

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def minutes_ago(number: float) -> datetime:
    return datetime.now(UTC) - timedelta(minutes=number)


@pytest.fixture
def add(portal, signed_in):
    """Log calls of the viewer's own project."""

    def add(*calls):
        return portal.world.add_calls(signed_in.viewer, *calls)

    return add


@pytest.fixture
def requests(tab):
    return Requests(tab.page)


def test_the_list_follows_what_is_chosen_without_a_new_page(tab, requests, add):
    answered, refused = add(ended_call(minutes_ago(2)), refused_call(minutes_ago(90)))
    page = tab.open("/requests")
    page.evaluate("document.body.dataset.sameDocument = 'yes'")

    page.get_by_text("Refused", exact=True).click()
    expect(requests.rows).to_have_count(1)
    expect(page).to_have_url(re.compile(r"/requests\?state=refused$"))
    assert requests.ids() == [refused]
    page.get_by_text("1 h", exact=True).click()
    expect(page.get_by_role("heading", name="No call fits these filters")).to_be_visible()
    page.get_by_text("All", exact=True).click()
    expect(requests.rows).to_have_count(1)
    assert requests.ids() == [answered]
    page.get_by_label("Search requests").press_sequentially("none/such")
    expect(requests.rows).to_have_count(0)
    expect(page).to_have_url(re.compile(r"/requests\?q=none%2Fsuch&since=1h$"))

    assert page.locator("body").get_attribute("data-same-document") == "yes"
    page.get_by_role("link", name="Text: none/such").click()
    expect(page.get_by_label("Search requests")).to_have_value("")
    expect(page).to_have_url(re.compile(r"/requests\?since=1h$"))


def test_a_value_the_server_does_not_take_is_said_and_not_shown_as_an_empty_list(tab):
    page = tab.open("/requests")
    page.get_by_text("More filters").click()
    page.evaluate("document.querySelector('#request-search').noValidate = true")
    page.get_by_label("HTTP status").fill("4")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Something is not filled in right")).to_be_visible()


def test_without_scripts_the_form_is_sent_by_its_button(open_tab, signed_in, add):
    [refused, _] = add(refused_call(), ended_call())
    tab = open_tab(session_token=signed_in.session_token, has_scripts=False)
    page = tab.open("/requests")
    requests = Requests(page)
    expect(requests.live).to_have_count(0)
    page.get_by_text("Refused", exact=True).click()
    page.get_by_role("button", name="Search").click()

    expect(page).to_have_url(re.compile(r"/requests\?state=refused$"))
    expect(requests.rows).to_have_count(1)
    page.locator("tbody a").click()
    expect(page).to_have_url(re.compile(f"/requests/{refused}$"))
    expect(page.get_by_text("This call was not admitted")).to_be_visible()


def test_the_keyboard_is_enough_to_reach_a_call_and_copy_its_id(tab, add):
    [one] = add(ended_call())
    page = tab.open("/")
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_url("**/requests")
    page.locator("tbody a").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/requests/{one}")
    page.get_by_role("button", name="copy request id").focus()
    page.keyboard.press("Enter")

    expect(page.get_by_text("Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == one


def test_new_calls_appear_by_themselves_where_they_belong(tab, requests, add):
    [first] = add(ended_call(minutes_ago(3)))
    page = tab.open("/requests")
    page.evaluate("document.body.dataset.sameDocument = 'yes'")
    requests.live.click()
    expect(requests.live).to_have_attribute("aria-pressed", "true")
    expect(requests.said).to_have_text("Waiting for new calls")

    [newest] = add(ended_call(minutes_ago(0)))
    expect(requests.rows).to_have_count(2)
    expect(requests.said).to_have_text("1 new call")
    # It began before the newest one and took longer, so it is logged after it.
    [long] = add(ended_call(minutes_ago(1), outcome=Outcome.CANCELLED))
    expect(requests.rows).to_have_count(3)

    assert requests.ids() == [newest, long, first]
    expect(page.locator("#request-count")).to_have_text("3 requests")
    assert page.locator("body").get_attribute("data-same-document") == "yes"
    page.locator(f"#{newest} a").click()
    expect(page.get_by_role("heading", name="Request", exact=True)).to_be_visible()


def test_the_first_call_of_all_takes_the_place_of_the_hint(tab, requests, add):
    page = tab.open("/requests")
    expect(page.get_by_role("heading", name="No calls yet")).to_be_visible()
    requests.live.click()
    add(ended_call())

    expect(requests.rows).to_have_count(1)
    expect(requests.rows).to_be_visible()
    expect(page.get_by_role("heading", name="No calls yet")).to_have_count(0)


def test_the_live_list_respects_the_filters_and_follows_when_they_change(tab, requests, add):
    page = tab.open("/requests?state=refused#live")
    expect(requests.live).to_have_attribute("aria-pressed", "true")
    [answered, refused] = add(ended_call(), refused_call())
    expect(requests.rows).to_have_count(1)
    assert requests.ids() == [refused]

    page.get_by_text("Answered", exact=True).click()
    expect(page.locator(f"#{answered}")).to_be_visible()
    [other, _] = add(ended_call(), refused_call())
    expect(requests.rows).to_have_count(2)
    assert requests.ids() == [other, answered]


def test_switched_off_nothing_more_is_asked(tab, requests):
    tab.open("/requests")
    requests.live.click()
    expect(requests.said).to_have_text("Waiting for new calls")
    with tab.page.expect_event("requestfailed", lambda request: "/live" in request.url):
        requests.live.click()
    expect(requests.live).to_have_attribute("aria-pressed", "false")
    expect(requests.said).to_be_empty()
    assert not tab.page.url.endswith("#live")


def test_a_hidden_tab_pauses_and_catches_up(tab, requests, add):
    page = tab.open("/requests#live")
    expect(requests.live).to_have_attribute("aria-pressed", "true")
    set_hidden = """(hidden) => {
        Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    with page.expect_event("requestfailed", lambda request: "/live" in request.url):
        page.evaluate(set_hidden, arg=True)
    ids = add(ended_call(minutes_ago(1)), ended_call())
    assert requests.rows.count() == 0

    page.evaluate(set_hidden, arg=False)
    expect(requests.rows).to_have_count(2)
    assert requests.ids() == ids[::-1]


def test_a_list_that_was_live_for_long_says_so_and_can_be_resumed(tab, requests, portal, add):
    portal.world.live_tails.pace = Pace(between_looks_s=0.05, lifetime_s=0)
    page = tab.open("/requests")
    requests.live.click()
    notice = page.locator("[data-live-notice]")
    expect(notice).to_contain_text("resume it to go on", ignore_case=True)
    expect(requests.live).to_have_attribute("aria-pressed", "false")

    portal.world.live_tails.pace = Pace(between_looks_s=0.05)
    page.get_by_role("button", name="Resume").click()
    expect(notice).to_be_hidden()
    add(ended_call())
    expect(requests.rows).to_have_count(1)


def test_too_many_live_lists_are_refused_in_words(tab, requests, portal):
    with portal.world.live_tails.one_more():
        portal.world.live_tails.most = 1
        page = tab.open("/requests")
        requests.live.click()
        expect(page.locator("[data-live-notice]")).to_contain_text("live lists are open already")


def test_whoever_is_signed_out_meanwhile_gets_no_more(tab, requests, portal, signed_in):
    page = tab.open("/requests")
    requests.live.click()
    expect(requests.said).to_have_text("Waiting for new calls")
    with portal.world.database.transaction() as tx:
        portal.world.accounts.sign_out(tx, signed_in.session_token)

    expect(page.locator("[data-live-notice]")).to_contain_text("You are not signed in.")


def test_names_from_outside_never_become_markup_in_the_live_list(tab, requests, add):
    page = tab.open("/requests#live")
    expect(requests.live).to_have_attribute("aria-pressed", "true")
    hostile = "</td></tr></table><img src=x onerror=\"document.title='broken'\"><b id=broken>"
    add(refused_call(requested_model=hostile, error_code=hostile))

    expect(requests.rows).to_have_count(1)
    expect(requests.rows).to_contain_text(hostile)
    expect(page.locator("img, #broken")).to_have_count(0)
    expect(page).to_have_title(re.compile("Requests"))


def test_the_list_stays_short_however_much_comes(tab, requests, add):
    add(*(ended_call(minutes_ago(10)) for _ in range(50)))
    page = tab.open("/requests")
    requests.live.click()
    expect(requests.said).to_have_text("Waiting for new calls")
    for minutes in (8, 6, 4, 2):
        before = requests.rows.count()
        add(*(ended_call(minutes_ago(minutes)) for _ in range(45)))
        expect(requests.rows).to_have_count(min(before + 45, 200))

    last = requests.ids()[-1]
    page.get_by_role("link", name="Older").click()
    page.wait_for_url("**/requests?before=*")
    assert requests.rows.count() == 30
    assert last not in requests.ids()


def test_on_an_older_page_live_leads_to_the_top(tab, requests, add):
    add(*(ended_call(minutes_ago(number)) for number in range(60)))
    page = tab.open("/requests")
    page.get_by_role("link", name="Older").click()
    page.wait_for_url("**/requests?before=*")
    requests.live.click()

    page.wait_for_url(re.compile(r"/requests#live$"))
    expect(requests.live).to_have_attribute("aria-pressed", "true")


def test_a_viewer_follows_the_log_too(portal, open_tab):
    viewer = portal.world.sign_in(Role.VIEWER)
    tab = open_tab(session_token=viewer.session_token)
    requests = Requests(tab.open("/requests#live"))
    portal.world.add_calls(viewer.viewer, ended_call())
    expect(requests.rows).to_have_count(1)
