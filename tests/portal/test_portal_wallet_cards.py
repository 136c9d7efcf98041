"""Paying by card on the pages of the wallet, against the small Stripe."""

from dataclasses import replace
from html import unescape

import pytest

from tradewind.core.errors import NotFound
from tradewind.core.ids import OrganizationId
from tradewind.core.permissions import Role
from tradewind.features.payments.schemas import PaymentState
from tradewind.plugins.payments.stripe import Stripe
from tradewind.testing.fake_stripe import SECRET_KEY, fake_stripe
from tradewind.testing.portal_world import PortalWorld


@pytest.fixture
def stripe():
    with fake_stripe() as fake:
        yield fake


@pytest.fixture
def world(database, stripe):
    return PortalWorld(database, processor=Stripe(SECRET_KEY, ("whsec_x",), address=stripe.address))


@pytest.fixture
def send(browser, signed_in):
    def post(path, **fields):
        return browser.post(path, data={"csrf_token": signed_in.viewer.csrf_token} | fields)

    return post


def main_of(browser, path="/wallet"):
    return unescape(browser.get(path).text.split("<main", 1)[1])


@pytest.fixture
def top_up(browser, send, stripe):
    """Fill the wallet by card; return the path of the payment's page."""

    def top_up(amount="25", key="k"):
        path = send("/wallet/card-top-ups", card_amount=amount, currency="usd", key=key).headers[
            "location"
        ]
        stripe.pay(stripe.of_kind("checkout.session")[-1]["id"])
        send(f"{path}/look")
        return path

    return top_up


def test_a_form_leads_to_a_page_that_leads_to_stripe(browser, send, stripe):
    [path] = {
        send("/wallet/card-top-ups", card_amount="25", currency="usd", key="k").headers["location"]
        for _ in range(2)
    }
    [session] = stripe.of_kind("checkout.session")
    page = main_of(browser, path)
    assert f'href="{session["url"]}"' in page
    assert "25.00 USD" in page
    stripe.pay(session["id"])
    send(f"{path}/look")
    assert "Go on at Stripe" not in main_of(browser, path)
    assert "25.00 USD can be spent" in main_of(browser)


@pytest.mark.parametrize("amount", ["", "0", "-3", "0.001", "1e3"])
def test_what_cannot_be_paid_by_card_is_said_beside_the_field(send, stripe, amount):
    answer = send("/wallet/card-top-ups", card_amount=amount, currency="USD", key="k")
    assert answer.status_code == 422
    assert 'id="card-amount-error"' in answer.text
    assert stripe.of_kind("checkout.session") == []


def test_while_stripe_is_away_the_page_says_so(send, stripe):
    stripe.is_away = True
    answer = send("/wallet/card-top-ups", card_amount="25", currency="USD", key="k")
    assert answer.status_code == 503
    assert "Stripe does not answer" in answer.text


def test_a_card_is_saved_set_up_and_removed(browser, send, stripe):
    path = send("/wallet/cards", currency="USD", key="c").headers["location"]
    stripe.save_card(stripe.of_kind("checkout.session")[-1]["id"])
    send(f"{path}/look")
    assert "visa 4242, until 09/2031" in main_of(browser)

    answer = send("/wallet/automatic", below="10", auto_amount="50", cap="")
    assert (answer.status_code, 'id="cap-error"' in answer.text) == (422, True)
    answer = send("/wallet/automatic", below="10", auto_amount="50", cap="40")
    assert "below a single top-up" in answer.text
    send("/wallet/automatic", below="10", auto_amount="50", cap="200")
    assert 'value="200"' in main_of(browser)

    send("/wallet/cards/remove")
    page = main_of(browser)
    assert "visa" not in page
    assert "Save a card" in page
    assert stripe.objects["pm_good"]["customer"] is None


def test_what_is_not_spent_is_sent_back_from_its_page(browser, send, top_up, stripe):
    path = top_up()
    assert send(f"{path}/refund", amount="26", key="r").status_code == 409
    assert send(f"{path}/refund", amount="x", key="r").status_code == 422
    for _ in range(2):
        assert send(f"{path}/refund", amount="5", key="r").status_code == 303
    assert len(stripe.of_kind("refund")) == 1
    assert "20.00 USD can be spent" in main_of(browser)
    assert "5.00 USD" in main_of(browser, path)


def test_who_has_no_right_to_money_sees_none_of_it(browser_of, stripe):
    developer = browser_of(Role.DEVELOPER)
    assert developer.get("/wallet").status_code == 403
    assert developer.get("/wallet/payments/pay_1").status_code == 403
    for path in ("/wallet/card-top-ups", "/wallet/cards", "/wallet/cards/remove"):
        assert developer.post(path, data={"card_amount": "5"}).status_code == 403
    assert stripe.calls == []


def test_a_payment_of_another_organization_is_not_there(world, browser, signed_in, top_up, send):
    payment_id = top_up().rsplit("/", 1)[1]
    stranger = replace(signed_in.viewer, organization_id=OrganizationId.new())
    with pytest.raises(NotFound):
        world.card_payments.payment(stranger, payment_id)
    assert browser.get("/wallet/payments/pay_nobody").status_code == 404
    assert send("/wallet/payments/pay_nobody/look").status_code == 404
    own = world.card_payments.payment(signed_in.viewer, payment_id)
    assert own.state is PaymentState.PAID
