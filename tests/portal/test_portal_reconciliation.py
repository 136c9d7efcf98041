"""The page of reconciliation: what was found, and what providers say."""

from html import unescape

import pytest

from tests.features.reconciliation.test_reconciliation_service import outcome
from tradewind.core.permissions import Role

PLAIN = b"day,measure,quantity,currency\n2026-03-01,cost,1.5,usd\n"


@pytest.fixture
def viewer(signed_in):
    return signed_in.viewer


@pytest.fixture
def send(browser, viewer):
    def post(path, files=None, **fields):
        data = {"csrf_token": viewer.csrf_token} | fields
        return browser.post(path, data=data, files=files)

    return post


@pytest.fixture
def end(world):
    def end(*outcomes):
        with world.database.transaction() as tx:
            found = world.services.reconciliation
            run_id = found.begin(tx, by="Ada <b>")
            return found.end(tx, run_id, outcomes, platform=None)

    return end


def main_of(answer):
    assert answer.status_code == 200
    return unescape(answer.text.split("<main", 1)[1])


def test_before_the_first_run_the_page_says_when_it_comes(browser):
    assert "Nothing was compared yet" in main_of(browser.get("/reconciliation"))


def test_a_clean_run_says_that_everything_agrees(browser, end):
    end(outcome())
    page = main_of(browser.get("/reconciliation"))
    assert "Everything agrees" in page
    assert "12 ms" in page
    assert "<b>Ada" not in page


def test_each_difference_says_what_to_do(browser, end):
    found = end(outcome(), outcome(3, "providers"))
    page = main_of(browser.get("/reconciliation"))
    assert "1 of 2 checks found a difference" in page
    assert "an hour: differs" in page
    assert "and 2 more" in page
    assert "What to do:</b> Look." in page
    assert "0.000000005" in page
    assert main_of(browser.get(f"/reconciliation?run={found.run_id}")).count("an hour") == 1


def test_a_run_is_asked_for_and_waits_for_the_worker(browser, send):
    assert send("/reconciliation/runs").status_code == 303
    page = main_of(browser.get("/reconciliation"))
    assert "is not over yet" in page
    assert "Look again" in page
    send("/reconciliation/runs")
    assert send("/reconciliation/runs").status_code == 409


def test_an_export_is_added_shown_and_deleted(browser, send):
    files = {"file": ("costs.csv", PLAIN, "text/csv")}
    assert send("/reconciliation/statements", files=files, host="openai").status_code == 303
    page = main_of(browser.get("/reconciliation"))
    assert "costs.csv" in page
    assert "1.5 USD" in page
    assert "Differs" in page, "nothing of it is in our books"
    path = page.split('action="/reconciliation/statements/')[1].split('"')[0]
    assert send(f"/reconciliation/statements/{path}").status_code == 303
    assert "costs.csv" not in main_of(browser.get("/reconciliation"))


def test_an_export_may_be_as_long_as_the_page_says(send):
    head, line = PLAIN.split(b"\n", 1)
    long = head + b"\n" + line.rstrip(b"\n") + b"\n" + b"\n" * (1024 * 1024)
    files = {"file": ("long.csv", long, "text/csv")}
    assert send("/reconciliation/statements", files=files, host="openai").status_code == 303
    too_long = {"file": ("long.csv", b"x" * (9 * 1024 * 1024), "text/csv")}
    assert send("/reconciliation/statements", files=too_long, host="openai").status_code == 413


def test_what_is_no_export_is_said_beside_the_file(send):
    files = {"file": ("a.csv", b"a,b\n1,2\n", "text/csv")}
    answer = send("/reconciliation/statements", files=files, host="openai")
    assert answer.status_code == 422
    assert 'id="file-error"' in answer.text


def test_a_run_of_nobody_is_not_found(browser):
    assert browser.get("/reconciliation?run=rcr_nobody").status_code == 404


@pytest.mark.parametrize("role", [Role.VIEWER, Role.DEVELOPER])
def test_the_books_of_the_platform_are_not_for_everybody(browser_of, role):
    assert browser_of(role).get("/reconciliation").status_code == 403


def test_a_form_of_another_page_changes_nothing(browser):
    assert browser.post("/reconciliation/runs", data={"csrf_token": "x"}).status_code == 403
