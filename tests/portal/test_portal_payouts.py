"""The pages of earnings, statements, payouts and runs."""

from html import unescape

import pytest

from tests.portal.publisher_parts import BOB, IBAN, add_publisher, earn
from tradewind.core.permissions import Role

ONE = 1_000_000_000


@pytest.fixture
def viewer(signed_in):
    return signed_in.viewer


@pytest.fixture
def send(browser, viewer):
    def post(path, **fields):
        return browser.post(path, data={"csrf_token": viewer.csrf_token} | fields)

    return post


@pytest.fixture
def run_by_bob(world, viewer):
    add_publisher(world, viewer)
    earn(world, 100 * ONE)
    runs = world.payouts.runs
    return runs.prepare(world.database, viewer, "USD", key="k", by=BOB)


def main_of(answer):
    assert answer.status_code == 200, answer.text
    return unescape(answer.text.split("<main", 1)[1])


def test_who_is_no_publisher_is_told_how_to_become_one(browser):
    assert "no publisher yet" in main_of(browser.get("/earnings"))
    assert "Nobody is owed anything" in main_of(browser.get("/payouts"))


def test_the_waterfall_says_what_the_ledger_has(browser, world, viewer):
    add_publisher(world, viewer, is_paid=False)
    earn(world, 100 * ONE + 1)
    page = main_of(browser.get("/earnings"))
    assert "100.000000001" in page
    assert "The balance is the ledger's, to the nano." in page
    assert "has not said where it is paid" in page
    assert "<b>sold</b>" not in browser.get("/earnings").text


def test_where_it_is_paid_is_said_and_its_number_not_shown_again(browser, world, viewer, send):
    add_publisher(world, viewer, is_paid=False)
    form = {"way": "bank", "name": "Acme", "currency": "usd", "minimum": "50", "revision": "0"}
    refused = send("/earnings/acme/profile", **form, iban="DE00370400440532013000")
    assert refused.status_code == 422
    assert "check digits" in refused.text
    assert send("/earnings/acme/profile", **form, iban=IBAN).status_code == 303
    text = browser.get("/earnings?publisher=acme").text
    assert "DE89 … 3000" in text
    assert IBAN not in text
    stale = send("/earnings/acme/profile", **form, iban=IBAN)
    assert stale.status_code == 422
    assert "changed since you read it" in stale.text


def test_anothers_publisher_is_not_there(browser, world, viewer, send):
    assert browser.get("/earnings?publisher=other").status_code == 404
    assert browser.get("/earnings/statements/pst_none").status_code == 404
    assert browser.get("/payouts/prn_none").status_code == 404


def test_a_run_is_prepared_once_and_waits_for_another_person(browser, world, viewer, send):
    add_publisher(world, viewer)
    earn(world, 100 * ONE)
    places = {send("/payouts/runs", currency="USD", key="k").headers["location"] for _ in range(2)}
    [place] = places
    page = main_of(browser.get(place))
    assert "another administrator approves it" in page
    assert send(place, act="approve").status_code == 403
    assert send("/payouts/runs", currency="USD", key="other").status_code == 409


def test_a_run_goes_all_the_way(browser, world, run_by_bob, send):
    place = f"/payouts/{run_by_bob.run_id}"
    assert "100.00 USD" in main_of(browser.get(place))
    for act, seen in (("approve", "Export"), ("export", "File for the bank")):
        assert send(place, act=act).status_code == 303
        assert seen in main_of(browser.get(place))
    file = browser.get(f"{place}/file")
    assert file.headers["content-type"] == "application/xml"
    assert IBAN.encode() in file.content
    assert IBAN in browser.get(f"{place}/payouts.csv").text
    text = browser.get(place).text
    payout_id = text.split('name="payout" value="')[1].split('"')[0]
    assert send(place, act="fail", payout=payout_id, reason=" ").status_code == 422
    assert send(place, act="fail", payout=payout_id, reason="closed").status_code == 303
    page = main_of(browser.get(place))
    assert "done" in page
    assert "Closed." in page


def test_a_statement_is_shown_and_taken_out(browser, world, viewer, run_by_bob):
    with world.database.transaction() as tx:
        [row] = world.payouts.reader.statements(tx, viewer, ["acme"])
    place = f"/earnings/statements/{row.statement_id}"
    page = main_of(browser.get(place))
    assert "Statement 1 of Acme" in page
    assert "-100" in page
    for form, begins in (
        ("json", b"{"),
        ("csv", b"statement,"),
        ("html", b"<!doc"),
        ("pdf", b"%PDF"),
    ):
        paper = browser.get(f"{place}/paper?format={form}")
        assert paper.content.startswith(begins)
    assert b"<b>sold" not in browser.get(f"{place}/paper?format=html").content


def test_a_review_hold_is_placed_and_lifted(browser, world, viewer, send):
    add_publisher(world, viewer)
    earn(world, 100 * ONE)
    assert send("/payouts/holds", publisher="nobody", reason="r").status_code == 404
    send("/payouts/holds", publisher="acme", reason="chargebacks")
    assert "Chargebacks" in main_of(browser.get("/payouts"))
    assert "under review" in main_of(browser.get("/earnings"))
    send("/payouts/holds", publisher="acme", lift="1")
    assert "Nobody is held back" in main_of(browser.get("/payouts"))


def test_the_accounts_paid_from_are_said(browser, send):
    bad = send("/payouts/sources", source_currency="EUR", name="P", iban="DE1", bic="")
    assert bad.status_code == 422
    send("/payouts/sources", source_currency="eur", name="Platform", iban=IBAN, bic="")
    assert "EUR: Platform, DE89 … 3000" in main_of(browser.get("/payouts"))


@pytest.mark.parametrize("path", ["/earnings", "/payouts"])
def test_a_viewer_of_the_organization_sees_neither(world, anonymous, path):
    signed_in = world.sign_in(Role.VIEWER)
    anonymous.cookies.set("tradewind_session", signed_in.session_token)
    assert anonymous.get(path).status_code == 403
