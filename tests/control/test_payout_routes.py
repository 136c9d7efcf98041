"""The routes of payouts: four eyes over keys, files that stay as they are, and nobody else's."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from tradewind.core.clock import SystemClock
from tradewind.features.ledger.schemas import AccountKind, AccountRef, EntryDraft, Posting
from tradewind.features.ledger.service import Ledger
from tradewind.features.payouts.tables import payout_profile

pytestmark = pytest.mark.postgres

IBAN = "DE89370400440532013000"
ONE = 1_000_000_000


@pytest.fixture
def api(client, with_management_key):
    def call(method, path, body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.request(
            method, f"/api{path}", json=body, headers=dict(with_management_key) | headers
        )

    return call


@pytest.fixture
def acme(api, database, services):
    """A publisher of the key's organization, with 100 dollars that nothing holds."""
    owner = api("GET", "/whoami").json()["organization"]["id"]
    clock = SystemClock()
    legs = (
        Posting(AccountRef(AccountKind.UNBILLED, "org_buyer", "USD"), 100 * ONE),
        Posting(AccountRef(AccountKind.PAYABLE, "acme", "USD"), -100 * ONE),
    )
    with database.transaction() as tx:
        services.catalog.add_publisher(tx, "acme", "Acme")
        services.catalog.verify_publisher(tx, "acme", owner)
        Ledger(clock).post(tx, EntryDraft("test:1", "sale_by_hand", clock.now(), legs))
    profile = {"name": "Acme GmbH", "iban": IBAN, "currency": "USD", "minimum": "1"}
    said = api("PUT", "/payouts/publishers/acme/profile", profile)
    assert said.status_code == 200, said.text
    terms = {"hold_days": 0, "reserve_percent": "10", "reserve_days": 30}
    assert api("PUT", "/payouts/publishers/acme/terms", terms).status_code == 200
    source = {"currency": "USD", "name": "Platform", "iban": IBAN}
    assert api("PUT", "/payouts/sources", source).status_code == 200
    return "acme"


@pytest.fixture
def usable(acme, database):
    with database.transaction() as tx:
        tx.execute(update(payout_profile).values(usable_from=SystemClock().now() - timedelta(1)))


def test_the_account_is_never_told_whole(api, acme):
    shown = api("GET", "/payouts/publishers/acme/profile")
    assert shown.json()["profile"]["iban"] == "DE89 … 3000"
    assert api("GET", "/payouts/sources").json()["sources"][0]["iban"] == "DE89 … 3000"
    tag = shown.headers["etag"]
    body = {"name": "Acme", "iban": IBAN, "currency": "USD"}
    statuses = [
        api("PUT", "/payouts/publishers/acme/profile", body, if_match=tag).status_code
        for _ in range(2)
    ]
    assert statuses == [200, 412]


def test_a_new_account_waits_three_days(api, acme):
    run = api("POST", "/payouts/runs", {"currency": "USD", "key": "k"}).json()
    assert (run["state"], run["payouts"]) == ("prepared", 0)
    [statement] = api("GET", "/payouts/statements?publisher=acme").json()["statements"]
    assert (statement["balance"], statement["payable"], statement["closing"]) == ("100", "0", "100")


def test_earnings_are_a_waterfall(api, acme, usable):
    [fall] = api("GET", "/payouts/publishers/acme/earnings").json()["currencies"]
    assert (fall["balance"], fall["reserve_withheld"], fall["payable"]) == ("100", "10", "90")
    [owed] = api("GET", "/payouts/owed").json()["owed"]
    assert (owed["publisher"], owed["amount"], owed["paid_in"]) == ("acme", "100", "USD")


def test_the_person_behind_a_key_does_not_approve_what_it_prepared(api, acme, usable):
    run = api("POST", "/payouts/runs", {"currency": "USD", "key": "k"}).json()
    assert run["amount"] == "90"
    again = api("POST", "/payouts/runs", {"currency": "USD", "key": "k"}).json()
    assert again == run
    other = api("POST", "/payouts/runs", {"currency": "USD", "key": "other"})
    assert (other.status_code, other.json()["code"]) == (409, "payout_run_open")
    refused = api("POST", f"/payouts/runs/{run['id']}:approve")
    assert (refused.status_code, refused.json()["code"]) == (403, "payout_same_person")
    early = api("POST", f"/payouts/runs/{run['id']}:export")
    assert (early.status_code, early.json()["code"]) == (409, "payout_run_state")
    assert api("GET", f"/payouts/runs/{run['id']}/file").status_code == 409
    cancelled = api("POST", f"/payouts/runs/{run['id']}:cancel").json()
    assert cancelled["state"] == "cancelled"
    [payout] = api("GET", "/payouts?publisher=acme").json()["payouts"]
    assert (payout["state"], payout["to"]) == ("cancelled", "DE89 … 3000")


def test_a_statement_comes_in_every_format(api, acme, usable):
    api("POST", "/payouts/runs", {"currency": "USD", "key": "k"})
    [statement] = api("GET", "/payouts/statements?publisher=acme").json()["statements"]
    path = f"/payouts/statements/{statement['id']}"
    told = api("GET", path).json()
    assert (told["balance"], told["payable"], told["closing"]) == ("100", "90", "0")
    for form, begins in (("csv", b"statement,"), ("html", b"<!doctype"), ("pdf", b"%PDF")):
        assert api("GET", f"{path}?format={form}").content.startswith(begins)


def test_a_hold_says_why(api, acme):
    assert api("PUT", "/payouts/publishers/acme/hold", {"reason": "fraud?"}).status_code == 200
    shown = api("GET", "/payouts/publishers/acme/profile").json()
    assert shown["hold"]["reason"] == "fraud?"
    assert api("DELETE", "/payouts/publishers/acme/hold").status_code == 204
    assert api("GET", "/payouts/publishers/acme/profile").json()["hold"] is None


@pytest.mark.parametrize(
    "body",
    [
        {"name": "A", "iban": "DE00", "currency": "USD"},
        {"name": "", "iban": IBAN, "currency": "USD"},
        {"name": "A", "iban": IBAN, "currency": "usd"},
        {"name": "A", "iban": IBAN, "currency": "USD", "minimum": "-1"},
        {"name": "A", "way": "stripe", "account": "tr_1", "currency": "USD"},
        {"name": "A", "way": "stripe", "account": "acct_1", "iban": IBAN, "currency": "USD"},
    ],
)
def test_what_is_no_account_is_refused(api, acme, body):
    assert api("PUT", "/payouts/publishers/acme/profile", body).status_code == 422
