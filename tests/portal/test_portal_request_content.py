"""Prompt and answer on the page of a request: who sees them, and why there are none."""

import logging
import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest

from tradewind.core.ids import OrganizationId
from tradewind.core.permissions import Role
from tradewind.testing.kept_contents import keep_content, set_content_days
from tradewind.testing.logged_calls import ended_call, refused_call

SESSION_COOKIE = "tradewind_session"
HOSTILE = '<script>alert("x")</script>'


def text_of(answer):
    """What a person reads."""
    assert answer.status_code == 200, answer.text
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def ended(days_ago=0):
    return ended_call(datetime.now(UTC) - timedelta(days=days_ago, minutes=1))


@pytest.fixture
def days(world, signed_in):
    """Set for how many days the organization keeps content."""
    return lambda number: set_content_days(world.database, world.budgets, signed_in.viewer, number)


@pytest.fixture
def kept(world, signed_in):
    """Log a call with its content; return its page."""

    def make(call, **content):
        keep_content(world.database, call, signed_in.viewer.organization_id, **content)
        [request_id] = world.add_calls(signed_in.viewer, call)
        return f"/requests/{request_id}"

    return make


def test_prompt_and_answer_are_shown_and_who_read_them_is_in_the_log(
    browser, days, kept, signed_in, caplog
):
    days(7)
    page = kept(ended(), prompt=b'{"content": "Name a wind."}', answer=b'{"text": "Mistral"}')
    caplog.set_level(logging.INFO)

    text = text_of(browser.get(page))

    assert '"content": "Name a wind."' in text
    assert '"text": "Mistral"' in text
    assert "Truncated" not in text
    [line] = [each.getMessage() for each in caplog.records if "content of" in each.getMessage()]
    assert line == f"{signed_in.viewer.user_id} reads the content of {page.rpartition('/')[2]}"
    assert "Mistral" not in caplog.text


def test_what_was_cut_says_so(browser, days, kept):
    days(7)
    assert text_of(browser.get(kept(ended(), is_truncated=True))).count("Truncated") == 2


def test_content_of_others_is_text_and_never_markup(browser, days, kept):
    days(7)
    page = kept(ended(), prompt=b'["<script>alert(1)</script>"]')
    assert "<script>alert(1)" not in browser.get(page).text


def test_a_call_without_an_answer_says_so(browser, days, kept):
    days(7)
    assert "Nothing was answered" in text_of(browser.get(kept(ended(), answer=b"")))


def test_where_logging_is_off_the_page_says_how_to_turn_it_on(browser, kept):
    answer = browser.get(kept(ended()))
    text = text_of(answer)
    assert "Prompt logging is off; turn it on under Limits" in text
    assert 'href="/limits#policy"' in answer.text
    assert "Mistral" not in text


def test_what_is_over_is_not_shown_even_before_it_is_deleted(browser, days, kept):
    days(7)
    text = text_of(browser.get(kept(ended(days_ago=7))))
    assert "Prompt and answer are kept for 7 days, and this call is older" in text
    assert "Mistral" not in text


def test_of_a_call_before_it_was_turned_on_nothing_was_kept(browser, days, world, signed_in):
    days(7)
    ran, refused = world.add_calls(signed_in.viewer, ended(), refused_call())
    assert "prompt logging was off then" in text_of(browser.get(f"/requests/{ran}"))
    assert "not admitted" in text_of(browser.get(f"/requests/{refused}"))


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER])
def test_a_role_without_the_right_sees_the_request_and_no_content(world, anonymous, role):
    someone = world.sign_in(role)
    administrator = type(someone.viewer)(
        **{name: getattr(someone.viewer, name) for name in someone.viewer.__slots__}
        | {"role": Role.ADMIN}
    )
    set_content_days(world.database, world.budgets, administrator, 7)
    call = ended()
    keep_content(world.database, call, someone.viewer.organization_id)
    [request_id] = world.add_calls(someone.viewer, call)
    anonymous.cookies.set(SESSION_COOKIE, someone.session_token)

    text = text_of(anonymous.get(f"/requests/{request_id}"))

    assert "Course" in text
    assert "Mistral" not in text
    assert "Name a wind" not in text
    assert "Prompt" not in text


def test_content_of_another_organization_is_not_shown(browser, days, world, signed_in):
    days(7)
    call = ended()
    keep_content(world.database, call, OrganizationId.new())
    [request_id] = world.add_calls(signed_in.viewer, call)
    assert "Mistral" not in text_of(browser.get(f"/requests/{request_id}"))


def test_the_search_does_not_look_into_content(browser, days, kept):
    days(7)
    kept(ended())
    assert "No call fits these filters" in browser.get("/requests?q=Mistral&since=7d").text
