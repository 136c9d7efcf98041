"""The routes of wallets and payments: amounts are decimal strings, and Stripe proves itself."""

from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from tests.features.payments.card_parts import SECRET, Told, notice
from tests.features.payments.test_bank_transfers import entry, statement
from tradewind.control.app import create_app
from tradewind.features.payments.card_payments import CardPayments
from tradewind.plugins.payments.stripe import Stripe
from tradewind.readmodels.wallets import BilledOrganizations
from tradewind.testing.fake_stripe import SECRET_KEY, fake_stripe

pytestmark = pytest.mark.postgres

PATH = "/api/payments/stripe/events"


@pytest.fixture
def api(client, with_management_key):
    def call(method, path, body=None):
        return client.request(method, f"/api{path}", json=body, headers=dict(with_management_key))

    return call


def test_a_transfer_with_its_reference_fills_the_wallet(api):
    assert api("GET", "/wallet").json() == {"wallet": None}
    body = {"amount": "5", "currency": "USD", "key": "k"}
    made = api("POST", "/wallet/bank-top-ups", body).json()
    told = statement(entry("5.00", reference=made["reference"]), entry("1.00", bank="2"))
    done = api("POST", "/bank/statements", {"content": told.decode()})
    assert done.json() == {"lines": 2, "known": 0, "matched": 1, "unmatched": 1, "ignored": 0}
    assert api("GET", "/wallet").json()["wallet"]["left"] == "5"
    [payment] = api("GET", "/wallet/payments").json()["payments"]
    assert (payment["state"], payment["paid"]) == ("paid", "5")
    [line] = api("GET", "/bank/lines?state=unmatched").json()["lines"]
    aside = api("POST", f"/bank/lines/{line['id']}:set-aside", {"note": "rent"})
    assert aside.json()["state"] == "ignored"


@pytest.mark.parametrize("organization", ["", "org_nobody"])
def test_credit_for_an_organization_that_is_not_there_is_refused(api, organization):
    body = {"organization": organization, "amount": "10", "currency": "USD", "key": "k"}
    assert api("POST", "/wallet/credits", body).status_code == 404
    assert api("GET", "/wallet").json() == {"wallet": None}


def test_settings_are_set_where_nobody_changed_them_since(api, client, with_management_key):
    api("POST", "/wallet/bank-top-ups", {"amount": "5", "currency": "USD", "key": "k"})
    tag = api("GET", "/wallet").headers["etag"]
    statuses = [
        client.put(
            "/api/wallet/settings",
            json={"low": low},
            headers={**dict(with_management_key), "if-match": tag},
        ).status_code
        for low in ("1", "2")
    ]
    assert statuses == [200, 412]


def test_without_a_processor_its_routes_are_not_there(client, with_management_key):
    assert client.post(PATH, content=b"{}").status_code == 404
    body = {"amount": "5", "currency": "USD", "key": "k"}
    answer = client.post("/api/wallet/top-ups", json=body, headers=dict(with_management_key))
    assert answer.status_code == 404


@pytest.fixture
def stripe():
    with fake_stripe() as fake:
        yield fake


@pytest.fixture
def card_client(database, services, stripe):
    cards = CardPayments(
        database,
        services.clock,
        services.ledger,
        services.wallets,
        BilledOrganizations(services.billing),
        Told(),
        Stripe(SECRET_KEY, (SECRET,), address=stripe.address),
        back_url=lambda: "https://tradewind.example/wallet",
    )
    with TestClient(create_app(replace(services, card_payments=cards))) as client:
        yield client


def test_stripe_tells_and_the_wallet_is_filled(card_client, with_management_key, stripe):
    headers = dict(with_management_key)
    body = {"amount": "25", "currency": "USD", "key": "k"}
    begun = card_client.post("/api/wallet/top-ups", json=body, headers=headers).json()
    [session] = stripe.of_kind("checkout.session")
    stripe.pay(session["id"])
    content, signature = notice(session["id"])
    forged = card_client.post(PATH, content=content, headers={"stripe-signature": "t=1,v1=0"})
    assert (forged.status_code, forged.json()["code"]) == (422, "payment_notice_refused")
    told = card_client.post(PATH, content=content, headers={"stripe-signature": signature})
    assert told.json() == {"is_ours": True}
    wallet = card_client.get("/api/wallet", headers=headers).json()["wallet"]
    assert wallet["left"] == "25"
    path = f"/api/wallet/payments/{begun['payment']['id']}:refund"
    back = card_client.post(path, json={"amount": "5", "key": "r"}, headers=headers)
    assert back.json()["state"] == "paid"
