"""The pages of the wallet and of the bank."""

from html import unescape

import pytest

from tests.features.payments.test_bank_transfers import entry, statement

HOSTILE = "&lt;script&gt;alert(1)&lt;/script&gt;"


@pytest.fixture
def viewer(signed_in):
    return signed_in.viewer


@pytest.fixture
def send(browser, viewer):
    def post(path, **fields):
        return browser.post(path, data={"csrf_token": viewer.csrf_token} | fields)

    return post


@pytest.fixture
def take(world, viewer):
    def take(*entries):
        with world.database.transaction() as tx:
            world.services.bank_transfers.take_statement(tx, viewer, statement(*entries))

    return take


def main_of(page):
    return unescape(page.split("<main", 1)[1])


def test_before_anything_was_paid_in_the_page_says_so(browser):
    assert "Nothing was paid in yet" in browser.get("/wallet").text


def test_a_reference_is_asked_for_once_even_when_the_form_is_sent_twice(browser, send):
    for _ in range(2):
        send("/wallet/bank-top-ups", amount="250", currency="usd", key="k")
    page = main_of(browser.get("/wallet").text)
    assert page.count("RF") == 1
    assert "250.00 USD" in page


@pytest.mark.parametrize("amount", ["", "-1", "1e3", "0", "99999999999"])
def test_what_is_no_amount_is_said_beside_the_field(send, amount):
    answer = send("/wallet/bank-top-ups", amount=amount, currency="USD", key="k")
    assert answer.status_code == 422
    assert 'id="amount-error"' in answer.text


def test_money_that_came_in_fills_the_wallet_when_it_is_assigned(browser, send, viewer, take):
    send("/wallet/bank-top-ups", amount="5", currency="USD", key="k")
    page = main_of(browser.get("/wallet").text)
    reference = page.split('<td class="mono small">')[1].split("<")[0]
    take(entry("2.00", HOSTILE), entry("5.00", reference, bank="2"))
    assert "5.00 USD can be spent" in main_of(browser.get("/wallet").text)
    text = browser.get("/bank").text
    assert "<script>alert" not in text
    line_id = text.split('action="/bank/')[1].split('"')[0]
    assert send(f"/bank/{line_id}", to="INV-9").status_code == 404
    send(f"/bank/{line_id}", set_aside="1")
    assert "Everything is matched" in browser.get("/bank").text


def test_when_to_be_told_is_kept(browser, send):
    send("/wallet/bank-top-ups", amount="5", currency="USD", key="k")
    send("/wallet/settings", low="2.5")
    assert 'value="2.5"' in browser.get("/wallet").text


def test_without_a_processor_there_is_no_trace_of_cards(browser, send):
    send("/wallet/bank-top-ups", amount="5", currency="USD", key="k")
    page = main_of(browser.get("/wallet").text)
    assert "card" not in page.replace('class="card', "").lower()
    for path in ("/wallet/card-top-ups", "/wallet/cards", "/wallet/cards/remove"):
        assert send(path, card_amount="5", currency="USD", key="k").status_code == 404
    assert browser.get("/wallet/payments/pay_1").status_code == 404


def test_a_statement_is_taken_in_once_and_what_came_of_it_is_said(browser, send, viewer):
    send("/wallet/bank-top-ups", amount="5", currency="USD", key="k")
    page = main_of(browser.get("/wallet").text)
    reference = page.split('<td class="mono small">')[1].split("<")[0]
    data = statement(entry("5.00", reference), entry("7.00", "hello", bank="2"))

    def upload(data):
        form = {"csrf_token": viewer.csrf_token}
        return browser.post("/bank/statements", data=form, files={"file": ("a.xml", data)})

    first = main_of(upload(data).text)
    assert "2 bookings were read" in first
    assert "1 matched, 1 nobody's yet, 0 known before" in first
    assert "7.00" in first.split("2 bookings were read")[1]
    assert "0 matched, 0 nobody's yet, 2 known before" in main_of(upload(data).text)
    for wrong in (b"no statement", b"x" * (1024 * 1024 + 1)):
        answer = upload(wrong)
        assert answer.status_code == 422
        assert 'id="file-error"' in answer.text
    assert upload(b"x" * (2 * 1024 * 1024)).status_code == 413


def test_a_statement_without_the_token_of_the_page_is_not_taken_in(browser):
    files = {"file": ("a.xml", statement(entry("5.00", "x")))}
    assert browser.post("/bank/statements", files=files).status_code == 403
    assert "Everything is matched" in browser.get("/bank").text
