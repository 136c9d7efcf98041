"""The routes of sales: from a draft to a subscription and its trail."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select

from tradewind.core.ids import ModelId
from tradewind.features.accounts.tables import organization
from tradewind.features.catalog.tables import model, publisher

pytestmark = pytest.mark.postgres

SAID = {"payer": "Some", "price": "10 USD a month", "cap": "no cap"}


@pytest.fixture
def api(client, with_management_key):
    """Call the API with a management key of the administrator."""

    def call(method, path, body=None):
        return client.request(method, f"/api{path}", json=body, headers=dict(with_management_key))

    return call


@pytest.fixture
def acme(database, with_management_key):
    with database.transaction() as tx:
        owner = tx.execute(select(organization.c.id).limit(1)).scalar_one()
        now = datetime.now(UTC)
        tx.execute(
            insert(publisher).values(
                slug="acme", name="A", organization_id=owner, verified_at=now, created_at=now
            )
        )
        tx.execute(
            insert(model).values(
                id=ModelId.new(),
                publisher_slug="acme",
                slug="small",
                display_name="Small",
                description="",
                licence="",
                created_at=now,
            )
        )


def test_a_plan_is_sold_changed_and_cancelled(api, acme):
    draft = {"publisher": "acme", "kind": "model", "name": "Small", "model": "acme/small"}
    offer = api("POST", "/sales/offers", draft).json()["id"]
    assert api("POST", f"/sales/offers/{offer}:publish").status_code == 409
    terms = {"currency": "USD", "fee_nanos": 10_000_000_000}
    made = api("POST", f"/sales/offers/{offer}/plans", {"name": "Basic", "terms": terms}).json()
    assert api("POST", f"/sales/offers/{offer}:publish").json()["state"] == "live"
    [shown] = api("GET", "/offers-for-sale").json()["offers"]
    assert [plan["id"] for plan in shown["plans"]] == [made["id"]]

    wanted = {"plan": made["id"], "confirmation": SAID | {"terms_sha256": made["terms_sha256"]}}
    bought = api("POST", "/subscriptions", wanted)
    assert (bought.status_code, bought.json()["state"]) == (201, "active")
    assert api("POST", "/subscriptions", wanted).json()["code"] == "already_subscribed"
    path = f"/subscriptions/{bought.json()['id']}"
    changed = api("POST", f"{path}:change", {"quantity": 3, "confirmation": SAID})
    assert changed.json()["quantity"] == 3
    assert api("POST", f"{path}:cancel", {}).json()["cancel_at"] is not None
    assert api("POST", f"{path}:renew").json()["cancel_at"] is None
    moves = [event["move"] for event in api("GET", f"{path}/events").json()["events"]]
    assert moves == ["cancel_taken_back", "cancel_asked", "plan_changed", "activated"]
    assert api("GET", "/billing/payer").json()["payer"] == "Some"


def test_terms_that_contradict_themselves_are_refused(api, acme):
    draft = {"publisher": "acme", "kind": "model", "name": "Small", "model": "acme/small"}
    offer = api("POST", "/sales/offers", draft).json()["id"]
    for terms in ({"currency": "usd"}, {"currency": "USD", "fee": 1}, {}):
        answer = api("POST", f"/sales/offers/{offer}/plans", {"name": "Basic", "terms": terms})
        assert answer.status_code == 422


@pytest.fixture
def bought(api, acme):
    """Ids of an offer, its plan and a subscription."""
    draft = {"publisher": "acme", "kind": "model", "name": "Small", "model": "acme/small"}
    offer = api("POST", "/sales/offers", draft).json()["id"]
    terms = {"currency": "USD", "fee_nanos": 10_000_000_000}
    plan = api("POST", f"/sales/offers/{offer}/plans", {"name": "Basic", "terms": terms}).json()
    api("POST", f"/sales/offers/{offer}:publish")
    made = api("POST", "/subscriptions", {"plan": plan["id"], "confirmation": SAID}).json()
    return offer, plan["id"], made["id"]


def test_a_change_is_previewed_and_confirmed_by_its_hash(api, bought):
    path = f"/subscriptions/{bought[2]}"
    shown = api("GET", f"{path}/change-preview?quantity=3").json()
    assert (shown["quantity"], shown["currency"], len(shown["charges"])) == (3, "USD", 2)
    assert shown["charges"][0]["amount"].startswith("-")
    confirmation = SAID | {"terms_sha256": shown["terms_sha256"]}
    change = {"quantity": 3, "confirmation": confirmation}
    assert api("POST", f"{path}:change", change).status_code == 201
    assert api("GET", f"{path}/change-preview?quantity=0").status_code == 422


def test_a_seller_suspends_reinstates_and_cancels(api, bought):
    path = f"/sales/subscriptions/{bought[2]}"
    suspended = api("POST", f"{path}:suspend", {"reason": "odd traffic"}).json()
    assert (suspended["state"], suspended["suspended_for"]) == (
        "suspended",
        "the seller: odd traffic",
    )
    assert api("POST", f"{path}:reinstate").json()["state"] == "active"
    assert api("POST", f"{path}:activate").json()["code"] == "subscription_move_refused"
    assert api("POST", f"{path}:cancel", {"reason": "closed"}).json()["state"] == "cancelled"


def test_the_platform_says_what_it_keeps_of_an_offer(api, bought):
    path = f"/sales/offers/{bought[0]}/fee"
    assert api("PUT", path, {"percent": "2.5"}).json()["fee_percent"] == "2.5"
    assert api("PUT", path, {"percent": None}).json()["fee_percent"] is None
    for wrong in ("101", "-1", "2.55555", "much"):
        assert api("PUT", path, {"percent": wrong}).status_code == 422


def test_a_seller_sees_who_accepted_a_private_offer(api, bought, database):
    with database.transaction() as tx:
        buyer = tx.execute(select(organization.c.id).limit(1)).scalar_one()
    offered = api(
        "POST",
        f"/sales/offers/{bought[0]}/private-offers",
        {
            "name": "For you",
            "buyers": [buyer],
            "starts_at": "2026-01-01T00:00:00Z",
            "ends_at": "2099-01-01T00:00:00Z",
            "accept_by": "2098-01-01T00:00:00Z",
            "percent": 1000,
        },
    ).json()
    read = {"terms_sha256": offered["terms_sha256"]}
    assert api("POST", f"/private-offers/{offered['id']}:accept", read).status_code == 201
    [made] = api("GET", f"/sales/offers/{bought[0]}/private-offers").json()["private_offers"]
    assert made["buyers"] == [buyer]
    assert [each["organization"] for each in made["accepted"]] == [buyer]


def test_who_pays_is_confirmed_by_who_pays_or_by_finance(api, acme, database):
    assert api("GET", "/billing/payer").json()["is_confirmed"] is False
    with database.transaction() as tx:
        buyer = tx.execute(select(organization.c.id).limit(1)).scalar_one()
    kept = api("PUT", f"/billing/accounts/{buyer}/payer", SAID).json()
    assert kept["is_confirmed"] is True
    assert "the key" in kept["confirmed_by"]
    said = SAID | {"payer": "Another"}
    assert api("PUT", "/billing/payer", said).json()["payer"] == "Another"
    assert api("GET", "/billing/payer").json()["payer"] == "Another"
